//! Our cookies, the session's and the browser's: their names, how they are found, how they are set and cleared.

use std::time::Duration;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use http::HeaderValue;
use http::header::{COOKIE, HeaderMap};

use vestibule_auth::sso;

use crate::pages::rounded_up;

/// Where the client's scheme is https; a browser takes it only with Secure, `Path=/` and no Domain.
const SECURE_NAME: &str = "__Host-vestibule";
/// On plain HTTP, where browsers refuse the prefix.
const PLAIN_NAME: &str = "vestibule";
/// The browser's own, for sign-ins that were begun and not finished; the same two names.
const SECURE_BROWSER: &str = "__Host-vestibule-browser";
const PLAIN_BROWSER: &str = "vestibule-browser";
/// Of who signed in to the pages on the admin port.
const ADMIN: &str = "vestibule-admin";
/// Characters of the browser's own.
const BROWSER_CHARS: usize = 43;
/// A longer value cannot be ours (43 characters today).
const VALUE_BYTES: usize = 256;

/// The cookie's name; the other name is not looked at.
pub(crate) fn name(secure: bool) -> &'static str {
    if secure { SECURE_NAME } else { PLAIN_NAME }
}

/// The value of our cookie, if exactly one was sent. Two of the name refuse both: one of them may have been planted
/// from a sibling host. The name is compared byte for byte; only spaces before it are skipped, and quotes, `$Version`
/// and other old syntax mean nothing here.
pub(crate) fn find(headers: &HeaderMap, secure: bool) -> Option<&str> {
    only(headers, name(secure))
}

/// The browser's own value, if exactly one was sent that could be ours. It binds a sign-in to the browser in which it
/// was begun, and opens nothing.
pub(crate) fn find_browser(headers: &HeaderMap, secure: bool) -> Option<&str> {
    only(headers, browser_name(secure)).filter(|value| value.len() == BROWSER_CHARS)
}

/// 256 random bits.
pub(crate) fn new_browser() -> String {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).expect("the system gives random bytes");
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// `Set-Cookie` for it; good for as long as a sign-in may take.
pub(crate) fn set_browser(value: &str, secure: bool) -> Option<HeaderValue> {
    set_named(browser_name(secure), value, secure, sso::TTL)
}

fn browser_name(secure: bool) -> &'static str {
    if secure { SECURE_BROWSER } else { PLAIN_BROWSER }
}

/// The value of the admin pages' cookie, if exactly one was sent.
pub(crate) fn find_admin(headers: &HeaderMap) -> Option<&str> {
    only(headers, ADMIN)
}

/// `Set-Cookie` for the admin pages: it leaves with no request that another site made.
pub(crate) fn set_admin(value: &str, secure: bool, lifetime: Duration) -> Option<HeaderValue> {
    let (attributes, seconds) = (admin_attributes(secure), rounded_up(lifetime));
    let mut header = HeaderValue::from_str(&format!("{ADMIN}={value}; Max-Age={seconds}; {attributes}")).ok()?;
    header.set_sensitive(true);
    Some(header)
}

/// `Set-Cookie` that makes the browser forget it.
pub(crate) fn clear_admin(secure: bool) -> Option<HeaderValue> {
    HeaderValue::from_str(&format!("{ADMIN}=; Max-Age=0; {}", admin_attributes(secure))).ok()
}

fn admin_attributes(secure: bool) -> &'static str {
    if secure { "Path=/; Secure; HttpOnly; SameSite=Strict" } else { "Path=/; HttpOnly; SameSite=Strict" }
}

fn only<'a>(headers: &'a HeaderMap, name: &'static str) -> Option<&'a str> {
    let mut values = values(headers, name);
    let value = values.next()?;
    if values.next().is_some() || value.is_empty() || value.len() > VALUE_BYTES {
        return None;
    }
    std::str::from_utf8(value).ok()
}

/// Was a cookie of our name sent at all, usable or not?
pub(crate) fn is_sent(headers: &HeaderMap, secure: bool) -> bool {
    values(headers, name(secure)).next().is_some()
}

/// `Set-Cookie` for a new session, kept by the browser for `lifetime`, in whole seconds rounded up: the session itself
/// ends exactly, on our side.
pub(crate) fn set(value: &str, secure: bool, lifetime: Duration) -> Option<HeaderValue> {
    set_named(name(secure), value, secure, lifetime)
}

fn set_named(name: &str, value: &str, secure: bool, lifetime: Duration) -> Option<HeaderValue> {
    let (attributes, seconds) = (attributes(secure), rounded_up(lifetime));
    let mut header = HeaderValue::from_str(&format!("{name}={value}; Max-Age={seconds}; {attributes}")).ok()?;
    header.set_sensitive(true);
    Some(header)
}

/// `Set-Cookie` that makes the browser forget the session; the attributes must be those it was set with. This clears
/// our own cookie only: `Clear-Site-Data` would take the application's cookies too.
pub(crate) fn clear(secure: bool) -> HeaderValue {
    HeaderValue::from_static(if secure {
        "__Host-vestibule=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Lax"
    } else {
        "vestibule=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax"
    })
}

fn attributes(secure: bool) -> &'static str {
    if secure { "Path=/; Secure; HttpOnly; SameSite=Lax" } else { "Path=/; HttpOnly; SameSite=Lax" }
}

fn values<'a>(headers: &'a HeaderMap, name: &'static str) -> impl Iterator<Item = &'a [u8]> {
    let wanted = name.as_bytes();
    headers.get_all(COOKIE).iter().flat_map(|line| pairs(line.as_bytes())).filter_map(move |pair| {
        let (found, value) = pair.split_at_checked(wanted.len())?;
        (found == wanted).then(|| value.strip_prefix(b"="))?
    })
}

fn pairs(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|byte| *byte == b';').map(|pair| {
        let spaces = pair.iter().take_while(|byte| **byte == b' ').count();
        pair.get(spaces..).unwrap_or_default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(lines: &[&[u8]], secure: bool) -> Option<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(COOKIE, HeaderValue::from_bytes(line).unwrap());
        }
        find(&headers, secure).map(str::to_owned)
    }

    #[test]
    fn exactly_one_cookie_of_the_name_is_found() {
        assert_eq!(found(&[b"vestibule=abc"], false).as_deref(), Some("abc"));
        assert_eq!(found(&[b"a={\"x\": 1}; vestibule=abc; b=2"], false).as_deref(), Some("abc"));
        assert_eq!(found(&[b"a=1", b"__Host-vestibule=abc"], true).as_deref(), Some("abc"));
        assert_eq!(found(&[b"__Host-vestibule=s; vestibule=p"], true).as_deref(), Some("s"));
        assert_eq!(found(&[b"__Host-vestibule=s; vestibule=p"], false).as_deref(), Some("p"));
    }

    #[test]
    fn two_of_the_name_refuse_both() {
        assert_eq!(found(&[b"vestibule=abc; vestibule=abd"], false), None);
        assert_eq!(found(&[b"vestibule=abc", b"x=1; vestibule=abc"], false), None);
        assert_eq!(found(&[b"vestibule=; vestibule=abc"], false), None);
    }

    #[test]
    fn other_spellings_are_other_cookies() {
        for line in [
            b"Vestibule=abc".as_slice(),
            b"vestibule =abc",
            b"\tvestibule=abc",
            b"\xc2\xa0vestibule=abc",
            b"vestibule",
            b"vestibulex=abc",
            b"xvestibule=abc",
            b"$Version=1, vestibule=abc",
            b"vestibule=",
            b"vestibule=\xff\xfe",
        ] {
            assert_eq!(found(&[line], false), None, "{}", line.escape_ascii());
        }
        assert_eq!(found(&[b"__host-vestibule=abc"], true), None);
        assert_eq!(found(&[&[b"vestibule=".as_slice(), &[b'a'; VALUE_BYTES + 1]].concat()], false), None);
    }

    #[test]
    fn the_cookie_is_set_and_cleared_with_the_same_attributes() {
        let hour = Duration::from_millis(3_599_001);
        assert_eq!(
            set("v", true, hour).unwrap(),
            "__Host-vestibule=v; Max-Age=3600; Path=/; Secure; HttpOnly; SameSite=Lax"
        );
        assert_eq!(set("v", false, hour).unwrap(), "vestibule=v; Max-Age=3600; Path=/; HttpOnly; SameSite=Lax");
        for secure in [true, false] {
            assert_eq!(clear(secure), format!("{}=; Max-Age=0; {}", name(secure), attributes(secure)));
        }
        assert!(set("a\r\nb", true, hour).is_none());
    }
}

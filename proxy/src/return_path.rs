//! Where to go after signing in: a path of the same origin, or `/`.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// Everything of ours is below it; signing in never returns there.
pub(crate) const OURS: &str = "/.vestibule";

/// A longer target is not kept: `/` takes its place.
const TARGET_BYTES: usize = 2048;

/// As JavaScript's `encodeURIComponent` keeps it, less the quotes and brackets.
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The target if it cannot lead anywhere but to this origin, else `/`.
///
/// It must be visible ASCII, begin with one `/`, hold no backslash, and neither it nor its percent-decoded forms may
/// begin with two slashes once dot segments are gone: browsers, and frameworks behind us, read such a path as
/// `//other.host/`.
pub(crate) fn checked(target: &str) -> &str {
    if is_safe(target) { target } else { "/" }
}

/// The address of the sign-in page that comes back to `target`.
pub(crate) fn sign_in(target: &str) -> String {
    let target = utf8_percent_encode(checked(target), COMPONENT);
    format!("{OURS}/login?return={target}")
}

/// The address of the login host's sign-in page for what a circuit wants.
pub(crate) fn sign_in_for(request: &str) -> String {
    format!("{OURS}/login?request={}", utf8_percent_encode(request, COMPONENT))
}

/// The same for somebody who wants to be somebody else.
pub(crate) fn sign_in_for_another(request: &str) -> String {
    format!("{}&another=1", sign_in_for(request))
}

/// The address of the circuit's own page for its shared secret.
pub(crate) fn sign_in_shared(target: &str) -> String {
    format!("{}&shared=1", sign_in(target))
}

/// The same for somebody who wants to be somebody else.
pub(crate) fn sign_in_as_another(target: &str) -> String {
    format!("{}&another=1", sign_in(target))
}

/// The address at which a sign-in that waits goes on; the id is base64url.
pub(crate) fn go_on(id: &str) -> String {
    format!("{OURS}/continue?step={id}")
}

/// The address that begins a sign-in at a provider and comes back to `target`.
pub(crate) fn provider(name: &str, target: &str, another: bool) -> String {
    begin(name, "return", checked(target), another)
}

/// The same at the login host, for what a circuit wants.
pub(crate) fn provider_for(name: &str, request: &str, another: bool) -> String {
    begin(name, "request", request, another)
}

fn begin(name: &str, goal: &str, value: &str, another: bool) -> String {
    let (name, value) = (utf8_percent_encode(name, COMPONENT), utf8_percent_encode(value, COMPONENT));
    let another = if another { "&another=1" } else { "" };
    format!("{OURS}/sso/{name}?{goal}={value}{another}")
}

/// Whether [`checked`] leaves it as it is.
pub(crate) fn is_safe(target: &str) -> bool {
    let visible = target.bytes().all(|byte| matches!(byte, 0x21..=0x7e));
    if !visible || target.len() > TARGET_BYTES || target.contains('\\') {
        return false;
    }
    let path = target.split(['?', '#']).next().unwrap_or_default();
    // Three rounds: what decodes still further is refused as well, for nobody writes such paths by accident.
    let mut form = path.to_owned();
    for _ in 0..3 {
        if !stays_here(&form) {
            return false;
        }
        // Bytes that are no UTF-8 cannot become a slash or a dot.
        let decoded = percent_decode_str(&form).decode_utf8_lossy();
        if decoded == form {
            return true;
        }
        form = decoded.into_owned();
    }
    false
}

/// One decoded form of the path.
fn stays_here(path: &str) -> bool {
    if path.contains('\\') || path.chars().any(char::is_control) {
        return false;
    }
    let mut kept: Vec<&str> = Vec::new();
    let Some(rest) = path.strip_prefix('/') else { return false };
    for segment in rest.split('/') {
        match segment {
            "." => {}
            ".." => drop(kept.pop()),
            other => kept.push(other),
        }
    }
    let two_slashes = kept.len() > 1 && kept.first().is_some_and(|first| first.is_empty());
    let ours = kept.iter().find(|segment| !segment.is_empty()).is_some_and(|first| *first == ".vestibule");
    !two_slashes && !ours
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_this_origin_come_back_whole() {
        for target in [
            "/",
            "/a?x=1&y=2",
            "/a/b.html#part",
            "/search?q=http%3A%2F%2Fexample.net%2F",
            "/?next=//example.net/",
            "/proxy/https://example.net/",
            "/caf%C3%A9",
            "/100%25",
            "/latin-%E9",
            "/@user",
            "/.well-known/x",
            "/.vestibuled",
            "/a/.vestibule/login",
        ] {
            assert_eq!(checked(target), target);
        }
    }

    #[test]
    fn anything_else_goes_to_the_root() {
        for target in [
            "",
            "a",
            "?x=1",
            "https://example.net/",
            "javascript:alert(1)",
            "//example.net",
            "///example.net",
            "/\\example.net",
            "\\\\example.net",
            "/\texample.net",
            "/\r\nSet-Cookie: a=b",
            " /a",
            "/a b",
            "/caf\u{e9}",
            "/\u{202e}",
            "/%2fexample.net",
            "/%2Fexample.net",
            "/%252fexample.net",
            "/%25252fexample.net",
            "/%5cexample.net",
            "/%255cexample.net",
            "/%09/example.net",
            "/%0d%0aX: y",
            "/.//example.net",
            "/..//example.net",
            "/a/..//example.net",
            "/%2e/%2fexample.net",
            "/a/%2e%2e//example.net",
            "/.vestibule/login",
            "/.vestibule",
            "/.vestibule?x",
            "/%2evestibule/logout",
            "/x/../.vestibule/logout",
        ] {
            assert_eq!(checked(target), "/", "{target:?}");
        }
        let longest = format!("/{}", "a".repeat(TARGET_BYTES - 1));
        assert_eq!(checked(&longest), longest);
        assert_eq!(checked(&format!("{longest}a")), "/");
    }

    #[test]
    fn the_sign_in_address_carries_path_and_query() {
        assert_eq!(sign_in("/a?x=1&y=2"), "/.vestibule/login?return=%2Fa%3Fx%3D1%26y%3D2");
        assert_eq!(sign_in("//example.net"), "/.vestibule/login?return=%2F");
        assert_eq!(sign_in("/\"><script>"), "/.vestibule/login?return=%2F%22%3E%3Cscript%3E");
    }
}

//! An upstream that sends its own address to the client means the circuit's.

use http::header::{CONTENT_LOCATION, LOCATION};
use http::{HeaderMap, HeaderName, HeaderValue};
use pingora::Result;
use pingora::http::ResponseHeader;

use super::told;
use crate::context::Request;
use crate::routes::Route;
use crate::upstream::Target;

/// The fields that name an address.
const NAMES: [HeaderName; 2] = [LOCATION, CONTENT_LOCATION];

/// `sent` is the client's fields.
///
/// # Errors
/// None in practice; the header map may be full.
pub(super) fn rewrite(answer: &mut ResponseHeader, request: &Request, sent: &HeaderMap) -> Result<()> {
    let Some(route) = request.route.as_deref() else { return Ok(()) };
    for name in NAMES {
        let Some(Ok(value)) = answer.headers.get(&name).map(HeaderValue::to_str) else { continue };
        let scheme = if request.client.secure { "https" } else { "http" };
        let host = told::asked_host(request, sent);
        let public = host.to_str().ok().and_then(|host| public(value, route, scheme, host));
        if let Some(public) = public.and_then(|public| HeaderValue::try_from(public).ok()) {
            answer.insert_header(name, public)?;
        }
    }
    Ok(())
}

fn public(value: &str, route: &Route, scheme: &str, authority: &str) -> Option<String> {
    let rest = behind_own(value, route.target.as_deref()?)?;
    let end = rest.find(['?', '#']).unwrap_or(rest.len());
    let (path, tail) = rest.split_at_checked(end)?;
    let path = match route.path() {
        Some(part) => part.for_client(path),
        None => path.into(),
    };
    Some([scheme, "://", authority, &path, tail].concat())
}

/// What follows the host and the port of an absolute URL that leads to one of these upstreams.
fn behind_own<'a>(value: &'a str, target: &Target) -> Option<&'a str> {
    let (scheme, rest) = value.split_once("://")?;
    let usual = match () {
        () if scheme.eq_ignore_ascii_case("http") => 80,
        () if scheme.eq_ignore_ascii_case("https") => 443,
        () => return None,
    };
    let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at_checked(end)?;
    let (host, port) = split(authority, usual)?;
    target.is_at(host, port).then_some(rest)
}

/// An IPv6 address keeps its brackets. A user name makes it none that an upstream has.
fn split(authority: &str, usual: u16) -> Option<(&str, u16)> {
    let at = authority.rfind(':').filter(|at| authority.get(*at..).is_some_and(|port| !port.contains(']')));
    let Some((host, port)) = at.and_then(|at| authority.split_at_checked(at)) else { return Some((authority, usual)) };
    match port.strip_prefix(':')? {
        "" => Some((host, usual)),
        port => Some((host, port.parse().ok()?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_ports_are_told_apart() {
        for (authority, expected) in [
            ("app.internal", Some(("app.internal", 80))),
            ("app.internal:", Some(("app.internal", 80))),
            ("app.internal:81", Some(("app.internal", 81))),
            ("[::1]", Some(("[::1]", 80))),
            ("[::1]:81", Some(("[::1]", 81))),
            ("app.internal:x", None),
            ("app.internal:99999", None),
        ] {
            assert_eq!(split(authority, 80), expected, "{authority}");
        }
    }
}

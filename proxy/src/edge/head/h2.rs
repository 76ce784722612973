//! The head of a request of HTTP/2, under the rules of one of HTTP/1, and its way into the same form.

use std::str;

use http::uri::{PathAndQuery, Uri};
use http::{HeaderValue, header};
use pingora::http::RequestHeader;

use super::{FIELD_MAX_BYTES, FIELDS_MAX, Fault, METHOD_MAX_BYTES, METHODS_REFUSED, TARGET_MAX_BYTES, length};
use crate::host;
use crate::syntax::{self, TARGET, TOKEN, VALUE};

/// What each field takes beside name and value, in the size of a head (RFC 9113, 6.5.2).
const FIELD_OVERHEAD_BYTES: usize = 32;

/// `bytes_max` is of names and values in all.
pub(in super::super) fn check(head: &RequestHeader, bytes_max: usize) -> Result<(), Fault> {
    check_line(head)?;
    if head.headers.len() > FIELDS_MAX {
        return Err(Fault::Fields);
    }
    let mut bytes = head.raw_path().len();
    for (name, value) in &head.headers {
        let field = name.as_str().len() + value.len();
        bytes += field + FIELD_OVERHEAD_BYTES;
        if field > FIELD_MAX_BYTES || bytes > bytes_max {
            return Err(Fault::Fields);
        }
        if !syntax::all(name.as_str().as_bytes(), TOKEN) || !syntax::all(value.as_bytes(), VALUE) {
            return Err(Fault::Malformed);
        }
    }
    let mut lengths = head.headers.get_all(header::CONTENT_LENGTH).iter();
    let length_is_plain = lengths.next().is_none_or(|value| length(value.as_bytes()).is_some());
    if length_is_plain && lengths.next().is_none() { Ok(()) } else { Err(Fault::Malformed) }
}

fn check_line(head: &RequestHeader) -> Result<(), Fault> {
    let method = head.method.as_str().as_bytes();
    if method.len() > METHOD_MAX_BYTES || !syntax::all(method, TOKEN) {
        return Err(Fault::Malformed);
    }
    if METHODS_REFUSED.iter().any(|refused| method.eq_ignore_ascii_case(refused)) {
        return Err(Fault::Method);
    }
    let target = head.raw_path();
    if target.len() > TARGET_MAX_BYTES {
        return Err(Fault::Target);
    }
    let is_origin_form = target.starts_with(b"/") && syntax::all(target, TARGET) && str::from_utf8(target).is_ok();
    // A scheme that is not the connection's would be a statement of the client's about itself.
    let is_https = head.uri.scheme_str().is_none_or(|scheme| scheme == "https");
    if is_origin_form && is_https && names_one_host(head) { Ok(()) } else { Err(Fault::Malformed) }
}

/// `:authority` and `Host` are one, or one of them is there.
fn names_one_host(head: &RequestHeader) -> bool {
    let mut hosts = head.headers.get_all(header::HOST).iter();
    let (host, second) = (hosts.next().map(HeaderValue::as_bytes), hosts.next());
    let authority = head.uri.authority().map(|authority| authority.as_str().as_bytes());
    let agree = authority.is_none() || host.is_none() || authority == host;
    let name = authority.or(host).and_then(|name| str::from_utf8(name).ok());
    agree && second.is_none() && name.is_some_and(|name| host::parse(name).is_ok())
}

/// Into what a head of HTTP/1 says: the host in `Host`, the target in origin form, and one `Cookie`.
pub(in super::super) fn normalise(head: &mut RequestHeader) {
    let authority = head.uri.authority().and_then(|authority| HeaderValue::from_str(authority.as_str()).ok());
    if let Some(authority) = authority {
        // A checked name and value, into a map that has room.
        let _ = head.insert_header(header::HOST, authority);
    }
    let target = head.uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
    head.set_uri(Uri::from(target));
    let crumbs = head.headers.get_all(header::COOKIE);
    if crumbs.iter().nth(1).is_some() {
        let joined = crumbs.iter().map(HeaderValue::as_bytes).collect::<Vec<_>>().join(b"; ".as_slice());
        if let Ok(joined) = HeaderValue::from_bytes(&joined) {
            let _ = head.insert_header(header::COOKIE, joined);
        }
    }
}

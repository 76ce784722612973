//! Where a request is for, and where it comes from: no other name leads here, and no form of another site changes
//! anything.

use std::net::IpAddr;

use http::header::{HOST, ORIGIN};
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, Method, Uri};
use vestibule_config::admin::Admin;

use super::call::Visitor;
use crate::admin::problem::Problem;
use crate::login;

/// The address that is listened on and `localhost` with any port, and the names of `[admin] hosts`: a page of
/// another origin that rebinds its name to this address stays outside.
pub(super) fn host_is_ours(admin: &Admin, uri: &Uri, headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    let named = match (uri.authority(), hosts.next(), hosts.next()) {
        (Some(authority), _, None) => Some(authority.as_str()),
        (None, Some(host), None) => host.to_str().ok(),
        (_, _, Some(_)) | (None, None, None) => None,
    };
    // `user@localhost` parses as `localhost`, and no browser sends it.
    let named = named.filter(|named| !named.contains('@'));
    let Some(authority) = named.and_then(|named| named.parse::<Authority>().ok()) else { return false };
    let host = authority.host().to_ascii_lowercase();
    host == "localhost"
        || admin.hosts.contains(&host)
        || address(&host).is_some_and(|address| address == admin.listen.ip())
}

fn address(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// Nothing is changed by a form of another site.
pub(super) fn must_come_from_here(request: &Parts) -> Result<(), Problem> {
    let authority = authority(&request.uri, &request.headers);
    if request.method == Method::GET || login::sent_from_here(&request.headers, is_secure(&request.headers), authority)
    {
        return Ok(());
    }
    Err(Problem::cross_site())
}

/// As the client names this port.
fn authority<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> &'a str {
    let authority = uri.authority().map(Authority::as_str);
    authority.or_else(|| headers.get(HOST)?.to_str().ok()).unwrap_or_default()
}

/// Whether the browser speaks TLS, with this port or with a proxy in front of it, as it says itself with every form. It
/// decides on the browser's own cookie alone.
pub(in crate::admin) fn is_secure(headers: &HeaderMap) -> bool {
    headers.get(ORIGIN).is_some_and(|origin| origin.as_bytes().starts_with(b"https://"))
}

/// Scheme, host and port as the browser sees them, and whether that is TLS. A browser names its origin with forms alone:
/// for pages it is `https` where this port speaks TLS, and at every name that is not this machine's own, for which there
/// is something in front that does.
pub(in crate::admin) fn origin(visitor: &Visitor) -> (String, bool) {
    let authority = authority(&visitor.uri, &visitor.headers).to_ascii_lowercase();
    let host = authority.parse::<Authority>().map(|authority| authority.host().to_owned()).unwrap_or_default();
    let has_tls = visitor.port.state.live.load().settings.admin.tls.is_some();
    let is_secure = has_tls || !login::is_this_machine(&host);
    (login::origin_at(is_secure, &authority, &host), is_secure)
}

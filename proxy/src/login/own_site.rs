//! Did a form come from this host? And may a secret be typed on this connection at all?
//!
//! The protection of the forms against other sites: a browser says where a request comes from (`Sec-Fetch-Site`,
//! `Origin`, `Referer`), and what it says must be this host itself. A client that says nothing is no browser of our
//! days and carries nobody's cookies, so curl works with the bare fields. The cookie's `SameSite=Lax` stands behind
//! it: it does not travel with a form of another site.

use http::HeaderMap;
use http::header::{ORIGIN, REFERER};
use vestibule_auth::Reason;

use super::Answer;
use crate::visit::Visit;

/// Why a form that signs in is not read; absent where it is.
pub(super) fn refuse_form(visit: &Visit<'_>) -> Option<Answer> {
    if !may_sign_in(visit) {
        return Some(Answer::refused(visit, Reason::TlsRequired, "/"));
    }
    (!is_own(visit)).then(|| Answer::refused(visit, Reason::CrossSite, "/"))
}

/// False for a form of another site, a sibling host included.
pub(super) fn is_own(visit: &Visit<'_>) -> bool {
    sent_from_here(visit.request.headers, visit.secure, visit.authority)
}

/// Credentials travel only over TLS, on this machine, or where the operator says that they may.
pub(super) fn may_sign_in(visit: &Visit<'_>) -> bool {
    visit.secure || visit.live.settings.server.insecure_sign_in || is_this_machine(visit.request.host)
}

/// Scheme, host and port as the client sees them. The host is one that the configuration names; of what the client
/// wrote, only the port counts, and that of the scheme itself is left out.
pub(super) fn origin(visit: &Visit<'_>) -> String {
    origin_of(visit, visit.request.host)
}

/// The same of another host, at the client's scheme and port.
pub(super) fn origin_of(visit: &Visit<'_>, host: &str) -> String {
    origin_at(visit.secure, visit.authority, host)
}

/// The host where people sign in for this one; absent where this one does it itself.
pub(super) fn login_host<'a>(visit: &Visit<'a>) -> Option<&'a str> {
    let host = visit.live.settings.server.login_host.as_ref()?;
    Some(host.as_str()).filter(|host| *host != visit.request.host)
}

/// Is this the host where people sign in for all?
pub(super) fn is_login_host(visit: &Visit<'_>) -> bool {
    let host = visit.live.settings.server.login_host.as_ref();
    host.is_some_and(|host| host.as_str() == visit.request.host)
}

/// A host of the configuration at a scheme, and at the port of what a client wrote.
pub(crate) fn origin_at(secure: bool, authority: &str, host: &str) -> String {
    let (scheme, own_port) = if secure { ("https", "443") } else { ("http", "80") };
    let port = authority.rsplit_once(':').map(|(_, port)| port);
    let port = port.filter(|port| *port != own_port && port.parse::<u16>().is_ok());
    match port {
        Some(port) => format!("{scheme}://{host}:{port}"),
        None => format!("{scheme}://{host}"),
    }
}

/// Whether what a browser says of where a request comes from is this origin, or nothing.
pub(crate) fn sent_from_here(headers: &HeaderMap, secure: bool, authority: &str) -> bool {
    let site_is_ours = headers.get("sec-fetch-site").is_none_or(|site| site == "same-origin" || site == "none");
    // The origin counts before the referring page, which is only a stand-in for it.
    let from = headers.get(ORIGIN).or_else(|| headers.get(REFERER));
    let from_is_ours = from.is_none_or(|from| from.to_str().is_ok_and(|from| is_origin(from, secure, authority)));
    site_is_ours && from_is_ours
}

fn is_origin(url: &str, secure: bool, authority: &str) -> bool {
    let (scheme, default_port) = if secure { ("https", ":443") } else { ("http", ":80") };
    let Some((sent_scheme, rest)) = url.split_once("://") else { return false };
    let sent = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let bare = |authority: &str| authority.strip_suffix(default_port).unwrap_or(authority).to_ascii_lowercase();
    sent_scheme.eq_ignore_ascii_case(scheme) && !sent.is_empty() && bare(sent) == bare(authority)
}

/// What browsers treat as secure without TLS.
pub(crate) fn is_this_machine(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    address.is_ok_and(|address| address.is_loopback()) || host == "localhost" || host.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn own(lines: &[(&'static str, &'static str)], secure: bool, authority: &str) -> bool {
        let pairs = lines.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        sent_from_here(&pairs.collect(), secure, authority)
    }

    #[test]
    fn forms_of_this_host_and_clients_that_say_nothing_pass() {
        assert!(own(&[], false, "wiki.test"));
        assert!(own(&[("origin", "http://wiki.test:8080")], false, "wiki.test:8080"));
        assert!(own(&[("origin", "https://wiki.test")], true, "WIKI.test:443"));
        assert!(own(&[("origin", "https://wiki.test"), ("sec-fetch-site", "same-origin")], true, "wiki.test"));
        assert!(own(&[("sec-fetch-site", "none")], true, "wiki.test"));
        assert!(own(&[("referer", "https://wiki.test/.vestibule/login?return=%2F")], true, "wiki.test"));
        assert!(own(&[("origin", "http://[::1]:8080")], false, "[::1]:8080"));
    }

    #[test]
    fn forms_of_other_sites_do_not() {
        for origin in [
            "https://evil.test",
            "http://wiki.test",
            "https://wiki.test:8443",
            "https://wiki.test.evil.test",
            "https://evil.test/wiki.test",
            "https://wiki.test@evil.test",
            "https://",
            "wiki.test",
            "null",
            "",
        ] {
            assert!(!own(&[("origin", origin)], true, "wiki.test"), "{origin}");
            assert!(!own(&[("referer", origin)], true, "wiki.test"), "{origin}");
        }
        assert!(!own(&[("sec-fetch-site", "cross-site")], true, "wiki.test"));
        assert!(!own(&[("sec-fetch-site", "same-site")], true, "wiki.test"));
        assert!(!own(&[("origin", "https://wiki.test"), ("sec-fetch-site", "cross-site")], true, "wiki.test"));
        assert!(!own(&[("origin", "null"), ("referer", "https://wiki.test/")], true, "wiki.test"));
    }

    #[test]
    fn this_machine_counts_as_secure_and_nothing_that_looks_like_it() {
        for host in ["localhost", "wiki.localhost", "127.0.0.1", "127.9.9.9", "[::1]", "::1"] {
            assert!(is_this_machine(host), "{host}");
        }
        for host in ["localhost.test", "notlocalhost", "127.0.0.1.test", "10.0.0.1", "[::2]", "0.0.0.0", ""] {
            assert!(!is_this_machine(host), "{host}");
        }
    }
}

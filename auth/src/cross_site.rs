//! Tunnels that a page of another site opens.
//!
//! A browser sends its cookies with such an upgrade and asks nobody whether it may (there is no preflight), so that
//! the page could speak in the name of whoever looks at it. What the browser says of the page decides. A client that
//! says nothing is no browser.

use http::HeaderMap;
use http::header::{HOST, ORIGIN, UPGRADE};
use vestibule_config::cors::Cors;

use crate::gate::Gate;
use crate::request::RequestView;
use crate::verdict::{Kind, Reason, Refusal};

impl Gate {
    /// Why a tunnel is not opened in the name of a session or of an address; absent where it may be, and for whatever is
    /// no tunnel.
    pub(crate) fn foreign_tunnel(&self, request: &RequestView<'_>) -> Option<Refusal> {
        let headers = request.headers;
        if !headers.contains_key(UPGRADE) || is_own(headers) || self.lists(headers) {
            return None;
        }
        Some(self.refuse_by_circuit(Reason::CrossSite, Kind::Forbidden, "cors"))
    }

    /// `cors` names whose pages may send requests.
    fn lists(&self, headers: &HeaderMap) -> bool {
        match &self.circuit.cors {
            Some(Cors::Pass) => true,
            Some(Cors::Answer(answer)) => {
                origin(headers).is_some_and(|origin| answer.origins.iter().any(|known| known == origin))
            }
            None => false,
        }
    }
}

fn is_own(headers: &HeaderMap) -> bool {
    let is_elsewhere = |site: &http::HeaderValue| site != "same-origin" && site != "none";
    if headers.get_all("sec-fetch-site").iter().any(is_elsewhere) {
        return false;
    }
    if !headers.contains_key(ORIGIN) {
        return true;
    }
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    origin(headers).zip(host).is_some_and(|(origin, host)| is_at(origin, host))
}

/// The one that was sent.
fn origin(headers: &HeaderMap) -> Option<&str> {
    let mut sent = headers.get_all(ORIGIN).iter();
    let origin = sent.next()?;
    sent.next().is_none().then(|| origin.to_str().ok()).flatten()
}

/// Scheme and port belong together: a port that is not written is the scheme's.
fn is_at(origin: &str, host: &str) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else { return false };
    let port = if scheme.eq_ignore_ascii_case("https") { ":443" } else { ":80" };
    let bare = |authority: &str| authority.strip_suffix(port).unwrap_or(authority).to_ascii_lowercase();
    !authority.is_empty() && bare(authority) == bare(host)
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn a_page_of_this_host_is_told_from_every_other() {
        for (origin, host, own) in [
            ("https://wiki.test", "wiki.test", true),
            ("https://Wiki.test", "wiki.test:443", true),
            ("http://wiki.test:8080", "wiki.test:8080", true),
            ("http://wiki.test", "wiki.test:80", true),
            ("http://wiki.test", "wiki.test:8080", false),
            ("https://other.wiki.test", "wiki.test", false),
            ("https://wiki.test.evil.test", "wiki.test", false),
            ("https://evil.test/wiki.test", "wiki.test", false),
            ("null", "wiki.test", false),
            ("", "wiki.test", false),
            ("https://", "", false),
        ] {
            assert_eq!(is_at(origin, host), own, "{origin} {host}");
        }
    }

    #[test]
    fn what_a_browser_says_counts_and_silence_is_no_browser() {
        for (lines, own) in [
            (&[("host", "a.test")][..], true),
            (&[("host", "a.test"), ("origin", "http://a.test")], true),
            (&[("host", "a.test"), ("origin", "http://a.test"), ("origin", "http://a.test")], false),
            (&[("host", "a.test"), ("origin", "http://a.test"), ("sec-fetch-site", "same-origin")], true),
            (&[("host", "a.test"), ("origin", "http://a.test"), ("sec-fetch-site", "same-site")], false),
            (&[("host", "a.test"), ("sec-fetch-site", "cross-site")], false),
            (&[("origin", "http://a.test")], false),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in lines {
                headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
            }
            assert_eq!(is_own(&headers), own, "{lines:?}");
        }
    }
}

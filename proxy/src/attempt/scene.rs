//! Where and when somebody tried.

use std::net::IpAddr;
use std::sync::Arc;

use http::HeaderMap;
use http::header::USER_AGENT;
use vestibule_auth::Location;
use vestibule_config::{Access, Circuit};

use crate::visit::Visit;

/// A longer user agent is cut.
const USER_AGENT_BYTES: usize = 2048;
/// Where and when an attempt was made.
#[derive(Clone, Copy)]
pub(crate) struct Scene<'a> {
    /// When the head was read, in microseconds since 1970.
    pub(crate) time_us: i64,
    /// Joins the three logs.
    pub(crate) request_id: &'a str,
    /// The resolved client address.
    pub(crate) source_ip: IpAddr,
    /// Where that is.
    pub(crate) location: &'a Location,
    /// Cut to its bound; see [`user_agent`].
    pub(crate) user_agent: Option<&'a str>,
    /// Configuration that decided.
    pub(crate) revision: &'a Arc<str>,
    /// Where to.
    pub(crate) circuit: &'a Circuit,
    /// By which of its policies.
    pub(crate) access: &'a Access,
    /// Canonical, without port.
    pub(crate) host: &'a str,
    /// The attempt that goes on; absent where this is one of its own.
    pub(crate) attempt: Option<&'a str>,
    /// Why the person came, where they said so.
    pub(crate) purpose: Option<&'a str>,
}

impl<'a> Scene<'a> {
    /// Of a request to our own pages.
    pub(crate) fn of(visit: &Visit<'a>) -> Self {
        Self {
            time_us: visit.time_us,
            request_id: visit.request_id,
            source_ip: visit.request.client,
            location: visit.location,
            user_agent: user_agent(visit.request.headers),
            revision: &visit.live.settings.revision,
            circuit: visit.gate.circuit(),
            access: visit.gate.access(),
            host: visit.request.host,
            attempt: None,
            purpose: None,
        }
    }

    /// The same, as a part of an attempt that began before.
    pub(crate) fn of_attempt(self, attempt: Option<&'a str>) -> Self {
        Self { attempt, ..self }
    }
}

/// As sent, cut at 2 KiB; absent if it is not UTF-8.
pub(crate) fn user_agent(headers: &HeaderMap) -> Option<&str> {
    let text = std::str::from_utf8(headers.get(USER_AGENT)?.as_bytes()).ok()?;
    let mut end = text.len().min(USER_AGENT_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn agent(bytes: &[u8]) -> Option<String> {
        let headers = HeaderMap::from_iter([(USER_AGENT, HeaderValue::from_bytes(bytes).unwrap())]);
        user_agent(&headers).map(str::to_owned)
    }

    #[test]
    fn a_user_agent_is_cut_between_characters() {
        assert_eq!(agent(b"curl/8").as_deref(), Some("curl/8"));
        assert_eq!(agent(b"\xff"), None);
        let long = "é".repeat(USER_AGENT_BYTES);
        assert_eq!(agent(long.as_bytes()).unwrap().len(), USER_AGENT_BYTES);
        assert_eq!(agent(format!("a{long}").as_bytes()).unwrap().len(), USER_AGENT_BYTES - 1);
    }
}

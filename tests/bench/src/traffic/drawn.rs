//! One request that was made up.

use std::net::{IpAddr, Ipv4Addr};

use vestibule_logstore::RequestEntry;
use vestibule_logstore::entry::Common;

/// One request. Kept and filled again, so that making it allocates nothing.
#[derive(Debug)]
pub struct Drawn<'w> {
    /// Microseconds since 1970; later than every one before.
    pub time: i64,
    pub(super) request_id: String,
    pub(super) address: IpAddr,
    pub(super) country: &'w str,
    pub(super) subdivision: &'w str,
    pub(super) city: &'w str,
    pub(super) asn: u64,
    pub(super) user_agent: &'w str,
    pub(super) revision: &'w str,
    pub(super) method: &'w str,
    pub(super) host: &'w str,
    pub(super) path: String,
    pub(super) query: String,
    pub(super) protocol: &'w str,
    pub(super) answer: Answer,
    pub(super) auth_method: &'w str,
    pub(super) email: Option<&'w str>,
    pub(super) user_id: Option<&'w str>,
    pub(super) session_id: String,
    pub(super) circuit: &'w str,
    pub(super) project: &'w str,
    pub(super) upstream: &'w str,
    pub(super) referer: String,
    pub(super) tls: &'w str,
}

/// How a request ended.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Answer {
    pub(super) status: u64,
    pub(super) origin: &'static str,
    pub(super) reason: Option<&'static str>,
    /// Absent where nothing came from the upstream.
    pub(super) upstream_ms: Option<u64>,
    pub(super) duration_ms: u64,
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
}

impl Default for Drawn<'_> {
    fn default() -> Self {
        Self {
            time: 0,
            request_id: String::new(),
            address: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            country: "",
            subdivision: "",
            city: "",
            asn: 0,
            user_agent: "",
            revision: "",
            method: "",
            host: "",
            path: String::new(),
            query: String::new(),
            protocol: "",
            answer: Answer::default(),
            auth_method: "none",
            email: None,
            user_id: None,
            session_id: String::new(),
            circuit: "",
            project: "",
            upstream: "",
            referer: String::new(),
            tls: "",
        }
    }
}

impl Drawn<'_> {
    /// Keeps no more than a gateway would know that neither signs in nor ends TLS: about 350 bytes.
    pub(super) fn make_lean(&mut self) {
        self.user_id = None;
        self.session_id.clear();
        self.referer.clear();
        (self.revision, self.project, self.tls) = ("", "", "");
    }

    /// As the gateway would hand it to the store. An empty text is the same as none.
    pub fn entry(&self) -> RequestEntry<'_> {
        let Answer { status, origin, reason, upstream_ms, duration_ms, bytes_in, bytes_out } = self.answer;
        RequestEntry {
            common: Common {
                time: self.time,
                request_id: Some(&self.request_id),
                source_ip: Some(self.address),
                country: Some(self.country),
                subdivision: Some(self.subdivision),
                city: Some(self.city),
                asn: Some(self.asn),
                user_agent: Some(self.user_agent),
                revision: Some(self.revision),
                event_count: None,
                node: None,
            },
            method: Some(self.method),
            host: Some(self.host),
            path: Some(&self.path),
            query: Some(&self.query),
            protocol: Some(self.protocol),
            status_code: status,
            action: if matches!(origin, "backend" | "proxy_error") { "allowed" } else { "blocked" },
            origin,
            reason,
            would_block: None,
            auth_method: self.auth_method,
            email: self.email,
            user_id: self.user_id,
            session_id: Some(&self.session_id),
            circuit: Some(self.circuit),
            project: Some(self.project),
            upstream: Some(self.upstream),
            upstream_ms,
            duration_ms,
            bytes_in,
            bytes_out,
            referer: Some(&self.referer),
            tls: Some(self.tls),
            metadata: None,
        }
    }
}

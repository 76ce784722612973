//! Entries that the store itself writes.

use super::{AuditEntry, Common, Log};

/// Something that happened to a log, for the audit log.
pub(crate) struct Happening<'a> {
    /// Microseconds since 1970.
    pub(crate) time: i64,
    /// To which log.
    pub(crate) log: Log,
    pub(crate) action_type: &'static str,
    pub(crate) action: &'static str,
    pub(crate) status: &'static str,
    /// JSON.
    pub(crate) details: &'a str,
}

impl<'a> Happening<'a> {
    pub(crate) fn entry(&self) -> AuditEntry<'a> {
        AuditEntry {
            common: Common {
                time: self.time,
                request_id: None,
                source_ip: None,
                country: None,
                subdivision: None,
                city: None,
                asn: None,
                user_agent: None,
                revision: None,
                event_count: None,
                node: None,
            },
            actor: Some("vestibule"),
            actor_type: "system",
            action_type: self.action_type,
            action: self.action,
            resource_type: "log",
            resource: Some(self.log.name()),
            status: self.status,
            http_status: None,
            duration_ms: None,
            before: None,
            after: None,
            details: Some(self.details),
        }
    }
}

//! Entries with as little in them as a test needs.

#![allow(dead_code, unreachable_pub, reason = "each test file uses some of it")]

use std::time::Duration;

use vestibule_logstore::entry::Common;
use vestibule_logstore::{AccessEntry, AuditEntry, Options, RequestEntry};

pub fn options() -> Options {
    Options { sync: Duration::from_millis(50), queue_entries: 65_536, queue_bytes: 64 << 20 }
}

pub const fn common(time: i64) -> Common<'static> {
    Common {
        time,
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
    }
}

pub const fn access(time: i64, email: &str) -> AccessEntry<'_> {
    AccessEntry {
        common: common(time),
        attempt_id: None,
        action: "login",
        status: "success",
        result: Some("success"),
        reason: None,
        auth_method: "pin",
        provider: None,
        email: Some(email),
        user_id: None,
        session_id: None,
        circuit: Some("wiki"),
        project: None,
        host: None,
        policy: Some("members"),
        rule: None,
        duration_ms: None,
        purpose: None,
    }
}

pub const fn request(time: i64, path: &str) -> RequestEntry<'_> {
    RequestEntry {
        common: common(time),
        method: Some("GET"),
        host: Some("wiki.example.net"),
        path: Some(path),
        query: None,
        protocol: Some("HTTP/1.1"),
        status_code: 200,
        action: "allowed",
        origin: "backend",
        reason: None,
        would_block: None,
        auth_method: "none",
        email: None,
        user_id: None,
        session_id: None,
        circuit: Some("wiki"),
        project: Some("docs"),
        upstream: None,
        upstream_ms: None,
        duration_ms: 3,
        bytes_in: 0,
        bytes_out: 1024,
        referer: None,
        tls: None,
        metadata: None,
    }
}

pub const fn audit(time: i64, action: &str) -> AuditEntry<'_> {
    AuditEntry {
        common: common(time),
        actor: Some("ops"),
        actor_type: "token",
        action_type: "admin",
        action,
        resource_type: "config",
        resource: None,
        status: "success",
        http_status: None,
        duration_ms: None,
        before: None,
        after: None,
        details: None,
    }
}

//! The schemas that have names.

use serde_json::{Map, Value, json};
use vestibule_logstore::Log;

use super::entries;
use super::schema::{between, list, map, maybe, named, number, object, one_of, text, time, truth};

/// All of them.
pub(super) fn all() -> Map<String, Value> {
    let groups = [of_logs().as_slice(), of_configured().as_slice(), of_kept().as_slice()].concat();
    groups.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect()
}

/// Of what is read in the logs.
fn of_logs() -> [(&'static str, Value); 8] {
    let counted =
        || object([("count", number()), ("percent", json!({ "type": "number", "minimum": 0, "maximum": 100 }))]);
    [
        ("AccessEntry", entries::schema(Log::Access)),
        ("RequestEntry", entries::schema(Log::Requests)),
        ("AuditEntry", entries::schema(Log::Audit)),
        (
            "Histogram",
            object([("step", text()), ("buckets", list(object([("time", time()), ("counts", map(number()))])))]),
        ),
        (
            "Facets",
            object([("facets", map(list(object([("value", json!({})), ("count", number())])))), ("exact", truth())]),
        ),
        (
            "Seen",
            object([
                ("email", text()),
                ("count", number()),
                ("first", time()),
                ("last", time()),
                ("last_ip", maybe(text())),
                ("last_country", maybe(text())),
            ]),
        ),
        (
            "Stats",
            object([
                ("range", text()),
                ("circuit", maybe(text())),
                ("since", time()),
                ("until", time()),
                ("total", number()),
                ("allowed", counted()),
                ("blocked", counted()),
                ("bytes_in", number()),
                ("bytes_out", number()),
                ("step_seconds", number()),
                ("series", list(map(json!({})))),
            ]),
        ),
        (
            "Integrity",
            object([
                ("sound", truth()),
                ("quarantined", list(map(json!({})))),
                ("key", text()),
                ("logs", map(json!({}))),
            ]),
        ),
    ]
}

/// Of what is configured, and how it stands.
fn of_configured() -> [(&'static str, Value); 7] {
    let strings = || list(text());
    [
        ("Status", status()),
        ("Circuit", circuit()),
        (
            "Project",
            object([
                ("name", text()),
                ("label", maybe(text())),
                ("members", strings()),
                ("circuits", list(map(json!({})))),
                ("sessions", number()),
            ]),
        ),
        (
            "User",
            object([
                ("email", text()),
                ("name", maybe(text())),
                ("groups", strings()),
                ("state", text()),
                ("login", strings()),
                ("projects", strings()),
                ("sessions", number()),
                ("latest_session", maybe(time())),
            ]),
        ),
        (
            "Token",
            object([
                ("name", text()),
                ("kind", one_of(&["service", "admin"])),
                ("state", text()),
                ("role", maybe(text())),
                ("circuits", maybe(strings())),
                ("expires", maybe(time())),
                ("previous_until", maybe(time())),
                ("last_used", maybe(time())),
                ("last_used_ip", maybe(text())),
            ]),
        ),
        (
            "Revision",
            object([
                ("revision", text()),
                ("time", time()),
                ("actor", text()),
                ("actor_type", text()),
                ("cause", text()),
                ("files", strings()),
                ("current", truth()),
            ]),
        ),
        (
            "Reloaded",
            object([
                ("changed", truth()),
                ("before", text()),
                ("after", text()),
                ("needs_restart", strings()),
                ("warnings", number()),
            ]),
        ),
    ]
}

/// Of what is kept beside the configuration.
fn of_kept() -> [(&'static str, Value); 5] {
    let strings = || list(text());
    [
        (
            "Problem",
            object([
                ("type", text()),
                ("title", text()),
                ("status", between(400, 599)),
                ("reason", text()),
                ("request_id", text()),
                ("detail", text()),
            ]),
        ),
        (
            "Session",
            object([
                ("id", text()),
                ("circuit", text()),
                ("email", maybe(text())),
                ("user_id", text()),
                ("method", text()),
                ("provider", maybe(text())),
                ("state", text()),
                ("created", time()),
                ("last_used", time()),
                ("expires", time()),
                ("source_ip", text()),
                ("user_agent", text()),
            ]),
        ),
        ("Ended", object([("ended", number()), ("data", list(named("Session")))])),
        (
            "Ban",
            object([
                ("id", text()),
                ("kind", one_of(&["ban", "lock"])),
                ("network", maybe(text())),
                ("account", maybe(text())),
                ("since", maybe(time())),
                ("until", maybe(time())),
                ("by", maybe(text())),
                ("note", maybe(text())),
            ]),
        ),
        (
            "Grant",
            object([
                ("id", text()),
                ("email", text()),
                ("circuit", text()),
                ("since", time()),
                ("until", time()),
                ("by", text()),
                ("login", strings()),
            ]),
        ),
    ]
}

fn status() -> Value {
    object([
        ("version", text()),
        ("time", time()),
        ("started", time()),
        ("uptime_seconds", number()),
        ("stopping", truth()),
        ("revision", text()),
        ("revision_since", time()),
        ("config", text()),
        ("circuits", number()),
        ("circuits_enabled", number()),
        ("sessions", number()),
        ("geo_ready", truth()),
        ("state", object([("sound", truth()), ("cause", maybe(text()))])),
        (
            "store",
            object([("writable", truth()), ("cause", maybe(text())), ("bytes", number()), ("entries", map(number()))]),
        ),
        ("queue", number()),
        ("tree_heads", map(json!({}))),
        ("certificates", list(certificate())),
    ])
}

/// Of a host, or of several that one covers.
fn certificate() -> Value {
    object([
        ("hosts", list(text())),
        ("source", one_of(&["file", "acme"])),
        ("state", one_of(&["pending", "valid", "not_yet_valid", "expired"])),
        ("issuer", maybe(text())),
        ("serial", maybe(text())),
        ("not_before", maybe(time())),
        ("not_after", maybe(time())),
        ("next_renewal", maybe(time())),
        ("last_error", maybe(text())),
    ])
}

/// Behind a circuit, or a path of one.
fn upstream() -> Value {
    object([
        ("url", text()),
        ("healthy", truth()),
        ("since", maybe(text())),
        ("last_error", maybe(object([("reason", text()), ("time", text())]))),
        ("in_flight", number()),
        ("failures", number()),
        ("retries", maybe(number())),
        ("addresses", list(text())),
    ])
}

fn circuit() -> Value {
    let strings = || list(text());
    object([
        ("name", text()),
        ("project", maybe(text())),
        ("hosts", strings()),
        ("state", one_of(&["active", "disabled", "expired"])),
        ("enabled", truth()),
        ("expires", maybe(text())),
        ("access", one_of(&["public", "members", "allowlist"])),
        ("allow", maybe(strings())),
        ("login", maybe(strings())),
        ("shared", maybe(strings())),
        ("header_auth", maybe(strings())),
        ("rate_limits", strings()),
        ("paths", list(map(json!({})))),
        ("upstream", maybe(text())),
        ("upstreams", maybe(list(upstream()))),
        ("certificates", list(certificate())),
    ])
}

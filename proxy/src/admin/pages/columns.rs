//! What the page of each log shows unless its address says otherwise.

use vestibule_logstore::{Log, Row};

use super::value;

/// What one log's page has.
pub(super) struct Columns {
    /// Of the table.
    pub(super) shown: &'static [&'static str],
    /// Counted beside it.
    pub(super) facets: &'static [&'static str],
    /// By what the entries over time are told apart.
    pub(super) by: &'static str,
    /// Its own name, and a filter with the values for the buttons above the table.
    pub(super) chips: (&'static str, &'static [&'static str]),
    pub(super) title: &'static str,
    /// One sentence.
    pub(super) about: &'static str,
}

pub(super) const fn of(log: Log) -> &'static Columns {
    match log {
        Log::Access => &Columns {
            shown: &["time", "status", "email", "auth_method", "circuit", "reason", "source_ip", "country"],
            facets: &["status", "reason", "circuit", "auth_method", "email", "country"],
            by: "status",
            chips: ("result", &["success", "failed", "rate_limited"]),
            title: "Access log",
            about: "Attempts to sign in, or to be let in by a credential, in their latest state.",
        },
        Log::Requests => &Columns {
            shown: &[
                "time",
                "status_code",
                "method",
                "host",
                "path",
                "email",
                "source_ip",
                "country",
                "circuit",
                "reason",
                "duration_ms",
            ],
            facets: &["status_code", "reason", "circuit", "country", "email", "method"],
            by: "action",
            chips: ("outcome", &["allowed", "denied", "error"]),
            title: "Request log",
            about: "Every HTTP request, also those that were refused.",
        },
        Log::Audit => &Columns {
            shown: &["time", "status", "actor", "action", "resource_type", "resource", "source_ip"],
            facets: &["action", "status", "actor", "resource_type"],
            by: "status",
            chips: ("status", &["success", "failed", "denied", "error", "alert"]),
            title: "Audit log",
            about: "Changes, administration, and what the program did by itself.",
        },
    }
}

/// How a word of a closed list is coloured; the word itself is always there.
pub(super) fn tone(word: &str) -> &'static str {
    match word {
        "allowed" | "success" | "active" => "good",
        "blocked" | "denied" | "failed" | "failure" | "rate_limited" | "revoked" => "bad",
        "error" | "alert" => "error",
        _ => "other",
    }
}

/// How a row is coloured.
pub(super) fn tone_of(row: &Row) -> &'static str {
    let field = match row.log {
        Log::Access | Log::Audit => "status",
        Log::Requests => "action",
    };
    let failed = row.log == Log::Requests && value::text(row.value("status_code")).starts_with('5');
    match tone(&value::text(row.value(field))) {
        "good" if failed => "error",
        tone => tone,
    }
}

/// Where numbers stand, they stand to the right.
pub(super) fn is_number(log: Log, field: &str) -> bool {
    use vestibule_logstore::entry::Kind;
    log.field(field).is_some_and(|field| matches!(field.kind, Kind::Number | Kind::Count | Kind::Position))
}

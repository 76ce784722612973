//! One row: a run of equal entries.

use serde_json::{Map, Value as Json};
use uuid::Uuid;
use vestibule_logstore::Row;
use vestibule_logstore::query::{Fold, Took};

use crate::admin::facade::people::People;
use crate::admin::facade::{field, moment, text};

/// One line of the export: its fifteen columns first, as theirs, then all the rest. Name, and member of [`entry`].
pub(super) const COLUMNS: [(&str, &str); 34] = [
    ("first_seen", "first_seen"),
    ("last_seen", "last_seen"),
    ("user_email", "user_email"),
    ("user_name", "user_name"),
    ("action_type", "action_type"),
    ("action", "action"),
    ("command", "command"),
    ("resource", "resource"),
    ("status", "status"),
    ("event_count", "event_count"),
    ("min_response_ms", "min_response_time_ms"),
    ("max_response_ms", "max_response_time_ms"),
    ("avg_response_ms", "avg_response_time_ms"),
    ("ip_address", "ip_address"),
    ("user_agent", "user_agent"),
    ("resource_type", "resource_type"),
    ("http_status", "http_status"),
    ("rbac_decision", "rbac_decision"),
    ("request_id", "request_id"),
    ("actor", "actor"),
    ("actor_type", "actor_type"),
    ("api_token_name", "api_token_name"),
    ("details", "details"),
    ("before", "before"),
    ("after", "after"),
    ("country", "country"),
    ("subdivision", "subdivision"),
    ("city", "city"),
    ("asn", "asn"),
    ("revision", "revision"),
    ("node", "node"),
    ("first_event_id", "first_event_id"),
    ("last_event_id", "last_event_id"),
    ("chain_index", "chain_index"),
];

/// One row of the list.
pub(super) fn entry(row: &Row, fold: Option<&Fold>, people: &People) -> Map<String, Json> {
    let actor = text(row, "actor");
    let is = |kind: &str| Some(actor).filter(|_| text(row, "actor_type") == kind);
    let id = |of: fn(&Fold) -> Uuid| fold.map_or_else(|| field(row, "id"), |fold| of(fold).to_string().into());
    let time = |of: fn(&Fold) -> i64| fold.map_or_else(|| field(row, "time"), |fold| moment(of(fold)));
    let took = |of: fn(&Took) -> u64| {
        fold.and_then(|fold| fold.took).map_or_else(|| field(row, "duration_ms"), |took| of(&took).into())
    };
    let decision = match text(row, "status") {
        "success" => Some("allow"),
        "denied" => Some("deny"),
        _ => None,
    };
    let members = [
        ("id", field(row, "id")),
        ("timestamp", field(row, "time")),
        ("chain_index", field(row, "seq")),
        ("first_event_id", id(|fold| fold.first_id)),
        ("last_event_id", id(|fold| fold.last_id)),
        ("first_seen", time(|fold| fold.first_time)),
        ("last_seen", time(|fold| fold.last_time)),
        ("event_count", field(row, "event_count")),
        ("user_email", is("user").into()),
        ("user_name", is("user").and_then(|email| people.name(email)).into()),
        ("actor", field(row, "actor")),
        ("actor_type", field(row, "actor_type")),
        ("api_token_id", Json::Null),
        ("api_token_name", is("token").into()),
        ("action_type", field(row, "action_type")),
        ("action", field(row, "action")),
        ("command", Json::Null),
        ("resource", field(row, "resource")),
        ("resource_type", field(row, "resource_type")),
        ("details", field(row, "details")),
        ("before", field(row, "before")),
        ("after", field(row, "after")),
        ("request_id", field(row, "request_id")),
        ("ip_address", field(row, "source_ip")),
        ("user_agent", field(row, "user_agent")),
        ("status", field(row, "status")),
        ("rbac_decision", decision.into()),
        ("http_status", field(row, "http_status")),
        ("response_time_ms", field(row, "duration_ms")),
        ("min_response_time_ms", took(|took| took.least_ms)),
        ("max_response_time_ms", took(|took| took.most_ms)),
        ("avg_response_time_ms", took(|took| took.mean_ms)),
        ("country", field(row, "country")),
        ("subdivision", field(row, "subdivision")),
        ("city", field(row, "city")),
        ("asn", field(row, "asn")),
        ("revision", field(row, "revision")),
        ("node", field(row, "node")),
        ("deploy_approval_request_id", Json::Null),
        ("checkpoint_id", Json::Null),
        ("checkpoint_hash", Json::Null),
        ("first_hash", Json::Null),
        ("last_hash", Json::Null),
        ("previous_hash", Json::Null),
        ("event_hash", Json::Null),
    ];
    members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

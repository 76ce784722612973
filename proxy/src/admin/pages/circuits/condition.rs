//! How a circuit's upstreams and certificates are, in a word and in a table.

use jiff::Timestamp;
use serde_json::Value;

use super::shown;
use crate::admin::pages::table::{Cell, Line, Table};

/// A certificate that is over within so many days should have been renewed.
const SOON_DAYS: i64 = 14;

/// `1 of 2 healthy`; empty where nothing is behind the circuit itself.
pub(super) fn health(circuit: &Value) -> Cell {
    let all = members(circuit, "upstreams");
    let healthy = all.iter().filter(|upstream| is_healthy(upstream)).count();
    match (all.len(), healthy) {
        (0, _) => Cell::text(""),
        (1, 1) => good("healthy"),
        (1, _) => bad("not healthy"),
        (all, healthy) if healthy == all => good(&format!("{all} healthy")),
        (all, 0) => bad(&format!("none of {all} healthy")),
        (all, healthy) => Cell { class: "error", ..Cell::text(format!("{healthy} of {all} healthy")) },
    }
}

/// The one that is over first; empty where no host has one.
pub(super) fn certificate(circuit: &Value, now: Timestamp) -> Cell {
    let all = members(circuit, "certificates");
    let worst = all.iter().find(|row| row.get("state").and_then(Value::as_str) != Some("valid"));
    if let Some(worst) = worst {
        return bad(&shown(worst.get("state").unwrap_or(&Value::Null)).replace('_', " "));
    }
    let days = all.iter().filter_map(|row| days_left(row, now)).min();
    match days {
        None => Cell::text(""),
        Some(days) if days < SOON_DAYS => Cell { class: "error", ..Cell::text(format!("{days} days left")) },
        Some(days) => good(&format!("{days} days left")),
    }
}

fn days_left(row: &Value, now: Timestamp) -> Option<i64> {
    let until = row.get("not_after")?.as_str()?.parse::<Timestamp>().ok()?;
    Some(until.duration_since(now).as_hours().div_euclid(24))
}

/// Each upstream, those of the circuit's paths too.
pub(super) fn upstreams(circuit: &Value) -> Table {
    let own = members(circuit, "upstreams").iter().map(|upstream| upstream_line("/", upstream));
    let of_paths = members(circuit, "paths").iter().flat_map(|path| {
        let prefix = shown(path.get("prefix").unwrap_or(&Value::Null));
        members(path, "upstreams").iter().map(move |upstream| upstream_line(&prefix, upstream))
    });
    Table {
        caption: "Upstreams",
        heads: vec!["Path", "Upstream", "Health", "Since", "Last error", "In flight", "Failures", "Addresses"],
        rows: own.chain(of_paths).collect(),
        empty: "Nothing is behind this circuit.",
    }
}

fn upstream_line(path: &str, upstream: &Value) -> Line {
    let text = |name: &str| shown(upstream.get(name).unwrap_or(&Value::Null));
    Line::of(vec![
        Cell::text(path),
        Cell::text(text("url")),
        if is_healthy(upstream) { good("healthy") } else { bad("not healthy") },
        Cell::text(text("since")),
        Cell::text(text("last_error")),
        Cell::number(text("in_flight")),
        Cell::number(text("failures")),
        Cell::text(text("addresses")),
    ])
}

/// One line for each host that has one, or waits for it.
pub(super) fn certificates(circuit: &Value) -> Table {
    let line = |row: &Value| {
        let text = |name: &str| shown(row.get(name).unwrap_or(&Value::Null));
        let state = text("state").replace('_', " ");
        Line::of(vec![
            Cell::text(text("hosts")),
            if state == "valid" { good(&state) } else { bad(&state) },
            Cell::text(text("source")),
            Cell::text(text("not_after")),
            Cell::text(text("next_renewal")),
            Cell::text(text("issuer")),
            Cell::text(text("last_error")),
        ])
    };
    Table {
        caption: "Certificates",
        heads: vec!["Host", "State", "From", "Until", "Renewed from", "Issuer", "Last error"],
        rows: members(circuit, "certificates").iter().map(line).collect(),
        empty: "None: no listener with TLS serves these hosts.",
    }
}

fn members<'a>(of: &'a Value, name: &str) -> &'a [Value] {
    of.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn is_healthy(upstream: &Value) -> bool {
    upstream.get("healthy").and_then(Value::as_bool) == Some(true)
}

fn good(text: &str) -> Cell {
    Cell { class: "good", ..Cell::text(text) }
}

fn bad(text: &str) -> Cell {
    Cell { class: "bad", ..Cell::text(text) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_worst_is_what_a_word_says() {
        let health = |healthy: &[bool]| {
            let upstreams: Vec<_> = healthy.iter().map(|healthy| json!({ "healthy": healthy })).collect();
            let cell = health(&json!({ "upstreams": upstreams }));
            format!("{} {}", cell.class, cell.text)
        };
        assert_eq!(health(&[true]), "good healthy");
        assert_eq!(health(&[true, false]), "error 1 of 2 healthy");
        assert_eq!(health(&[false, false]), "bad none of 2 healthy");
        let now = "2026-11-20T12:00:00Z".parse().unwrap();
        let certificate = |rows: Value| {
            let cell = certificate(&json!({ "certificates": rows }), now);
            format!("{} {}", cell.class, cell.text)
        };
        let valid = |until: &str| json!({ "state": "valid", "not_after": until });
        assert_eq!(certificate(json!([valid("2027-01-20T12:00:00Z")])), "good 61 days left");
        assert_eq!(
            certificate(json!([valid("2027-01-20T12:00:00Z"), valid("2026-11-25T11:00:00Z")])),
            "error 4 days left"
        );
        assert_eq!(
            certificate(json!([valid("2027-01-20T12:00:00Z"), { "state": "not_yet_valid" }])),
            "bad not yet valid"
        );
        assert_eq!(certificate(json!([])), " ");
    }
}

//! `GET /api/v1/audit-logs` and its export of Rack Gateway.

use std::collections::BTreeSet;

use harness::House;
use harness::secrets::{ADMIN_TOKEN, AUDITOR_TOKEN, READER_TOKEN};
use serde_json::{Value, json};

use super::{RACK, RACK_EXPORT, ask, check, found, is, lived_in, rows, times};

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn finds_changes_by_each_parameter() {
    let house = lived_in();
    let all = house.gateway.logs("audit", "");
    let (newest, oldest) = times(&all);
    let whole = format!("start={oldest}&end={newest}");
    let early = format!("range=all&end={oldest}");
    check(
        &house,
        RACK,
        "audit",
        "id",
        vec![
            ("", Box::new(|_| true)),
            ("range=5m", Box::new(|_| true)),
            ("range=all", Box::new(|_| true)),
            ("range=custom", Box::new(|_| true)),
            ("action_type=all&resource_type=all&status=all", Box::new(|_| true)),
            ("action_type=admin", is("action_type", "admin")),
            ("action_type=users", is("action_type", "user")),
            ("action_type=convox", Box::new(|_| false)),
            ("resource_type=config", is("resource_type", "config")),
            ("status=denied", is("status", "denied")),
            ("status=blocked", is("status", "denied")),
            ("status=success", is("status", "success")),
            ("user=view", is("actor", "view")),
            ("user=nobody@example.net", Box::new(|_| false)),
            ("user_id=1", Box::new(|_| false)),
            ("search=CONFIG.RELOAD", is("action", "config.reload")),
            ("search=nobody/2.0", is("user_agent", "nobody/2.0")),
            ("search=nothing-of-this", Box::new(|_| false)),
            ("action_type=admin&status=denied", is("status", "denied")),
            (&whole, Box::new(|_| true)),
            (&early, Box::new(move |entry| entry["time"] == oldest)),
            ("start=2099-01-01T00:00", Box::new(|_| false)),
        ],
    );
}

#[test]
fn says_what_it_documents_of_a_change() {
    let house = lived_in();
    let row = rows(&house, RACK, "search=config.reload&status=success").remove(0);
    let ours = house.gateway.logs("audit", "action=config.reload&status=success").remove(0);
    let expected = json!({
        "user_email": null, "user_name": null, "api_token_name": "ops", "actor": "ops", "action_type": ours["action_type"],
        "action": "config.reload", "command": null, "resource": ours["resource"], "resource_type": "config",
        "request_id": ours["request_id"], "ip_address": "127.0.0.1", "user_agent": null, "status": "success",
        "rbac_decision": "allow", "http_status": ours["http_status"], "event_count": 1, "first_event_id": ours["id"],
        "last_event_id": ours["id"], "first_seen": ours["time"], "last_seen": ours["time"], "timestamp": ours["time"],
        "response_time_ms": ours["duration_ms"], "avg_response_time_ms": ours["duration_ms"], "chain_index": ours["seq"],
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&row[name], value, "{name}: {row}");
    }
    let denied = rows(&house, RACK, "user=view").remove(0);
    assert_eq!((&denied["rbac_decision"], &denied["http_status"]), (&json!("deny"), &json!(403)));
}

#[test]
fn pages_by_number_without_a_largest_limit() {
    let house = lived_in();
    let all = found(&house, RACK, "");
    let total = all.len() as u64;
    for (query, page, limit) in [
        ("", 1, 100),
        ("page=0&limit=0", 1, 100),
        ("page=x&limit=x", 1, 100),
        ("limit=100000", 1, 100_000),
        ("page=9&limit=2", 9, 2),
    ] {
        let answer = ask(&house, RACK, query);
        assert_eq!(keys(&answer), BTreeSet::from(["logs", "total", "page", "limit"]));
        assert_eq!(
            [&answer["page"], &answer["limit"], &answer["total"]],
            [&json!(page), &json!(limit), &json!(total)],
            "{query}"
        );
    }
    let mut paged = Vec::new();
    for page in 1..=total.div_ceil(2) {
        paged.extend(found(&house, RACK, &format!("page={page}&limit=2")));
    }
    assert_eq!(paged, all);
}

#[test]
fn makes_one_row_of_equal_adjacent_changes() {
    let house = House::start();
    let end = |token: &str| {
        house.gateway.admin_request("DELETE", "/api/v1/sessions?circuit=nobody").bearer(token).send().status
    };
    for _ in 0..3 {
        assert_eq!(end(ADMIN_TOKEN), 200);
    }
    assert_eq!(end(READER_TOKEN), 403);
    house.gateway.logs_when("audit", "status=denied", 1);
    assert_eq!(end(ADMIN_TOKEN), 200);
    let raw = house.gateway.logs("audit", "action=session.revoke");
    assert_eq!(raw.len(), 4);
    let mut folded = rows(&house, RACK, "");
    folded.retain(|row| row["action"] == "session.revoke");
    let counts: Vec<_> = folded.iter().map(|row| row["event_count"].as_u64().unwrap()).collect();
    assert_eq!(counts, [1, 3], "the refusal between them ends the run");
    assert_eq!([&folded[1]["first_event_id"], &folded[1]["last_event_id"]], [&raw[3]["id"], &raw[1]["id"]]);
    assert_eq!([&folded[1]["first_seen"], &folded[1]["last_seen"]], [&raw[3]["time"], &raw[1]["time"]]);
    let alone = rows(&house, RACK, "search=session.revoke");
    assert_eq!(alone.len(), 2, "a filter does not make entries adjacent that are not: {alone:?}");
}

/// One row of a CSV file; the tests' texts have no line ends.
fn cells(line: &str) -> Vec<String> {
    let (mut cells, mut quoted) = (vec![String::new()], false);
    for character in line.chars() {
        match character {
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(String::new()),
            other => cells.last_mut().unwrap().push(other),
        }
    }
    cells
}

#[test]
fn exports_every_field_and_says_so_in_the_log() {
    let house = lived_in();
    let export = |query: &str, token: &str| {
        house.gateway.admin_request("GET", &format!("{RACK_EXPORT}?{query}")).bearer(token).send()
    };
    let found = rows(&house, RACK, "status=denied");
    let answer = export("status=denied", AUDITOR_TOKEN);
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/csv; charset=utf-8")));
    let name = answer.header("content-disposition").unwrap().to_owned();
    let date = found[0]["timestamp"].as_str().unwrap()[..10].to_owned();
    assert_eq!(name, format!("attachment; filename=\"audit-logs-{date}.csv\""));
    let text = answer.text();
    let lines: Vec<_> = text.strip_suffix("\r\n").unwrap().split("\r\n").map(cells).collect();
    let theirs = "first_seen,last_seen,user_email,user_name,action_type,action,command,resource,status,event_count,\
                  min_response_ms,max_response_ms,avg_response_ms,ip_address,user_agent";
    assert_eq!(lines[0][..15].join(","), theirs);
    assert_eq!(lines.len(), found.len() + 1);
    for (line, row) in lines[1..].iter().zip(&found) {
        assert_eq!(line.len(), lines[0].len());
        for (name, cell) in lines[0].iter().zip(line) {
            let value = &row[name.replace("response_ms", "response_time_ms").as_str()];
            let value = value.as_str().map_or_else(|| value.to_string().replace("null", ""), str::to_owned);
            assert_eq!(cell, &value.replace('"', ""), "{name}");
        }
    }

    assert_eq!(export("", READER_TOKEN).status, 403);
    let entry = house.gateway.logs_when("audit", "action=log.export", 1).remove(0);
    assert_eq!(
        (&entry["actor"], &entry["resource"], &entry["status"]),
        (&json!("audit"), &json!("audit"), &json!("success"))
    );
    assert_eq!(entry["details"]["filters"], json!({ "status": "denied" }));
}

#[test]
fn a_formula_in_an_export_is_a_text() {
    let house = House::start();
    house.gateway.admin_request("GET", "/api/v1/status").header("User-Agent", "=1+1").send();
    house.gateway.logs_when("audit", "status=denied", 1);
    let text = house.gateway.admin(RACK_EXPORT).text();
    assert!(text.contains(",'=1+1,"), "{text}");
}

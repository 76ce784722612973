//! The admin port: apart from the circuits, closed without a token.

use std::collections::BTreeSet;

use harness::House;
use harness::client::Request;
use harness::house::MAYA;
use harness::secrets::{ADMIN_TOKEN, AUDITOR_TOKEN, OTHER_PASSWORD, READER_TOKEN};
use serde_json::Value;

#[test]
fn the_circuits_port_never_serves_the_admin_api() {
    let house = House::start();
    let admin = house.gateway.admin_address().to_string();
    for host in ["x.localhost", "localhost", admin.as_str(), "127.0.0.1"] {
        for target in ["/api/v1/status", "/metrics", "/readyz", "/livez"] {
            assert_eq!(house.get(host, target).bearer(ADMIN_TOKEN).send().status, 404, "{host} {target}");
        }
    }
    assert_eq!(house.get("pub.localhost", "/api/v1/status").bearer(ADMIN_TOKEN).send().status, 200);
    assert_eq!(house.upstream.last().target, "/api/v1/status", "on a circuit it is the upstream's path");
}

#[test]
fn nothing_but_health_is_open_without_a_token() {
    let house = House::start();
    for target in ["/livez", "/readyz"] {
        assert_eq!(house.gateway.admin_request("GET", target).send().status, 200);
    }
    let closed = [
        "/metrics",
        "/api/v1/status",
        "/api/v1/logs/access",
        "/api/v1/logs/requests",
        "/api/v1/logs/audit",
        "/api/v1/sessions",
        "/api/v1/tokens",
        "/api/v1/bans",
        "/api/v1/grants",
        "/api/v1/circuits",
        "/api/v1/projects",
        "/api/v1/users",
        "/api/v1/users-seen",
        "/api/v1/stats",
    ];
    for target in closed {
        let none = house.gateway.admin_request("GET", target).send();
        assert_eq!(none.status, 401, "{target}");
        assert!(none.header("www-authenticate").is_some());
        let wrong = house.gateway.admin_request("GET", target).bearer("vsta_wrong").send();
        assert_eq!(wrong.status, 401, "{target}");
        for token in [READER_TOKEN, AUDITOR_TOKEN, ADMIN_TOKEN] {
            assert_eq!(house.gateway.admin_request("GET", target).bearer(token).send().status, 200, "{target}");
        }
    }
}

#[test]
fn only_an_admin_changes_anything() {
    let house = House::start();
    for (method, target) in [("POST", "/api/v1/config/reload"), ("DELETE", "/api/v1/sessions?all=true")] {
        assert_eq!(house.gateway.admin_request(method, target).send().status, 401, "{target}");
        for token in [READER_TOKEN, AUDITOR_TOKEN] {
            assert_eq!(house.gateway.admin_request(method, target).bearer(token).send().status, 403, "{target}");
        }
        assert_eq!(house.gateway.admin_request(method, target).bearer(ADMIN_TOKEN).send().status, 200, "{target}");
    }
    let denied = house.gateway.logs_when("audit", "status=denied", 1);
    assert!(denied.iter().all(|entry| entry["action_type"].is_string()), "{denied:?}");
}

#[test]
fn nobody_edits_or_deletes_entries() {
    let house = House::start();
    house.get("pub.localhost", "/").send();
    let id = house.gateway.logs_when("requests", "", 1)[0]["id"].as_str().unwrap().to_owned();
    for method in ["DELETE", "PUT", "PATCH", "POST"] {
        for target in ["/api/v1/logs/requests".to_owned(), format!("/api/v1/logs/requests/{id}")] {
            let answer = house.gateway.admin_request(method, &target).bearer(ADMIN_TOKEN).send();
            assert_eq!(answer.status, 405, "{method} {target}");
        }
    }
    assert_eq!(house.gateway.logs("requests", "").len(), 1);
}

#[test]
fn a_foreign_host_is_misdirected_but_for_health() {
    let house = House::start();
    let to = |host: &str, target: &str| {
        Request::new(house.gateway.admin_address(), "GET", host, target).bearer(ADMIN_TOKEN).send().status
    };
    assert_eq!(to("evil.example", "/api/v1/status"), 421);
    assert_eq!(to("pub.localhost", "/api/v1/status"), 421);
    assert_eq!(to("localhost", "/api/v1/status"), 200);
    assert_eq!(to("localhost:1234", "/api/v1/status"), 200);
    assert_eq!(to("evil.example", "/readyz"), 200);
}

#[test]
fn a_token_may_be_limited_to_some_logs() {
    let mut house = House::start();
    let body = house.gateway.body().to_owned()
        + "\n[admin.tokens.narrow]\nrole = \"reader\"\nlogs = [\"access\"]\nhash = \"sha256:7f0a0b2d1ff6ec2b0e1c50aa24e10a6e40e54b5bd9d6a1e2a2a2c6b0d8d2b111\"\n";
    house.gateway.reconfigure(&body);
    // The hash names no token that anybody knows; that the file is taken is what the matrix of roles cannot show.
    assert_eq!(house.gateway.admin("/api/v1/status").status, 200);
}

#[test]
fn guessing_tokens_is_slowed_down() {
    let house = House::start();
    let statuses: Vec<_> = (0..40)
        .map(|number| {
            house.gateway.admin_request("GET", "/api/v1/status").bearer(&format!("vsta_{number}")).send().status
        })
        .collect();
    assert!(statuses.contains(&429), "{statuses:?}");
    assert!(statuses.iter().all(|status| matches!(status, 401 | 429)), "{statuses:?}");
}

#[test]
fn the_status_tells_what_runs() {
    let mut house = House::start();
    let status = house.gateway.admin("/api/v1/status").json();
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    let revision = status["revision"].as_str().unwrap().to_owned();
    assert_eq!(house.gateway.entry_of(&house.get("pub.localhost", "/").send())["revision"], *revision);
    assert!(
        status["uptime_seconds"].is_u64() && status["circuits"] == 5 && status["last_reload"].is_null(),
        "{status}"
    );
    let body = house.gateway.body().replace("Documentation", "Docs");
    house.gateway.reconfigure(&body);
    let status = house.gateway.admin("/api/v1/status").json();
    assert!(status["last_reload"]["successful"] == true && status["revision"] != *revision, "{status}");
}

#[test]
fn metrics_agree_with_the_traffic() {
    let house = House::with("[login_limits]\nper_ip = \"3/m\"\n");
    for _ in 0..5 {
        house.get("pub.localhost", "/").send();
    }
    house.get("mem.localhost", "/").send();
    let session = house.session("mem.localhost", MAYA);
    for _ in 0..3 {
        house.gateway.sign_in("mem.localhost", &[("email", MAYA), ("password", OTHER_PASSWORD)]).send();
    }
    house.gateway.logs_when("requests", "", 10);
    let page = house.gateway.admin("/metrics");
    assert!(page.header("content-type").unwrap().starts_with("application/openmetrics-text"), "{page:?}");
    let text = page.text();
    assert!(text.ends_with("# EOF\n"));
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        assert!(line.rsplit_once(' ').is_some_and(|(_, value)| value.parse::<f64>().is_ok()), "{line}");
    }
    let metric = |name: &str, labels: &[&str]| house.gateway.metric(name, labels);
    let is = |value: f64, expected: f64| (value - expected).abs() < 0.5;
    assert!(
        is(
            metric("vestibule_requests_total", &["circuit=\"pub\"", "action=\"allowed\"", "origin=\"backend\"", "2xx"]),
            5.0
        ),
        "{text}"
    );
    assert!(is(metric("vestibule_requests_total", &[]), 10.0), "{text}");
    assert!(is(metric("vestibule_denials_total", &["circuit=\"mem\"", "no_credentials"]), 1.0), "{text}");
    assert!(is(metric("vestibule_attempts_total", &["method=\"password\"", "result=\"success\""]), 1.0), "{text}");
    assert!(is(metric("vestibule_attempts_total", &["result=\"failed\""]), 2.0), "{text}");
    assert!(is(metric("vestibule_rate_limited_total", &["mem"]), 1.0), "{text}");
    assert!(is(metric("vestibule_log_entries_total", &["log=\"requests\""]), 10.0), "{text}");
    assert!(is(metric("vestibule_log_dropped_total", &[]), 0.0), "{text}");
    assert!(is(metric("vestibule_config_last_reload_successful", &[]), 1.0), "{text}");
    assert!(is(metric("vestibule_sessions", &[]), 1.0), "{text}");
    assert!(is(metric("vestibule_locations_cached", &[]), 1.0), "{text}");
    assert!(is(metric("vestibule_refusals_remembered", &[]), 0.0), "{text}");
    assert!(is(metric("vestibule_admin_throttled_addresses", &[]), 0.0), "{text}");
    assert!(is(metric("vestibule_sessions_cached", &[]), 0.0), "it was never sent");
    house.get("mem.localhost", "/").cookie(&session).send();
    assert!(is(metric("vestibule_sessions_cached", &[]), 1.0));
    assert!(metric("vestibule_admin_connections", &[]) > 0.5, "this one");
    for name in [
        "vestibule_request_duration_seconds_count",
        "vestibule_upstream_duration_seconds_count",
        "vestibule_active_connections",
        "vestibule_log_queue_depth",
        "vestibule_log_bytes",
    ] {
        assert!(text.contains(name), "{name}");
    }
}

#[test]
fn answers_say_that_they_are_not_to_be_kept_or_framed() {
    let house = House::start();
    for answer in [house.gateway.admin("/api/v1/status"), house.gateway.admin_request("GET", "/api/v1/status").send()] {
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert!(answer.header("cache-control").unwrap().contains("no-store"));
        assert!(answer.header("content-security-policy").unwrap().contains("default-src 'none'"));
        assert_eq!(answer.header("access-control-allow-origin"), None);
    }
    assert_eq!(house.gateway.admin("/debug/pprof").status, 404);
}

/// Every list of the API, and what is on it here.
const LISTS: [(&str, usize); 11] = [
    ("/api/v1/circuits", 5),
    ("/api/v1/projects", 1),
    ("/api/v1/users", 5),
    ("/api/v1/users-seen", 1),
    ("/api/v1/tokens", 3),
    ("/api/v1/bans", 1),
    ("/api/v1/grants", 1),
    ("/api/v1/sessions?user=maya@example.net", 1),
    ("/api/v1/logs/access?status=success", 1),
    ("/api/v1/logs/requests?path=/.vestibule/login", 1),
    ("/api/v1/logs/audit?action=system.start", 1),
];

#[test]
fn every_list_is_lines_for_an_auditor_who_asks_for_them() {
    let house = House::start();
    house.session("mem.localhost", MAYA);
    let ban = house.gateway.admin_request("POST", "/api/v1/bans").bearer(ADMIN_TOKEN);
    assert_eq!(ban.json(&serde_json::json!({ "network": "203.0.113.7" })).send().status, 201);
    let grant = house.gateway.admin_request("POST", "/api/v1/grants").bearer(ADMIN_TOKEN);
    let wanted = serde_json::json!({ "email": MAYA, "circuit": "pin", "for": "1h" });
    assert_eq!(grant.json(&wanted).send().status, 201);
    house.gateway.logs_when("access", "status=success", 1);
    house.gateway.logs_when("requests", "path=/.vestibule/login", 1);
    for (target, count) in LISTS {
        let ask = |token: &str, accept: &str| {
            house.gateway.admin_request("GET", target).bearer(token).header("Accept", accept).send()
        };
        let rows = ask(READER_TOKEN, "application/json").json()["data"].as_array().unwrap().clone();
        assert_eq!(rows.len(), count, "{target}: {rows:?}");

        let csv = ask(AUDITOR_TOKEN, "text/csv");
        assert_eq!((csv.status, csv.header("content-type")), (200, Some("text/csv; charset=utf-8")), "{target}");
        let text = csv.text();
        assert_eq!(text.matches("\r\n").count(), count + 1, "{target}: {text}");
        let columns: BTreeSet<_> = text.lines().next().unwrap().split(',').collect();
        let members: BTreeSet<_> = rows[0].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(columns, members, "{target}");

        let lines = ask(AUDITOR_TOKEN, "application/x-ndjson");
        assert_eq!((lines.status, lines.header("content-type")), (200, Some("application/x-ndjson")), "{target}");
        let found: Vec<Value> = lines.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(found.len(), rows.len(), "{target}");
        found.into_iter().zip(rows).for_each(|(line, row)| assert_same_row(target, line, row));
        assert_eq!(lines.header("x-complete"), None, "{target}");

        for accept in ["text/csv", "application/x-ndjson"] {
            assert_eq!(ask(READER_TOKEN, accept).status, 403, "{target}");
        }
        assert_eq!(ask("vsta_wrong", "text/csv").status, 401, "{target}");
    }
}

/// The questions of this test are uses of its tokens, of which one a second is noted.
fn assert_same_row(target: &str, mut line: Value, mut row: Value) {
    if target == "/api/v1/tokens" {
        let [is, was] = [&mut line, &mut row].map(|row| row["last_used"].take());
        let (is, was) = (is.as_str().unwrap().to_owned(), was.as_str().unwrap().to_owned());
        assert!(was <= is && was.len() == is.len(), "{was} {is}: a later question");
    }
    assert_eq!(line, row, "{target}");
}

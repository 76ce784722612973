//! What the entries of a circuit tell about people, and which requests leave one.

use std::collections::BTreeSet;
use std::fs;

use harness::House;
use harness::house::{MAYA, NOOR};
use harness::secrets::{OTHER_PASSWORD, PASSWORD};
use serde_json::{Value, json};

const ADDRESS: &str = "203.0.113.77";
const AGENT: &str = "probe/7.3";

/// The members' circuit says something about its log.
fn house(log: &str) -> House {
    let mut house = House::start();
    let body = house.gateway.body().replace("[circuits.mem]\n", &format!("[circuits.mem]\nlog = {{ {log} }}\n"));
    house.gateway.reconfigure(&body);
    house
}

/// Two sign-ins of one person, a failed one of another, two pages and a refused request.
fn visit(house: &House) {
    let attempt = |email: &str, password: &str| {
        let form = house.gateway.sign_in("mem.localhost", &[("email", email), ("password", password)]);
        form.from(ADDRESS).header("User-Agent", AGENT).send()
    };
    attempt(NOOR, OTHER_PASSWORD);
    for _ in 0..2 {
        let cookie = attempt(MAYA, PASSWORD).session().unwrap();
        house.get("mem.localhost", "/page").cookie(&cookie).from(ADDRESS).header("User-Agent", AGENT).send();
    }
    house.get("mem.localhost", "/stranger").from(ADDRESS).header("User-Agent", AGENT).send();
    house.gateway.logs_when("access", "circuit=mem", 3);
    house.gateway.logs_when("requests", "circuit=mem", 6);
}

fn values(entries: &[Value], field: &str) -> BTreeSet<String> {
    entries.iter().filter_map(|entry| entry[field].as_str().map(str::to_owned)).collect()
}

#[track_caller]
fn check_pseudonyms(names: &BTreeSet<String>, count: usize) {
    assert_eq!(names.len(), count, "{names:?}");
    for name in names {
        let hex = name.strip_prefix("h:").unwrap_or_default();
        assert!(hex.len() == 16 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()), "{name}");
    }
}

/// Nobody can be found in the data folder, nor in what the admin port says of the circuit.
fn check_that_nobody_is_named(house: &mut House) {
    let shown = ["access", "requests", "audit"].map(|log| json!(house.gateway.logs(log, "")).to_string()).concat();
    let statistics = house.gateway.admin("/api/v1/stats?circuit=mem").text();
    house.gateway.stop();
    let mut stored = Vec::new();
    for file in fs::read_dir(house.gateway.data_dir().join("logs")).unwrap().flatten() {
        stored.extend(fs::read(file.path()).unwrap_or_default());
    }
    for name in [MAYA, NOOR, ADDRESS, AGENT, "Berlin"] {
        assert!(!(shown.clone() + &statistics).contains(name), "{name}: {shown} {statistics}");
        assert!(!stored.windows(name.len()).any(|window| window == name.as_bytes()), "{name} is on disk");
    }
}

#[test]
fn pseudonyms_let_people_be_counted_and_followed_but_not_named() {
    let mut house = house("personal_data = \"hashed\"");
    visit(&house);
    let attempts = house.gateway.logs("access", "circuit=mem");
    let requests = house.gateway.logs("requests", "circuit=mem");
    check_pseudonyms(&values(&attempts, "email"), 2);
    check_pseudonyms(&values(&attempts, "user_agent"), 1);
    check_pseudonyms(&values(&requests, "session_id"), 2);
    let signed_in = values(&house.gateway.logs("access", "circuit=mem&result=success"), "email");
    assert_eq!(values(&requests, "email"), signed_in, "one person has one pseudonym in every log");
    let maya = signed_in.first().unwrap();
    assert_eq!(house.gateway.logs("access", &format!("email={maya}")).len(), 2, "and can be filtered by it");
    let sessions = values(&attempts, "session_id");
    assert_eq!(values(&requests, "session_id"), sessions);
    for entry in attempts.iter().chain(&requests) {
        for field in ["source_ip", "city", "subdivision"] {
            assert_eq!(entry[field], Value::Null, "{field}: {entry}");
        }
        assert_eq!(entry["country"], "DE");
    }
    let addresses: BTreeSet<_> =
        requests.iter().map(|entry| entry["metadata"]["source_ip"].as_str().unwrap().to_owned()).collect();
    check_pseudonyms(&addresses, 1);
    check_that_nobody_is_named(&mut house);
    house.gateway.launch();
    house.gateway.sign_in("mem.localhost", &[("email", MAYA), ("password", PASSWORD)]).send();
    let again = house.gateway.logs_when("access", &format!("email={maya}"), 3);
    assert_eq!(again.len(), 3, "the pseudonym is the same after a restart");
}

#[test]
fn without_personal_data_nothing_is_left_of_a_person() {
    let mut house = house("personal_data = \"none\"");
    visit(&house);
    let attempts = house.gateway.logs("access", "circuit=mem");
    let requests = house.gateway.logs("requests", "circuit=mem");
    for entry in attempts.iter().chain(&requests) {
        for field in ["email", "user_id", "session_id", "user_agent", "source_ip", "city", "subdivision"] {
            assert_eq!(entry[field], Value::Null, "{field}: {entry}");
        }
        assert_eq!(entry["country"], "DE");
    }
    assert!(requests.iter().all(|entry| entry["metadata"].is_null()));
    assert_eq!(attempts.iter().filter(|entry| entry["result"] == "success").count(), 2, "attempts are recorded");
    assert_eq!(house.gateway.admin("/api/v1/users-seen").json()["data"], json!([]));
    check_that_nobody_is_named(&mut house);
}

#[test]
fn limits_work_without_personal_data_and_their_audit_entries_name_nobody() {
    let mut house = house("personal_data = \"hashed\"");
    let body = house.gateway.body().to_owned() + "\n[login_limits]\nper_user = \"2/m\"\n";
    house.gateway.reconfigure(&body);
    let attempt = || {
        let form = house.gateway.sign_in("mem.localhost", &[("email", MAYA), ("password", OTHER_PASSWORD)]);
        form.from(ADDRESS).send().status
    };
    let statuses: Vec<_> = (0..4).map(|_| attempt()).collect();
    assert_eq!(statuses, [401, 401, 429, 429]);
    house.gateway.logs_when("access", "result=rate_limited", 2);
    house.gateway.stop();
    house.gateway.launch();
    let exceeded = house.gateway.logs_when("audit", "action=rate_limit.exceeded", 1);
    assert_eq!((exceeded.len(), &exceeded[0]["event_count"]), (1, &json!(2)));
    assert_eq!(exceeded[0]["source_ip"], Value::Null);
    let key = exceeded[0]["details"]["key"].as_str().unwrap().to_owned();
    check_pseudonyms(&BTreeSet::from([key.clone()]), 1);
    assert_eq!(values(&house.gateway.logs("access", ""), "email"), BTreeSet::from([key]));
}

#[test]
fn only_refused_requests_leave_an_entry_where_that_is_asked_for() {
    let house = house("requests = \"blocked\"");
    let cookie = house.session("mem.localhost", MAYA);
    for _ in 0..3 {
        assert_eq!(house.get("mem.localhost", "/page").cookie(&cookie).send().status, 200);
    }
    house.get("mem.localhost", "/stranger").send();
    house.get("pub.localhost", "/").send();
    house.gateway.logs_when("requests", "circuit=pub", 1);
    let kept = house.gateway.logs_when("requests", "circuit=mem", 1);
    let kept: Vec<_> = kept.iter().map(|entry| (&entry["path"], &entry["action"])).collect();
    assert_eq!(kept, [(&json!("/stranger"), &json!("blocked"))]);
    assert_eq!(house.gateway.logs("access", "circuit=mem").len(), 1, "attempts are always recorded");
    let counted = |action: &str| house.gateway.metric("vestibule_requests_total", &["circuit=\"mem\"", action]);
    assert!((counted("allowed") - 4.0).abs() < 0.5 && (counted("blocked") - 1.0).abs() < 0.5, "metrics count all");
    let stats = house.gateway.admin("/api/v1/stats?circuit=mem").json();
    assert_eq!((&stats["total"], &stats["blocked"]["count"]), (&json!(1), &json!(1)), "statistics count entries");
}

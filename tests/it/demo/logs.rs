//! What the logs of the demo say, and how they are read.

use std::time::{Duration, Instant};

use harness::SmallDisk;
use serde_json::{Value, json};

use super::{Demo, WORDS};
use crate::errors::disk::{NO_MARKS, a_full_queue_is_counted_and_marked};

const MAYA: &str = "maya@example.net";

#[test]
fn attempts_are_recorded_once_and_at_once() {
    let demo = Demo::start();
    let cookie = demo.session("mem.localhost", MAYA, "203.0.113.7");
    let answered = Instant::now();
    let attempt = demo.logs_when("access", "status=success", 1).remove(0);
    assert!(answered.elapsed() < Duration::from_secs(1), "E18");
    let visit = demo.get("mem.localhost", "/").cookie(&cookie);
    (0..50).for_each(|_| assert_eq!(visit.send().status, 200));
    demo.get("pub.localhost", "/").send();
    let requests = demo.logs_when("requests", &format!("session_id={}", attempt["session_id"].as_str().unwrap()), 51);
    assert_eq!(requests.len(), 51, "E1, F1, F6");
    assert_eq!(demo.logs("access", "circuit=mem").len(), 1, "E1");
    assert_eq!(demo.logs("access", "circuit=pub").len(), 0, "E1");
    let told =
        ["action", "result", "auth_method", "email", "user_id", "circuit", "project", "host", "country", "policy"];
    let told = told.map(|field| attempt[field].as_str().unwrap_or_else(|| panic!("E2: {field} of {attempt}")));
    let meant = [
        "login",
        "success",
        "password",
        MAYA,
        "local:maya@example.net",
        "mem",
        "docs",
        "mem.localhost",
        "DE",
        "members",
    ];
    assert_eq!(told, meant, "E2, E3");
}

#[test]
fn requests_say_who_answered_and_whom() {
    let demo = Demo::start();
    let cookie = demo.session("mem.localhost", MAYA, "203.0.113.7");
    let upload = demo.request("POST", "mem.localhost", "/up?token=abc").cookie(&cookie);
    let sent = demo.entry_of(&upload.body("text/plain", vec![b'x'; 1 << 20]).send());
    assert_eq!(sent["bytes_in"], 1 << 20, "F9");
    assert_eq!((&sent["action"], &sent["origin"]), (&json!("allowed"), &json!("backend")), "F3, F4");
    assert_eq!((&sent["email"], &sent["reason"]), (&json!(MAYA), &Value::Null), "F5, F3");
    assert!(!sent.to_string().contains("abc"), "F11: {sent}");
    let refused = demo.entry_of(&demo.get("mem.localhost", "/").send());
    assert_eq!((&refused["action"], &refused["origin"]), (&json!("blocked"), &json!("auth")), "F3, F4");
    assert_eq!(refused["email"], Value::Null, "F5");
    let ruled = demo.entry_of(&demo.get("rules.localhost", "/").from("198.51.100.7").send());
    assert_eq!((&ruled["origin"], &ruled["reason"]), (&json!("rule"), &json!("country_restricted")), "F4");
}

#[test]
fn questions_are_answered_as_a_look_at_every_entry_would() {
    let demo = Demo::start();
    for (person, password) in [(MAYA, WORDS), (MAYA, "wrong"), ("nobody@example.net", "wrong")] {
        demo.sign_in("mem.localhost", &[("email", person), ("password", password)]).from("203.0.113.7").send();
    }
    let all = demo.logs_when("access", "", 3);
    for (query, field, value) in [
        ("result=failed", "result", "failed"),
        ("email=maya@example.net", "email", MAYA),
        ("country=DE&status=success", "status", "success"),
        ("q=NOBODY", "email", "nobody@example.net"),
    ] {
        let direct = all.iter().filter(|entry| entry[field] == value).count();
        assert_eq!(demo.logs("access", query).len(), direct, "E7: {query}");
    }
    let ids = |query: &str| demo.logs("access", query).iter().map(|entry| entry["id"].clone()).collect::<Vec<_>>();
    for field in ["time", "email", "result", "circuit"] {
        let mut up = ids(&format!("sort={field}&order=asc"));
        up.reverse();
        assert_eq!(up, ids(&format!("sort={field}&order=desc")), "E10: {field}");
    }
    let fields = demo.logs("access", "fields=id,email");
    assert_eq!(fields[0].as_object().unwrap().len(), 2, "E13");
    let wrong = demo.admin("/api/v1/logs/access?result=maybe");
    assert!(wrong.status == 400 && wrong.text().contains("result"), "E14");
    assert_eq!(demo.logs("access", "email=nobody@x").len(), 0, "E14");
    let seen = demo.admin("/api/v1/users-seen").json();
    assert_eq!(seen["data"].as_array().unwrap().len(), 1, "E15: {seen}");
    let id = all[0]["id"].as_str().unwrap();
    let one = demo.admin(&format!("/api/v1/logs/access/{id}?include=related"));
    assert_eq!(one.status, 200, "E16: {}", one.text());
}

#[test]
fn changes_are_on_record_and_the_record_verifies() {
    let demo = Demo::start();
    demo.give("pub", "country_block = [\"CN\"]");
    let change = demo.logs_when("audit", "action=config.reload&status=success", 1).remove(0);
    assert!(change["before"] != change["after"] && change["after"].to_string().contains("CN"), "G1: {change}");
    assert_eq!(demo.logs("audit", "range=5m&action_type=policy&status=success").len(), 1, "G2, G3");
    let crossed = demo.admin("/api/v1/logs/audit?since=2026-02-01T00:00:00Z&until=2026-01-01T00:00:00Z");
    assert_eq!(crossed.status, 400, "G3");
    let checked = demo.as_admin("POST", "/api/v1/integrity/verify").send();
    assert!(checked.status == 200 && checked.text().contains("\"valid\":true"), "G6: {}", checked.text());
    let export = demo.admin("/api/v1/logs/audit/export?format=csv");
    assert!(export.header("content-disposition").is_some_and(|name| name.contains(".csv")), "G11");
    assert!(export.text().lines().count() > demo.logs("audit", "action=config.reload").len(), "G11");
    assert_eq!(demo.logs_when("audit", "action=log.export", 1)[0]["resource_type"], "log", "G12");
    assert_eq!(demo.as_admin("DELETE", "/api/v1/logs/audit").send().status, 405, "G14");
}

#[test]
#[ignore = "needs root to mount a small tmpfs"]
fn mounted_small_and_full_what_the_queue_cannot_hold_is_counted_and_marked() {
    let disk = SmallDisk::mount("size=256m");
    let demo = Demo::within(disk.path());
    demo.change("[rate_limits.few]\n", &format!("{NO_MARKS}[rate_limits.few]\n"));
    // F14
    a_full_queue_is_counted_and_marked(&demo, &disk);
}

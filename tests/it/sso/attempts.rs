//! One attempt from its beginning to its end, and how many may begin.

use harness::browser::path;
use harness::house::MAYA;
use harness::secrets::PASSWORD;
use serde_json::json;

use super::Inn;

#[test]
fn each_step_of_an_attempt_is_an_event_of_it() {
    let inn = Inn::start("");
    let mut browser = inn.browser("wiki.localhost", "203.0.113.1");
    let callback = browser.at_provider("/", &inn.provider);
    let begun = inn.gateway.logs_when("access", "", 1);
    assert_eq!((begun[0]["status"].as_str(), begun[0]["result"].as_str()), (Some("initiated"), None));

    assert_eq!(browser.get(path(&callback)).status, 303);

    let events = inn.gateway.logs_when("access", "view=events&order=asc", 5);
    let steps: Vec<_> =
        events.iter().map(|event| (event["status"].as_str().unwrap(), event["rule"].as_str())).collect();
    assert_eq!(
        steps,
        [
            ("initiated", Some("providers.corp.redirect")),
            ("pending", Some("providers.corp.callback")),
            ("pending", Some("providers.corp.token")),
            ("pending", Some("providers.corp.claims")),
            ("success", None),
        ]
    );
    for event in &events {
        assert_eq!((&event["attempt_id"], &event["provider"]), (&events[0]["attempt_id"], &json!("corp")));
        assert!(event["duration_ms"].is_u64(), "{event}");
    }
    assert_eq!(inn.gateway.logs("access", "")[0]["attempt_id"], events[0]["attempt_id"]);
}

#[test]
fn a_page_that_was_shown_and_its_form_are_one_attempt() {
    let inn = Inn::start("");
    let mut browser = inn.browser("both.localhost", "203.0.113.1");
    assert_eq!(browser.get("/.vestibule/login?return=%2Fa").status, 200);
    assert_eq!(browser.get("/.vestibule/login?return=%2Fa").status, 200, "shown once more");
    let begun = inn.gateway.logs_when("access", "", 1);
    assert_eq!((begun.len(), begun[0]["status"].as_str()), (1, Some("initiated")));

    let form = [("email", MAYA), ("password", PASSWORD), ("return", "/a")];
    assert_eq!(browser.post("/.vestibule/login", &form).status, 303);

    let rows = inn.gateway.logs_when("access", "status=success", 1);
    assert_eq!(rows[0]["attempt_id"], begun[0]["attempt_id"]);
    let events = inn.gateway.logs("access", "view=events&order=asc");
    let statuses: Vec<_> = events.iter().map(|event| event["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["initiated", "pending", "success"]);
    assert_eq!(browser.post("/.vestibule/login", &form).status, 303, "a second form is an attempt of its own");
    assert_eq!(inn.gateway.logs_when("access", "status=success", 2).len(), 2);
}

#[test]
fn callbacks_of_one_address_are_limited() {
    let inn = Inn::start("");
    let callback = || inn.gateway.get("wiki.localhost", "/.vestibule/callback?state=x&code=y");
    for number in 1..=15 {
        assert_eq!(callback().from("203.0.113.9").send().status, 400, "{number}");
    }
    let limited = callback().from("203.0.113.9").send();
    assert_eq!((limited.status, limited.reason()), (429, "rate_limited_ip".to_owned()));
    assert!(limited.header("retry-after").is_some());
    assert_eq!(callback().from("203.0.113.10").send().status, 400, "another address");
    let entries = inn.gateway.logs_when("access", "result=rate_limited", 1);
    assert_eq!(entries[0]["auth_method"], "sso");
}

#[test]
fn sign_ins_that_are_never_finished_stay_bounded() {
    let inn = Inn::start("");
    let mut browser = inn.browser("wiki.localhost", "203.0.113.1");
    let first = browser.at_provider("/first", &inn.provider);
    for _ in 0..20 {
        assert_eq!(browser.get("/").status, 302);
    }
    assert_eq!(browser.get(path(&first)).status, 400, "the oldest of a browser went");
    let last = browser.at_provider("/last", &inn.provider);
    let sent: usize = browser.cookie("vestibule-browser").unwrap().len();
    assert!(sent < 100, "one cookie, however many begin");
    assert_eq!(browser.get(path(&last)).header("location"), Some("/last"));
    assert!(inn.gateway.metric("vestibule_sign_ins_started", &[]) <= 8.0);

    for _ in 0..40 {
        inn.gateway.get("wiki.localhost", "/").browser().from("203.0.113.77").send();
    }
    let recorded = inn.gateway.logs_when("access", "source_ip=203.0.113.77", 30);
    assert_eq!(recorded.len(), 30, "the rest is only counted");
    assert!(inn.gateway.metric("vestibule_attempts_unrecorded_total", &[]) >= 10.0);
}

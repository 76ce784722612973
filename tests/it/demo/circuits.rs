//! Circuits and what stands behind them.

use std::net::TcpListener;
use std::time::Duration;

use harness::{Upstream, until};
use serde_json::json;

use super::{Demo, received};
use crate::shutdown::answer_of_a_stop;
use crate::streaming::{events_arrive_when_they_are_sent, half_an_upload_is_there};

#[test]
fn a_circuit_is_its_host_in_any_spelling_and_nothing_else_is() {
    let demo = Demo::start();
    let answer = demo.get("PUB.localhost:8080", "/a?b=c").send();
    assert_eq!((answer.status, &answer.json()["path"]), (200, &json!("/a")), "A1");
    let unknown = demo.get("nope.localhost", "/").send();
    assert_eq!(unknown.status, 404, "A2");
    let entry = demo.entry_of(&unknown);
    assert_eq!((&entry["origin"], &entry["action"]), (&json!("no_route"), &json!("blocked")), "A2");
    assert_eq!(unknown.json()["request_id"], entry["request_id"], "A2");
}

#[test]
fn a_policy_changes_at_run_time() {
    let demo = Demo::start();
    assert_eq!(demo.get("pub.localhost", "/").send().status, 200);
    let reached = demo.reached();
    demo.change("access   = \"public\"", "access   = \"members\"\nlogin    = [\"password\"]");
    assert_eq!(demo.get("pub.localhost", "/").send().status, 401, "A4");
    let page = demo.get("pub.localhost", "/").browser().send();
    assert_eq!(page.status, 302, "A4");
    assert_eq!(demo.reached(), reached + 1, "B18: what is refused reaches nothing");
    demo.change("access   = \"members\"\nlogin    = [\"password\"]", "access   = \"public\"");
    assert_eq!(demo.get("pub.localhost", "/").send().status, 200, "A4");
}

#[test]
fn a_disabled_circuit_is_no_circuit_and_leaves_no_entry() {
    let demo = Demo::start();
    demo.entry_of(&demo.get("pub.localhost", "/").send());
    demo.give("pub", "enabled = false");
    let answer = demo.get("pub.localhost", "/").send();
    assert_eq!((answer.status, answer.header("x-vestibule")), (404, Some("no_route")), "A6");
    demo.entry_of(&demo.get("mem.localhost", "/").send());
    assert_eq!(demo.logs("requests", "host=pub.localhost").len(), 1, "A6");
    demo.change("enabled = false\n", "");
    assert_eq!(demo.get("pub.localhost", "/").send().status, 200, "A6");
}

#[test]
fn the_upstream_is_named_or_sees_the_clients_host_as_the_file_says() {
    let demo = Demo::start();
    let line = demo.upstream_line();
    let url = line.split('"').nth(1).unwrap().to_owned();
    let with = |host: &str| format!("upstream = {{ url = \"{url}\", host_header = \"{host}\" }}");
    demo.change(&line, &with("upstream"));
    let host = received(&demo.get("pub.localhost", "/").send(), "host");
    assert_eq!(host.as_deref(), url.strip_prefix("http://"), "A11: off");
    demo.change(&with("upstream"), &with("client"));
    let host = received(&demo.get("pub.localhost", "/").send(), "host");
    assert_eq!(host.as_deref(), Some("pub.localhost"), "A11: on");
}

#[test]
fn an_upstream_that_is_gone_is_a_502_that_the_log_knows() {
    let demo = Demo::start();
    demo.lead_to(&format!("http://127.0.0.1:{}", harness::port::free()));
    let answer = demo.get("pub.localhost", "/").send();
    assert_eq!((answer.status, answer.header("x-vestibule")), (502, Some("proxy_error")), "A16");
    let entry = demo.entry_of(&answer);
    assert_eq!(answer.json()["request_id"], entry["request_id"], "A16");
    assert_eq!((&entry["origin"], &entry["status_code"]), (&json!("proxy_error"), &json!(502)), "F4");
}

#[test]
fn streams_pass_as_they_come_both_ways() {
    let (demo, upstream) = (Demo::start(), Upstream::start());
    demo.lead_to(&upstream.url());
    // A19
    events_arrive_when_they_are_sent(&demo);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    demo.lead_to(&format!("http://{}", listener.local_addr().unwrap()));
    half_an_upload_is_there(&demo, &listener);
}

#[test]
fn a_stop_lets_what_runs_end_and_loses_no_entry() {
    let (mut demo, upstream) = (Demo::start(), Upstream::start());
    demo.lead_to(&upstream.url());
    let mut copy = demo.copy();
    let answer = answer_of_a_stop(&demo, demo.child.id(), &upstream);
    assert_eq!((answer.status, answer.text().as_str()), (200, "at last"), "A22");
    let end = until(Duration::from_secs(10), "its end", || demo.child.try_wait().unwrap());
    assert!(end.success(), "A22: {end}");

    // The demo takes its log away with it; what is started on a copy of its files does not.
    copy.launch();
    let answer = answer_of_a_stop(&copy, copy.id(), &upstream);
    assert!(answer.status == 200 && copy.wait().success(), "A22");
    copy.launch();
    assert_eq!(copy.entry_of(&answer)["status_code"], 200, "A22");
}

#[test]
fn a_broken_file_changes_nothing_and_is_told() {
    let demo = Demo::start();
    let answer = demo.edit("[circuits.pub]\n", "[circuits.pub]\nacess = \"members\"\n");
    assert_eq!(answer.status, 422, "I5: {}", answer.text());
    assert!(answer.text().contains("acess") && answer.text().contains("access"), "I5: {}", answer.text());
    assert_eq!(demo.get("pub.localhost", "/").send().status, 200, "I5");
    let told = demo.logs_when("audit", "action=config.reload&status=failed", 1);
    assert_eq!(told[0]["resource_type"], "config", "I5");
    demo.change("acess = \"members\"\n", "");
}

#[test]
fn nothing_that_names_people_comes_from_a_client() {
    let demo = Demo::start();
    let request = demo.get("pub.localhost", "/").header("X-Vestibule-User", "root").header("x_vestibule_user", "root");
    let answer = request.header("Cookie", "a={\"x\":1}; vestibule=ours; b=2").send();
    assert_eq!(received(&answer, "x-vestibule-user"), None, "C19");
    assert_eq!(received(&answer, "x_vestibule_user"), None, "C19");
    assert_eq!(received(&answer, "cookie").as_deref(), Some("a={\"x\":1}; b=2"), "C27");
    let id = answer.header("x-request-id").map(str::to_owned);
    assert_eq!(received(&answer, "x-request-id"), id, "F10");
    assert_eq!(demo.entry_of(&answer)["request_id"].as_str(), id.as_deref(), "F10");
}

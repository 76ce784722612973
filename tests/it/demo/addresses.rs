//! Where a request comes from, and how much of it.

use std::fs;

use harness::Ports;
use serde_json::json;

use super::Demo;

const BERLIN: &str = "203.0.113.7";
const BEIJING: &str = "198.51.100.7";

#[test]
fn an_address_is_the_first_from_the_right_that_is_not_trusted() {
    let demo = Demo::start();
    let answer = demo.get("pub.localhost", "/").from("9.9.9.9, 203.0.113.7").send();
    let entry = demo.entry_of(&answer);
    assert_eq!(
        (&entry["source_ip"], &entry["country"], &entry["city"]),
        (&json!(BERLIN), &json!("DE"), &json!("Berlin")),
        "B1"
    );
    let mapped = demo.entry_of(&demo.get("pub.localhost", "/").from("::ffff:203.0.113.7").send());
    assert_eq!(mapped["source_ip"], BERLIN, "B4");
    demo.change("trusted_proxies = [\"127.0.0.1\"]", "trusted_proxies = []");
    let answer = demo.get("pub.localhost", "/").from("9.9.9.9").send();
    assert_eq!(demo.entry_of(&answer)["source_ip"], "127.0.0.1", "B1");
    assert_eq!(super::received(&answer, "x-forwarded-for").as_deref(), Some("127.0.0.1"), "B2");
}

#[test]
fn lists_of_addresses_and_countries_refuse_in_their_order() {
    let demo = Demo::start();
    let reached = demo.reached();
    let reason = |address: &str| {
        let answer = demo.get("pub.localhost", "/").from(address).send();
        (answer.status, answer.reason())
    };
    let refused = |reason: &str| (403, reason.to_owned());
    demo.give("pub", "ip_block = [\"203.0.113.7\"]\nip_allow = [\"203.0.113.0/24\"]");
    assert_eq!(reason(BERLIN), refused("ip_restricted"), "B5: blocked although it is allowed");
    assert_eq!(reason("203.0.113.8").0, 200, "B7: the neighbour is not blocked");
    assert_eq!(reason("::ffff:203.0.113.8").0, 200, "B4: the same address in six");
    assert_eq!(reason(BEIJING), refused("ip_restricted"), "B6: not on the list");
    demo.change("ip_allow = [\"203.0.113.0/24\"]\n", "country_block = [\"de\"]\n");
    assert_eq!(reason(BERLIN), refused("ip_restricted"), "B16: the address comes first");
    assert_eq!(reason("203.0.113.8"), refused("country_restricted"), "B9");
    assert_eq!(reason("9.9.9.9").0, 200, "B10: of unknown country, with a block list alone");
    demo.change("country_block = [\"de\"]\n", "country_allow = [\"DE\"]\n");
    assert_eq!(
        reason("9.9.9.9"),
        refused("country_restricted"),
        "B10: of unknown country, with a list of allowed ones"
    );
    assert_eq!(reason("203.0.113.8").0, 200, "B10");
    assert_eq!(demo.reached(), reached + 5, "B18: the four that were let in");
    let wrong = demo.edit("ip_block = [\"203.0.113.7\"]", "ip_block = [\"10.1.2.3/8\"]");
    assert!(wrong.status == 422 && wrong.text().contains("10.0.0.0/8"), "B8: {}", wrong.text());
}

#[test]
fn without_a_geo_database_rules_about_countries_refuse_everybody() {
    let demo = Demo::start();
    let refused = |gateway: &Ports| {
        let answer = gateway.get("rules.localhost", "/").from(BERLIN).send();
        assert_eq!((answer.status, answer.reason()), (403, "geo_unavailable".to_owned()), "B11");
        assert_eq!(gateway.get("pub.localhost", "/").from(BERLIN).send().status, 200, "B11: where none stands");
        let health = gateway.admin_request("GET", "/readyz").send().text();
        assert!(health.contains("degraded") && health.contains("geo: database cannot be read"), "B11: {health}");
    };
    let mut copy = demo.copy();
    fs::remove_file(copy.folder().join("places.mmdb")).unwrap();
    copy.launch();
    refused(&copy);
    // And while it runs.
    fs::remove_file(demo.config.with_file_name("places.mmdb")).unwrap();
    demo.give("pub", "enabled = true");
    refused(&demo);
}

#[test]
fn a_session_is_no_way_around_a_country() {
    let demo = Demo::start();
    let cookie = demo.session("mem.localhost", "maya@example.net", BERLIN);
    let visit = demo.get("mem.localhost", "/").from(BERLIN).cookie(&cookie);
    assert_eq!(visit.send().status, 200);
    demo.give("mem", "country_block = [\"DE\"]");
    let answer = visit.send();
    assert_eq!((answer.status, answer.reason()), (403, "country_restricted".to_owned()), "B17");
}

#[test]
fn requests_of_one_address_have_their_limit() {
    let demo = Demo::start();
    let visit = |address: &str| demo.get("rules.localhost", "/").from(address).send();
    for number in 1..=20 {
        assert_eq!(visit(BERLIN).status, 200, "D4: {number}");
    }
    let answer = visit(BERLIN);
    assert_eq!(answer.status, 429, "D4: one more");
    let number = |name: &str| answer.header(name).unwrap().parse::<u64>().unwrap();
    assert_eq!((number("x-ratelimit-limit"), number("x-ratelimit-remaining")), (20, 0), "D5");
    assert!((1..=60).contains(&number("retry-after")) && number("x-ratelimit-reset") >= 1, "D5");
    assert_eq!(visit("203.0.113.8").status, 200, "D7: each its own");
    assert_eq!(visit(&format!("{BERLIN}, 203.0.113.9")).status, 200, "D7: what a client puts in front changes nothing");
    for host in 0..20 {
        assert_eq!(visit(&format!("2001:db8:1:1::{host:x}")).status, 200, "D8");
    }
    assert_eq!(visit("2001:db8:1:1::ffff").status, 429, "D8: one network, one limit");
    assert_eq!(visit("2001:db8:1:2::1").status, 200, "D8");
    assert_eq!(demo.entry_of(&answer)["reason"], "rate_limited_ip", "D11");
}

#[test]
fn attempts_have_their_limit_even_with_the_right_password() {
    let demo = Demo::start();
    let attempt = |email: &str, address: &str, password: &str| {
        demo.sign_in("mem.localhost", &[("email", email), ("password", password)]).from(address).send()
    };
    for number in 0..10 {
        assert_eq!(attempt(&format!("p{number}@example.net"), BERLIN, "wrong").status, 401, "D1: {number}");
    }
    let limited = attempt("noor@example.net", BERLIN, super::WORDS);
    assert_eq!((limited.status, limited.reason()), (429, "rate_limited_ip".to_owned()), "D1, D3");
    for number in 0..5 {
        assert_eq!(attempt("maya@example.net", &format!("192.0.2.{number}"), "wrong").status, 401, "D2: {number}");
    }
    let limited = attempt("maya@example.net", "192.0.2.99", super::WORDS);
    assert_eq!((limited.status, limited.reason()), (429, "rate_limited_user".to_owned()), "D2, D3");
    let recorded = demo.logs_when("access", "result=rate_limited", 2);
    assert_eq!(recorded.len(), 2, "D11: one each");
}

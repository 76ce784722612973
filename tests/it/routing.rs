//! Which circuit answers, and what happens when none or its upstream does not.

use std::time::Duration;

use harness::house::plan;
use harness::{Gateway, House, Upstream, until};
use serde_json::Value;

/// A public circuit `a` on `a.localhost` with further keys.
fn circuit(upstream: &str, more: &str) -> String {
    format!(
        "[projects.docs]\nmembers = []\n[circuits.a]\nproject = \"docs\"\nhosts = [\"a.localhost\"]\naccess = \
         \"public\"\nupstream = {upstream}\n{more}\n"
    )
}

#[test]
fn a_host_is_found_whatever_its_case_and_port() {
    let house = House::start();
    for host in ["pub.localhost", "PUB.localhost:8080", "Pub.LocalHost", "pub.localhost."] {
        let answer = house.get(host, "/a/b?c=d").send();
        assert_eq!(answer.status, 200, "{host}");
        assert_eq!(house.upstream.last().target, "/a/b?c=d");
    }
    assert_eq!(house.upstream.count(), 4);
}

#[test]
fn an_unknown_host_gets_404_and_an_entry_without_a_route() {
    let house = House::start();

    let answer = house.get("nope.localhost", "/x").from("203.0.113.7").send();

    assert_eq!(answer.status, 404);
    assert_eq!(answer.header("x-vestibule"), Some("no_route"));
    let id = answer.header("x-request-id").unwrap().to_owned();
    assert_eq!(answer.json()["request_id"], id);
    let entry = house.gateway.entry_of(&answer);
    assert_eq!(entry["origin"], "no_route");
    assert_eq!(entry["action"], "blocked");
    assert_eq!(entry["reason"], "circuit_not_found");
    assert_eq!(entry["host"], "nope.localhost");
    assert_eq!(entry["country"], "DE");
    assert_eq!(entry["circuit"], Value::Null);
    let page = house.get("nope.localhost", "/").browser().send();
    assert!(page.text().contains(page.header("x-request-id").unwrap()), "the page shows the id");
}

#[test]
fn a_disabled_circuit_answers_as_an_unknown_host_and_writes_nothing() {
    let mut house = House::start();
    assert_eq!(house.get("pub.localhost", "/").send().status, 200);
    let requests = house.gateway.logs_when("requests", "", 1).len();
    let body = house.gateway.body().to_owned();
    house.gateway.reconfigure(&body.replace("[circuits.pub]", "[circuits.pub]\nenabled = false"));

    let answer = house.get("pub.localhost", "/").send();

    assert_eq!((answer.status, answer.header("x-vestibule")), (404, Some("no_route")));
    assert_eq!(answer.reason(), "circuit_not_found");
    // A later request's entry is readable, so an entry of this one would be.
    house.gateway.entry_of(&house.get("nope.localhost", "/").send());
    assert_eq!(house.gateway.logs("requests", "").len(), requests + 1);
    assert_eq!(house.gateway.logs("access", ""), Vec::<Value>::new());
    assert_eq!(house.upstream.count(), 1);
    house.gateway.reconfigure(&body);
    assert_eq!(house.get("pub.localhost", "/").send().status, 200);
}

#[test]
fn an_expiring_circuit_stops_at_its_instant() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&circuit(&format!("\"{}\"", upstream.url()), ""));
    let output = std::process::Command::new("date").args(["-u", "-d", "+3 seconds", "+%Y-%m-%dT%H:%M:%SZ"]).output();
    let instant = String::from_utf8(output.unwrap().stdout).unwrap().trim().to_owned();
    let mut gateway = gateway;
    gateway.reconfigure(&circuit(&format!("\"{}\"", upstream.url()), &format!("expires = {instant}")));

    let refused = until(Duration::from_secs(8), "the circuit's end", || {
        let answer = gateway.get("a.localhost", "/").send();
        (answer.status != 200).then_some(answer)
    });

    assert_eq!((refused.status, refused.reason().as_str()), (404, "circuit_not_found"));
    let entry = gateway.entry_of(&refused);
    assert_eq!(entry["reason"], "circuit_expired", "the log says it precisely");
    assert!(entry["time"].as_str().unwrap() >= instant.trim_end_matches('Z'));
    let allowed = gateway.logs("requests", "circuit=a&action=allowed");
    let last = allowed.first().unwrap()["time"].as_str().unwrap().to_owned();
    assert!(!allowed.is_empty() && last.as_str() < instant.as_str(), "{last} is before {instant}");
}

#[test]
fn the_upstream_sees_the_host_that_its_circuit_says() {
    let upstream = Upstream::start();
    let client = Gateway::start(&circuit(&format!("{{ url = \"{}\", host_header = \"client\" }}", upstream.url()), ""));
    client.get("A.localhost:8080", "/").send();
    assert_eq!(upstream.last().header("host"), Some("a.localhost:8080"), "in its one spelling");

    let own = Gateway::start(&circuit(&format!("{{ url = \"{}\", host_header = \"upstream\" }}", upstream.url()), ""));
    own.get("a.localhost", "/").send();
    assert_eq!(upstream.last().header("host"), Some(upstream.address().to_string().as_str()));
}

#[test]
fn an_upstream_that_refuses_is_502_and_the_body_names_the_entry() {
    let gateway = Gateway::start(&circuit(&format!("\"http://127.0.0.1:{}\"", harness::port::free()), ""));

    let answer = gateway.get("a.localhost", "/").send();

    assert_eq!((answer.status, answer.reason().as_str()), (502, "backend_refused"));
    assert_eq!(answer.header("x-vestibule"), Some("proxy_error"));
    let entry = gateway.entry_of(&answer);
    assert_eq!(entry["request_id"], answer.json()["request_id"]);
    assert_eq!((&entry["origin"], &entry["reason"]), (&"proxy_error".into(), &"backend_refused".into()));
    assert_eq!(entry["status_code"], 502);
}

#[test]
fn an_upstream_that_breaks_off_is_502() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&circuit(&format!("\"{}\"", upstream.url()), ""));
    let answer = gateway.get("a.localhost", "/break").send();
    assert_eq!((answer.status, answer.header("x-vestibule")), (502, Some("proxy_error")));
    assert_eq!(gateway.entry_of(&answer)["origin"], "proxy_error");
}

#[test]
fn an_upstream_that_takes_too_long_is_504() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&circuit(&format!("{{ url = \"{}\", timeout = \"1s\" }}", upstream.url()), ""));
    let start = std::time::Instant::now();

    let answer = gateway.get("a.localhost", "/slow/5000").send();

    assert_eq!((answer.status, answer.reason().as_str()), (504, "backend_timeout"));
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
}

#[test]
fn more_requests_than_the_upstream_takes_are_503_at_once() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&circuit(&format!("{{ url = \"{}\", max_in_flight = 2 }}", upstream.url()), ""));

    let answers = harness::load::parallel(5, 5, |_| gateway.get("a.localhost", "/slow/1000"));

    let mut statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 503, 503, 503]);
    assert_eq!(upstream.count(), 2);
    let refused = answers.iter().find(|answer| answer.status == 503).unwrap();
    assert_eq!(refused.reason(), "too_many_in_flight");
    assert_eq!(gateway.get("a.localhost", "/").send().status, 200, "the places are free again");
}

#[test]
fn our_own_prefix_never_reaches_the_upstream_in_any_spelling() {
    let house = House::start();
    let spellings = [
        "/.vestibule/nothing",
        "/.vestibule",
        "/%2evestibule/login",
        "/.Vestibule/login",
        "//.vestibule/login",
        "/./.vestibule/login",
        "/a/../.vestibule/login",
        "/.vestibule%2flogin",
    ];
    for target in spellings {
        let status = house.get("pub.localhost", target).send().status;
        assert!(status == 404 || status == 400, "{target}: {status}");
    }
    assert_eq!(house.upstream.count(), 0);
}

#[test]
fn the_circuits_of_one_gateway_keep_their_own_upstreams() {
    let (one, other) = (Upstream::start(), Upstream::start());
    let more = circuit(&format!("\"{}\"", other.url()), "").replace("[projects.docs]\nmembers = []\n", "");
    let gateway = Gateway::start(&(plan(&one) + &more));
    gateway.get("pub.localhost", "/one").send();
    gateway.get("a.localhost", "/other").send();
    assert_eq!((one.last().target.as_str(), other.last().target.as_str()), ("/one", "/other"));
}

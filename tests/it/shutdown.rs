//! A stop loses nothing.

use std::time::{Duration, Instant};

use harness::gateway::signal;
use harness::{House, Ports, Response, Upstream, until};

/// The answer to a request that runs while its gateway is told to stop; of `pub.localhost`, over this upstream.
pub(crate) fn answer_of_a_stop(gateway: &Ports, process: u32, upstream: &Upstream) -> Response {
    let (slow, before) = (gateway.get("pub.localhost", "/slow/3000"), upstream.count());
    let running = std::thread::spawn(move || slow.send());
    until(Duration::from_secs(2), "the request's start", || (upstream.count() > before).then_some(()));
    signal(process, "TERM");
    until(Duration::from_secs(1), "readyz 503", || {
        let answer = gateway.admin_request("GET", "/readyz").try_send().ok()?;
        (answer.status == 503).then_some(())
    });
    running.join().unwrap()
}

#[test]
fn a_running_request_ends_well_and_its_entry_is_there_after_a_restart() {
    let mut house = House::start();
    let answer = answer_of_a_stop(&house.gateway, house.gateway.id(), &house.upstream);
    assert_eq!((answer.status, answer.text().as_str()), (200, "at last"));
    assert!(house.gateway.wait().success());

    house.gateway.launch();
    assert_eq!(house.gateway.entry_of(&answer)["status_code"], 200);
    let system: Vec<_> =
        house.gateway.logs("audit", "resource_type=system&order=asc").iter().map(|e| e["action"].clone()).collect();
    assert_eq!(system, ["system.start", "system.stop", "system.start"]);
}

#[test]
fn an_idle_gateway_stops_at_once() {
    let mut house = House::start();
    house.get("pub.localhost", "/").send();
    let start = Instant::now();
    house.gateway.stop();
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
}

#[test]
fn a_request_beyond_the_grace_is_cut_and_recorded() {
    let mut house = House::with_server("trusted_proxies = [\"127.0.0.1\"]\nshutdown_grace = \"1s\"");
    let slow = house.get("pub.localhost", "/slow/8000").header("X-Request-Id", "cut-1");
    let running = std::thread::spawn(move || slow.try_send());
    until(Duration::from_secs(2), "the request's start", || (house.upstream.count() == 1).then_some(()));
    let start = Instant::now();
    house.gateway.stop();
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    drop(running.join().unwrap());
    house.gateway.launch();
    assert_eq!(house.gateway.logs("requests", "request_id=cut-1").len(), 1);
}

#[test]
fn a_second_int_stops_now() {
    let mut house = House::start();
    let slow = house.get("pub.localhost", "/slow/8000");
    let running = std::thread::spawn(move || slow.try_send());
    until(Duration::from_secs(2), "the request's start", || (house.upstream.count() == 1).then_some(()));
    let start = Instant::now();
    house.gateway.signal("INT");
    until(Duration::from_secs(1), "readyz 503", || {
        let answer = house.gateway.admin_request("GET", "/readyz").try_send().ok()?;
        (answer.status == 503).then_some(())
    });
    house.gateway.signal("INT");
    house.gateway.wait();
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    drop(running.join().unwrap());
}

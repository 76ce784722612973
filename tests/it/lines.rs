//! `[logs] stdout`: entries as lines of JSON.

use std::collections::BTreeMap;
use std::time::Duration;

use harness::{Gateway, House, until};
use serde_json::Value;

/// What stands on standard output, by log.
fn lines(gateway: &Gateway) -> BTreeMap<String, Vec<Value>> {
    let mut lines = BTreeMap::<String, Vec<Value>>::new();
    let output = gateway.output();
    // The last one may be half written.
    let whole = output.rsplit_once('\n').map_or("", |(whole, _)| whole);
    for line in whole.lines().filter(|line| line.starts_with('{')) {
        let mut entry: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let log = entry.as_object_mut().unwrap().remove("log").unwrap();
        lines.entry(log.as_str().unwrap().to_owned()).or_default().push(entry);
    }
    lines
}

fn count(gateway: &Gateway, log: &str) -> usize {
    lines(gateway).get(log).map_or(0, Vec::len)
}

#[test]
fn every_entry_is_a_line_while_it_is_asked_for() {
    let mut house = House::start();
    let body = format!("[logs]\nstdout = true\n{}", house.gateway.body());
    house.get("pub.localhost", "/before").send();
    assert_eq!(count(&house.gateway, "requests"), 0, "nobody asked for lines");

    house.gateway.reconfigure(&body);
    // In force within a second; requests before that may have no line.
    until(Duration::from_secs(5), "a first line", || {
        house.get("pub.localhost", "/first").send();
        (count(&house.gateway, "requests") > 0).then_some(())
    });
    for number in 0..300 {
        house.get("pub.localhost", &format!("/page/{number}")).send();
    }
    house.gateway.sign_in("mem.localhost", &[("email", "eve@example.net"), ("password", "wrong")]).send();
    house.gateway.stop();
    let lines = lines(&house.gateway);
    house.gateway.launch();
    for log in ["access", "requests", "audit"] {
        let told = &lines[log];
        let kept = house.gateway.logs(log, "order=asc&sort=seq");
        let first = told[0]["seq"].as_u64().unwrap();
        let last = told.last().unwrap()["seq"].as_u64().unwrap();
        let kept: Vec<_> =
            kept.into_iter().filter(|it| (first..=last).contains(&it["seq"].as_u64().unwrap())).collect();
        assert_eq!(*told, kept, "the same entries in the same order: {log}");
    }
    assert!(lines["requests"].len() > 300, "{}", lines["requests"].len());
    assert_eq!(lines["audit"].last().unwrap()["action"], "system.stop", "the last ones too");
}

use std::sync::Arc;

use jiff::Timestamp;
use vestibule_config::Settings;

use super::*;

fn settings(upstreams: &str) -> Settings {
    let text = format!(
        "[server]\ndata_dir = \"data\"\nlisten = [{{ address = \"127.0.0.1:8080\" }}]\n[circuits.a]\nhosts = \
         [\"a.test\"]\naccess = \"public\"\nupstreams = {upstreams}\n"
    );
    vestibule_config::load_text(&text, Timestamp::UNIX_EPOCH).unwrap()
}

fn target(upstreams: &str, previous: Option<&Target>) -> Target {
    let settings = settings(upstreams);
    let circuit = &settings.circuits["a"];
    Target::new(circuit, circuit.upstreams.as_ref().unwrap(), previous)
}

const START: Duration = Duration::ZERO;

fn now(elapsed: Duration) -> Now {
    Now { elapsed, time: Timestamp::UNIX_EPOCH }
}

/// Ports of the upstreams that get one request each, all at the same time.
fn order(target: &Target, count: usize) -> Vec<u16> {
    let flights: Vec<_> = (0..count).map_while(|_| target.enter(START)).collect();
    flights.iter().map(|flight| flight.backend().upstream().address.port()).collect()
}

const THREE: &str = "[\"http://10.0.0.1:1\", \"http://10.0.0.1:2\", \"http://10.0.0.1:3\"]";

#[test]
fn the_least_busy_healthy_one_is_chosen_in_turn() {
    let target = target(THREE, None);
    let mut six = order(&target, 6);
    six.sort_unstable();
    assert_eq!(six, [1, 1, 2, 2, 3, 3]);
    let busy = target.backends()[0].enter(START);
    assert!(!order(&target, 2).contains(&1));
    drop(busy);
    target.backends()[1].condition().is_unconnected("backend_refused", now(START));
    assert!(!order(&target, 20).contains(&2));
    for backend in target.backends() {
        backend.condition().is_unconnected("backend_refused", now(START));
    }
    assert_eq!(order(&target, 3).len(), 3, "none is healthy, so that all are used");
}

#[test]
fn a_request_does_not_come_to_one_that_it_has_tried() {
    let target = target(THREE, None);
    let mut passed = Passed::default();
    for left in (0..3).rev() {
        let flight = target.enter_another(&mut passed, START).unwrap();
        passed.pass(flight.backend());
        assert_eq!(target.backends().iter().filter(|backend| !passed.has(backend.place())).count(), left);
    }
    assert!(target.enter_another(&mut passed, START).is_none());
}

#[test]
fn what_is_known_survives_a_reload() {
    let before = target(THREE, None);
    before.backends()[1].condition().is_unconnected("backend_refused", now(START));
    let flight = before.backends()[2].enter(START).unwrap();
    let after = target("[\"http://10.0.0.1:3\", \"http://10.0.0.1:2\", \"http://10.0.0.1:4\"]", Some(&before));
    let healthy = after.backends().iter().map(|backend| backend.condition().is_healthy());
    assert_eq!(healthy.collect::<Vec<_>>(), [true, false, true]);
    assert_eq!(after.backends()[0].in_flight(), 1);
    drop(flight);
    assert_eq!(after.backends()[0].in_flight(), 0);
}

#[test]
fn a_name_keeps_its_addresses_until_there_are_others() {
    let target = target("[\"http://app.internal:80\"]", None);
    let backend = &target.backends()[0];
    let found = |all: &[&str]| all.iter().map(|address| address.parse().unwrap()).collect::<Vec<_>>().into_iter();
    let told = |backend: &Arc<Backend>| backend.addresses().iter().map(ToString::to_string).collect::<Vec<_>>();
    for (all, expected) in [
        (&["10.0.0.1:80", "10.0.0.2:80"][..], &["10.0.0.1:80", "10.0.0.2:80"][..]),
        (&[], &["10.0.0.1:80", "10.0.0.2:80"]),
        (&["169.254.169.254:80", "[fd00:ec2::254]:80", "[::ffff:169.254.169.254]:80"], &["10.0.0.1:80", "10.0.0.2:80"]),
        (&["169.254.169.254:80", "10.0.0.3:80"], &["10.0.0.3:80"]),
    ] {
        backend.take(found(all));
        assert_eq!(told(backend), expected);
    }
    let many: Vec<_> = (1..20).map(|last| format!("10.0.1.{last}:80")).collect();
    backend.take(found(&many.iter().map(String::as_str).collect::<Vec<_>>()));
    assert_eq!(backend.addresses().len(), 8);
}

#[test]
fn connections_are_told_apart_by_everything_that_makes_them() {
    use pingora::upstreams::peer::Peer as _;
    let hash = |upstreams: &str| target(upstreams, None).backends()[0].peers.load()[0].reuse_hash();
    let all = [
        "[\"https://10.0.0.1\"]",
        "[\"http://10.0.0.1:443\"]",
        "[{ url = \"https://10.0.0.1\", insecure = true }]",
        "[{ url = \"https://10.0.0.1\", sni = \"app.internal\" }]",
        "[{ url = \"https://10.0.0.1\", http2 = true }]",
    ];
    let hashes: std::collections::BTreeSet<_> = all.iter().map(|one| hash(one)).collect();
    assert_eq!(hashes.len(), all.len());
    assert_eq!(hash(all[0]), hash(all[0]));
}

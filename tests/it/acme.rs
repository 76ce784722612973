//! Certificates that an authority makes, here Debian's pebble, and acme2certifier where it is about its wishes: ordered,
//! kept, renewed, and told.

use std::time::Duration;

use harness::{Certifier, Gateway, Pebble, Setup, Upstream, certifier, until};
use serde_json::Value;

/// An order takes seconds on a machine that is busy with other tests.
const ORDERED: Duration = Duration::from_secs(30);
/// Seconds that nothing is renewed in.
const LONG: u64 = 3600;

/// Not started yet. The authority asks the listener that otherwise only leads to https.
fn gateway(validity: u64) -> (Gateway, Pebble, Upstream) {
    let gateway = Setup::new("").listener("tls = true").listener("redirect_to_https = true").prepare();
    let authority = Pebble::start(gateway.listener(1).port(), validity);
    (gateway, authority, Upstream::start())
}

/// Public circuits, each with one host.
fn body(acme: &str, upstream: &Upstream, hosts: &[&str]) -> String {
    let circuit = |host: &&str| {
        let name = host.replace('.', "-");
        let url = upstream.url();
        format!("[circuits.{name}]\nhosts = [\"{host}\"]\nupstream = \"{url}\"\naccess = \"public\"\n")
    };
    acme.to_owned() + &hosts.iter().map(circuit).collect::<String>()
}

/// A host's row in the status.
#[track_caller]
fn told(gateway: &Gateway, host: &str) -> Value {
    let status = gateway.admin("/api/v1/status").json();
    let rows = status["certificates"].as_array().unwrap();
    rows.iter().find(|row| row["hosts"][0] == host).cloned().unwrap_or_default()
}

/// The same, once there is another certificate than `but`.
#[track_caller]
fn certificate(gateway: &Gateway, host: &str, but: &Value) -> Value {
    until(ORDERED, &format!("a certificate for {host}"), || {
        Some(told(gateway, host)).filter(|row| row["state"] == "valid" && row["serial"] != *but)
    })
}

#[test]
fn acme_orders_for_every_host_and_keeps_what_it_got_over_a_restart() {
    let (mut gateway, authority, upstream) = gateway(LONG);
    gateway.rewrite(&body(&authority.toml(), &upstream, &["wiki.example.net", "status.example.net"]));
    gateway.launch();
    let first = certificate(&gateway, "wiki.example.net", &Value::Null);
    certificate(&gateway, "status.example.net", &Value::Null);
    assert!(first["issuer"].as_str().unwrap().contains("Pebble"), "{first}");
    let entries = gateway.logs_when("audit", "action=certificate.issue&status=success", 2);
    assert_eq!(entries[0]["actor_type"], "system");
    let answer = authority.curl(gateway.listener(0), "wiki.example.net");
    assert!(answer.contains("\"method\":\"GET\""), "{answer}");
    let circuits = gateway.admin("/api/v1/circuits").json();
    let of_circuits: Vec<_> = circuits["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|circuit| circuit["certificates"][0]["state"].clone())
        .collect();
    assert_eq!(of_circuits, ["valid", "valid"]);

    let left = gateway.metric("vestibule_certificate_expiry_seconds", &["wiki.example.net"]);
    assert!(left > 0.0 && left <= 3600.0, "{left}");
    let orders =
        |gateway: &Gateway, result: &str| gateway.metric("vestibule_certificate_orders_total", &[result]) as u64;
    assert_eq!((orders(&gateway, "success"), orders(&gateway, "failed")), (2, 0));
    // Two thirds of its life, and a little.
    let next = gateway.metric("vestibule_certificate_renewal_seconds", &["wiki.example.net"]);
    assert!(next > 1800.0 && next < left, "{next}");

    let before = authority.orders();
    gateway.stop();
    gateway.launch();
    assert_eq!(told(&gateway, "wiki.example.net")["serial"], first["serial"]);
    // A host that a reload adds is ordered at once, and nothing else with it.
    gateway.reconfigure(&body(&authority.toml(), &upstream, &["wiki.example.net", "new.example.net"]));
    certificate(&gateway, "new.example.net", &Value::Null);
    assert_eq!(authority.orders(), before + 1, "the account and the other certificates are kept");
    assert_eq!(told(&gateway, "status.example.net"), Value::Null);
}

#[test]
fn acme_renews_in_time() {
    let (mut gateway, authority, upstream) = gateway(12);
    gateway.rewrite(&body(&authority.toml(), &upstream, &["wiki.example.net"]));
    gateway.launch();
    let first = certificate(&gateway, "wiki.example.net", &Value::Null);
    let second = certificate(&gateway, "wiki.example.net", &first["serial"]);
    assert!(second["not_before"].as_str() < first["not_after"].as_str(), "{second}");
    gateway.logs_when("audit", "action=certificate.renew&status=success", 1);
}

/// Seconds from now until its renewal.
#[track_caller]
fn renewal(gateway: &Gateway, host: &str) -> f64 {
    gateway.metric("vestibule_certificate_renewal_seconds", &[host])
}

#[test]
fn acme_wishes_of_the_authority_decide_when_a_certificate_is_renewed() {
    const DAY: f64 = 86_400.0;
    let host = "wiki.example.net";
    let mut authority = Certifier::start("renewalthreshold_pctg: 20\nrenewal_window_duration: 1d");
    let upstream = Upstream::start();
    let mut gateway = Setup::new("").listener("tls = true").listener("redirect_to_https = true").prepare();
    gateway.rewrite(&body(&authority.toml(), &upstream, &[host]));
    gateway.launch();
    let first = certificate(&gateway, host, &Value::Null);
    // Without a wish it would be after two thirds of its life.
    let wished = f64::from(certifier::DAYS) * 0.2 * DAY;
    let told = until(ORDERED, "the authority's wish", || {
        Some(renewal(&gateway, host)).filter(|seconds| *seconds < wished + DAY)
    });
    assert!(told > wished - 60.0, "{told}");

    gateway.stop();
    authority.wishes("renewal_force: True");
    gateway.launch();
    certificate(&gateway, host, &first["serial"]);
    gateway.logs_when("audit", "action=certificate.renew&status=success", 1);
    let output = gateway.output();
    assert!(output.contains("ordering without naming the certificate that is replaced"), "at once: {output}");
}

#[test]
fn acme_tells_why_there_is_no_certificate_and_waits_before_it_asks_again() {
    let (mut gateway, authority, upstream) = gateway(LONG);
    authority.lose("lost.example.net");
    gateway.rewrite(&body(&authority.toml(), &upstream, &["lost.example.net", "wiki.example.net"]));
    gateway.launch();
    certificate(&gateway, "wiki.example.net", &Value::Null);
    let row = until(ORDERED, "the failure", || {
        Some(told(&gateway, "lost.example.net")).filter(|row| !row["last_error"].is_null())
    });
    assert_eq!((&row["state"], &row["serial"]), (&"pending".into(), &Value::Null), "{row}");
    assert!(row["last_error"].as_str().unwrap().contains("lost.example.net"), "{row}");
    let entry = gateway.logs_when("audit", "action=certificate.issue&status=failed", 1).remove(0);
    assert_eq!((&entry["resource"], &entry["actor_type"]), (&"lost.example.net".into(), &"system".into()));
    assert!(entry["details"]["why"].is_string() && entry["details"]["again"] == row["next_renewal"], "{entry}");
    let minutes = |time: &Value| time.as_str().unwrap()[11..16].to_owned();
    assert_ne!(minutes(&row["next_renewal"]), minutes(&entry["time"]), "it waits for ten minutes");
    assert_eq!(gateway.metric("vestibule_certificate_orders_total", &["failed"]) as u64, 1);
    let next = gateway.metric("vestibule_certificate_renewal_seconds", &["lost.example.net"]);
    assert!(next > 500.0 && next <= 750.0, "{next}");
    let before = authority.orders();
    gateway
        .reconfigure(&(body(&authority.toml(), &upstream, &["lost.example.net", "wiki.example.net"]) + "# changed\n"));
    assert_eq!(authority.orders(), before);
}

#[test]
fn acme_questions_that_nobody_awaits_are_the_circuits() {
    let (mut gateway, authority, upstream) = gateway(LONG);
    gateway.rewrite(&body(&authority.toml(), &upstream, &["wiki.example.net"]));
    gateway.launch();
    certificate(&gateway, "wiki.example.net", &Value::Null);
    let answer = gateway.get("wiki.example.net", "/.well-known/acme-challenge/token").send();
    assert_eq!((answer.status, answer.json()["target"].as_str()), (200, Some("/.well-known/acme-challenge/token")));
    let asked = gateway.logs_when("requests", "path.prefix=/.well-known/acme-challenge/&origin=auth", 1);
    assert!(asked.iter().all(|entry| entry["status_code"] == 200), "{asked:?}");
}

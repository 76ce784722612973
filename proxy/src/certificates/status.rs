//! What is told of certificates: in the status, with their circuits, and as a metric.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};
use vestibule_config::certificate::Certificate;
use vestibule_config::tls::Tls;
use vestibule_config::{Circuit, Host};

use super::Certificates;
use super::acme::Held;

/// Every certificate of the configuration in force: own ones first, then one row for each host that an authority is
/// asked for.
pub(crate) fn of_all(certificates: &Certificates, tls: &Tls, now: Timestamp) -> Vec<Value> {
    let own = tls.certificates.values().map(|own| {
        let hosts: Vec<_> = own.hosts.iter().map(ToString::to_string).collect();
        row(&hosts, "file", Some(&own.certificate), None, now)
    });
    let ordered = tls.acme.iter().flat_map(|acme| &acme.hosts);
    own.chain(ordered.map(|host| ordered_row(certificates, host, now))).collect()
}

/// Those of a circuit's hosts, one row for each host. A host without one has none to come either.
pub(crate) fn of_circuit(certificates: &Certificates, tls: &Tls, circuit: &Circuit, now: Timestamp) -> Vec<Value> {
    let of_host = |host: &Host| match tls.own(host.as_str()) {
        Some(own) => Some(row(&[host.to_string()], "file", Some(&own.certificate), None, now)),
        None => tls.acme.as_ref()?.hosts.contains(host).then(|| ordered_row(certificates, host, now)),
    };
    circuit.hosts.iter().filter_map(of_host).collect()
}

/// Until the certificate of each host is over; below zero since then.
pub(crate) fn seconds_left(certificates: &Certificates, tls: &Tls, now: Timestamp) -> BTreeMap<String, i64> {
    let left = |certificate: &Certificate| certificate.not_after.duration_since(now).as_secs();
    let own = tls.certificates.values().flat_map(|own| {
        let left = left(&own.certificate);
        own.hosts.iter().map(move |host| (host.to_string(), left))
    });
    let ordered = tls.acme.iter().flat_map(|acme| &acme.hosts).filter_map(|host| {
        let left = certificates.acme.held(host, |held| held.certificate.as_ref().map(left))??;
        Some((host.to_string(), left))
    });
    own.chain(ordered).collect()
}

/// Until the next order of each host that an authority is asked for; zero where it is due, or on its way.
pub(crate) fn seconds_to_renewal(certificates: &Certificates, tls: &Tls, now: Timestamp) -> BTreeMap<String, i64> {
    let ordered = tls.acme.iter().flat_map(|acme| &acme.hosts).filter_map(|host| {
        let due = certificates.acme.held(host, Held::due)?;
        Some((host.to_string(), due.map_or(0, |due| due.duration_since(now).as_secs().max(0))))
    });
    ordered.collect()
}

fn ordered_row(certificates: &Certificates, host: &Host, now: Timestamp) -> Value {
    let hosts = [host.to_string()];
    let told = certificates.acme.held(host, |held| row(&hosts, "acme", held.certificate.as_ref(), Some(held), now));
    told.unwrap_or_else(|| row(&hosts, "acme", None, None, now))
}

fn row(
    hosts: &[String],
    source: &str,
    certificate: Option<&Certificate>,
    held: Option<&Held>,
    now: Timestamp,
) -> Value {
    json!({
        "hosts": hosts,
        "source": source,
        "state": state(certificate, now),
        "issuer": certificate.map(|certificate| &*certificate.issuer),
        "serial": certificate.map(|certificate| &*certificate.serial),
        "not_before": certificate.map(|certificate| seconds(certificate.not_before)),
        "not_after": certificate.map(|certificate| seconds(certificate.not_after)),
        "next_renewal": held.and_then(Held::due).map(seconds),
        "last_error": held.and_then(|held| held.failure.as_ref()).map(|failure| &failure.why),
    })
}

/// Nobody plans by less.
fn seconds(time: Timestamp) -> String {
    format!("{time:.0}")
}

/// `pending`: none was made yet.
fn state(certificate: Option<&Certificate>, now: Timestamp) -> &'static str {
    match certificate {
        None => "pending",
        Some(certificate) if certificate.not_after <= now => "expired",
        Some(certificate) if now < certificate.not_before => "not_yet_valid",
        Some(_) => "valid",
    }
}

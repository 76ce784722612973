//! The circuits: configuration joined with live state. No hashes.

use axum::response::Response;
use jiff::Timestamp;
use serde_json::{Value, json};
use vestibule_config::access::Ways;
use vestibule_config::steps::SecondFactor;
use vestibule_config::{Access, AllowEntry, Circuit, CircuitPath, Rewrite};

use super::door::Call;
use super::list;
use super::problem::Problem;
use super::upstreams;
use crate::certificates;
use crate::state::Live;
use crate::upstream::Target;

/// `GET /api/v1/circuits`.
pub(super) fn list(call: &Call) -> Result<Response, Problem> {
    call.without_parameters()?;
    let live = call.port.state.live.load();
    list::of_the_configuration(call, &COLUMNS, rows(call, &live), &live)
}

/// Every circuit, by name.
pub(super) fn rows(call: &Call, live: &Live) -> Vec<Value> {
    let (certificates, now) = (&call.port.state.certificates, call.actor.started);
    let rows = live.settings.circuits.values().map(|circuit| {
        let mut row = describe(circuit, live, now);
        let certificates = certificates::of_circuit(certificates, &live.settings.tls, circuit, now);
        merge(&mut row, json!({ "certificates": certificates }));
        row
    });
    rows.collect()
}

const COLUMNS: [&str; 29] = [
    "name",
    "project",
    "hosts",
    "upstream",
    "upstreams",
    "state",
    "enabled",
    "expires",
    "access",
    "allow",
    "login",
    "shared",
    "header_auth",
    "second_factor",
    "purpose",
    "hook",
    "trusted_addresses",
    "ip_allow",
    "ip_block",
    "country_allow",
    "country_block",
    "allow_match",
    "block_scanners",
    "reputation",
    "observe",
    "log",
    "rate_limits",
    "paths",
    "certificates",
];

fn describe(circuit: &Circuit, live: &Live, now: Timestamp) -> Value {
    let site = live.routes.named(circuit.name.as_str());
    let target = site.and_then(|site| site.own.target.as_deref());
    let hosts: Vec<_> = circuit.hosts.iter().map(ToString::to_string).collect();
    let rules = &circuit.rules;
    let mut row = json!({
        "name": circuit.name.as_str(),
        "project": circuit.project.as_ref().map(ToString::to_string),
        "hosts": hosts,
        "upstream": upstreams::first(target),
        "upstreams": upstreams::describe(target),
        "state": state(circuit, now),
        "enabled": circuit.enabled,
        "expires": circuit.expires.map(|expires| expires.to_string()),
        "second_factor": circuit.steps.second_factor.map(SecondFactor::as_str),
        "purpose": circuit.steps.purpose,
        "hook": circuit.steps.hook.as_ref().map(|hook| hook.name.as_str()),
        "trusted_addresses": circuit.trusted_addresses.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "ip_allow": rules.ip_allow.as_ref().map(|nets| nets.iter().map(ToString::to_string).collect::<Vec<_>>()),
        "ip_block": rules.ip_block.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "country_allow": rules.country_allow.as_ref().map(|codes| codes.iter().map(ToString::to_string).collect::<Vec<_>>()),
        "country_block": rules.country_block.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "allow_match": rules.allow_match.as_str(),
        "block_scanners": rules.block_scanners,
        "reputation": {
            "enforce": rules.reputation.enforce.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "observe": rules.reputation.observe.iter().map(ToString::to_string).collect::<Vec<_>>(),
        },
        "observe": rules.observe.iter().map(|rule| rule.as_str()).collect::<Vec<_>>(),
        "log": {
            "requests": circuit.log.requests.as_str(),
            "personal_data": circuit.log.personal_data.as_str(),
        },
        "rate_limits": circuit.rate_limits.iter().map(|limit| limit.name.to_string()).collect::<Vec<_>>(),
        "paths": circuit.paths.iter().map(|path| part(path, site.and_then(|site| site.own_target(path)))).collect::<Vec<_>>(),
    });
    merge(&mut row, policy(&circuit.access));
    row
}

/// What stands in it is the circuit's where it is null.
fn part(path: &CircuitPath, target: Option<&Target>) -> Value {
    let mut row = json!({
        "prefix": path.prefix.as_str(),
        "upstream": upstreams::first(target),
        "upstreams": upstreams::describe(target),
        "rewrite": match &path.rewrite {
            Rewrite::Preserve => json!("preserve"),
            Rewrite::Strip => json!("strip"),
            Rewrite::Replace(other) => json!({ "replace": other.as_str() }),
        },
        "access": null,
    });
    path.access.iter().for_each(|access| merge(&mut row, policy(access)));
    row
}

fn policy(access: &Access) -> Value {
    let ways = access.ways();
    let (name, allow) = match access {
        Access::Public => ("public", None),
        Access::Members(_) => ("members", None),
        Access::Allowlist { allow, .. } => ("allowlist", Some(allow)),
    };
    json!({
        "access": name,
        "allow": allow.map(|allow| allow.iter().map(AllowEntry::to_string).collect::<Vec<_>>()),
        "login": ways.map(Ways::names),
        "shared": ways.map(shared),
        "header_auth": ways.map(|ways| ways.header_auth.iter().map(|key| key.header.as_str()).collect::<Vec<_>>()),
    })
}

fn merge(row: &mut Value, more: Value) {
    if let (Value::Object(row), Value::Object(more)) = (row, more) {
        row.extend(more);
    }
}

/// What a request meets at this instant.
pub(super) fn state(circuit: &Circuit, now: Timestamp) -> &'static str {
    match (circuit.enabled, circuit.expires) {
        (false, _) => "disabled",
        (true, Some(expires)) if expires <= now => "expired",
        (true, _) => "active",
    }
}

fn shared(ways: &Ways) -> Vec<&'static str> {
    let shared = ways.shared.as_ref();
    let password = shared.and_then(|shared| shared.password_hash.as_ref()).map(|_| "password");
    let pin = shared.and_then(|shared| shared.pin_hash.as_ref()).map(|_| "pin");
    password.into_iter().chain(pin).collect()
}

//! The circuits: configuration joined with live state. No hashes.

use axum::response::Response;
use jiff::Timestamp;
use serde_json::{Value, json};
use vestibule_config::access::Ways;
use vestibule_config::steps::SecondFactor;
use vestibule_config::{Access, AllowEntry, Circuit};

use super::door::Call;
use super::list;
use super::problem::Problem;

/// `GET /api/v1/circuits`.
pub(super) fn list(call: &Call) -> Result<Response, Problem> {
    call.without_parameters()?;
    let live = call.port.state.live.load();
    let rows = live.settings.circuits.values().map(|circuit| describe(circuit, call.actor.started)).collect();
    list::of_the_configuration(call, &COLUMNS, rows, &live)
}

const COLUMNS: [&str; 22] = [
    "name",
    "project",
    "hosts",
    "upstream",
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
    "log",
    "rate_limits",
];

fn describe(circuit: &Circuit, now: Timestamp) -> Value {
    let ways = circuit.access.ways();
    let (access, allow) = match &circuit.access {
        Access::Public => ("public", None),
        Access::Members(_) => ("members", None),
        Access::Allowlist { allow, .. } => ("allowlist", Some(allow)),
    };
    let hosts: Vec<_> = circuit.hosts.iter().map(ToString::to_string).collect();
    let rules = &circuit.rules;
    json!({
        "name": circuit.name.as_str(),
        "project": circuit.project.as_ref().map(ToString::to_string),
        "hosts": hosts,
        "upstream": &*circuit.upstream.url,
        "state": state(circuit, now),
        "enabled": circuit.enabled,
        "expires": circuit.expires.map(|expires| expires.to_string()),
        "access": access,
        "allow": allow.map(|allow| allow.iter().map(allowed).collect::<Vec<_>>()),
        "login": ways.map(Ways::names),
        "shared": ways.map(shared),
        "header_auth": ways.map(|ways| ways.header_auth.iter().map(|key| key.header.as_str()).collect::<Vec<_>>()),
        "second_factor": circuit.steps.second_factor.map(SecondFactor::as_str),
        "purpose": circuit.steps.purpose,
        "hook": circuit.steps.hook.as_ref().map(|hook| hook.name.as_str()),
        "trusted_addresses": circuit.trusted_addresses.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "ip_allow": rules.ip_allow.as_ref().map(|nets| nets.iter().map(ToString::to_string).collect::<Vec<_>>()),
        "ip_block": rules.ip_block.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "country_allow": rules.country_allow.as_ref().map(|codes| codes.iter().map(ToString::to_string).collect::<Vec<_>>()),
        "country_block": rules.country_block.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "log": {
            "requests": circuit.log.requests.as_str(),
            "personal_data": circuit.log.personal_data.as_str(),
        },
        "rate_limits": circuit.rate_limits.iter().map(|limit| limit.name.to_string()).collect::<Vec<_>>(),
    })
}

/// What a request meets at this instant.
pub(super) fn state(circuit: &Circuit, now: Timestamp) -> &'static str {
    match (circuit.enabled, circuit.expires) {
        (false, _) => "disabled",
        (true, Some(expires)) if expires <= now => "expired",
        (true, _) => "active",
    }
}

fn allowed(entry: &AllowEntry) -> String {
    match entry {
        AllowEntry::Email(email) => email.to_string(),
        AllowEntry::Domain(domain) => format!("domain:{domain}"),
        AllowEntry::Group(group) => format!("group:{group}"),
        AllowEntry::Token(token) => format!("token:{token}"),
    }
}

fn shared(ways: &Ways) -> Vec<&'static str> {
    let shared = ways.shared.as_ref();
    let password = shared.and_then(|shared| shared.password_hash.as_ref()).map(|_| "password");
    let pin = shared.and_then(|shared| shared.pin_hash.as_ref()).map(|_| "pin");
    password.into_iter().chain(pin).collect()
}

//! Tokens of machines and of this port: configuration joined with their last use. No hashes.

use axum::response::Response;
use jiff::Timestamp;
use serde_json::{Value, json};
use vestibule_auth::Auth;
use vestibule_config::service_token::ServiceToken;
use vestibule_config::{Access, AllowEntry, Circuit, Settings};

use super::door::{Call, role_name};
use super::problem::Problem;
use super::{list, status};

const COLUMNS: [&str; 9] =
    ["name", "kind", "state", "role", "circuits", "expires", "previous_until", "last_used", "last_used_ip"];

/// `GET /api/v1/tokens`.
pub(super) fn list(call: &Call) -> Result<Response, Problem> {
    call.without_parameters()?;
    let live = call.port.state.live.load_full();
    list::of_the_configuration(call, &COLUMNS, rows(call, &live.settings), &live)
}

/// Those of machines, then those of this port.
pub(super) fn rows(call: &Call, settings: &Settings) -> Vec<Value> {
    let state = &call.port.state;
    let services = settings.service_tokens.values();
    let services = services.map(|token| of_service(token, settings, &state.auth, call.actor.started));
    let admins = settings.admin.tokens.iter();
    let admins =
        admins.map(|(name, token)| row("admin", name.as_str(), &state.auth, Part::admin(role_name(token.role))));
    services.chain(admins).collect()
}

/// Key of an admin token's last use.
pub(super) fn admin_key(name: &str) -> String {
    format!("admin:{name}")
}

/// What differs between the kinds.
struct Part {
    state: &'static str,
    role: Option<&'static str>,
    circuits: Option<Vec<String>>,
    expires: Option<Timestamp>,
    previous_until: Option<Timestamp>,
}

impl Part {
    fn admin(role: &'static str) -> Self {
        Self { state: "active", role: Some(role), circuits: None, expires: None, previous_until: None }
    }
}

fn of_service(token: &ServiceToken, settings: &Settings, auth: &Auth, now: Timestamp) -> Value {
    let state = match (token.disabled, token.expires) {
        (true, _) => "disabled",
        (false, Some(expires)) if expires <= now => "expired",
        (false, _) => "active",
    };
    let part = Part {
        state,
        role: None,
        circuits: Some(circuits(token, settings)),
        expires: token.expires,
        previous_until: token.previous.as_ref().map(|previous| previous.until),
    };
    row("service", token.name.as_str(), auth, part)
}

fn row(kind: &str, name: &str, auth: &Auth, part: Part) -> Value {
    let last = auth.uses().of(&format!("{kind}:{name}")).last();
    json!({
        "name": name,
        "kind": kind,
        "state": part.state,
        "role": part.role,
        "circuits": part.circuits,
        "expires": part.expires.map(status::rfc3339),
        "previous_until": part.previous_until.map(status::rfc3339),
        "last_used": last.map(|(at, _)| status::rfc3339(at)),
        "last_used_ip": last.map(|(_, address)| address.to_string()),
    })
}

/// Those where a list names the token, their own or that of a path.
fn circuits(token: &ServiceToken, settings: &Settings) -> Vec<String> {
    let named = |entry: &AllowEntry| matches!(entry, AllowEntry::Token(name) if *name == token.name);
    let names = |circuit: &Circuit, access: &Access| match access {
        Access::Public => false,
        Access::Allowlist { allow, .. } => allow.iter().any(named),
        Access::Members(_) => {
            let project = circuit.project.as_ref().and_then(|name| settings.projects.get(name));
            project.is_some_and(|project| project.members.iter().any(named))
        }
    };
    let circuits = settings.circuits.values();
    let circuits = circuits.filter(|circuit| circuit.policies().any(|access| names(circuit, access)));
    circuits.map(|circuit| circuit.name.to_string()).collect()
}

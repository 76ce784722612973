//! Temporary access: people who are let in to one circuit for a while.

use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use vestibule_auth::grants::{GRANTS_MAX, Grant, LONGEST, NotGranted};
use vestibule_config::user::{AccountState, User};
use vestibule_config::{Access, Circuit, Email, Settings, SignInWay};

use super::change::{self, Change, off_the_runtime};
use super::door::Call;
use super::form::Form;
use super::list::List;
use super::problem::Problem;
use super::status::{json as answer, rfc3339};

const COLUMNS: [&str; 7] = ["id", "email", "circuit", "since", "until", "by", "login"];

/// The body of a new grant.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    email: String,
    circuit: String,
    #[serde(rename = "for")]
    period: String,
}

/// `GET /api/v1/grants`: those in force.
pub(super) fn list(call: &Call) -> Result<Response, Problem> {
    call.without_parameters()?;
    let form = Form::of(call)?;
    let live = call.port.state.live.load();
    let grants = call.port.state.auth.grants().list();
    let rows = grants.iter().map(|grant| describe(grant, &live.settings)).collect();
    Ok(List { columns: &COLUMNS, rows, complete: true, beside: Map::new() }.answer(form))
}

/// `GET /api/v1/grants/{id}`.
pub(super) fn one(call: &Call) -> Result<Response, Problem> {
    call.without_parameters()?;
    let grants = call.port.state.auth.grants().list();
    let grant = grants.iter().find(|grant| grant.id == call.id()).ok_or_else(missing)?;
    Ok(answer(describe(grant, &call.port.state.live.load().settings).to_string()))
}

/// `POST /api/v1/grants`: `email`, `circuit`, `for`.
pub(super) async fn add(call: Call) -> Result<Response, Problem> {
    call.without_parameters()?;
    let example = r#"{"email": "maya@example.net", "circuit": "wiki", "for": "2h"}"#;
    let Wanted { email, circuit, period } = change::wanted(&call, "grant", example)?;
    let wrong = || Problem::bad_parameter("email", "write an e-mail address");
    let email = Email::folded(&email).ok_or_else(wrong)?;
    let period = change::period(&period)?;
    if period > LONGEST {
        return Err(Problem::bad_parameter("for", "write at most 24h: who is to stay belongs into the file"));
    }
    let live = call.port.state.live.load_full();
    let circuit = closed_circuit(&live.settings, &circuit)?.name.clone();
    change::must_be_writable(&call)?;
    let (auth, by) = (call.port.state.auth.clone(), call.actor.name.clone());
    let grant = off_the_runtime(move || auth.grants().add(&email, &circuit, period, &by)).await?;
    let made = describe(&grant, &live.settings);
    record(&call, "grant.add", &grant, StatusCode::CREATED, (None, Some(&made))).await?;
    Ok(change::created(&made))
}

/// `DELETE /api/v1/grants/{id}`.
pub(super) async fn remove(call: Call) -> Result<Response, Problem> {
    call.without_parameters()?;
    change::must_be_writable(&call)?;
    let (auth, id) = (call.port.state.auth.clone(), call.id().to_owned());
    let grant = off_the_runtime(move || auth.grants().remove(&id)).await?.ok_or_else(missing)?;
    let before = describe(&grant, &call.port.state.live.load().settings);
    record(&call, "grant.revoke", &grant, StatusCode::OK, (Some(&before), None)).await?;
    Ok(answer(json!({ "removed": before }).to_string()))
}

impl From<NotGranted> for Problem {
    fn from(error: NotGranted) -> Self {
        match error {
            NotGranted::Full => {
                let detail = format!("there are {GRANTS_MAX} grants already; revoke some");
                Self::new(StatusCode::CONFLICT, "full", detail)
            }
            NotGranted::State(error) => error.into(),
        }
    }
}

fn missing() -> Problem {
    Problem::not_found("no grant with this id")
}

/// A circuit that does not let everybody in.
fn closed_circuit<'a>(settings: &'a Settings, name: &str) -> Result<&'a Circuit, Problem> {
    let circuit = settings.circuits.get(name);
    let missing = || Problem::bad_parameter("circuit", "there is no circuit of this name");
    let circuit: &Circuit = circuit.ok_or_else(missing)?;
    if matches!(circuit.access, Access::Public) {
        return Err(Problem::bad_parameter("circuit", "everybody may enter this one"));
    }
    Ok(circuit)
}

fn describe(grant: &Grant, settings: &Settings) -> Value {
    json!({
        "id": grant.id,
        "email": grant.email,
        "circuit": grant.circuit,
        "since": rfc3339(grant.since),
        "until": rfc3339(grant.until),
        "by": grant.by,
        "login": ways(grant, settings),
    })
}

/// By what the person could sign in at the circuit now. A grant opens no way in; where there is none it helps nobody.
fn ways(grant: &Grant, settings: &Settings) -> Vec<String> {
    let user = settings.users.get(grant.email.as_str());
    let circuit = settings.circuits.get(grant.circuit.as_str());
    let Some(ways) = circuit.and_then(|circuit| circuit.access.ways()) else { return Vec::new() };
    if user.is_some_and(|user| user.state != AccountState::Active) {
        return Vec::new();
    }
    let domain = grant.email.rsplit_once('@').map_or("", |(_, domain)| domain);
    let providers = ways.providers.iter().filter_map(|name| settings.providers.get(name));
    let providers = providers.filter(|provider| provider.speaks_for(domain));
    let own = ways.login.iter().filter(|way| user.is_some_and(|user| has(user, **way)));
    providers.map(|provider| format!("sso:{}", provider.name)).chain(own.map(|way| way.as_str().to_owned())).collect()
}

fn has(user: &User, way: SignInWay) -> bool {
    match way {
        SignInWay::Password => user.password_hash.is_some(),
        SignInWay::Pin => user.pin_hash.is_some(),
    }
}

async fn record(
    call: &Call,
    action: &str,
    grant: &Grant,
    status: StatusCode,
    (before, after): (Option<&Value>, Option<&Value>),
) -> Result<(), Problem> {
    let resource = &grant.email;
    let change = Change {
        action_type: "policy",
        action,
        resource_type: "grant",
        resource,
        status,
        before,
        after,
        details: None,
    };
    Ok(change.record(call).await?)
}

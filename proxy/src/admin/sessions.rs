//! Sessions: who is signed in, and the end of it.

use axum::response::Response;
use http::StatusCode;
use serde_json::{Map, json};
use vestibule_auth::SessionFilter;
use vestibule_auth::session::{Listed, State as SessionState};

use super::change::{self, Change, off_the_runtime};
use super::door::Call;
use super::form::Form;
use super::list::List;
use super::problem::Problem;
use super::status::json as answer;
use crate::attempt;

/// A list is one page of at most so many, newest first.
pub(super) const LIST_MAX: usize = 1000;

/// An audit entry names at most so many of the sessions that an act ended; their number is always there.
const NAMED_MAX: usize = 50;

/// `GET /api/v1/sessions`: `user`, `circuit`.
pub(super) async fn list(call: Call) -> Result<Response, Problem> {
    let form = Form::of(&call)?;
    let (filter, _all) = filter(&call.parameters)?;
    let rows: Vec<_> = read(&call, filter).await?.iter().map(|session| json!(session)).collect();
    let complete = rows.len() < LIST_MAX;
    let beside = Map::from_iter([("complete".to_owned(), complete.into())]);
    Ok(List { columns: &COLUMNS, rows, complete, beside }.answer(form))
}

const COLUMNS: [&str; 12] = [
    "id",
    "circuit",
    "email",
    "user_id",
    "method",
    "provider",
    "state",
    "created",
    "last_used",
    "expires",
    "source_ip",
    "user_agent",
];

/// `GET /api/v1/sessions/{id}`.
pub(super) async fn one(call: Call) -> Result<Response, Problem> {
    call.without_parameters()?;
    let sessions = read(&call, by_id(&call)).await?;
    let session = sessions.first().ok_or_else(|| Problem::not_found("no session with this id"))?;
    Ok(answer(json!(session).to_string()))
}

/// `DELETE /api/v1/sessions`: `user`, `circuit`, or `all=true`.
pub(super) async fn end(call: Call) -> Result<Response, Problem> {
    let (filter, all) = filter(&call.parameters)?;
    let named = filter.email.is_some() || filter.circuit.is_some();
    if named == all {
        let detail = "say which sessions to end: user=EMAIL, circuit=NAME, or all=true alone";
        return Err(Problem::new(StatusCode::BAD_REQUEST, "invalid_parameter", detail));
    }
    let ended = revoke(&call, filter).await?;
    Ok(answer(json!({ "ended": ended.len(), "data": ended }).to_string()))
}

/// `DELETE /api/v1/sessions/{id}`.
pub(super) async fn end_one(call: Call) -> Result<Response, Problem> {
    call.without_parameters()?;
    let ended = revoke(&call, by_id(&call)).await?;
    if ended.is_empty() {
        return Err(Problem::not_found("no live session with this id"));
    }
    Ok(answer(json!({ "ended": ended.len(), "data": ended }).to_string()))
}

fn by_id(call: &Call) -> SessionFilter {
    SessionFilter { id: Some(call.id().to_owned()), email: None, circuit: None }
}

pub(super) fn filter(parameters: &[(String, String)]) -> Result<(SessionFilter, bool), Problem> {
    let (mut filter, mut all) = (SessionFilter { id: None, email: None, circuit: None }, false);
    for (name, value) in parameters {
        match name.as_str() {
            "user" if !value.is_empty() => filter.email = Some(value.to_lowercase()),
            "circuit" if !value.is_empty() => filter.circuit = Some(value.clone()),
            "all" if value == "true" => all = true,
            "user" => return Err(Problem::bad_parameter(name, "write an e-mail address")),
            "circuit" => return Err(Problem::bad_parameter(name, "write a circuit's name")),
            "all" => return Err(Problem::bad_parameter(name, "write true, or leave it out")),
            _ => return Err(Problem::bad_parameter(name, "not known; there are user, circuit and all")),
        }
    }
    Ok((filter, all))
}

/// Those that match, newest first, at most [`LIST_MAX`].
pub(super) async fn read(call: &Call, filter: SessionFilter) -> Result<Vec<Listed>, Problem> {
    let auth = call.port.state.auth.clone();
    off_the_runtime(move || auth.sessions().list(&filter, LIST_MAX)).await
}

/// Ends first and records then: what should close stays closed also when the disk fails in between. The answer waits
/// for the record.
pub(super) async fn revoke(call: &Call, filter: SessionFilter) -> Result<Vec<Listed>, Problem> {
    change::must_be_writable(call)?;
    let (auth, wanted) = (call.port.state.auth.clone(), filter.clone());
    let ended = off_the_runtime(move || auth.sessions().end(&wanted, SessionState::Revoked)).await?;
    record(call, &filter, &ended).await?;
    for session in &ended {
        attempt::revoked(&call.port.state, &call.actor, session).await?;
    }
    Ok(ended)
}

async fn record(call: &Call, filter: &SessionFilter, ended: &[Listed]) -> Result<(), Problem> {
    let sessions: Vec<_> = ended
        .iter()
        .take(NAMED_MAX)
        .map(|session| json!({ "id": session.id, "user_id": session.user_id, "circuit": session.circuit }))
        .collect();
    let details = json!({
        "filter": { "id": filter.id, "user": filter.email, "circuit": filter.circuit },
        "ended": ended.len(),
        "sessions": sessions,
    });
    let change = Change {
        action_type: "security",
        action: "session.revoke",
        resource_type: "session",
        resource: filter.id.as_deref().or(filter.email.as_deref()).or(filter.circuit.as_deref()).unwrap_or("all"),
        status: StatusCode::OK,
        before: None,
        after: None,
        details: Some(&details),
    };
    Ok(change.record(call).await?)
}

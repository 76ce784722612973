//! Projects and users: configuration joined with live state. No hashes.

use std::collections::HashMap;

use axum::response::Response;
use jiff::Timestamp;
use serde_json::{Value, json};
use vestibule_auth::membership;
use vestibule_config::AllowEntry;
use vestibule_config::project::Project;
use vestibule_config::user::User;

use super::change::off_the_runtime;
use super::door::Call;
use super::problem::Problem;
use super::{circuits, list, status};
use crate::state::Live;

/// Live sessions of one person or circuit.
#[derive(Debug, Clone, Copy, Default)]
struct Sessions {
    count: u64,
    /// When the latest began.
    latest: Option<Timestamp>,
}

/// Live sessions of those that the configuration knows.
#[derive(Debug, Default)]
struct Tally {
    people: HashMap<String, Sessions>,
    circuits: HashMap<String, Sessions>,
}

/// `GET /api/v1/projects`.
pub(super) async fn projects(call: Call) -> Result<Response, Problem> {
    call.without_parameters()?;
    let live = call.port.state.live.load_full();
    let tally = tally(&call, &live).await?;
    let projects = live.settings.projects.values();
    let rows = projects.map(|project| describe_project(project, &live, &tally, call.actor.started)).collect();
    list::of_the_configuration(&call, &["name", "label", "members", "circuits", "sessions"], rows, &live)
}

/// `GET /api/v1/users`.
pub(super) async fn users(call: Call) -> Result<Response, Problem> {
    call.without_parameters()?;
    let live = call.port.state.live.load_full();
    let tally = tally(&call, &live).await?;
    let rows = live.settings.users.values().map(|user| describe_user(user, &live, &tally)).collect();
    let columns = ["email", "name", "groups", "state", "login", "projects", "sessions", "latest_session"];
    list::of_the_configuration(&call, &columns, rows, &live)
}

fn describe_project(project: &Project, live: &Live, tally: &Tally, now: Timestamp) -> Value {
    let circuits: Vec<_> =
        live.settings.circuits.values().filter(|circuit| circuit.project.as_ref() == Some(&project.name)).collect();
    let sessions = circuits.iter().filter_map(|circuit| tally.circuits.get(circuit.name.as_str()));
    json!({
        "name": project.name.as_str(),
        "label": project.label,
        "members": project.members.iter().map(AllowEntry::to_string).collect::<Vec<_>>(),
        "circuits": circuits
            .iter()
            .map(|circuit| json!({ "name": circuit.name.as_str(), "state": circuits::state(circuit, now) }))
            .collect::<Vec<_>>(),
        "sessions": sessions.map(|sessions| sessions.count).sum::<u64>(),
    })
}

fn describe_user(user: &User, live: &Live, tally: &Tally) -> Value {
    let sessions = tally.people.get(user.email.as_str()).copied().unwrap_or_default();
    let projects = live.settings.projects.values().filter(|project| {
        project.members.iter().any(|member| membership::names(member, user.email.as_str(), &user.groups))
    });
    let held = [("password", user.password_hash.is_some()), ("pin", user.pin_hash.is_some())];
    json!({
        "email": user.email.as_str(),
        "name": user.name,
        "groups": user.groups,
        "state": user.state.as_str(),
        "login": held.iter().filter(|(_, held)| *held).map(|(way, _)| *way).collect::<Vec<_>>(),
        "projects": projects.map(|project| project.name.as_str()).collect::<Vec<_>>(),
        "sessions": sessions.count,
        "latest_session": sessions.latest.map(status::rfc3339),
    })
}

/// Off the runtime: reads every session.
async fn tally(call: &Call, live: &Live) -> Result<Tally, Problem> {
    let auth = call.port.state.auth.clone();
    let people = live.settings.users.keys().map(|email| (email.as_str().to_owned(), Sessions::default())).collect();
    let circuits = live.settings.circuits.keys().map(|name| (name.as_str().to_owned(), Sessions::default())).collect();
    let mut tally = Tally { people, circuits };
    off_the_runtime(move || {
        auth.sessions().each_live(|session| {
            let person = session.email.and_then(|email| tally.people.get_mut(email));
            let circuit = tally.circuits.get_mut(session.circuit);
            for sessions in person.into_iter().chain(circuit) {
                sessions.count += 1;
                sessions.latest = sessions.latest.max(Some(session.created));
            }
        })?;
        Ok::<_, vestibule_auth::Error>(tally)
    })
    .await
}

//! Who is signed in at the circuits, and the end of it.

use askama::Template;
use axum::response::Response;
use serde::Serialize;
use vestibule_auth::SessionFilter;
use vestibule_auth::session::{Listed, State};

use super::address::Address;
use super::parts::{Asked, Parts};
use super::table::{Button, Cell, Line, Table};
use super::{Frame, deed, html, required, sent, value};
use crate::admin::door::Call;
use crate::admin::problem::Problem;
use crate::admin::sessions::{self, LIST_MAX};

#[derive(Template)]
#[template(path = "sessions.html")]
struct SessionsPage {
    frame: Frame,
    user: String,
    circuit: String,
    complete: bool,
    table: Table,
    parts: Parts,
}

/// `GET /sessions`: `user`, `circuit`.
pub(in crate::admin) async fn page(call: Call) -> Result<Response, Problem> {
    let asked = Asked::of(&call, &["user", "circuit"])?;
    let (filter, _all) = sessions::filter(&asked.others())?;
    let (user, circuit) = (filter.email.clone(), filter.circuit.clone());
    let listed = sessions::read(&call, filter).await?;
    let complete = listed.len() < LIST_MAX;
    let (listed, parts) = asked.rows(listed);
    let page = SessionsPage {
        frame: Frame::of(&call, "Sessions"),
        user: user.unwrap_or_default(),
        circuit: circuit.unwrap_or_default(),
        complete,
        table: Table {
            caption: "Sessions",
            heads: vec!["Who", "Circuit", "State", "Method", "Began", "Last used", "Ends", "Address", "Browser"],
            rows: listed.iter().map(line).collect(),
            empty: "No session.",
        },
        parts,
    };
    Ok(html(&page))
}

fn line(session: &Listed) -> Line {
    let Listed {
        id,
        circuit,
        email,
        user_id,
        method,
        provider,
        state,
        created,
        last_used,
        expires,
        source_ip,
        user_agent,
    } = session;
    let who = email.as_deref().unwrap_or(user_id);
    let requests = Address::new("/logs/requests", &[("session_id", id), ("range", "7d")]);
    let way = provider.iter().fold(word(method), |way, provider| format!("{way} {provider}"));
    let state_word = word(state);
    let button = Button {
        action: "/sessions/revoke",
        fields: vec![("id", id.clone())],
        label: "End",
        meaning: format!("End the session of {who} at {circuit}"),
    };
    Line {
        cells: vec![
            Cell::link(who, requests),
            Cell::text(if circuit.is_empty() { "login host" } else { circuit.as_str() }),
            Cell::word(&state_word),
            Cell::text(way),
            Cell::text(value::timestamp(*created)),
            Cell::text(value::timestamp(*last_used)),
            Cell::text(value::timestamp(*expires)),
            Cell::text(source_ip.to_string()),
            Cell::text(value::cut(user_agent.clone(), 60)),
        ],
        button: (*state == State::Active).then_some(button),
    }
}

/// As the API says it.
fn word(of_a_list: &impl Serialize) -> String {
    serde_json::to_value(of_a_list).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
}

/// `POST /sessions/revoke`: `id`, or all of a `user` or a `circuit`.
pub(in crate::admin) async fn revoke(call: Call) -> Result<Response, Problem> {
    let filter = match (sent(&call, "user"), sent(&call, "circuit")) {
        (None, None) => SessionFilter { id: Some(required(&call, "id")?), email: None, circuit: None },
        (user, circuit) => SessionFilter { id: None, email: user.map(|user| user.to_lowercase()), circuit },
    };
    if sessions::revoke(&call, filter).await?.is_empty() {
        return Err(Problem::not_found("no live session is like this; it may have ended meanwhile"));
    }
    Ok(deed("/sessions", "revoked"))
}

//! What the store holds of one person, taken out of it.

use std::time::Duration;

use axum::response::Response;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::sleep;
use vestibule_auth::Forgotten;
use vestibule_config::Email;
use vestibule_logstore::Erased;

use super::change::{self, Change};
use super::door::Call;
use super::problem::Problem;
use super::stream::{Feed, Gone};
use crate::state::State;

/// It says that it goes on.
const SAY_EVERY: Duration = Duration::from_secs(1);

/// `POST /api/v1/integrity/erase?user=`: lines of JSON, one a second while it goes on, and what was erased. It goes on
/// when nobody reads them any more.
pub(super) fn erase(call: Call) -> Result<Response, Problem> {
    let email = match call.parameters.as_slice() {
        [(name, value)] if name == "user" => Email::folded(value),
        _ => None,
    };
    let wrong = || Problem::bad_parameter("user", "write an e-mail address, user=maya@example.net, and nothing else");
    let email = email.ok_or_else(wrong)?.to_string();
    change::must_be_writable(&call)?;
    let state = call.port.state.clone();
    let pseudonym = state.auth.pseudonym(&email);
    let running = spawn_blocking(move || run(&state, &email));
    let (feed, body) = Feed::new();
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    // Nobody may read the answer any more: the entry is written all the same.
    tokio::spawn(async move { tell(running, feed, call, pseudonym).await.unwrap_or(()) });
    Ok(response)
}

/// The sessions first: whoever comes back meanwhile is nobody known.
fn run(state: &State, email: &str) -> anyhow::Result<(Erased, Forgotten)> {
    let forgotten = state.auth.erase(email)?;
    let local = format!("local:{email}");
    // A circuit may have told the logs no more than what stands for a person.
    let names = [email.to_owned(), state.auth.pseudonym(email), state.auth.pseudonym(&local), local];
    let erased = state.store.erase(&names, state.clock.now())?;
    // So that what the audit log says of it is signed before anybody asks.
    state.store.sign(&state.signer.read(), state.clock.now())?;
    Ok((erased, forgotten))
}

async fn tell(
    mut running: JoinHandle<anyhow::Result<(Erased, Forgotten)>>,
    feed: Feed,
    call: Call,
    pseudonym: String,
) -> Result<(), Gone> {
    let mut is_read = true;
    let done = loop {
        tokio::select! {
            done = &mut running => break done,
            () = sleep(SAY_EVERY), if is_read => {
                is_read = feed.put(format!("{}\n", json!({ "erasing": true }))).await.is_ok();
            }
        }
    };
    let done = done.map_err(anyhow::Error::from).and_then(|done| done);
    let last = match done {
        Ok((erased, forgotten)) => {
            let shown = shown(&erased, &forgotten);
            match record(&call, &pseudonym, &shown).await {
                Ok(()) => shown,
                Err(error) => json!({ "failed": format!("what was erased is not recorded: {error}") }),
            }
        }
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "a person was not erased");
            json!({ "failed": format!("{error:#}; ask for it again") })
        }
    };
    feed.put(format!("{last}\n")).await?;
    feed.finish().await
}

fn shown(erased: &Erased, forgotten: &Forgotten) -> Value {
    let [access, requests, audit] = erased.entries;
    json!({
        "entries": { "access": access, "requests": requests, "audit": audit },
        "unread_segments": erased.unread,
        "sessions": forgotten.sessions,
        "grants": forgotten.grants,
    })
}

/// Names the person by what stands for them.
async fn record(call: &Call, pseudonym: &str, shown: &Value) -> Result<(), vestibule_logstore::Unavailable> {
    let change = Change {
        action_type: "user",
        action: "user.erase",
        resource_type: "user",
        resource: pseudonym,
        status: StatusCode::OK,
        before: None,
        after: None,
        details: Some(shown),
    };
    change.record(call).await
}

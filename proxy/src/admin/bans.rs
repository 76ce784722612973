//! Who is kept out: networks that an administrator banned, and accounts that failed too often.

use axum::response::Response;
use http::StatusCode;
use ipnet::IpNet;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use vestibule_auth::bans::{BANS_MAX, Ban, NotBanned};

use super::change::{self, Change, off_the_runtime};
use super::door::Call;
use super::form::Form;
use super::list::List;
use super::problem::Problem;
use super::status::{json as answer, rfc3339};

const COLUMNS: [&str; 8] = ["id", "kind", "network", "account", "since", "until", "by", "note"];

/// Bytes of a note.
const NOTE_MAX: usize = 500;

/// Ids of locks are this and the account.
pub(super) const LOCK: &str = "lock:";

/// The body of a new ban.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    pub(super) network: String,
    #[serde(rename = "for")]
    pub(super) period: Option<String>,
    pub(super) note: Option<String>,
}

/// `GET /api/v1/bans`.
pub(super) fn list(call: &Call) -> Result<Response, Problem> {
    call.without_parameters()?;
    let form = Form::of(call)?;
    Ok(List { columns: &COLUMNS, rows: rows(call), complete: true, beside: Map::new() }.answer(form))
}

/// Bans, then locks.
pub(super) fn rows(call: &Call) -> Vec<Value> {
    let state = &call.port.state;
    let live = state.live.load();
    let accounts = live.settings.users.keys().map(|email| email.as_str());
    let locks = state.auth.locked(accounts);
    let bans = state.auth.bans().list();
    bans.iter().map(of_ban).chain(locks.iter().map(|(account, until)| of_lock(account, *until))).collect()
}

/// `POST /api/v1/bans`: `network`, `for`, `note`.
pub(super) async fn add(call: Call) -> Result<Response, Problem> {
    call.without_parameters()?;
    let example = r#"{"network": "203.0.113.0/24", "for": "24h"}"#;
    let made = keep_out(&call, change::wanted(&call, "ban", example)?).await?;
    Ok(change::created(&made))
}

/// From the next request on.
pub(super) async fn keep_out(call: &Call, wanted: Wanted) -> Result<Value, Problem> {
    let Wanted { network, period, note } = wanted;
    let network = network_of(&network)?;
    let until = period.as_deref().map(|period| until(call.actor.started, period)).transpose()?;
    if note.as_ref().is_some_and(|note| note.len() > NOTE_MAX || note.chars().any(char::is_control)) {
        return Err(Problem::bad_parameter("note", &format!("write at most {NOTE_MAX} bytes on one line")));
    }
    change::must_be_writable(call)?;
    let (auth, by) = (call.port.state.auth.clone(), call.actor.name.clone());
    let ban = off_the_runtime(move || auth.bans().add(network, until, &by, note)).await?;
    let made = of_ban(&ban);
    record(call, "ban.add", &ban.network.to_string(), StatusCode::CREATED, (None, Some(&made))).await?;
    Ok(made)
}

/// `DELETE /api/v1/bans/{id}`: of a ban, or of a lock.
pub(super) async fn remove(call: Call) -> Result<Response, Problem> {
    call.without_parameters()?;
    let id = percent_encoding::percent_decode_str(call.id()).decode_utf8_lossy().into_owned();
    let removed = let_in(&call, &id).await?;
    Ok(answer(json!({ "removed": removed }).to_string()))
}

/// A network or an account again; the answer is what kept it out.
pub(super) async fn let_in(call: &Call, id: &str) -> Result<Value, Problem> {
    change::must_be_writable(call)?;
    match id.strip_prefix(LOCK) {
        Some(account) => unlock(call, account).await,
        None => lift(call, id).await,
    }
}

async fn lift(call: &Call, id: &str) -> Result<Value, Problem> {
    let (auth, id) = (call.port.state.auth.clone(), id.to_owned());
    let removed = off_the_runtime(move || auth.bans().remove(&id)).await?;
    let ban = removed.ok_or_else(|| Problem::not_found("no ban with this id"))?;
    let before = of_ban(&ban);
    record(call, "ban.remove", &ban.network.to_string(), StatusCode::OK, (Some(&before), None)).await?;
    Ok(before)
}

async fn unlock(call: &Call, account: &str) -> Result<Value, Problem> {
    let (auth, name) = (call.port.state.auth.clone(), account.to_owned());
    let unlocked = off_the_runtime(move || auth.unlock(&name)).await?;
    if unlocked == 0 {
        return Err(Problem::not_found("this account is locked nowhere"));
    }
    let before = json!({ "account": account, "locked_from_addresses": unlocked });
    record(call, "user.unlock", account, StatusCode::OK, (Some(&before), None)).await?;
    Ok(before)
}

impl From<NotBanned> for Problem {
    fn from(error: NotBanned) -> Self {
        match error {
            NotBanned::Full => {
                Self::new(StatusCode::CONFLICT, "full", format!("there are {BANS_MAX} bans already; remove some"))
            }
            NotBanned::State(error) => error.into(),
        }
    }
}

fn of_ban(ban: &Ban) -> Value {
    json!({
        "id": ban.id,
        "kind": "ban",
        "network": ban.network.to_string(),
        "account": null,
        "since": rfc3339(ban.since),
        "until": ban.until.map(rfc3339),
        "by": ban.by,
        "note": ban.note,
    })
}

fn of_lock(account: &str, until: Timestamp) -> Value {
    json!({
        "id": format!("{LOCK}{account}"),
        "kind": "lock",
        "network": null,
        "account": account,
        "since": null,
        "until": rfc3339(until),
        "by": null,
        "note": null,
    })
}

/// A network, or one address. One that would keep everybody out is a slip.
fn network_of(text: &str) -> Result<IpNet, Problem> {
    let network = text.parse().or_else(|_| text.parse().map(|address: std::net::IpAddr| address.to_canonical().into()));
    let network: IpNet = network
        .map_err(|_| Problem::bad_parameter("network", "write an address, or a network such as 203.0.113.0/24"))?;
    if network.trunc() != network {
        return Err(Problem::bad_parameter("network", &format!("write {}", network.trunc())));
    }
    if network.prefix_len() == 0 {
        return Err(Problem::bad_parameter("network", "this would keep everybody out"));
    }
    Ok(network)
}

fn until(now: Timestamp, period: &str) -> Result<Timestamp, Problem> {
    let period = change::period(period)?;
    now.checked_add(period).map_err(|_| Problem::bad_parameter("for", "leave it out: this is for good"))
}

async fn record(
    call: &Call,
    action: &str,
    resource: &str,
    status: StatusCode,
    (before, after): (Option<&Value>, Option<&Value>),
) -> Result<(), Problem> {
    let change = Change {
        action_type: "security",
        action,
        resource_type: "ban",
        resource,
        status,
        before,
        after,
        details: None,
    };
    Ok(change.record(call).await?)
}

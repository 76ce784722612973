//! The three logs: one page, one entry.

use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::response::Response;
use http::header::{HeaderName, LINK};
use http::{HeaderValue, StatusCode};
use serde_json::Value;
use tokio::sync::Semaphore;
use uuid::Uuid;
use vestibule_config::admin::{LogName, Role};
use vestibule_logstore::export::Format;
use vestibule_logstore::row::Value as RowValue;
use vestibule_logstore::{Log, Page, Query, Row};

use super::door::Call;
use super::form::Form;
use super::list;
use super::problem::Problem;
use super::status::json;

/// Queries read much and run beside the traffic; more of them wait up to [`QUEUED`], then get 503.
pub(super) const QUERIES_AT_ONCE: usize = 2;
pub(super) const QUEUED: Duration = Duration::from_secs(5);

/// An answer that takes longer is cut short and says so.
pub(super) const DEADLINE: Duration = Duration::from_secs(10);

/// `GET /api/v1/logs/{log}`.
pub(super) async fn page(call: Call) -> Result<Response, Problem> {
    let log = log_of(&call);
    let mut query = Query::parse(log, &call.parameters, call.actor.started)?;
    query.deadline = DEADLINE;
    let store = call.port.state.store.clone();
    let Form::Lines(format) = Form::of(&call)? else {
        let body = off_the_runtime(&call, move || {
            let began = Instant::now();
            let page = store.query(&query)?;
            Ok(page.to_json(&query, began.elapsed()))
        });
        return Ok(json(body.await?));
    };
    let lines = off_the_runtime(&call, move || {
        let page = store.query(&query)?;
        let mut text = String::new();
        format.write_head(&query, &mut text);
        page.rows.iter().for_each(|row| format.write_row(&query, row, &mut text));
        Ok((text, page))
    });
    let (text, page) = lines.await?;
    Ok(as_lines(&call, format, text, &page))
}

/// The way to the next page stands in `Link`.
fn as_lines(call: &Call, format: Format, text: String, page: &Page) -> Response {
    let mut response = list::as_lines(format, text, page.complete);
    let headers = response.headers_mut();
    for (relation, cursor) in [("next", &page.next_cursor), ("prev", &page.prev_cursor)] {
        let link = cursor.as_ref().map(|cursor| format!("<{}>; rel=\"{relation}\"", call.with_cursor(cursor)));
        if let Some(link) = link.and_then(|link| HeaderValue::from_str(&link).ok()) {
            headers.append(LINK, link);
        }
    }
    if let Some(total) = page.total {
        headers.insert(HeaderName::from_static("x-total-count"), total.into());
    }
    response
}

/// `GET /api/v1/logs/{log}/{id}`, with `include=related`: what the other logs say of the same request, and
/// `include=proof`: a file that proves to outsiders that the entry is in the log.
pub(super) async fn one(call: Call) -> Result<Response, Problem> {
    let wanted = Included::of(&call.parameters)?;
    if wanted.proof {
        call.pass.must_be(Role::Auditor)?;
    }
    let row = row_of(&call).await?;
    let Ok(Value::Object(mut entry)) = serde_json::from_str(&row.to_json()) else { return Ok(json(row.to_json())) };
    if wanted.related {
        let related = related_of(&call, &row).await?;
        let of_log = |(name, rows): (&str, Vec<Row>)| (name.to_owned(), rows.iter().map(value_of).collect());
        entry.insert("related".to_owned(), Value::Object(related.into_iter().map(of_log).collect()));
    }
    if wanted.proof {
        entry.insert("proof".to_owned(), Value::String(proof_of(&call, row).await?));
    }
    Ok(json(Value::Object(entry).to_string()))
}

/// The entry that the path names.
pub(super) async fn row_of(call: &Call) -> Result<Row, Problem> {
    let (log, Ok(id)) = (log_of(call), Uuid::from_str(call.id())) else { return Err(unknown_entry()) };
    let store = call.port.state.store.clone();
    off_the_runtime(call, move || Ok(store.entry(log, &id)?)).await?.ok_or_else(unknown_entry)
}

/// Signs the log's head first if that does not cover the entry yet.
pub(super) async fn proof_of(call: &Call, row: Row) -> Result<String, Problem> {
    if row.is_erased() {
        let detail = "the content of this entry was erased; there is nothing left to prove";
        return Err(Problem::new(StatusCode::GONE, "erased", detail));
    }
    let state = call.port.state.clone();
    let now = call.actor.started;
    let proof = off_the_runtime(call, move || {
        if let Some(proof) = state.store.prove(&row)? {
            return Ok(Some(proof));
        }
        state.store.sign(&state.signer.read(), now).map_err(|error| Problem::internal(&error))?;
        Ok(state.store.prove(&row)?)
    });
    proof.await?.ok_or_else(|| Problem::busy("the log's head cannot be signed now"))
}

pub(super) fn log_of(call: &Call) -> Log {
    match call.log {
        Some(LogName::Access) => Log::Access,
        Some(LogName::Audit) => Log::Audit,
        Some(LogName::Requests) | None => Log::Requests,
    }
}

fn unknown_entry() -> Problem {
    Problem::not_found("no entry with this id in this log")
}

/// What is wanted beside an entry.
#[derive(Default)]
struct Included {
    related: bool,
    proof: bool,
}

impl Included {
    fn of(parameters: &[(String, String)]) -> Result<Self, Problem> {
        let mut included = Self::default();
        for (name, value) in parameters {
            if name != "include" {
                return Err(Problem::bad_parameter(name, "not known here; there is include=related,proof"));
            }
            for word in value.split(',').filter(|word| !word.is_empty()) {
                match word {
                    "related" => included.related = true,
                    "proof" => included.proof = true,
                    _ => return Err(Problem::bad_parameter(name, "write related or proof, or both: related,proof")),
                }
            }
        }
        Ok(included)
    }
}

/// Entries of the other logs that this token reads, with the same `request_id`, by log; at most 25 of each.
pub(super) async fn related_of(call: &Call, row: &Row) -> Result<Vec<(&'static str, Vec<Row>)>, Problem> {
    let Some(RowValue::Text(request_id)) = row.value("request_id") else { return Ok(Vec::new()) };
    let parameters = [("request_id".to_owned(), request_id.to_owned())];
    let mut related = Vec::new();
    for (name, log, word) in LOGS {
        let readable = call.logs.as_ref().is_none_or(|logs| logs.contains(&name));
        if log == row.log || !readable {
            continue;
        }
        let mut query = Query::parse(log, &parameters, call.actor.started)?;
        query.deadline = DEADLINE;
        let store = call.port.state.store.clone();
        let page = off_the_runtime(call, move || Ok(store.query(&query)?)).await?;
        related.push((word, page.rows));
    }
    Ok(related)
}

const LOGS: [(LogName, Log, &str); 3] = [
    (LogName::Access, Log::Access, "access"),
    (LogName::Requests, Log::Requests, "requests"),
    (LogName::Audit, Log::Audit, "audit"),
];

fn value_of(row: &Row) -> Value {
    serde_json::from_str(&row.to_json()).unwrap_or_default()
}

/// Runs what reads the disk on the blocking pool, few at a time.
pub(super) async fn off_the_runtime<T: Send + 'static>(
    call: &Call,
    read: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    in_turn(&call.port.queries, read).await
}

/// The same, with turns of its own.
pub(super) async fn in_turn<T: Send + 'static>(
    turns: &Arc<Semaphore>,
    read: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let permit = tokio::time::timeout(QUEUED, turns.clone().acquire_owned());
    let Ok(Ok(permit)) = permit.await else { return Err(Problem::busy("too many queries at the same time")) };
    let task = tokio::task::spawn_blocking(move || {
        // Held by the reading itself: a client that leaves does not make room for another.
        let _permit = permit;
        read()
    });
    task.await.unwrap_or_else(|error| Err(Problem::internal(&error)))
}

//! `GET /api/v1/logs/{log}/export`: everything that a query matches, however much it is.

use std::sync::Arc;

use axum::response::Response;
use bytes::Bytes;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use serde_json::{Map, Value, json};
use tokio::task::spawn_blocking;
use vestibule_logstore::export::{Export, Format, Piece};
use vestibule_logstore::{Log, Query, QueryError, Unavailable};

use super::door::{Call, Pass};
use super::form::{self, Form};
use super::logs::log_of;
use super::problem::Problem;
use super::stream::{self, Feed, Gone, Place};
use crate::audit::{Act, Actor};
use crate::state::State;

/// An export takes most of a core and a page of entries; one more is refused.
pub(super) const EXPORTS_AT_ONCE: usize = 2;

/// So much of a filter's value is in the audit entry.
const VALUE_SHOWN: usize = 200;

/// And so many of the filters.
const FILTERS_SHOWN: usize = 24;

/// The entry that is on disk before the first byte is sent.
const BEGUN: &str = "log.export";

/// The entry of its end, with the number of entries that were sent.
const ENDED: &str = "log.exported";

/// Streams the entries; `cursor` goes on where an earlier export stopped, and with `frames=true` it learns where that
/// is.
pub(super) async fn export(call: Call) -> Result<Response, Problem> {
    let asked = Asked::of(&call)?;
    let query = Query::parse(asked.log, &asked.parameters, call.actor.started)?;
    let state = call.port.state.clone();
    let place = call.port.exports.take(&state)?;
    let export = Export::new(state.store.clone(), query, asked.format, asked.most);
    let (feed, body) = Feed::new();
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, asked.content_type());
    let name = format!("attachment; filename=\"{}\"", asked.file_name(&call.actor));
    headers.insert(CONTENT_DISPOSITION, HeaderValue::from_str(&name).expect("a log's name and a date are ASCII"));
    let Call { actor, pass, .. } = call;
    let record = Record::begin(state, actor, asked).await?;
    tokio::spawn(run(export, feed, record, pass, place));
    Ok(response)
}

/// What was asked for.
struct Asked {
    log: Log,
    format: Format,
    /// Each piece comes with a line before it: entries, bytes and the cursor behind it.
    framed: bool,
    /// `limit`: the first so many.
    most: Option<u64>,
    /// The others, which are the query's.
    parameters: Vec<(String, String)>,
}

impl Asked {
    fn of(call: &Call) -> Result<Self, Problem> {
        let mut asked = Self {
            log: log_of(call),
            format: match Form::wanted(&call.headers) {
                Form::Lines(format) => format,
                Form::Json => Format::Csv,
            },
            framed: false,
            most: None,
            parameters: Vec::new(),
        };
        for (name, value) in &call.parameters {
            match (name.as_str(), value.as_str()) {
                ("format", "csv") => asked.format = Format::Csv,
                ("format", "ndjson") => asked.format = Format::Ndjson,
                ("format", _) => return Err(Problem::bad_parameter(name, "write csv or ndjson")),
                ("frames", "true" | "false") => asked.framed = value == "true",
                ("frames", _) => return Err(Problem::bad_parameter(name, "write true or false")),
                ("limit", _) => {
                    asked.most = value.parse().ok();
                    asked.parameters.push((name.clone(), value.clone()));
                }
                (_, _) => asked.parameters.push((name.clone(), value.clone())),
            }
        }
        Ok(asked)
    }

    fn content_type(&self) -> HeaderValue {
        if self.framed { HeaderValue::from_static("application/octet-stream") } else { form::content_type(self.format) }
    }

    /// With the day on which it was asked for, UTC.
    fn file_name(&self, actor: &Actor) -> String {
        format!("vestibule-{}-{}.{}", self.log.name(), actor.started.strftime("%Y-%m-%d"), self.format_name())
    }

    fn format_name(&self) -> &'static str {
        match self.format {
            Format::Csv => "csv",
            Format::Ndjson => "ndjson",
        }
    }

    /// For the audit log: each filter's values, cut where they are long.
    fn filters(&self) -> Value {
        let mut filters = Map::new();
        for (name, value) in self.parameters.iter().take(FILTERS_SHOWN) {
            let shown: String = value.chars().take(VALUE_SHOWN).collect();
            let values = filters.entry(name.clone()).or_insert_with(|| Value::Array(Vec::new()));
            values.as_array_mut().expect("made above").push(Value::String(shown));
        }
        Value::Object(filters)
    }
}

/// Reads the pieces off the runtime, one after the other; the next one is read while the last ones are sent.
async fn run(mut export: Export, feed: Feed, mut record: Record, pass: Pass, _place: Place) {
    let state = record.state.clone();
    let sent = async {
        loop {
            let read = spawn_blocking(move || {
                let piece = export.next();
                (export, piece)
            });
            let (rest, piece) = read.await.map_err(|_| "a panic")?;
            export = rest;
            let Some(piece) = piece.transpose().map_err(|error| failed(&error))? else { return Ok(()) };
            record.rows += piece.rows;
            let bytes = record.asked.bytes(piece);
            record.bytes += bytes.len() as u64;
            if !bytes.is_empty() {
                feed.put(bytes).await.map_err(|Gone| GONE)?;
            }
        }
    };
    let outcome = tokio::select! {
        sent = sent => sent,
        () = feed.gone() => Err(GONE),
        () = stream::shut(&pass, &state) => Err("the token was taken away"),
    };
    record.outcome = match outcome {
        Ok(()) => feed.finish().await.map_or(GONE, |()| "complete"),
        Err(cause) => cause,
    };
}

const GONE: &str = "the client left";

fn failed(error: &QueryError) -> &'static str {
    tracing::error!(error = error as &(dyn std::error::Error + 'static), "an export broke off");
    "the log cannot be read"
}

impl Asked {
    fn bytes(&self, piece: Piece) -> Bytes {
        let Piece { mut text, rows, cursor, last } = piece;
        if self.framed {
            let head = json!({ "rows": rows, "bytes": text.len(), "cursor": cursor, "last": last });
            text.insert_str(0, &format!("{head}\n"));
        }
        text.into()
    }
}

/// Writes the entry of the end, however the export ends.
struct Record {
    state: Arc<State>,
    actor: Actor,
    asked: Asked,
    rows: u64,
    bytes: u64,
    outcome: &'static str,
}

impl Record {
    /// Returns when the export is on record; nothing is sent before.
    async fn begin(state: Arc<State>, actor: Actor, asked: Asked) -> Result<Self, Unavailable> {
        let record = Self { state, actor, asked, rows: 0, bytes: 0, outcome: "the server stopped" };
        let details = json!({ "format": record.asked.format_name(), "filters": record.asked.filters() }).to_string();
        record.act(BEGUN, "success", &details).commit(&record.state).await?;
        Ok(record)
    }

    fn act<'a>(&'a self, action: &'a str, status: &'a str, details: &'a str) -> Act<'a> {
        Act {
            actor: &self.actor,
            action_type: "admin",
            action,
            resource_type: "log",
            resource: Some(self.asked.log.name()),
            status,
            http_status: Some(StatusCode::OK.as_u16()),
            before: None,
            after: None,
            details: Some(details),
            count: 1,
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let status = if self.outcome == "complete" { "success" } else { "failed" };
        let details = json!({
            "format": self.asked.format_name(),
            "rows": self.rows,
            "bytes": self.bytes,
            "outcome": self.outcome,
        });
        self.act(ENDED, status, &details.to_string()).append(&self.state);
    }
}

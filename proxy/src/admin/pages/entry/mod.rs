//! One entry: every field, how it was decided, what belongs to it, and its proof.

mod trace;

use askama::Template;
use axum::response::Response;
use http::HeaderValue;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use jiff::{SignedDuration, Timestamp};
use vestibule_logstore::Row;
use vestibule_logstore::entry::{Field, Kind};
use vestibule_logstore::row::Value;

use super::address::Address;
use super::{Frame, columns, html, value, without_parameters};
use crate::admin::door::Call;
use crate::admin::logs::{proof_of, related_of, row_of};
use crate::admin::problem::Problem;
use trace::Trace;

/// How far around an entry its neighbours are looked for.
const AROUND: SignedDuration = SignedDuration::from_mins(5);

/// By what an entry has neighbours.
const NEIGHBOURS: [(&str, &str); 4] =
    [("source_ip", "address"), ("email", "person"), ("session_id", "session"), ("circuit", "circuit")];

#[derive(Template)]
#[template(path = "entry.html")]
struct EntryPage {
    frame: Frame,
    log: &'static str,
    id: String,
    title: &'static str,
    tone: &'static str,
    summary: String,
    fields: Vec<FieldView>,
    /// Its content is gone; its place in the log is not.
    is_erased: bool,
    /// Absent where there is nothing to decide.
    trace: Option<Trace>,
    related: Vec<(&'static str, Vec<Related>)>,
    around: Vec<(&'static str, String)>,
    command: String,
}

struct FieldView {
    name: &'static str,
    doc: &'static str,
    text: String,
    /// Shown as it is, on several lines.
    is_json: bool,
    /// Entries with this value, and those without; empty: it is no filter.
    only: String,
    others: String,
}

/// Another entry of the same request.
struct Related {
    id: String,
    tone: &'static str,
    summary: String,
}

/// `GET /logs/{log}/{id}`.
pub(in crate::admin) async fn page(call: Call) -> Result<Response, Problem> {
    without_parameters(&call)?;
    let row = row_of(&call).await?;
    let related = related_of(&call, &row).await?;
    let columns = columns::of(row.log);
    let present = row.log.fields().iter().filter(|field| row.value(field.name).is_some());
    let page = EntryPage {
        frame: Frame::of(&call, format!("{} · entry", columns.title)),
        log: row.log.name(),
        id: row.id.to_string(),
        title: columns.title,
        tone: columns::tone_of(&row),
        summary: summary(&row),
        fields: present.map(|field| field_view(&row, field)).collect(),
        is_erased: row.is_erased(),
        trace: Trace::of(&call, &row),
        related: related.iter().map(|(log, rows)| (*log, rows.iter().map(of_related).collect())).collect(),
        around: around(&row),
        command: format!("vestibule logs {} -n 1 -o json id={}", row.log.name(), row.id),
    };
    Ok(html(&page))
}

/// `GET /logs/{log}/{id}/proof`: the file that `vestibule verify --proof` takes.
pub(in crate::admin) async fn proof(call: Call) -> Result<Response, Problem> {
    call.without_parameters()?;
    let row = row_of(&call).await?;
    let name = format!("attachment; filename=\"vestibule-{}-{}.proof\"", row.log.name(), row.seq);
    let mut response = Response::new(proof_of(&call, row).await?.into());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CONTENT_DISPOSITION, HeaderValue::from_str(&name).expect("a log's name and a number are ASCII"));
    Ok(response)
}

fn field_view(row: &Row, field: &Field) -> FieldView {
    let held = row.value(field.name);
    let list = Address::new(&format!("/logs/{}", row.log.name()), &[]);
    let to = |name: &str, filter: &str| list.clone().and(name, filter).and("range", "all").to_string();
    let filter = value::filter(held).filter(|_| !matches!(field.kind, Kind::Id | Kind::Position)).unwrap_or_default();
    let is_filter = !filter.is_empty();
    FieldView {
        name: field.name,
        doc: field.doc,
        text: shown(held),
        is_json: matches!(held, Some(Value::Json(_))),
        only: if is_filter { to(field.name, &filter) } else { String::new() },
        others: if is_filter { to(&format!("{}.not", field.name), &filter) } else { String::new() },
    }
}

/// JSON on several lines, everything else as it is.
fn shown(held: Option<Value<'_>>) -> String {
    if let Some(Value::Time(micros)) = held {
        return Timestamp::from_microsecond(micros).map(|time| format!("{time:.6}")).unwrap_or_default();
    }
    let text = value::text(held);
    let parsed = matches!(held, Some(Value::Json(_))).then(|| serde_json::from_str::<serde_json::Value>(&text).ok());
    parsed.flatten().and_then(|parsed| serde_json::to_string_pretty(&parsed).ok()).unwrap_or(text)
}

/// One line about an entry.
fn summary(row: &Row) -> String {
    let fields = columns::of(row.log).shown.iter().take(7);
    let parts: Vec<_> = fields.map(|field| value::cell(row, field)).filter(|part| !part.is_empty()).collect();
    parts.join(" · ")
}

fn of_related(row: &Row) -> Related {
    Related { id: row.id.to_string(), tone: columns::tone_of(row), summary: summary(row) }
}

fn around(row: &Row) -> Vec<(&'static str, String)> {
    let Some(Value::Time(micros)) = row.value("time") else { return Vec::new() };
    let time = Timestamp::from_microsecond(micros).unwrap_or_default();
    let edge = |around: SignedDuration| time.checked_add(around).unwrap_or(time).to_string();
    let list =
        Address::new(&format!("/logs/{}", row.log.name()), &[("since", &edge(-AROUND)), ("until", &edge(AROUND))]);
    let near = NEIGHBOURS.iter().filter_map(|(field, word)| {
        let filter = value::filter(row.value(field))?;
        Some((*word, list.clone().and(field, &filter).to_string()))
    });
    near.collect()
}

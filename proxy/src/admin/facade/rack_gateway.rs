//! `GET /api/v1/audit-logs` and its export of Rack Gateway, over the audit log.

mod row;

use axum::response::Response;
use http::header::CONTENT_DISPOSITION;
use http::{HeaderValue, StatusCode};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value as Json, json};
use vestibule_logstore::Log;

use super::parameters::{Parameters, wrong};
use super::people::People;
use super::question::{Condition, Question, before, numbered, read};
use super::stream::{Shape, answer, first_page};
use crate::admin::Answering;
use crate::admin::door::Call;
use crate::admin::lines;
use crate::admin::problem::Problem;
use crate::audit::Act;
use row::{COLUMNS, entry};

const FILTERS: &[&str] =
    &["search", "action_type", "resource_type", "status", "user", "user_id", "range", "start", "end"];
const PAGING: &[&str] = &["page", "limit"];

/// `limit` when none is given; there is no largest.
const LIMIT: u64 = 100;

/// `range`, in minutes; none is without end.
const RANGES: &[(&str, Option<i64>)] = &[
    ("5m", Some(5)),
    ("15m", Some(15)),
    ("1h", Some(60)),
    ("24h", Some(24 * 60)),
    ("7d", Some(7 * 24 * 60)),
    ("30d", Some(30 * 24 * 60)),
    ("all", None),
    ("custom", None),
];

/// The range of who names none.
const RANGE: Option<i64> = Some(24 * 60);

/// Their action types that we call otherwise.
const ACTION_TYPES: &[(&str, &str)] =
    &[("auth", "authentication"), ("users", "user"), ("tokens", "token"), ("gateway", "proxy")];

/// `GET /api/v1/audit-logs`.
pub(in crate::admin) fn list(call: Call) -> Answering {
    Box::pin(page(call))
}

async fn page(call: Call) -> Result<Response, Problem> {
    let given = Parameters::read(&call.parameters, &[FILTERS, PAGING].concat())?;
    let people = People::of(&call.port.state.live.load().settings);
    let question = question(&given, &people, call.actor.started)?;
    let (page, limit) = (given.clamped("page", 1, u64::MAX)?, given.clamped("limit", LIMIT, u64::MAX)?);
    let (first, total) = numbered(&call, &question, first_page(limit), before(page, limit)).await?;
    let shape = Shape {
        kind: "application/json",
        head: "{\"logs\":[".to_owned(),
        row: Box::new(move |row, fold| lines::json(&entry(row, fold, &people).into())),
        between: ",",
        tail: format!("],\"total\":{total},\"page\":{page},\"limit\":{limit}}}"),
    };
    answer(call, question, &first, limit, shape)
}

/// `GET /api/v1/audit-logs/export`.
pub(in crate::admin) fn export(call: Call) -> Answering {
    Box::pin(file(call))
}

async fn file(call: Call) -> Result<Response, Problem> {
    let given = Parameters::read(&call.parameters, FILTERS)?;
    let people = People::of(&call.port.state.live.load().settings);
    let question = question(&given, &people, call.actor.started)?;
    let mut query = question.query(&call, None)?;
    query.limit = first_page(u64::MAX);
    record(&call).await?;
    let first = read(&call, query).await?;
    let shape = Shape {
        kind: "text/csv; charset=utf-8",
        head: COLUMNS.map(|(name, _)| name).join(",") + "\r\n",
        row: Box::new(move |row, fold| {
            let entry = entry(row, fold, &people);
            lines::csv(COLUMNS.iter().map(|(_, name)| entry.get(*name).unwrap_or(&Json::Null)))
        }),
        between: "",
        tail: String::new(),
    };
    let date = call.actor.started.to_zoned(TimeZone::UTC).date();
    let mut response = answer(call, question, &first, u64::MAX, shape)?;
    if let Ok(name) = HeaderValue::from_str(&format!("attachment; filename=\"audit-logs-{date}.csv\"")) {
        response.headers_mut().insert(CONTENT_DISPOSITION, name);
    }
    Ok(response)
}

/// Nothing leaves unrecorded.
async fn record(call: &Call) -> Result<(), Problem> {
    let filters: Map<_, _> =
        call.parameters.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
    let details = json!({ "format": "csv", "filters": filters }).to_string();
    let act = Act {
        actor: &call.actor,
        action_type: "admin",
        action: "log.export",
        resource_type: "log",
        resource: Some("audit"),
        status: "success",
        http_status: Some(StatusCode::OK.as_u16()),
        before: None,
        after: None,
        details: Some(&details),
        count: 1,
    };
    act.commit(&call.port.state).await?;
    Ok(())
}

/// `{"error"}`, beside the members that every problem has.
pub(in crate::admin) fn problem(problem: Problem) -> Problem {
    let error = problem.detail.clone();
    problem.with("error", error.into())
}

fn question(given: &Parameters<'_>, people: &People, now: Timestamp) -> Result<Question, Problem> {
    let named = |name| given.one(name).map(|value| value.filter(|value| !value.eq_ignore_ascii_case("all")));
    let (since, until) = period(given, now)?;
    let user = given.one("user")?.map(str::to_lowercase);
    let mut question = Question::of(Log::Audit)
        .within(since, until)
        .and(Condition::new("fold", "true"))
        .and_if("resource_type", named("resource_type")?)
        .and_if("status", named("status")?)
        .and_if("actor", user.as_deref());
    question = match named("action_type")? {
        // Commands of theirs; we have none.
        Some("convox") => question.nothing(),
        Some(theirs) => {
            let ours = ACTION_TYPES.iter().find(|(name, _)| *name == theirs).map_or(theirs, |(_, ours)| ours);
            question.and(Condition::new("action_type", ours))
        }
        None => question,
    };
    // People have no numbers here, so that none is known.
    if given.parse::<i64>("user_id", "a number")?.is_some() {
        question = question.nothing();
    }
    if let Some(part) = given.one("search")? {
        let fields = ["actor", "action", "resource", "details", "source_ip", "user_agent"];
        let contains = fields.iter().map(|field| Condition::new(&format!("{field}.contains"), part));
        question = question.and_any(contains.chain(people.named("search", part, "actor")?).collect());
    }
    Ok(question)
}

/// A start of its own counts for more than the range.
fn period(given: &Parameters<'_>, now: Timestamp) -> Result<(Option<Timestamp>, Option<Timestamp>), Problem> {
    let (start, end) = (time(given, "start")?, time(given, "end")?);
    let range = given.choice("range", RANGES)?.unwrap_or(RANGE);
    let begins = range.and_then(|minutes| now.checked_sub(SignedDuration::from_mins(minutes)).ok());
    let since = start.or(begins);
    if since.zip(end).is_some_and(|(since, end)| since > end) {
        let message =
            if start.is_some() { "is before start" } else { "is before the range; write a start, or range=all" };
        return Err(Problem::bad_parameter("end", message));
    }
    Ok((since, end))
}

/// RFC 3339, or a date and time of day in UTC.
fn time(given: &Parameters<'_>, name: &str) -> Result<Option<Timestamp>, Problem> {
    let Some(value) = given.one(name)? else { return Ok(None) };
    let utc = |time: DateTime| time.to_zoned(TimeZone::UTC).map(|time| time.timestamp());
    let time = value.parse::<Timestamp>().or_else(|_| value.parse().and_then(utc));
    time.map(Some).map_err(|_| wrong(name, value, "a time; write 2026-11-23T08:00:00Z, or 2026-11-23T08:00 for UTC"))
}

#[cfg(test)]
mod tests;

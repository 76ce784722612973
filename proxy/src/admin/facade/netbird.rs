//! `GET /api/events/proxy` of NetBird, over the request log.

use std::net::IpAddr;

use axum::response::Response;
use serde_json::{Map, Value as Json, json};
use uuid::Uuid;
use vestibule_logstore::{Log, Row};

use super::parameters::{Parameters, wrong};
use super::people::People;
use super::question::{Condition, Question, before, numbered};
use super::{field, text};
use crate::admin::Answering;
use crate::admin::door::Call;
use crate::admin::lines;
use crate::admin::problem::Problem;
use crate::admin::status::json as answer;

const PARAMETERS: &[&str] = &[
    "page",
    "page_size",
    "sort_by",
    "sort_order",
    "search",
    "source_ip",
    "host",
    "path",
    "user_id",
    "user_email",
    "user_name",
    "method",
    "status",
    "status_code",
    "start_date",
    "end_date",
];

/// `page_size` when none is given, and the largest.
const PAGE_SIZE: (u64, u64) = (50, 100);

/// `sort_by`, and our field.
const SORTS: &[(&str, &str)] = &[
    ("timestamp", "time"),
    ("url", "url"),
    ("host", "host"),
    ("path", "path"),
    ("method", "method"),
    ("status_code", "status_code"),
    ("duration", "duration_ms"),
    ("source_ip", "source_ip"),
    ("user_id", "user_id"),
    ("auth_method", "auth_method"),
    ("reason", "reason"),
];

const ORDERS: &[(&str, &str)] = &[("asc", "asc"), ("desc", "desc")];
const STATUS: &[(&str, &str)] = &[("success", "success"), ("failed", "failed")];

/// `GET /api/events/proxy`.
pub(in crate::admin) fn list(call: Call) -> Answering {
    Box::pin(page(call))
}

async fn page(call: Call) -> Result<Response, Problem> {
    let given = Parameters::read(&call.parameters, PARAMETERS)?;
    let page = given.clamped("page", 1, u64::MAX)?;
    let size = given.clamped("page_size", PAGE_SIZE.0, PAGE_SIZE.1)?;
    let question = question(&given, &People::of(&call.port.state.live.load().settings))?;
    let (found, total) = numbered(&call, &question, size as usize, before(page, size)).await?;
    let body = json!({
        "data": found.rows.iter().map(entry).collect::<Vec<_>>(),
        "page": page,
        "page_size": size,
        "total_records": total,
        "total_pages": total.div_ceil(size),
    });
    Ok(answer(lines::json(&body)))
}

/// `{"message", "code"}`, beside the members that every problem has.
pub(in crate::admin) fn problem(problem: Problem) -> Problem {
    let (message, code) = (problem.detail.clone(), problem.status.as_u16());
    problem.with("message", message.into()).with("code", code.into())
}

fn question(given: &Parameters<'_>, people: &People) -> Result<Question, Problem> {
    let mut question = Question::of(Log::Requests)
        .between(given, "start_date", "end_date")?
        .and(Condition::new("sort", given.choice("sort_by", SORTS)?.unwrap_or("time")))
        .and(Condition::new("order", given.choice("sort_order", ORDERS)?.unwrap_or("desc")))
        .and_if("host", given.one("host")?)
        .and_if("path.contains", given.one("path")?)
        .and_if("user_id", given.one("user_id")?)
        .and_if("email.contains", given.one("user_email")?)
        .and_if("method", given.one("method")?)
        .and_if("status", given.choice("status", STATUS)?)
        .and_if("status_code", status_code(given)?.as_deref());
    if let Some(address) = given.parse::<IpAddr>("source_ip", "an address; write 192.0.2.7")? {
        question = question.and(Condition::new("source_ip", &address.to_string()));
    }
    if let Some(part) = given.one("user_name")? {
        question = question.and_any(people.named("user_name", part, "email")?);
    }
    if let Some(part) = given.one("search")? {
        question = question.and_any(search(part, people)?);
    }
    Ok(question)
}

fn status_code(given: &Parameters<'_>) -> Result<Option<String>, Problem> {
    let wanted = "a status; write a number from 100 to 599";
    match given.parse::<u16>("status_code", wanted)? {
        Some(code) if !(100..600).contains(&code) => Err(wrong("status_code", &code.to_string(), wanted)),
        code => Ok(code.map(|code| code.to_string())),
    }
}

/// In id, address, host, path, host and path together, e-mail and name.
fn search(part: &str, people: &People) -> Result<Vec<Condition>, Problem> {
    let contains = |field: &str| Condition::new(&format!("{field}.contains"), part);
    let mut anywhere = vec![contains("request_id"), contains("source_ip"), contains("url"), contains("email")];
    anywhere.extend(people.named("search", part, "email")?);
    if Uuid::try_parse(part).is_ok() {
        anywhere.push(Condition::new("id", part));
    }
    Ok(anywhere)
}

fn entry(row: &Row) -> Json {
    // The id is that of the error pages. An entry without one has none of them.
    let id = if text(row, "request_id").is_empty() { "id" } else { "request_id" };
    json!({
        "id": field(row, id),
        "service_id": text(row, "circuit"),
        "timestamp": field(row, "time"),
        "method": text(row, "method"),
        "host": text(row, "host"),
        "path": text(row, "path"),
        "duration_ms": field(row, "duration_ms"),
        "status_code": field(row, "status_code"),
        "source_ip": field(row, "source_ip"),
        "reason": field(row, "reason"),
        "user_id": field(row, "user_id"),
        "auth_method_used": field(row, "auth_method"),
        "country_code": field(row, "country"),
        "city_name": field(row, "city"),
        "subdivision_code": field(row, "subdivision"),
        "bytes_upload": field(row, "bytes_in"),
        "bytes_download": field(row, "bytes_out"),
        "protocol": "http",
        "metadata": metadata(row),
    })
}

/// What was noted, and what their entries have no field for; texts only.
fn metadata(row: &Row) -> Json {
    let noted = serde_json::from_str::<Map<String, Json>>(text(row, "metadata")).unwrap_or_default();
    let mut metadata: Map<_, _> = noted.into_iter().map(|(name, value)| (name, flat(value))).collect();
    metadata.insert("entry_id".to_owned(), field(row, "id"));
    for name in ["action", "origin", "would_block"] {
        if let Json::String(value) = field(row, name) {
            metadata.insert(name.to_owned(), value.into());
        }
    }
    metadata.into()
}

fn flat(value: Json) -> Json {
    match value {
        Json::String(_) => value,
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Array(_) | Json::Object(_) => value.to_string().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(query: &str, expected: &str) {
        let given: Vec<(String, String)> = axum::extract::Query::try_from_uri(&format!("/?{query}").parse().unwrap())
            .map(|axum::extract::Query(given)| given)
            .unwrap();
        let people = People::from(&[("maya@example.net", "Maya Ortiz"), ("noor@example.net", "Noor")]);
        let asked = Parameters::read(&given, PARAMETERS).and_then(|given| question(&given, &people));
        let shown = asked.map_or_else(|problem| problem.detail, |question| question.shown());
        assert_eq!(shown, expected, "{query}");
    }

    #[test]
    fn each_parameter_says_what_it_says_in_our_language() {
        let newest = "sort=time\norder=desc";
        for (query, expected) in [
            ("", ""),
            ("page=2&page_size=7&search=&host=", ""),
            ("host=a.example,b", "\nhost=a.example\\,b"),
            ("path=%25_", "\npath.contains=%_"),
            ("user_id=local:maya@example.net", "\nuser_id=local:maya@example.net"),
            ("user_email=MAYA", "\nemail.contains=MAYA"),
            ("user_name=ortiz", "\nany: email=maya@example.net"),
            ("user_name=o", "\nany: email=maya@example.net,noor@example.net"),
            ("user_name=nobody", "\nany: "),
            ("method=POST", "\nmethod=POST"),
            ("status=FAILED", "\nstatus=failed"),
            ("status_code=404", "\nstatus_code=404"),
            ("source_ip=::ffff:192.0.2.7", "\nsource_ip=::ffff:192.0.2.7"),
            (
                "search=noor",
                "\nany: request_id.contains=noor | source_ip.contains=noor | url.contains=noor | \
                 email.contains=noor | email=noor@example.net",
            ),
        ] {
            check(query, &format!("{newest}{expected}"));
        }
        check("sort_by=duration&sort_order=ASC", "sort=duration_ms\norder=asc");
        check(
            "start_date=2026-11-01T00:00:00Z&end_date=2026-11-02T00:00:00%2B01:00",
            "since=2026-11-01T00:00:00Z\nuntil=2026-11-01T23:00:00Z\nsort=time\norder=desc",
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (query, problem) in [
            (
                "sort_by=size",
                "sort_by: \"size\" is not known; write one of: timestamp, url, host, path, method, status_code, duration, source_ip, user_id, auth_method, reason",
            ),
            ("sort_order=up", "sort_order: \"up\" is not known; write one of: asc, desc"),
            ("status=ok", "status: \"ok\" is not known; write one of: success, failed"),
            ("status_code=4xx", "status_code: \"4xx\" is not a status; write a number from 100 to 599"),
            ("status_code=600", "status_code: \"600\" is not a status; write a number from 100 to 599"),
            ("source_ip=192.0.2.0/24", "source_ip: \"192.0.2.0/24\" is not an address; write 192.0.2.7"),
            ("start_date=yesterday", "start_date: \"yesterday\" is not a time; write 2026-11-23T08:00:00Z"),
            (
                "start_date=2026-11-02T00:00:00Z&end_date=2026-11-01T00:00:00Z",
                "start_date: is after end_date; write an earlier time",
            ),
        ] {
            check(query, problem);
        }
    }
}

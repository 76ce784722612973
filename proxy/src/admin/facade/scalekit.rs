//! `GET /api/v1/logs/authentication/requests` of Scalekit, over the access log.

use axum::response::Response;
use http::StatusCode;
use serde_json::{Value as Json, json};
use vestibule_logstore::query::{LIMIT, LIMIT_MAX};
use vestibule_logstore::{BadParameter, Log, Row};

use super::parameters::{Parameters, chosen};
use super::question::{Condition, Question, read};
use super::{field, text};
use crate::admin::Answering;
use crate::admin::door::Call;
use crate::admin::lines;
use crate::admin::problem::Problem;
use crate::admin::status::json as answer;

const PARAMETERS: &[&str] =
    &["page_size", "page_token", "email", "status", "start_time", "end_time", "resource_id", "client_id"];

/// `status`, and ours.
const STATUS: &[(&str, &str)] = &[
    ("INITIATED", "initiated"),
    ("PENDING", "pending"),
    ("SUCCESS", "success"),
    ("FAILED", "failure"),
    ("FAILURE", "failure"),
];

/// `GET /api/v1/logs/authentication/requests`.
pub(in crate::admin) fn list(call: Call) -> Answering {
    Box::pin(page(call))
}

async fn page(call: Call) -> Result<Response, Problem> {
    let given = Parameters::read(&call.parameters, PARAMETERS)?;
    let wanted = "a number of entries; write 1 to 1000";
    let size = given.parse::<u64>("page_size", wanted)?.filter(|size| *size > 0).unwrap_or(LIMIT as u64);
    let counted = question(&given)?.and(Condition::new("count", "true"));
    let mut query = counted.query(&call, given.one("page_token")?).map_err(of_token)?;
    query.limit = usize::try_from(size).unwrap_or(LIMIT_MAX).min(LIMIT_MAX);
    let page = read(&call, query).await?;
    let Some(total) = page.total else { return Err(Problem::busy("not counted in time; ask for a shorter time")) };
    let body = json!({
        "authRequests": page.rows.iter().map(entry).collect::<Vec<_>>(),
        "next_page_token": page.next_cursor.unwrap_or_default(),
        "prev_page_token": page.prev_cursor.unwrap_or_default(),
        "total_size": total,
    });
    Ok(answer(lines::json(&body)))
}

/// `{"code", "message", "details"}` with a code of gRPC, beside the members that every problem has.
pub(in crate::admin) fn problem(problem: Problem) -> Problem {
    let code = match problem.status {
        StatusCode::BAD_REQUEST => 3,
        StatusCode::NOT_FOUND => 5,
        StatusCode::FORBIDDEN => 7,
        StatusCode::TOO_MANY_REQUESTS => 8,
        StatusCode::SERVICE_UNAVAILABLE => 14,
        StatusCode::UNAUTHORIZED => 16,
        _ => 13,
    };
    let message = problem.detail.clone();
    problem.with("code", code.into()).with("message", message.into()).with("details", json!([]))
}

/// Our name of a parameter is of no use to who sent theirs.
fn of_token(bad: BadParameter) -> Problem {
    let parameter = if bad.parameter == "cursor" { "page_token".to_owned() } else { bad.parameter };
    BadParameter { parameter, message: bad.message.replace("_cursor", "_page_token") }.into()
}

/// Attempts to sign in; sign-outs are none.
fn question(given: &Parameters<'_>) -> Result<Question, Problem> {
    let statuses = given.all("status").map(|status| chosen("status", status, STATUS));
    let statuses = statuses.collect::<Result<Vec<_>, _>>()?;
    let email = given.one("email")?.map(str::to_lowercase);
    let question = Question::of(Log::Access)
        .between(given, "start_time", "end_time")?
        .and(Condition::words("action", &["login", "reauth"]))
        .and_if("email", email.as_deref())
        .and_if("circuit", given.one("resource_id")?)
        .and_if("host", given.one("client_id")?);
    Ok(if statuses.is_empty() { question } else { question.and(Condition::words("status", &statuses)) })
}

fn entry(row: &Row) -> Json {
    let status = STATUS.iter().find(|(_, ours)| *ours == text(row, "status")).map(|(theirs, _)| *theirs);
    let connection = Connection::of(row);
    json!({
        "auth_request_id": field(row, "attempt_id"),
        "timestamp": field(row, "time"),
        "status": status,
        "email": field(row, "email"),
        "workflow": field(row, "auth_method"),
        "connection_id": connection.id,
        "connection_type": connection.kind,
        "connection_provider": connection.provider,
        "connection_details": [{
            "connection_id": connection.id,
            "connection_type": connection.kind,
            "connection_provider": connection.provider,
            "organization_id": field(row, "project"),
        }],
        "organization_id": field(row, "project"),
        "environment_id": field(row, "node"),
        "client_id": field(row, "host"),
        "client_name": field(row, "host"),
        "client_type": if matches!(text(row, "auth_method"), "token" | "header" | "ip") { "M2M" } else { "WEB" },
        "resource_id": field(row, "circuit"),
        "resource_name": field(row, "circuit"),
        "resource_type": "circuit",
    })
}

/// By what somebody tried to come in.
struct Connection<'a> {
    /// The provider's name, or the method.
    id: &'a str,
    kind: String,
    /// In capitals, as theirs.
    provider: Option<String>,
}

impl<'a> Connection<'a> {
    fn of(row: &'a Row) -> Self {
        let (provider, method) = (text(row, "provider"), text(row, "auth_method"));
        Self {
            id: if provider.is_empty() { method } else { provider },
            kind: if method == "sso" { "OIDC".to_owned() } else { method.to_uppercase() },
            provider: Some(provider.to_uppercase()).filter(|provider| !provider.is_empty()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(given: &[(&str, &str)], expected: &str) {
        let pairs: Vec<_> = given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let asked = Parameters::read(&pairs, PARAMETERS).and_then(|given| question(&given));
        let shown = asked.map_or_else(|problem| problem.detail, |question| question.shown());
        assert_eq!(shown, expected, "{given:?}");
    }

    #[test]
    fn each_parameter_says_what_it_says_in_our_language() {
        check(&[], "action=login,reauth");
        check(&[("email", "Maya@Example.net")], "action=login,reauth\nemail=maya@example.net");
        check(&[("status", "success"), ("status", "FAILED")], "action=login,reauth\nstatus=success,failure");
        check(&[("status", "Failure")], "action=login,reauth\nstatus=failure");
        check(&[("status", "Initiated"), ("status", "pending")], "action=login,reauth\nstatus=initiated,pending");
        check(&[("resource_id", "wiki")], "action=login,reauth\ncircuit=wiki");
        check(&[("client_id", "wiki.example.net")], "action=login,reauth\nhost=wiki.example.net");
        check(
            &[("start_time", "2026-11-01T00:00:00Z"), ("end_time", "2026-11-02T00:00:00Z")],
            "since=2026-11-01T00:00:00Z\nuntil=2026-11-02T00:00:00Z\naction=login,reauth",
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        let words = "write one of: INITIATED, PENDING, SUCCESS, FAILED, FAILURE";
        check(&[("status", "success"), ("status", "maybe")], &format!("status: \"maybe\" is not known; {words}"));
        check(&[("start_time", "15m")], "start_time: \"15m\" is not a time; write 2026-11-23T08:00:00Z");
        check(&[("email", "a"), ("email", "b")], "email: given twice; give it once");
    }
}

//! `GET /accounts/{id}/access/logs/access_requests` of Cloudflare Access, over the access log.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use axum::response::Response;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value as Json, json};
use uuid::{Builder, Uuid};
use vestibule_logstore::entry::words::METHODS;
use vestibule_logstore::query::LIMIT;
use vestibule_logstore::{Log, Row};

use super::parameters::{Parameters, wrong};
use super::question::{Condition, Question, before, in_time, read};
use super::stream::{Shape, answer, first_page};
use super::{field, text};
use crate::admin::Answering;
use crate::admin::door::Call;
use crate::admin::lines;
use crate::admin::logs::off_the_runtime;
use crate::admin::problem::Problem;

const PARAMETERS: &[&str] = &[
    "limit",
    "direction",
    "since",
    "until",
    "page",
    "per_page",
    "email",
    "email_exact",
    "emailOp",
    "allowed",
    "allowedOp",
    "app_type",
    "app_typeOp",
    "app_uid",
    "app_uidOp",
    "country_code",
    "country_codeOp",
    "idp",
    "idpOp",
    "non_identity",
    "non_identityOp",
    "ray_id",
    "ray_idOp",
    "fields",
    "user_id",
    "user_idOp",
];

/// The account of everything; any other is a project.
const WHOLE: &str = "default";

/// Where names of circuits become UUIDs, on every node the same.
const NAMESPACE: Uuid = Uuid::from_u128(0x6f2d_9c1e_54b7_4a3d_8e60_b1a7_93c8_d245);

/// Circuits that are found by `app_uid` when the configuration has them no more: those with the most attempts.
const REMEMBERED: usize = 10_000;

/// Methods that name a machine or a place, not a person.
const NO_IDENTITY: [&str; 4] = ["token", "header", "ip", "none"];

/// `app_type`, and whether circuits are of it.
const APP_TYPES: &[(&str, bool)] = &[
    ("self_hosted", true),
    ("saas", false),
    ("infrastructure", false),
    ("ssh", false),
    ("vnc", false),
    ("rdp", false),
];

const DIRECTIONS: &[(&str, &str)] = &[("desc", "desc"), ("asc", "asc")];

/// Operators, and whether they turn the filter round.
const OPERATORS: &[(&str, bool)] = &[("eq", false), ("neq", true)];

/// Those of `email`.
const EMAIL_OPERATORS: &[(&str, Operator)] =
    &[("eq", Operator::Equals), ("neq", Operator::Differs), ("contains", Operator::Contains)];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equals,
    Differs,
    Contains,
}

/// Their name of the method `code`.
const ONE_TIME_PIN: &str = "onetimepin";

/// `GET /accounts/{id}/access/logs/access_requests`.
pub(in crate::admin) fn list(call: Call) -> Answering {
    Box::pin(page(call))
}

async fn page(call: Call) -> Result<Response, Problem> {
    let given = Parameters::read(&call.parameters, PARAMETERS)?;
    let columns = columns(given.one("fields")?)?;
    let account = percent_decode_str(call.id()).decode_utf8_lossy();
    let circuits = circuits(&call, &given).await?;
    let question = question(&given, &account, &circuits)?;
    let (limit, per_page) = (given.number("limit")?, given.number("per_page")?);
    let size = per_page.or(limit).unwrap_or(LIMIT as u64);
    let wanted = limit.map_or(size, |limit| limit.min(size));
    let offset = before(given.number("page")?.unwrap_or(1), size);
    let messages = messages(&given);

    let mut query = question.query(&call, None)?;
    (query.limit, query.offset) = (first_page(wanted), usize::try_from(offset).unwrap_or(usize::MAX));
    let page = read(&call, query).await?;
    if offset > 0 {
        in_time(&page)?;
    }
    let shape = Shape {
        kind: "application/json",
        head: format!("{{\"success\":true,\"errors\":[],\"messages\":{messages},\"result\":["),
        row: Box::new(move |row, _| lines::json(&projected(row, &columns))),
        between: ",",
        tail: "]}".to_owned(),
    };
    answer(call, question, &page, wanted, shape)
}

/// The names that `app_uid` may mean, if it is asked for: of the configuration, and of the log.
async fn circuits(call: &Call, given: &Parameters<'_>) -> Result<Vec<String>, Problem> {
    if given.one("app_uid")?.is_none() {
        return Ok(Vec::new());
    }
    let mut names: Vec<_> = call.port.state.live.load().settings.circuits.keys().map(ToString::to_string).collect();
    let query = Question::of(Log::Access).query(call, None)?;
    let fields: Vec<_> = Log::Access.field("circuit").into_iter().copied().collect();
    let store = call.port.state.store.clone();
    let logged = off_the_runtime(call, move || Ok(store.facets(&query, &fields, REMEMBERED)?)).await?;
    let logged = logged.facets.into_iter().flat_map(|facet| facet.values).map(|(name, _)| name);
    names.extend(logged.filter(|name| !name.is_empty()));
    Ok(names)
}

/// `{"success", "errors", "messages", "result"}`, beside the members that every problem has.
pub(in crate::admin) fn problem(problem: Problem) -> Problem {
    let mut error = json!({ "code": 1000 + problem.status.as_u16(), "message": problem.detail });
    if let (Some(parameter), Some(error)) = (problem.member("parameter"), error.as_object_mut()) {
        let pointer = format!("/{}", parameter.as_str().unwrap_or_default());
        error.insert("source".to_owned(), json!({ "pointer": pointer }));
    }
    problem
        .with("success", false.into())
        .with("errors", json!([error]))
        .with("messages", json!([]))
        .with("result", Json::Null)
}

fn messages(given: &Parameters<'_>) -> Json {
    let ignored = ["user_id", "user_idOp"].iter().any(|name| given.all(name).next().is_some());
    let message = "user_id is deprecated: it is accepted and not applied";
    if ignored { json!([{ "code": 1000, "message": message }]) } else { json!([]) }
}

/// Decided attempts and sign-outs; `circuits` are the names that `app_uid` may mean.
fn question(given: &Parameters<'_>, account: &str, circuits: &[String]) -> Result<Question, Problem> {
    let question = Question::of(Log::Access)
        .between(given, "since", "until")?
        .and(Condition::new("order", given.choice("direction", DIRECTIONS)?.unwrap_or("desc")))
        .and(Condition::words("action", &["login", "reauth", "logout"]))
        .and(Condition::words("status", &["success", "failure"]))
        .and_if("project", Some(account).filter(|account| *account != WHOLE));
    app(given, circuits, attempt(given, email(given, question)?)?)
}

/// Entries of which one of these holds, or, turned round, none.
fn one_of(question: Question, turned: bool, conditions: Vec<Condition>) -> Question {
    if turned { question.and_none(conditions) } else { question.and_any(conditions) }
}

fn turned(given: &Parameters<'_>, operator: &str) -> Result<bool, Problem> {
    Ok(given.choice(operator, OPERATORS)?.unwrap_or(false))
}

/// A part of the address whatever its case, or the whole of it, or, as `contains` is documented, a part in this case.
fn email(given: &Parameters<'_>, question: Question) -> Result<Question, Problem> {
    let operator = given.choice("emailOp", EMAIL_OPERATORS)?;
    let whole = given.truth("email_exact")?.unwrap_or(false) || operator == Some(Operator::Equals);
    let Some(email) = given.one("email")? else { return Ok(question) };
    let lower = email.to_lowercase();
    let conditions = if whole {
        vec![Condition::new("email", &lower)]
    } else if operator == Some(Operator::Contains) && email != lower {
        // Entries have addresses in lower case only.
        Vec::new()
    } else {
        vec![Condition::new("email.contains", &lower)]
    };
    Ok(one_of(question, operator == Some(Operator::Differs), conditions))
}

/// `allowed`, `country_code`, `idp`, `non_identity`, `ray_id`.
fn attempt(given: &Parameters<'_>, mut question: Question) -> Result<Question, Problem> {
    let differs = turned(given, "allowedOp")?;
    if let Some(allowed) = given.truth("allowed")? {
        question = one_of(question, differs == allowed, vec![Condition::new("status", "success")]);
    }
    let differs = turned(given, "country_codeOp")?;
    if let Some(country) = given.one("country_code")? {
        if country.len() != 2 || !country.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(wrong("country_code", country, "a country; write two letters such as DE"));
        }
        question = one_of(question, differs, vec![Condition::new("country", &country.to_uppercase())]);
    }
    let differs = turned(given, "idpOp")?;
    if let Some(idp) = given.one("idp")? {
        question = one_of(question, differs, connections(idp));
    }
    let differs = turned(given, "non_identityOp")?;
    if let Some(without) = given.truth("non_identity")? {
        question = one_of(question, differs == without, vec![Condition::words("auth_method", &NO_IDENTITY)]);
    }
    let differs = turned(given, "ray_idOp")?;
    if let Some(id) = given.one("ray_id")? {
        question = one_of(question, differs, vec![Condition::new("request_id", id)]);
    }
    Ok(question)
}

/// What is shown as `connection`: a provider's name, or the method.
fn connections(idp: &str) -> Vec<Condition> {
    let method = if idp == ONE_TIME_PIN { "code" } else { idp };
    let method = METHODS.contains(&method).then(|| Condition::new("auth_method", method));
    method.into_iter().chain([Condition::new("provider", idp)]).collect()
}

/// `app_type`, `app_uid`.
fn app(given: &Parameters<'_>, circuits: &[String], mut question: Question) -> Result<Question, Problem> {
    let differs = turned(given, "app_typeOp")?;
    if given.choice("app_type", APP_TYPES)?.is_some_and(|ours| ours == differs) {
        question = question.nothing();
    }
    let differs = turned(given, "app_uidOp")?;
    if let Some(uid) = given.parse::<Uuid>("app_uid", "an application; write a UUID")? {
        let named = circuits.iter().filter(|circuit| app_uid(circuit) == uid);
        question = one_of(question, differs, named.map(|circuit| Condition::new("circuit", circuit)).collect());
    }
    Ok(question)
}

/// A circuit's UUID of version 5.
fn app_uid(circuit: &str) -> Uuid {
    // RFC 9562 fixes the hash; nothing rests on its strength.
    let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, &[NAMESPACE.as_bytes(), circuit.as_bytes()].concat());
    let mut bytes = [0; 16];
    for (to, from) in bytes.iter_mut().zip(hash.as_ref()) {
        *to = *from;
    }
    Builder::from_sha1_bytes(bytes).into_uuid()
}

type Column = (&'static str, fn(&Row) -> Json);

const COLUMNS: &[Column] = &[
    ("action", |row| if text(row, "action") == "logout" { "logout" } else { "login" }.into()),
    ("allowed", |row| (text(row, "status") == "success").into()),
    ("app_domain", |row| field(row, "host")),
    ("app_name", |row| field(row, "circuit")),
    ("app_type", |_| "self_hosted".into()),
    ("app_uid", |row| {
        Some(text(row, "circuit")).filter(|name| !name.is_empty()).map(|name| app_uid(name).to_string()).into()
    }),
    ("connection", connection),
    ("country", |row| field(row, "country")),
    ("created_at", |row| field(row, "time")),
    ("ip_address", |row| field(row, "source_ip")),
    ("purpose_justification_prompt", |_| Json::Null),
    ("purpose_justification_response", |row| field(row, "purpose")),
    ("ray_id", |row| field(row, "request_id")),
    ("temporary_access_approvers", |_| json!([])),
    ("temporary_access_duration", |_| Json::Null),
    ("user_email", |row| field(row, "email")),
    ("user_id", |row| field(row, "user_id")),
];

fn connection(row: &Row) -> Json {
    match (text(row, "provider"), text(row, "auth_method")) {
        ("", "code") => ONE_TIME_PIN.into(),
        ("", method) => method.into(),
        (provider, _) => provider.into(),
    }
}

/// Those that `fields` names; all, if it names none. `add_domain` is the old name of `app_domain`.
fn columns(fields: Option<&str>) -> Result<Vec<Column>, Problem> {
    let Some(fields) = fields else { return Ok(COLUMNS.to_vec()) };
    let names: Vec<_> = fields.split(',').map(|name| if name == "add_domain" { "app_domain" } else { name }).collect();
    if let Some(unknown) = names.iter().find(|name| COLUMNS.iter().all(|(known, _)| known != *name)) {
        let known: Vec<_> = COLUMNS.iter().map(|(name, _)| *name).collect();
        return Err(wrong("fields", unknown, &format!("a field; there are {}", known.join(", "))));
    }
    Ok(COLUMNS.iter().filter(|(name, _)| names.contains(name)).copied().collect())
}

fn projected(row: &Row, columns: &[Column]) -> Json {
    columns.iter().map(|(name, value)| ((*name).to_owned(), value(row))).collect::<Map<_, _>>().into()
}

#[cfg(test)]
mod tests;

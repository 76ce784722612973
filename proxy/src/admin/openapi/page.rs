//! The same for people, as one page without script that loads nothing.

use askama::Template;
use axum::body::Body;
use axum::response::Response;
use http::HeaderValue;
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use serde_json::Value;

use super::super::Route;
use super::super::door::{Call, role_name};
use super::super::problem::Problem;
use super::{described, described_routes, role};

/// The page's only style is in it.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

#[derive(Template)]
#[template(path = "reference.html")]
struct Reference {
    version: &'static str,
    operations: Vec<Operation>,
}

struct Operation {
    method: String,
    path: &'static str,
    what: &'static str,
    role: &'static str,
    parameters: Vec<Parameter>,
    /// Those of a log's fields are too many to be repeated.
    filters: bool,
    body: Vec<String>,
    answers: Vec<(u16, &'static str, String)>,
}

struct Parameter {
    name: String,
    what: String,
    values: String,
}

/// `GET /api/docs`.
pub(in crate::admin) fn reference(call: &Call) -> Result<Response, Problem> {
    call.without_parameters()?;
    let operations = described_routes().filter_map(operation).collect();
    let page = Reference { version: env!("CARGO_PKG_VERSION"), operations };
    let page = page.render().map_err(|error| Problem::internal(&error))?;
    let mut response = Response::new(Body::from(page));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    Ok(response)
}

fn operation(route: &Route) -> Option<Operation> {
    let described = described::of(route)?;
    let body = described.wants.as_ref().map(|wants| (wants.schema)()).unwrap_or_default();
    let body =
        body.get("properties").and_then(Value::as_object).into_iter().flatten().map(|(name, _)| name.clone()).collect();
    let answers = (described.gives)().into_iter().map(|gives| {
        let kinds: Vec<&str> = gives.kinds.iter().map(|(kind, _)| *kind).collect();
        (gives.status, gives.what, kinds.join(", "))
    });
    Some(Operation {
        method: route.method.to_string(),
        path: route.path,
        what: described.what,
        role: role(route).map_or("", role_name),
        parameters: (described.takes)().iter().filter(|it| it.get("name").is_some()).map(parameter).collect(),
        filters: (described.takes)().iter().any(|it| it.get("$ref").is_some()),
        body,
        answers: answers.collect(),
    })
}

fn parameter(parameter: &Value) -> Parameter {
    let text = |name: &str| parameter.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let words = parameter.pointer("/schema/enum").and_then(Value::as_array);
    let words: Vec<&str> = words.into_iter().flatten().filter_map(Value::as_str).collect();
    Parameter { name: text("name"), what: text("description"), values: words.join(", ") }
}

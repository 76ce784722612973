//! The web pages: written whole on the server, with the same questions as the API. Every view has its state in its
//! address and works without script; ours only adds keys, a live tail and the choice of a time on a chart.
//!
//! Every value in a template is escaped by askama; no template switches that off.

mod address;
pub(super) mod bans;
mod chart;
mod choices;
pub(super) mod circuits;
mod columns;
pub(super) mod config;
pub(super) mod entry;
mod facets;
mod frame;
pub(super) mod integrity;
pub(super) mod log;
mod map;
pub(super) mod overview;
mod parts;
pub(super) mod people;
mod question;
pub(super) mod sessions;
pub(super) mod sign_in;
pub(super) mod sign_ins;
pub(super) mod sso;
pub(super) mod status;
mod table;
mod value;
pub(super) mod why;

use std::sync::LazyLock;

use askama::Template;
use axum::body::Body;
use axum::response::Response;
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, REFERRER_POLICY};
use http::{HeaderValue, StatusCode};

use super::door::Call;
use super::problem::Problem;
use super::{Answer, Route};
use crate::login::form_pairs;
use crate::pages::hash_source;
use address::Address;
use frame::{DONE, Frame, reads};

/// As `admin.html` includes them: askama leaves out one newline at the end.
const STYLE: &str = include_str!("admin.css").trim_ascii_end();
const SCRIPT: &str = include_str!("admin.js").trim_ascii_end();

/// Our own style and script, by their hashes, and what that script asks here; nothing from elsewhere, no picture, no
/// frame.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let (style, script) = (hash_source(STYLE), hash_source(SCRIPT));
    let policy = format!(
        "default-src 'none'; style-src {style}; script-src {script}; connect-src 'self'; form-action 'self'; \
         frame-ancestors 'none'; base-uri 'none'"
    );
    HeaderValue::from_str(&policy).expect("base64 is visible ASCII")
});

/// The parameters of a page, less what only says what was done.
fn parameters(call: &Call) -> Vec<(String, String)> {
    call.parameters.iter().filter(|(name, _)| name != DONE).cloned().collect()
}

/// What a form said; an empty field is absent.
fn sent(call: &Call, name: &str) -> Option<String> {
    let fields = form_pairs(&call.body).unwrap_or_default();
    let value = fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.trim().to_owned());
    value.filter(|value| !value.is_empty())
}

/// What a form must say.
fn required(call: &Call, name: &str) -> Result<String, Problem> {
    sent(call, name).ok_or_else(|| Problem::bad_parameter(name, "missing; fill in the form"))
}

/// For pages without any.
fn without_parameters(call: &Call) -> Result<(), Problem> {
    match parameters(call).first() {
        Some((name, _)) => Err(Problem::bad_parameter(name, "this page takes no parameters")),
        None => Ok(()),
    }
}

/// The page as an answer.
fn html(page: &impl Template) -> Response {
    let page = page.render().expect("rendering into memory cannot fail");
    let mut response = Response::new(Body::from(page));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CONTENT_SECURITY_POLICY, POLICY.clone());
    // With `no-referrer` browsers send `Origin: null` with our own forms, and their origin could not be checked.
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    response
}

/// On to another page, by GET.
fn see(address: &str) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    let location = HeaderValue::from_str(address).unwrap_or(HeaderValue::from_static("/"));
    response.headers_mut().insert(LOCATION, location);
    response
}

/// Back to a page, which says what was done.
fn deed(path: &str, word: &str) -> Response {
    see(&Address::new(path, &[(DONE, word)]).to_string())
}

/// Why a page is not shown.
#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage<'a> {
    frame: Frame,
    detail: &'a str,
    /// Lines of a report; empty: there is none.
    report: &'a str,
    request_id: &'a str,
    reason: &'a str,
}

/// A problem for people. Who is not signed in is led to where they can be, and back.
pub(super) fn problem(problem: &Problem, route: &Route, asked_for: Option<&str>, request_id: &str) -> Response {
    let is_page = matches!(route.answer, Answer::Page(..));
    if is_page && problem.status == StatusCode::UNAUTHORIZED {
        let back = asked_for.filter(|asked_for| *asked_for != "/" && route.method == http::Method::GET);
        return see(
            &Address::new("/sign-in", &back.map(|back| ("return", back)).into_iter().collect::<Vec<_>>()).to_string()
        );
    }
    let title = problem.status.canonical_reason().unwrap_or("Not possible");
    let page = ProblemPage {
        frame: Frame::outside(title, ""),
        detail: &problem.detail,
        report: problem.member("report").and_then(serde_json::Value::as_str).unwrap_or_default(),
        request_id,
        reason: problem.reason,
    };
    let mut response = html(&page);
    *response.status_mut() = problem.status;
    problem.put_headers(response.headers_mut());
    response
}

#[cfg(test)]
mod tests;

//! The one place that knows status codes: refusals and failures become answers that the client can read.
//!
//! Page navigations get pages and redirects, programs get problem bodies (RFC 9457) and never a redirect, gRPC gets
//! `grpc-status`. Nothing internal is shown: a reason of the closed list, the circuit's name and the request id.

mod preflight;
mod reasons;

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, LOCATION, RETRY_AFTER, SET_COOKIE, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use serde::Serialize;
use vestibule_auth::{Budget, Kind, Reason, Refusal};
use vestibule_config::{Circuit, Settings};

use crate::classify::{Client, classify};
use crate::cookie;
use crate::host;
use crate::login::origin_at;
use crate::pages::{self, Back, Frame, Notice};
use crate::reply::{Mark, Reply};
use crate::return_path;

pub(crate) use preflight::preflight;
pub(crate) use reasons::mark;
pub(crate) use reasons::sentence;
use reasons::status;

/// What an answer needs to know of the request.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    /// As received.
    pub(crate) method: &'a Method,
    /// As received.
    pub(crate) headers: &'a HeaderMap,
    /// In origin form, as the client sent it.
    pub(crate) path_and_query: &'a str,
    /// Host and port as the client wrote them.
    pub(crate) authority: &'a str,
    /// The client's scheme is https.
    pub(crate) secure: bool,
    /// For support, and to find the entry.
    pub(crate) request_id: &'a str,
    /// Absent where no circuit was found.
    pub(crate) circuit: Option<&'a Circuit>,
    /// Label of the circuit's project.
    pub(crate) project_label: Option<&'a str>,
    /// E-mail of the session.
    pub(crate) account: Option<&'a str>,
    /// The tightest request limit, where one was asked.
    pub(crate) budget: Option<&'a Budget>,
    /// At the login host: the id of what a circuit wants. It stands in for the target.
    pub(crate) request: Option<&'a str>,
    /// Another host where people sign in for this one.
    pub(crate) login_host: Option<&'a str>,
}

/// What the client is told when it is not let through.
pub(crate) struct Told<'a> {
    /// For pages and programs; gRPC gets its own code.
    pub(crate) status: StatusCode,
    /// Who answers.
    pub(crate) mark: Mark,
    /// Of the closed list; absent where none of it applies.
    pub(crate) reason: Option<Reason>,
    /// One sentence or two.
    pub(crate) detail: Cow<'a, str>,
    /// Until trying again can help.
    pub(crate) wait: Option<Duration>,
}

/// The answer to what a gate refused.
pub(crate) fn refusal(refusal: &Refusal, asked: &Asked<'_>) -> Reply {
    match &refusal.kind {
        Kind::SignIn => sign_in(refusal.reason, asked),
        Kind::Credential => credential(refusal.reason, asked),
        Kind::Forbidden => told(StatusCode::FORBIDDEN, refusal.reason, None, asked),
        Kind::Limited(budget) => {
            let asked = Asked { budget: Some(budget), ..*asked };
            told(StatusCode::TOO_MANY_REQUESTS, refusal.reason, Some(budget.retry_after), &asked)
        }
        Kind::Unavailable(wait) => told(StatusCode::SERVICE_UNAVAILABLE, refusal.reason, Some(*wait), asked),
        Kind::NotFound => failure(Reason::CircuitNotFound, asked),
    }
}

/// The answer to what went wrong outside a gate: routes, upstreams, the log, bodies and heads.
pub(crate) fn failure(reason: Reason, asked: &Asked<'_>) -> Reply {
    let status = status(reason);
    let wait = (status == StatusCode::SERVICE_UNAVAILABLE).then_some(Duration::from_secs(1));
    if status == StatusCode::NOT_FOUND {
        // A circuit whose time is over must look like a host that never was.
        let asked = Asked { circuit: None, project_label: None, account: None, budget: None, ..*asked };
        return told(status, Reason::CircuitNotFound, wait, &asked);
    }
    told(status, reason, wait, asked)
}

/// The answer to a request that this process sent itself: the upstream of some circuit leads back here.
pub(crate) fn came_back(asked: &Asked<'_>) -> Reply {
    let told = Told {
        status: StatusCode::MISDIRECTED_REQUEST,
        mark: Mark::ProxyError,
        reason: Some(Reason::LoopDetected),
        detail: "The upstream of this service leads back to the gateway itself.".into(),
        wait: None,
    };
    tell(&told, asked)
}

/// Any answer that is no success, in the form that this client reads.
pub(crate) fn tell(told: &Told<'_>, asked: &Asked<'_>) -> Reply {
    let (status, body, mut headers) = match classify(asked.headers) {
        Client::Navigation => (told.status, notice(told, asked), notice_headers(told, asked)),
        Client::Program => (told.status, problem(told, asked, None), pages::data_headers("application/problem+json")),
        Client::Grpc => (StatusCode::OK, Bytes::new(), grpc_headers(told, asked.headers)),
    };
    headers.extend(told.wait.map(|wait| (RETRY_AFTER, pages::whole_seconds(wait).into())));
    headers.extend(asked.budget.into_iter().flat_map(rate_limit_headers));
    Reply { status, headers, body, mark: told.mark }
}

/// A redirect; `location` is a path of this host.
pub(crate) fn redirect(status: StatusCode, location: &str) -> Reply {
    let mut headers = pages::data_headers("text/plain; charset=utf-8");
    // A checked path is visible ASCII; if it ever were not, the root is the safe place.
    let location = HeaderValue::from_str(location).unwrap_or(HeaderValue::from_static("/"));
    headers.push((LOCATION, location));
    Reply { status, headers, body: Bytes::new(), mark: Mark::Auth }
}

/// A redirect to another site: the address of an identity provider.
pub(crate) fn redirect_away(status: StatusCode, location: &str) -> Reply {
    redirect(status, location)
}

/// The same host and path by https. A client that wrote the port where it is led from goes to the one of the TLS
/// listener; else both are what the schemes have by themselves, whatever is between us and the client.
pub(crate) fn to_https(asked: &Asked<'_>, host: &str, settings: &Settings) -> Reply {
    let secure = settings.server.listen.iter().find(|listener| listener.tls).and_then(|listener| listener.address);
    let port =
        secure.map(|address| address.port()).filter(|port| *port != 443 && host::port(asked.authority).is_some());
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    let location = format!("https://{host}{port}{}", asked.path_and_query);
    let mut headers = pages::data_headers("text/plain; charset=utf-8");
    // The edge has taken nothing that a header cannot hold.
    headers.extend(HeaderValue::from_bytes(location.as_bytes()).map(|location| (LOCATION, location)));
    Reply { status: StatusCode::PERMANENT_REDIRECT, headers, body: Bytes::new(), mark: Mark::Rule }
}

/// A page of our own.
pub(crate) fn page(status: StatusCode, page: &impl askama::Template) -> Reply {
    Reply { status, headers: pages::page_headers(), body: pages::html(page), mark: Mark::Auth }
}

/// A JSON answer of our own.
pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Reply {
    Reply { status, headers: pages::data_headers("application/json"), body: encoded(body), mark: Mark::Auth }
}

/// What the pages of this request have in common.
pub(crate) fn frame<'a>(asked: &Asked<'a>, reason: Option<Reason>) -> Frame<'a> {
    Frame {
        request_id: asked.request_id,
        reason: reason.map(Reason::code),
        circuit: asked.circuit.map_or("", |circuit| circuit.name.as_str()),
        label: asked.project_label,
    }
}

/// `X-RateLimit-*`; `Reset` is the seconds until the bucket is full again.
pub(crate) fn rate_limit_headers(budget: &Budget) -> [(HeaderName, HeaderValue); 3] {
    [
        (HeaderName::from_static("x-ratelimit-limit"), budget.quota.into()),
        (HeaderName::from_static("x-ratelimit-remaining"), budget.remaining.into()),
        (HeaderName::from_static("x-ratelimit-reset"), pages::rounded_up(budget.reset).into()),
    ]
}

/// Somebody who is not signed in: to the sign-in page, or 401 with its address. A cookie that opened nothing is
/// cleared.
fn sign_in(reason: Reason, asked: &Asked<'_>) -> Reply {
    let mut reply = match classify(asked.headers) {
        // A form that was sent without a session is not sent again later.
        Client::Navigation if is_read(asked.method) => redirect(StatusCode::FOUND, &sign_in_path(asked)),
        Client::Navigation => redirect(StatusCode::FOUND, &return_path::sign_in("/")),
        Client::Program => unauthorized(reason, asked),
        Client::Grpc => told(StatusCode::UNAUTHORIZED, reason, None, asked),
    };
    if cookie::is_sent(asked.headers, asked.secure) {
        reply.headers.push((SET_COOKIE, cookie::clear(asked.secure)));
    }
    reply
}

/// Somebody who shows something that is not good: no page would help a machine.
fn credential(reason: Reason, asked: &Asked<'_>) -> Reply {
    match classify(asked.headers) {
        Client::Navigation | Client::Program => unauthorized(reason, asked),
        Client::Grpc => told(StatusCode::UNAUTHORIZED, reason, None, asked),
    }
}

/// 401 as a problem, whatever kind of client it is.
pub(crate) fn unauthorized(reason: Reason, asked: &Asked<'_>) -> Reply {
    let login_url = login_url(asked);
    let told = Told {
        status: StatusCode::UNAUTHORIZED,
        mark: Mark::Auth,
        reason: Some(reason),
        detail: sentence(reason).into(),
        wait: None,
    };
    let mut headers = pages::data_headers("application/problem+json");
    headers.push(challenge(asked));
    headers.extend(asked.budget.into_iter().flat_map(rate_limit_headers));
    Reply { status: told.status, headers, body: problem(&told, asked, Some(&login_url)), mark: told.mark }
}

/// `WWW-Authenticate`; every 401 must have one.
pub(crate) fn challenge(asked: &Asked<'_>) -> (HeaderName, HeaderValue) {
    let realm = asked.circuit.map_or("", |circuit| circuit.name.as_str());
    let challenge = format!("Vestibule realm=\"{realm}\", login_url=\"{}\"", login_url(asked));
    (WWW_AUTHENTICATE, HeaderValue::from_str(&challenge).unwrap_or(HeaderValue::from_static("Vestibule")))
}

/// Absolute, as the client sees this host; a path alone where the authority is more than host and port.
fn login_url(asked: &Asked<'_>) -> String {
    let path = sign_in_path(asked);
    let scheme = if asked.secure { "https" } else { "http" };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':' | b'[' | b']');
    if asked.authority.bytes().all(plain) && !asked.authority.is_empty() {
        format!("{scheme}://{}{path}", asked.authority)
    } else {
        path
    }
}

fn sign_in_path(asked: &Asked<'_>) -> String {
    match asked.request {
        Some(request) => return_path::sign_in_for(request),
        None => return_path::sign_in(asked.path_and_query),
    }
}

fn is_read(method: &Method) -> bool {
    method == Method::GET || method == Method::HEAD
}

fn told(status: StatusCode, reason: Reason, wait: Option<Duration>, asked: &Asked<'_>) -> Reply {
    let (mark, detail) = (mark(reason), sentence(reason).into());
    tell(&Told { status, mark, reason: Some(reason), detail, wait }, asked)
}

#[derive(Serialize)]
struct Problem<'a> {
    r#type: &'a str,
    title: &'a str,
    status: u16,
    reason: Option<&'a str>,
    request_id: &'a str,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    login_url: Option<&'a str>,
}

fn problem(told: &Told<'_>, asked: &Asked<'_>, login_url: Option<&str>) -> Bytes {
    encoded(&Problem {
        r#type: "about:blank",
        title: told.status.canonical_reason().unwrap_or_default(),
        status: told.status.as_u16(),
        reason: told.reason.map(Reason::code),
        request_id: asked.request_id,
        detail: &told.detail,
        login_url,
    })
}

fn encoded(body: &impl Serialize) -> Bytes {
    serde_json::to_vec(body).expect("plain structs become JSON").into()
}

fn notice(told: &Told<'_>, asked: &Asked<'_>) -> Bytes {
    let wait = told.wait.map(pages::wait_in_words);
    // A form is not sent again by a link; the start page is what is left.
    let target = if is_read(asked.method) { return_path::checked(asked.path_and_query) } else { "/" };
    let request = asked.request.map(|request| (request, return_path::sign_in_for(request)));
    let (retry, back) = match &request {
        Some((request, page)) => (page.as_str(), Back { name: "request", value: request }),
        None => (target, Back { name: "return", value: target }),
    };
    pages::html(&Notice {
        frame: frame(asked, told.reason),
        title: title(told.status),
        message: &told.detail,
        wait: wait.as_deref(),
        account: asked.account.filter(|_| offers_another(told)),
        retry: if told.mark == Mark::NoRoute { "" } else { retry },
        back,
    })
}

/// Who wants another account is led to the host where people sign in.
fn notice_headers(told: &Told<'_>, asked: &Asked<'_>) -> Vec<(HeaderName, HeaderValue)> {
    let mut headers = pages::page_headers();
    if let Some(host) = asked.login_host.filter(|_| offers_another(told)) {
        pages::let_forms_lead_to(&mut headers, &origin_at(asked.secure, asked.authority, host));
    }
    headers
}

fn offers_another(told: &Told<'_>) -> bool {
    told.status == StatusCode::FORBIDDEN && told.mark == Mark::Auth
}

/// Trailers-only: status 200, and the outcome where a gRPC client looks for it.
fn grpc_headers(told: &Told<'_>, sent: &HeaderMap) -> Vec<(HeaderName, HeaderValue)> {
    let message = told.reason.map_or("refused", Reason::code);
    let mut headers = pages::data_headers(grpc_type(sent));
    headers.push((HeaderName::from_static("grpc-status"), grpc_status(told.status).into()));
    headers.push((HeaderName::from_static("grpc-message"), HeaderValue::from_static(message)));
    headers
}

/// The kind of gRPC that the client speaks: it understands no other one.
fn grpc_type(sent: &HeaderMap) -> &'static str {
    let asked = sent.get(CONTENT_TYPE).map(|value| value.as_bytes().to_ascii_lowercase()).unwrap_or_default();
    let kinds = ["application/grpc-web-text", "application/grpc-web"];
    kinds.into_iter().find(|kind| asked.starts_with(kind.as_bytes())).unwrap_or("application/grpc")
}

/// Codes of the gRPC specification: unauthenticated, permission denied, and so on.
fn grpc_status(status: StatusCode) -> u16 {
    match status.as_u16() {
        401 => 16,
        403 => 7,
        404 => 12,
        413 | 429 | 431 => 8,
        408 | 504 => 4,
        502 | 503 => 14,
        400..500 => 3,
        _ => 2,
    }
}

fn title(status: StatusCode) -> &'static str {
    match status.as_u16() {
        403 => "No access",
        404 => "Not found",
        429 => "Too many requests",
        502 | 504 => "The service does not answer",
        503 => "Not available now",
        _ => status.canonical_reason().unwrap_or("Refused"),
    }
}

#[cfg(test)]
mod tests;

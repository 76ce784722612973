//! The door: host name, token or sign-in, role. Nothing behind it runs without passing it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use axum::body::{Body, Bytes};
use axum::extract::{Query, Request};
use axum::response::Response;
use http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, HeaderName, ORIGIN, REFERRER_POLICY, USER_AGENT,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use subtle::ConstantTimeEq;
use vestibule_config::admin::{Admin, AdminToken, LogName, Role};

use super::pages;
use super::pages::sign_ins::SignedIn;
use super::problem::Problem;
use super::tokens::admin_key;
use super::{Answer, Port, ROUTES, Route};
use crate::audit::{Actor, ActorKind};
use crate::state::State;
use crate::{cookie, login, request_id};

/// Of what a request brings.
const BODY_BYTES: usize = 64 << 10;

/// A file of the configuration may be longer.
const CONFIG_BYTES: usize = 4 << 20;
const CONFIG: &str = "/api/v1/config";
/// Until all of it is there.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// The other end of the connection, put there by the listener.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) IpAddr);

/// One request that passed the door.
pub(crate) struct Call {
    pub(crate) port: Arc<Port>,
    /// Who asks.
    pub(crate) actor: Actor,
    /// Absent: every log.
    pub(crate) logs: Option<Vec<LogName>>,
    /// The log of the route.
    pub(crate) log: Option<LogName>,
    /// Decoded, in order.
    pub(crate) parameters: Vec<(String, String)>,
    /// As sent.
    pub(crate) headers: HeaderMap,
    /// As sent, at most [`BODY_BYTES`].
    pub(crate) body: Bytes,
    /// The token that opened.
    pub(crate) pass: Pass,
    /// Of the route, with its id.
    pub(crate) path: String,
    id: String,
}

/// A token that was let in.
pub(crate) struct Pass {
    name: String,
    hash: [u8; 32],
    pub(super) role: Role,
    least: Role,
    log: Option<LogName>,
    /// The sign-in through which it came, at the pages.
    pub(super) signed_in: Option<Arc<SignedIn>>,
}

/// Somebody at the way in to the pages: not let in yet.
pub(crate) struct Visitor {
    pub(crate) port: Arc<Port>,
    /// Nobody yet.
    pub(crate) actor: Actor,
    /// Decoded, in order.
    pub(crate) parameters: Vec<(String, String)>,
    /// As sent, at most [`BODY_BYTES`].
    pub(crate) body: Bytes,
    /// Whether its cookie is for TLS alone.
    pub(crate) is_secure: bool,
}

impl Pass {
    /// Whether its role is at least this.
    pub(crate) fn is(&self, role: Role) -> bool {
        self.role >= role
    }

    /// Refuses what only an auditor may.
    pub(crate) fn must_be(&self, role: Role) -> Result<(), Problem> {
        if self.is(role) {
            return Ok(());
        }
        Err(Problem::forbidden(format!("this needs a token with the role {:?}", role_name(role))))
    }

    /// Whether it would be let in again now: for answers that go on.
    pub(crate) fn still_opens(&self, state: &State) -> bool {
        if self.signed_in.as_ref().is_some_and(|signed_in| !signed_in.lasts(state.clock.elapsed())) {
            return false;
        }
        let live = state.live.load();
        let tokens = &live.settings.admin.tokens;
        let token = tokens.iter().find(|(name, _)| name.as_str() == self.name).map(|(_, token)| token);
        token.is_some_and(|token| {
            *token.hash.expose() == self.hash
                && token.role >= self.least
                && self.log.is_none_or(|log| token.logs.as_ref().is_none_or(|logs| logs.contains(&log)))
        })
    }
}

impl Call {
    /// What stands at `{id}` of the route's path, as sent.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// The same question, from a cursor on.
    pub(crate) fn with_cursor(&self, cursor: &str) -> String {
        let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let rest = self.parameters.iter().filter(|(name, _)| name != "cursor");
        let rest: String = rest.map(|(name, value)| format!("&{}={}", encoded(name), encoded(value))).collect();
        format!("{}?cursor={}{rest}", self.path, encoded(cursor))
    }

    /// For paths that take this parameter alone.
    pub(crate) fn only_parameter(&self, known: &str) -> Result<Option<String>, Problem> {
        match self.parameters.iter().find(|(name, _)| name != known) {
            Some((name, _)) => Err(Problem::bad_parameter(name, &format!("this path takes {known} alone"))),
            None => Ok(self.parameters.first().map(|(_, value)| value.clone())),
        }
    }

    /// For paths that take no parameters.
    pub(crate) fn without_parameters(&self) -> Result<(), Problem> {
        match self.parameters.first() {
            Some((name, _)) => Err(Problem::bad_parameter(name, "this path takes no parameters")),
            None => Ok(()),
        }
    }
}

/// Lets a request through to its route, or says why not; `None` where the table has no such path or method.
pub(super) async fn admit(port: Arc<Port>, route: Option<&'static Route>, request: Request) -> Response {
    let request_id = request_id::next(&port.state.request_ids);
    let id = request_id.to_str().unwrap_or_default();
    let asked_for = request.uri().path_and_query().map(|asked_for| asked_for.as_str().to_owned());
    let mut response = match answer(&port, route, request, id).await {
        Ok(response) => response,
        Err(problem) => {
            port.state.metrics.admin_refused(problem.reason);
            match route {
                Some(route) if route.is_page() => pages::problem(&problem, route, asked_for.as_deref(), id),
                Some(route) => (route.told)(problem).into_response(id),
                None => problem.into_response(id),
            }
        }
    };
    let headers = response.headers_mut();
    for (name, value) in FIXED_HEADERS {
        // A page has a policy of its own.
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    headers.insert(HeaderName::from_static("x-request-id"), request_id.clone());
    response
}

const FIXED_HEADERS: [(HeaderName, &str); 5] = [
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (CACHE_CONTROL, "no-store"),
    (X_FRAME_OPTIONS, "DENY"),
    (REFERRER_POLICY, "no-referrer"),
    (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
];

async fn answer(
    port: &Arc<Port>,
    route: Option<&'static Route>,
    request: Request,
    request_id: &str,
) -> Result<Response, Problem> {
    let (request, body) = request.into_parts();
    let mut actor = actor(port, &request, request_id);
    let refused = |problem: &Problem, actor: &Actor| {
        let path = route.map_or("others", |route| route.path);
        port.refusals.refused(&port.state, path, problem.reason, problem.status.as_u16(), actor.clone());
    };
    let (least, by, handler) = match route.map(|route| &route.answer) {
        Some(Answer::Open(answer)) => return Ok(answer(port)),
        Some(Answer::Entrance(handler)) => {
            let visitor =
                receive(port, &request, body, &actor).await.inspect_err(|problem| refused(problem, &actor))?;
            return handler(visitor).await.inspect_err(|problem| refused(problem, &actor));
        }
        Some(Answer::Token(least, handler)) => (*least, By::Bearer, Some(handler)),
        Some(Answer::Page(least, handler)) => (*least, By::Cookie, Some(handler)),
        None => (Role::Reader, By::Bearer, None),
    };
    let log = route.and_then(|route| route.log);
    let admitted = enter(port, &request, &mut actor, Wanted { least, log, by });
    let (pass, logs) = admitted.inspect_err(|problem| refused(problem, &actor))?;
    let (Some(Route { path, .. }), Some(handler)) = (route, handler) else { return Err(nothing_here(&request.uri)) };
    let id = id_in(path, request.uri.path()).to_owned();
    let parameters = parameters(&request.uri)?;
    let path = request.uri.path().to_owned();
    let body = read(body, if path.starts_with(CONFIG) { CONFIG_BYTES } else { BODY_BYTES }).await?;
    if let Some(signed_in) = pass.signed_in.as_ref().filter(|_| request.method != Method::GET) {
        signed_in.must_have_sent(&body).inspect_err(|problem| refused(problem, &actor))?;
    }
    let call = Call {
        port: port.clone(),
        actor: actor.clone(),
        logs,
        log,
        parameters,
        body,
        headers: request.headers,
        pass,
        path,
        id,
    };
    // What a token may depends on more than its path in places.
    handler(call).await.inspect_err(|problem| {
        if problem.status == StatusCode::FORBIDDEN {
            refused(problem, &actor);
        }
    })
}

fn parameters(uri: &Uri) -> Result<Vec<(String, String)>, Problem> {
    let Query(parameters) = Query::try_from_uri(uri)
        .map_err(|_| Problem::bad_parameter("query", "not of the form name=value&name=value"))?;
    Ok(parameters)
}

/// How a route is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    /// `Authorization`: programs.
    Bearer,
    /// The cookie of a sign-in: the pages. No other route looks at it.
    Cookie,
}

/// What a route wants of who comes.
struct Wanted {
    least: Role,
    log: Option<LogName>,
    by: By,
}

/// Who comes to sign in has no token yet, but comes from here.
async fn receive(port: &Arc<Port>, request: &Parts, body: Body, actor: &Actor) -> Result<Visitor, Problem> {
    if !host_is_ours(&port.state.live.load().settings.admin, &request.uri, &request.headers) {
        return Err(Problem::misdirected());
    }
    must_come_from_here(request)?;
    let parameters = parameters(&request.uri)?;
    let is_secure = is_secure(&request.headers);
    let body = read(body, BODY_BYTES).await?;
    Ok(Visitor { port: port.clone(), actor: actor.clone(), parameters, body, is_secure })
}

/// Nothing is changed by a form of another site.
fn must_come_from_here(request: &Parts) -> Result<(), Problem> {
    let authority = request.uri.authority().map(Authority::as_str);
    let authority = authority.or_else(|| request.headers.get(HOST)?.to_str().ok()).unwrap_or_default();
    if request.method == Method::GET || login::sent_from_here(&request.headers, is_secure(&request.headers), authority)
    {
        return Ok(());
    }
    Err(Problem::cross_site())
}

/// Whether the browser speaks TLS, with this port or with a proxy in front of it, as it says itself with every form. It
/// decides on the browser's own cookie alone.
pub(super) fn is_secure(headers: &HeaderMap) -> bool {
    headers.get(ORIGIN).is_some_and(|origin| origin.as_bytes().starts_with(b"https://"))
}

/// Checks in this order, so that a foreign page learns nothing about tokens; the answer is the token and what it may
/// read.
fn enter(
    port: &Port,
    request: &Parts,
    actor: &mut Actor,
    wanted: Wanted,
) -> Result<(Pass, Option<Vec<LogName>>), Problem> {
    let live = port.state.live.load();
    let admin = &live.settings.admin;
    if !host_is_ours(admin, &request.uri, &request.headers) {
        return Err(Problem::misdirected());
    }
    let Wanted { least, log, by } = wanted;
    let (name, token, signed_in) = match by {
        By::Bearer => {
            let Some(sent) = bearer(&request.headers) else {
                return Err(Problem::unauthorized("send Authorization: Bearer TOKEN"));
            };
            let Some((name, token)) = holder(admin, sent) else { return Err(wrong_token(port, actor.source_ip)) };
            (name, token, None)
        }
        By::Cookie => {
            let known = signed_in(port, admin, &request.headers);
            let (name, token, signed_in) = known.ok_or_else(|| Problem::unauthorized("sign in first"))?;
            (name, token, Some(signed_in))
        }
    };
    (actor.name, actor.kind) = (name.to_owned(), ActorKind::Token);
    if signed_in.is_some() {
        must_come_from_here(request)?;
    }
    let pass = Pass { name: name.to_owned(), hash: *token.hash.expose(), role: token.role, least, log, signed_in };
    if let Some(address) = actor.source_ip {
        port.state.auth.uses().of(&admin_key(name)).note(actor.started, address);
    }
    pass.must_be(least)?;
    match (&token.logs, log) {
        (Some(logs), Some(log)) if !logs.contains(&log) => {
            Err(Problem::forbidden("this token does not read this log".to_owned()))
        }
        (logs, _) => Ok((pass, logs.clone())),
    }
}

/// Whoever signed in is let in as long as the configuration has the token for which the sign-in stands.
fn signed_in<'a>(
    port: &Port,
    admin: &'a Admin,
    headers: &HeaderMap,
) -> Option<(&'a str, &'a AdminToken, Arc<SignedIn>)> {
    let signed_in = port.sign_ins.find(cookie::find_admin(headers)?, port.state.clock.elapsed())?;
    let (name, token) = signed_in.holder().in_force(admin)?;
    Some((name, token, signed_in))
}

/// What somebody sends who may.
async fn read(body: Body, most: usize) -> Result<Bytes, Problem> {
    let whole = tokio::time::timeout(BODY_TIMEOUT, axum::body::to_bytes(body, most)).await;
    let longer = format!("the body is longer than {} KiB", most >> 10);
    let too_long = |_| Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", longer);
    whole
        .map_err(|_| Problem::new(StatusCode::REQUEST_TIMEOUT, "too_slow", "the body took too long"))?
        .map_err(too_long)
}

fn actor(port: &Port, request: &Parts, request_id: &str) -> Actor {
    let user_agent = request.headers.get(USER_AGENT).map(|value| String::from_utf8_lossy(value.as_bytes()).into());
    Actor {
        name: "anonymous".to_owned(),
        kind: ActorKind::System,
        source_ip: request.extensions.get::<Peer>().map(|Peer(address)| address.to_canonical()),
        user_agent,
        request_id: Some(request_id.to_owned()),
        started: port.state.clock.now(),
    }
}

/// The address that is listened on and `localhost` with any port, and the names of `[admin] hosts`: a page of
/// another origin that rebinds its name to this address stays outside.
fn host_is_ours(admin: &Admin, uri: &Uri, headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    let named = match (uri.authority(), hosts.next(), hosts.next()) {
        (Some(authority), _, None) => Some(authority.as_str()),
        (None, Some(host), None) => host.to_str().ok(),
        (_, _, Some(_)) | (None, None, None) => None,
    };
    // `user@localhost` parses as `localhost`, and no browser sends it.
    let named = named.filter(|named| !named.contains('@'));
    let Some(authority) = named.and_then(|named| named.parse::<Authority>().ok()) else { return false };
    let host = authority.host().to_ascii_lowercase();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || admin.hosts.contains(&host) || address.is_ok_and(|address| address == admin.listen.ip())
}

fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (value, None) = (values.next()?.as_bytes(), values.next()) else { return None };
    let (scheme, token) = value.split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| token.trim_ascii())
}

/// Every token is compared, whichever fits, so that the time tells nothing.
pub(super) fn holder<'a>(admin: &'a Admin, sent: &[u8]) -> Option<(&'a str, &'a AdminToken)> {
    let sent = digest(&SHA256, sent);
    admin.tokens.iter().fold(None, |found, (name, token)| {
        let fits = bool::from(token.hash.expose().as_slice().ct_eq(sent.as_ref()));
        if fits { Some((name.as_str(), token)) } else { found }
    })
}

pub(super) fn wrong_token(port: &Port, address: Option<IpAddr>) -> Problem {
    let address = address.unwrap_or(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED));
    match port.throttle.wrong(address, port.state.clock.elapsed()) {
        Some(wait) => Problem::too_many("too many wrong tokens from this address", wait.as_secs().saturating_add(1)),
        None => Problem::unauthorized("this token is not known"),
    }
}

pub(super) fn role_name(role: Role) -> &'static str {
    match role {
        Role::Reader => "reader",
        Role::Auditor => "auditor",
        Role::Admin => "admin",
    }
}

/// 405 where the path has other methods, else 404.
fn nothing_here(uri: &Uri) -> Problem {
    let mut allow: Vec<&str> =
        ROUTES.iter().filter(|route| covers(route.path, uri.path())).map(|route| route.method.as_str()).collect();
    allow.dedup();
    if allow.is_empty() {
        Problem::not_found("no such path on this port")
    } else {
        Problem::method_not_allowed(&allow.join(", "))
    }
}

/// What stands at `{id}`.
fn id_in<'a>(pattern: &str, path: &'a str) -> &'a str {
    let mut segments = pattern.split('/').zip(path.split('/'));
    segments.find(|(wanted, _)| *wanted == "{id}").map_or("", |(_, segment)| segment)
}

fn covers(pattern: &str, path: &str) -> bool {
    let (mut pattern, mut path) = (pattern.split('/'), path.split('/'));
    loop {
        match (pattern.next(), path.next()) {
            (None, None) => return true,
            (Some(wanted), Some(segment)) if wanted == segment || (wanted == "{id}" && !segment.is_empty()) => (),
            (_, _) => return false,
        }
    }
}

//! The door: host name, token or sign-in, role. Nothing behind it runs without passing it.

mod body;
mod call;
mod from_here;
mod holder;
mod pass;
mod table;

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Query, Request};
use axum::response::Response;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, REFERRER_POLICY, USER_AGENT, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode, Uri};
use vestibule_config::admin::Role;

use super::pages;
use super::problem::Problem;
use super::{Answer, Port, Route};
use crate::audit::{Actor, ActorKind};
use crate::request_id;
pub(crate) use call::{Call, Visitor};
pub(super) use from_here::{is_secure, origin};
pub(crate) use holder::Holder;
pub(super) use holder::{holder, role_name};
pub(crate) use pass::Pass;
pub(super) use pass::wrong_token;
use pass::{By, Wanted, enter};

/// The other end of the connection, put there by the listener.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) IpAddr);

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
            let visitor = receive(port, request, body, &actor).await.inspect_err(|problem| refused(problem, &actor))?;
            return handler(visitor).await.inspect_err(|problem| refused(problem, &actor));
        }
        Some(Answer::Token(least, handler)) => (*least, By::Bearer, Some(handler)),
        Some(Answer::Page(least, handler)) => (*least, By::Cookie, Some(handler)),
        None => (Role::Reader, By::Bearer, None),
    };
    let log = route.and_then(|route| route.log);
    let admitted = enter(port, &request, &mut actor, Wanted { least, log, by });
    let (pass, logs) = admitted.inspect_err(|problem| refused(problem, &actor))?;
    let (Some(Route { path, .. }), Some(handler)) = (route, handler) else {
        return Err(table::nothing_here(&request.uri));
    };
    let id = table::id_in(path, request.uri.path()).to_owned();
    let parameters = parameters(&request.uri)?;
    let path = request.uri.path().to_owned();
    let body = body::of_call(&path, body).await?;
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

/// Who comes to sign in has no token yet, but comes from here.
async fn receive(port: &Arc<Port>, request: Parts, body: Body, actor: &Actor) -> Result<Visitor, Problem> {
    if !from_here::host_is_ours(&port.state.live.load().settings.admin, &request.uri, &request.headers) {
        return Err(Problem::misdirected());
    }
    from_here::must_come_from_here(&request)?;
    let (port, actor, parameters) = (port.clone(), actor.clone(), parameters(&request.uri)?);
    let body = body::of_visitor(body).await?;
    Ok(Visitor { port, actor, parameters, body, uri: request.uri, headers: request.headers })
}

fn parameters(uri: &Uri) -> Result<Vec<(String, String)>, Problem> {
    let Query(parameters) = Query::try_from_uri(uri)
        .map_err(|_| Problem::bad_parameter("query", "not of the form name=value&name=value"))?;
    Ok(parameters)
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

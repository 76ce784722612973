//! For orchestrators and load balancers: text, without a token.

use std::fmt::Write;
use std::sync::atomic::Ordering;

use axum::body::Body;
use axum::response::Response;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};

use super::Port;

/// 200 while the process runs.
pub(super) fn live(_port: &Port) -> Response {
    text(StatusCode::OK, "live\n".to_owned())
}

/// 503 while starting, while stopping, and while protected circuits are closed: the store cannot write, or a file of the
/// state is damaged. Degraded is still 200, because traffic is served as before.
pub(super) fn ready(port: &Port) -> Response {
    let state = &port.state;
    let running = state.serving.load(Ordering::Acquire) && !*state.stopping.borrow();
    let (writable, whole) = (state.store.writable(), state.auth.damage().is_none());
    let configured = state.reloads.last().is_none_or(|last| last.outcome.successful());
    let located = state.live.load().policy.geo_ready();
    let (status, word) = match (running && writable && whole, configured && located) {
        (false, _) => (StatusCode::SERVICE_UNAVAILABLE, "not ready"),
        (true, false) => (StatusCode::OK, "degraded"),
        (true, true) => (StatusCode::OK, "ready"),
    };
    let mut body = format!("{word}\n");
    let checks = [
        ("process", running, if *state.stopping.borrow() { "stopping" } else { "starting" }),
        ("store", writable, "cannot write"),
        ("state", whole, "a file is damaged"),
        ("config", configured, "last reload failed"),
        ("geo", located, "database cannot be read"),
    ];
    for (check, good, otherwise) in checks {
        let _ = writeln!(body, "{check}: {}", if good { "ok" } else { otherwise });
    }
    text(status, body)
}

fn text(status: StatusCode, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

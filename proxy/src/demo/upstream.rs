//! The demo's upstream: shows what it received, so that one sees what the gateway adds and removes.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use askama::Template;
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::response::{Html, IntoResponse, Response};
use serde_json::json;

/// Longest body that is read.
const BODY_BYTES_MAX: usize = 16 << 20;

/// Requests that came through; what the gateway refuses is not among them.
static COUNT: AtomicU64 = AtomicU64::new(0);

/// Listens on a port that the system picks, on a thread of its own, until the process ends.
pub(super) fn start() -> std::io::Result<SocketAddr> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    listener.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    thread::Builder::new().name("demo upstream".to_owned()).spawn(move || {
        let served = runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            axum::serve(listener, Router::new().fallback(show)).await
        });
        if let Err(error) = served {
            tracing::error!(%error, "the demo's upstream stopped");
        }
    })?;
    Ok(address)
}

#[derive(Template)]
#[template(
    ext = "html",
    source = "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
              <title>Upstream</title><style>body{font:1rem/1.5 system-ui;max-width:60rem;margin:2rem auto;padding:0 \
              1rem;color-scheme:light dark}td{overflow-wrap:anywhere;padding-right:1rem;vertical-align:top}</style>\
              <h1>The upstream received</h1><p><code>{{ method }} {{ target }}</code>, {{ body_bytes }} bytes of \
              body<table>{% for (name, value) in headers %}<tr><td><code>{{ name }}</code><td><code>{{ value \
              }}</code>{% endfor %}</table>"
)]
struct Page<'a> {
    method: &'a str,
    target: &'a str,
    headers: &'a [(String, String)],
    body_bytes: usize,
}

/// The request as a page for browsers, as JSON for everybody else.
async fn show(request: Request<Body>) -> Response {
    let count = COUNT.fetch_add(1, Ordering::Relaxed) + 1;
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, BODY_BYTES_MAX).await.unwrap_or_default();
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    let headers: Vec<_> =
        parts.headers.iter().map(|(name, value)| (name.to_string(), text(value.as_bytes()))).collect();
    let wants_page = parts.headers.get(ACCEPT).is_some_and(|accept| text(accept.as_bytes()).contains("text/html"));
    let (method, target) = (parts.method.as_str(), parts.uri.to_string());
    if wants_page {
        let page = Page { method, target: &target, headers: &headers, body_bytes: body.len() };
        return page.render().map_or_else(|error| error.to_string().into_response(), |page| Html(page).into_response());
    }
    let seen = json!({
        "method": method, "path": parts.uri.path(), "query": parts.uri.query(), "headers": headers,
        "body": text(&body), "body_bytes": body.len(), "count": count,
    });
    ([(CONTENT_TYPE, "application/json")], format!("{seen:#}\n")).into_response()
}

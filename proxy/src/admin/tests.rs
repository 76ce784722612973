use std::net::Ipv4Addr;

use http::header::{AUTHORIZATION, HOST};
use http::{HeaderMap, StatusCode};
use serde_json::Value;
use tower::ServiceExt;
use vestibule_logstore::Log;

use super::*;
use crate::rig::{Rig, example};

mod admission;
mod answers;
mod config;
mod streams;

/// One answer, read to its end.
struct Answered {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Answered {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{}", self.body))
    }
}

struct Bench {
    rig: Rig,
    port: Arc<Port>,
    peer: Ipv4Addr,
}

impl Bench {
    fn new() -> Self {
        Self::of(&example())
    }

    /// On this file.
    fn of(text: &str) -> Self {
        let rig = Rig::new(text);
        let port = Arc::new(Port::new(rig.state.clone()));
        Self { rig, port, peer: Ipv4Addr::LOCALHOST }
    }

    async fn ask(&self, method: &str, path: &str, token: Option<&str>) -> Answered {
        self.ask_as("127.0.0.1:9180", method, path, token).await
    }

    /// As a browser that signed in with this token: its cookie, and a form of one of its pages. Absent: it did not.
    async fn visit(&self, route: &Route, path: &str, token: Option<&str>) -> Response {
        let mut request = Request::builder().method(route.method.clone()).uri(path).header(HOST, "127.0.0.1:9180");
        let mut body = String::new();
        let now = self.rig.state.clock.elapsed();
        if let Some(token) = token {
            let value = pages::sign_ins::sign_in_of(&self.port, token).unwrap_or_else(|| "x".to_owned());
            request = request.header(http::header::COOKIE, format!("vestibule-admin={value}"));
            body = self.port.sign_ins.find(&value, now).map(|it| format!("csrf={}", it.csrf())).unwrap_or_default();
        }
        let mut request = request.body(axum::body::Body::from(body)).unwrap();
        request.extensions_mut().insert(door::Peer(self.peer.into()));
        router(self.port.clone()).oneshot(request).await.unwrap()
    }

    async fn ask_as(&self, host: &str, method: &str, path: &str, token: Option<&str>) -> Answered {
        read(self.open(host, method, path, token, &[]).await).await
    }

    /// The answer before its body is read.
    async fn open(
        &self,
        host: &str,
        method: &str,
        path: &str,
        token: Option<&str>,
        fields: &[(&str, &str)],
    ) -> Response {
        let mut request = Request::builder().method(method).uri(path).header(HOST, host);
        if let Some(token) = token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let mut request = request.body(axum::body::Body::empty()).unwrap();
        request.extensions_mut().insert(door::Peer(self.peer.into()));
        router(self.port.clone()).oneshot(request).await.unwrap()
    }
}

async fn read(response: Response) -> Answered {
    let (parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, 1 << 24).await.unwrap();
    Answered { status: parts.status, headers: parts.headers, body: String::from_utf8(body.to_vec()).unwrap() }
}

//! Answers and records a head that is not taken.

use std::net::IpAddr;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::Stream;
use pingora::protocols::http::v2::server::HttpSession;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use vestibule_auth::Reason;

use super::Tls;
use super::flood::Refusal;
use super::head::{Fault, glance};
use crate::hsts;
use crate::record::{self, Seen};
use crate::reply::Reply;
use crate::respond::{self, Asked};
use crate::state::State;

/// For the answer to arrive, and for what the client still sends.
const FAREWELL_TIMEOUT: Duration = Duration::from_secs(2);
/// Read after the answer, so that a reset does not overtake it.
const FAREWELL_MAX_BYTES: usize = 256 * 1024;

/// Why, and what can be said of the request.
pub(super) struct Refused<'a> {
    reason: Reason,
    /// Where it differs from what the reason means elsewhere.
    status: Option<StatusCode>,
    seen: Seen<'a>,
}

impl<'a> Refused<'a> {
    /// A connection that serves nothing; `host` is what it named.
    pub(super) fn connection(reason: Reason, host: Option<&'a str>) -> Self {
        Self { reason, status: None, seen: Seen { host, ..Seen::default() } }
    }

    /// Before its end was read.
    pub(super) fn read(reason: Reason, bytes: &'a [u8]) -> Self {
        Self::line(reason, None, glance(bytes))
    }

    /// By the check of the whole.
    pub(super) fn checked(fault: Fault, bytes: &'a [u8]) -> Self {
        let (reason, status) = meaning(fault);
        Self::line(reason, status, glance(bytes))
    }

    fn line(reason: Reason, status: Option<StatusCode>, line: Option<(&'a str, &'a str)>) -> Self {
        let (method, target) = line.unzip();
        Self { reason, status, seen: Seen { method, target, ..Seen::default() } }
    }

    /// A request of HTTP/2, which can be read where it was understood at all.
    pub(super) fn stream(fault: Fault, head: Option<&'a RequestHeader>) -> Self {
        let (reason, status) = meaning(fault);
        Self { reason, status, seen: of_stream(head) }
    }

    /// A request of HTTP/2 beside which too many others of its connection still run.
    pub(super) fn crowded(head: &'a RequestHeader) -> Self {
        Self { reason: Reason::TooManyInFlight, status: None, seen: of_stream(Some(head)) }
    }

    /// On a connection with this TLS.
    pub(super) fn over(mut self, tls: Option<&'a Tls>) -> Self {
        self.seen.tls = tls.map(|tls| &*tls.description);
        self
    }

    /// Says why, records it, and closes the connection.
    pub(super) async fn answer(&self, state: &State, mut stream: Stream, peer: IpAddr) {
        let request_id = state.request_ids.next().to_string();
        let reply = self.reply(state, &request_id);
        self.record_as(state, peer, reply.status.as_u16(), &request_id);
        let bytes = wire(&reply, &request_id);
        let farewell = async {
            stream.write_all(&bytes).await?;
            AsyncWriteExt::shutdown(&mut stream).await?;
            let mut left = (&mut stream).take(FAREWELL_MAX_BYTES as u64);
            tokio::io::copy(&mut left, &mut tokio::io::sink()).await
        };
        // The entry is made; a client that does not take its answer is no news.
        let _ = timeout(FAREWELL_TIMEOUT, farewell).await;
    }

    /// Says why on its own stream, and records it; the connection goes on.
    pub(super) async fn answer_stream(&self, state: &State, mut stream: HttpSession, peer: IpAddr) {
        let request_id = state.request_ids.next().to_string();
        let reply = self.reply(state, &request_id);
        self.record_as(state, peer, reply.status.as_u16(), &request_id);
        let Ok(mut head) = ResponseHeader::build(reply.status, Some(reply.headers.len() + 3)) else { return };
        let own = [("x-vestibule", reply.mark.code()), ("x-request-id", request_id.as_str())];
        let own =
            own.into_iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).ok()));
        let fields = reply.headers.into_iter().map(|(name, value)| (name, Some(value))).chain(own);
        for (name, value) in fields.filter_map(|(name, value)| Some((name, value?))) {
            // A map that is full has lost no field that a client needs.
            let _ = head.append_header(name, value);
        }
        let farewell = async {
            stream.write_response_header(Box::new(head), false)?;
            stream.write_body(reply.body, true).await
        };
        let _ = timeout(FAREWELL_TIMEOUT, farewell).await;
    }

    /// Only records it; nobody is answered.
    pub(super) fn record(&self, state: &State, peer: IpAddr) {
        self.record_as(state, peer, 0, &state.request_ids.next().to_string());
    }

    fn record_as(&self, state: &State, peer: IpAddr, status: u16, request_id: &str) {
        let mark = respond::mark(self.reason);
        let (reason, seen) = (self.reason, self.seen);
        record::count_refused(state, reason, mark, status);
        if state.flood.has_room(&Refusal { peer, reason, status, mark }, state.clock.elapsed()) {
            let peer = Some(peer);
            let refused = record::Refused { reason, status, mark, request_id, peer, count: None, seen };
            record::refused(state, &refused);
        }
    }

    fn reply(&self, state: &State, request_id: &str) -> Reply {
        let asked = Asked {
            method: &Method::GET,
            headers: &HeaderMap::new(),
            path_and_query: "/",
            authority: "",
            secure: false,
            request_id,
            circuit: None,
            project_label: None,
            account: None,
            budget: None,
            request: None,
            login_host: None,
        };
        let mut reply = respond::failure(self.reason, &asked);
        if let Some(status) = self.status {
            let told = respond::Told {
                status,
                mark: reply.mark,
                reason: Some(self.reason),
                detail: "The request cannot be taken.".into(),
                wait: None,
            };
            reply = respond::tell(&told, &asked);
        }
        if self.seen.tls.is_some() {
            reply.headers.extend(hsts::field(&state.live.load()));
        }
        reply
    }
}

fn of_stream(head: Option<&RequestHeader>) -> Seen<'_> {
    let method = head.map(|head| head.method.as_str());
    let target = head.and_then(|head| head.uri.path_and_query()).map(PathAndQuery::as_str);
    Seen { method, target, protocol: Some("HTTP/2"), ..Seen::default() }
}

/// The reason, and the status where it is not the reason's own.
fn meaning(fault: Fault) -> (Reason, Option<StatusCode>) {
    match fault {
        Fault::Malformed => (Reason::MalformedRequest, None),
        Fault::Method => (Reason::MalformedRequest, Some(StatusCode::METHOD_NOT_ALLOWED)),
        Fault::Target => (Reason::HeadTooLarge, Some(StatusCode::URI_TOO_LONG)),
        Fault::Fields => (Reason::HeadTooLarge, None),
    }
}

fn wire(reply: &Reply, request_id: &str) -> Bytes {
    let mut wire = BytesMut::with_capacity(1024);
    let phrase = reply.status.canonical_reason().unwrap_or_default();
    wire.put_slice(format!("HTTP/1.1 {} {phrase}\r\n", reply.status.as_u16()).as_bytes());
    let mut field = |name: &str, value: &[u8]| {
        for part in [name.as_bytes(), b": ", value, b"\r\n"] {
            wire.put_slice(part);
        }
    };
    for (name, value) in &reply.headers {
        field(name.as_str(), value.as_bytes());
    }
    field("connection", b"close");
    field("content-length", reply.body.len().to_string().as_bytes());
    field("x-vestibule", reply.mark.code().as_bytes());
    field("x-request-id", request_id.as_bytes());
    wire.put_slice(b"\r\n");
    wire.put_slice(&reply.body);
    wire.freeze()
}

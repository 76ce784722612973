//! Answers and records a head that is not taken.

use std::net::IpAddr;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, Method, StatusCode};
use pingora::protocols::Stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use vestibule_auth::Reason;

use super::head::{Fault, glance};
use crate::record;
use crate::reply::{Mark, Reply};
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
    request_line: Option<(&'a str, &'a str)>,
}

impl<'a> Refused<'a> {
    /// Before its end was read.
    pub(super) fn read(reason: Reason, bytes: &'a [u8]) -> Self {
        Self { reason, status: None, request_line: glance(bytes) }
    }

    /// By the check of the whole.
    pub(super) fn checked(fault: Fault, bytes: &'a [u8]) -> Self {
        let (reason, status) = match fault {
            Fault::Malformed => (Reason::MalformedRequest, None),
            Fault::Method => (Reason::MalformedRequest, Some(StatusCode::METHOD_NOT_ALLOWED)),
            Fault::Target => (Reason::HeadTooLarge, Some(StatusCode::URI_TOO_LONG)),
            Fault::Fields => (Reason::HeadTooLarge, None),
        };
        Self { reason, status, request_line: glance(bytes) }
    }

    /// Says why, records it, and closes the connection.
    pub(super) async fn answer(&self, state: &State, mut stream: Stream, peer: IpAddr) {
        let request_id = state.request_ids.next().to_string();
        let reply = self.reply(&request_id);
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

    /// Only records it; `status` as in the entry.
    pub(super) fn record(&self, state: &State, peer: IpAddr, status: u16) {
        self.record_as(state, peer, status, &state.request_ids.next().to_string());
    }

    fn record_as(&self, state: &State, peer: IpAddr, status: u16, request_id: &str) {
        let (method, target) = self.request_line.unzip();
        record::refused(
            state,
            &record::Refused { reason: self.reason, status, mark: Mark::ProxyError, request_id, peer, method, target },
        );
    }

    fn reply(&self, request_id: &str) -> Reply {
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
        reply
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

//! A permitted request on its way to its upstream, and the answer on its way back.

mod carried;
mod cookies;
mod hop;
mod redirect;
mod told;
mod tries;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Uri, Version, header};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::{Error, ErrorType, Result};
use vestibule_auth::{Caller, Permit};
use vestibule_config::HostHeader;

pub(crate) use self::carried::asks_for_websocket;
pub(crate) use self::hop::{HOP, is_back};
use self::told::Asked;
pub(crate) use self::told::Told;
use self::tries::Tries;
pub(crate) use self::tries::{broke, connected, failed_to_connect, note_failure, peer};
use crate::client_address::X_REQUEST_ID;
use crate::context::Request;
use crate::pace::Came;
use crate::upstream::{Backend, Flight};

/// Says that an answer is our own.
const MARK: HeaderName = HeaderName::from_static("x-vestibule");

/// Made of a permit only, so that nothing is forwarded without one.
pub(crate) struct Forward {
    permit: Permit,
    flight: Flight,
    /// Path and query, where they are not those that the client sent.
    target: Option<Uri>,
    tries: Tries,
    sent: Duration,
    /// From the first try to the head of the upstream's answer.
    pub(crate) answered_after: Option<Duration>,
    /// For the connection of a tunnel.
    head_came: Option<Arc<AtomicBool>>,
    /// Body bytes of the current try.
    body_bytes: u64,
    /// When the first of them came.
    body_since: Option<Duration>,
}

impl Forward {
    /// `target` is path and query where they are not those that the client sent; `now` is on the clock that never goes
    /// back.
    pub(crate) fn new(permit: Permit, flight: Flight, target: Option<Uri>, now: Duration) -> Self {
        Self {
            permit,
            flight,
            target,
            tries: Tries::begin(now),
            sent: now,
            answered_after: None,
            head_came: None,
            body_bytes: 0,
            body_since: None,
        }
    }

    /// Another part of the body.
    pub(crate) fn came(&mut self, part: usize, now: Duration) -> Came {
        self.body_bytes = self.body_bytes.saturating_add(part as u64);
        let since = *self.body_since.get_or_insert(now);
        Came { bytes: self.body_bytes, part, taken: now.saturating_sub(since) }
    }

    /// Who was let in.
    pub(crate) fn caller(&self) -> &Caller {
        self.permit.caller()
    }

    /// The upstream that has the request, or gets it next.
    pub(crate) fn backend(&self) -> &Backend {
        self.flight.backend()
    }
}

/// The head of the upstream's answer has come.
pub(crate) fn answered(request: &mut Request, now: Duration) {
    if let Some(forward) = &mut request.forward {
        forward.head_came.iter().for_each(|came| came.store(true, Ordering::Relaxed));
        if forward.answered_after.is_none() {
            forward.answered_after = Some(now.saturating_sub(forward.sent));
            forward.backend().traffic().answered(now.saturating_sub(forward.tries.since));
        }
    }
}

/// The head for the upstream: `sent` is the client's fields, `out` the request line and nothing that counts. `told` is
/// what the connection's last request said of its client, and then what this one does.
///
/// # Errors
/// When the client's `Connection` cannot be read, or a value cannot be a header; then nothing is forwarded.
pub(crate) fn outgoing(
    request: &Request,
    sent: &HeaderMap,
    told: &mut Option<Arc<Told>>,
    out: &mut RequestHeader,
) -> Result<()> {
    let (Some(route), Some(forward)) = (&request.route, &request.forward) else {
        return Error::e_explain(ErrorType::InternalError, "forwarding without a permit");
    };
    let asked = Asked { request, route, caller: forward.caller(), sent };
    let mut fields = match told.as_deref().filter(|told| told.is_of(&asked)) {
        Some(told) => told.fields(),
        None => {
            let now = Told::new(&asked)?;
            let fields = now.fields();
            *told = asked.is_lasting().then(|| Arc::new(now));
            fields
        }
    };
    let upstream = forward.backend().upstream();
    if upstream.host_header == HostHeader::Upstream {
        fields.insert(header::HOST, forward.backend().host().clone());
    }
    carried::add(&mut fields, sent, request.asks_for_tunnel, &request.live.routes)?;
    // What lets in here is no business of the upstream.
    for name in &*route.secret_fields {
        fields.remove(name);
    }
    for (name, value) in &upstream.headers {
        fields.insert(name.clone(), value.clone());
    }
    // gRPC asks for it; HTTP/1 says of each hop that it takes trailers.
    if out.version == Version::HTTP_2 && sent.get(header::TE).is_some_and(|te| te == "trailers") {
        fields.insert(header::TE, HeaderValue::from_static("trailers"));
    }
    fields.insert(X_REQUEST_ID, request.request_id.clone());
    replace_fields(out, fields);
    if let Some(target) = &forward.target {
        out.set_uri(target.clone());
    }
    Ok(())
}

/// The same request line with other fields. One new map costs a fifth of changing Pingora's own, which keeps every
/// name twice.
fn replace_fields(out: &mut RequestHeader, fields: HeaderMap) {
    let (mut parts, ()) = http::Request::new(()).into_parts();
    parts.method = out.method.clone();
    parts.uri = out.uri.clone();
    parts.version = out.version;
    parts.headers = fields;
    *out = RequestHeader::from(parts);
}

/// The head of the upstream's answer: what would speak in our name is dropped, and what names the upstream's own
/// address names the circuit's. `sent` is the client's fields.
///
/// # Errors
/// None in practice; the header map may be full.
pub(crate) fn incoming(answer: &mut ResponseHeader, request: &Request, sent: &HeaderMap) -> Result<()> {
    let rewrites = |forward: &Forward| forward.backend().upstream().rewrite_redirects;
    if request.forward.as_ref().is_some_and(rewrites) {
        redirect::rewrite(answer, request, sent)?;
    }
    sanitise(answer, &request.request_id)
}

/// The trailers of the upstream's answer: what would speak in our name there, or frame a message, is dropped.
pub(crate) fn trailing(trailers: &mut HeaderMap) {
    let names: Vec<_> = trailers.keys().filter(|name| !carried::trails(name)).cloned().collect();
    for name in names {
        trailers.remove(name);
    }
}

fn sanitise(answer: &mut ResponseHeader, request_id: &HeaderValue) -> Result<()> {
    // The version is this connection's, not that of the one behind (RFC 9110, 2.5).
    answer.set_version(Version::HTTP_11);
    answer.remove_header(&MARK);
    let cookies = answer.headers.get_all(header::SET_COOKIE);
    if cookies.iter().any(|cookie| cookies::sets_ours(cookie.as_bytes())) {
        let kept: Vec<_> = cookies.iter().filter(|cookie| !cookies::sets_ours(cookie.as_bytes())).cloned().collect();
        answer.remove_header(&header::SET_COOKIE);
        for cookie in kept {
            answer.append_header(header::SET_COOKIE, cookie)?;
        }
    }
    answer.insert_header("x-request-id", request_id.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_upstream_does_not_make_the_answer_old() {
        let mut answer = ResponseHeader::build(200, None).unwrap();
        answer.set_version(Version::HTTP_10);
        sanitise(&mut answer, &HeaderValue::from_static("ours")).unwrap();
        assert_eq!(answer.version, Version::HTTP_11);
    }

    #[test]
    fn trailers_frame_nothing_and_say_nothing_in_our_name() {
        let names = [
            "grpc-status",
            "content-length",
            "X-Vestibule",
            "x-vestibule-user",
            "grpc-message",
            "set-cookie",
            "connection",
            "transfer-encoding",
            "trailer",
            "x-request-id",
            "location",
            "strict-transport-security",
            "x-checksum",
        ];
        let named = names.into_iter().map(|name| (name.parse().unwrap(), HeaderValue::from_static("1")));
        let mut trailers: HeaderMap = named.collect();
        trailing(&mut trailers);
        let mut left: Vec<_> = trailers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["grpc-message", "grpc-status", "x-checksum"]);
    }

    #[test]
    fn an_upstream_cannot_set_our_cookies_or_mark() {
        let mut answer = ResponseHeader::build(200, None).unwrap();
        for cookie in ["a=1; Path=/", "vestibule=x", "__Host-vestibule=x; Secure", " vestibule_b=1", "b=2"] {
            answer.append_header(header::SET_COOKIE, cookie).unwrap();
        }
        answer.insert_header("X-Vestibule", "auth").unwrap();
        answer.insert_header("X-Request-Id", "theirs").unwrap();
        sanitise(&mut answer, &HeaderValue::from_static("ours")).unwrap();
        let cookies: Vec<_> = answer.headers.get_all(header::SET_COOKIE).iter().collect();
        assert_eq!(cookies, ["a=1; Path=/", "b=2"]);
        assert_eq!(answer.headers.get("x-vestibule"), None);
        assert_eq!(answer.headers.get("x-request-id").unwrap(), "ours");
    }
}

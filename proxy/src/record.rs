//! The one place that fills a request entry.

mod refused;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, StatusCode, Version, header};
use vestibule_auth::{Caller, Method, Reason};
use vestibule_config::Circuit;
use vestibule_config::logs::LoggedRequests;
use vestibule_logstore::entry::Common;
use vestibule_logstore::{Entry, RequestEntry};

use crate::context::{Ending, Request};
use crate::metrics::Finished;
use crate::personal::Disguise;
use crate::redact;
use crate::reply::Mark;
use crate::state::State;

pub(crate) use refused::{Refused, Seen, count_refused, refused};

/// Writes the entry of a request that has ended: its client is answered, or it is gone, or the process ends. When the
/// log's queue is full it is lost, counted and marked.
pub(crate) fn finished(state: &State, request: &Request, fields: &HeaderMap) {
    if request.silent {
        return;
    }
    let duration = state.clock.elapsed().saturating_sub(request.started);
    if is_recorded(request) {
        let texts = Texts::of(request, fields, tunnel(request));
        let mut entry = entry(request, duration, &texts);
        let disguise = Disguise::of_request(&state.auth, circuit(request), &entry);
        disguise.iter().for_each(|disguise| disguise.put_on_request(&mut entry));
        state.store.append(&Entry::Request(&entry));
    }
    count(state, request, duration);
}

/// As [`finished`], but waits for room in the queue.
pub(crate) async fn finished_in_time(state: &State, request: &Request, fields: &HeaderMap) {
    if request.silent {
        return;
    }
    let duration = state.clock.elapsed().saturating_sub(request.started);
    if is_recorded(request) {
        let texts = Texts::of(request, fields, tunnel(request));
        let mut entry = entry(request, duration, &texts);
        let disguise = Disguise::of_request(&state.auth, circuit(request), &entry);
        disguise.iter().for_each(|disguise| disguise.put_on_request(&mut entry));
        state.store.append_or_wait(&Entry::Request(&entry)).await;
    }
    count(state, request, duration);
}

/// Writes the entry of a tunnel that is open now. It stands for no request (`event_count` is 0): that one's own entry
/// follows when it ends. After a crash this one is left.
pub(crate) fn opened(state: &State, request: &Request, fields: &HeaderMap) {
    if request.silent || !is_recorded(request) {
        return;
    }
    let texts = Texts::of(request, fields, Some("opened"));
    let mut entry = entry(request, state.clock.elapsed().saturating_sub(request.started), &texts);
    entry.common.event_count = Some(0);
    let disguise = Disguise::of_request(&state.auth, circuit(request), &entry);
    disguise.iter().for_each(|disguise| disguise.put_on_request(&mut entry));
    state.store.append(&Entry::Request(&entry));
}

/// A circuit may record only what was refused; everything is counted.
fn is_recorded(request: &Request) -> bool {
    match circuit(request).map(|circuit| circuit.log.requests) {
        None | Some(LoggedRequests::All) => true,
        Some(LoggedRequests::Blocked) => is_blocked(&request.ended()),
    }
}

fn circuit(request: &Request) -> Option<&Circuit> {
    request.route.as_ref().map(|route| &*route.circuit)
}

/// What has to be made from the head before an entry can borrow it.
struct Texts<'a> {
    user_agent: Option<Cow<'a, str>>,
    path: &'a str,
    query: Option<Cow<'a, str>>,
    referer: Option<Cow<'a, str>>,
    would_block: Option<String>,
    metadata: Option<String>,
}

impl<'a> Texts<'a> {
    /// `tunnel`: what is said of a tunnel.
    fn of(request: &'a Request, fields: &'a HeaderMap, tunnel: Option<&'static str>) -> Self {
        let names = &request.live.settings.logs.redact_query;
        let head = &request.head;
        let referer = fields.get(header::REFERER).map(|value| match text(value) {
            Cow::Borrowed(value) => redact::address(value, names),
            Cow::Owned(value) => Cow::Owned(redact::address(&value, names).into_owned()),
        });
        Self {
            user_agent: fields.get(header::USER_AGENT).map(text),
            path: head.uri.path(),
            query: head.uri.query().map(|query| redact::query(query, names)),
            referer,
            would_block: would_block(&request.observed),
            metadata: metadata(request, tunnel),
        }
    }
}

/// The codes of rules that only observe.
fn would_block(observed: &[Reason]) -> Option<String> {
    let codes: Vec<_> = observed.iter().map(|reason| reason.code()).collect();
    (!codes.is_empty()).then(|| serde_json::json!(codes).to_string())
}

/// What a list of addresses with a bad name said of a request that passed it, and whether a tunnel is open or was.
fn metadata(request: &Request, tunnel: Option<&'static str>) -> Option<String> {
    let mut told = serde_json::Map::new();
    if request.observed.contains(&Reason::ReputationBan) {
        told.insert("mode".to_owned(), "observe".into());
        told.insert("verdict".to_owned(), Reason::ReputationBan.code().into());
    }
    told.extend(tunnel.map(|state| ("tunnel".to_owned(), state.into())));
    (!told.is_empty()).then(|| serde_json::Value::Object(told).to_string())
}

/// Of a request that has ended.
fn tunnel(request: &Request) -> Option<&'static str> {
    (request.ending.status == StatusCode::SWITCHING_PROTOCOLS.as_u16()).then_some("closed")
}

fn entry<'a>(request: &'a Request, duration: Duration, texts: &'a Texts<'a>) -> RequestEntry<'a> {
    let ended = request.ended();
    let Ending { status, mark, reason, bytes_in, bytes_out, is_cut: _ } = ended;
    let forward = request.forward.as_ref();
    let session = request.session.as_deref();
    // A name counts only where it opened something: never for a refused request or a public circuit.
    let named = session.filter(|_| is_let_in(request));
    let user_id = named.map(|session| &*session.user_id).or_else(|| machine(request));
    let method = session.map(|session| session.method).or(request.tried).unwrap_or(Method::None);
    RequestEntry {
        common: common(request, texts),
        method: Some(request.head.method.as_str()),
        host: request.host.as_deref(),
        path: Some(texts.path),
        query: texts.query.as_deref(),
        protocol: Some(protocol(request.head.version)),
        status_code: u64::from(status),
        action: action(&ended),
        origin: origin(mark),
        reason: reason.map(Reason::code),
        would_block: texts.would_block.as_deref(),
        auth_method: method.code(),
        email: named.and_then(|session| session.email.as_deref()),
        user_id,
        session_id: session.map(|session| session.id.as_str()),
        circuit: request.route.as_ref().map(|route| &*route.name).filter(|name| !name.is_empty()),
        project: request.route.as_ref().and_then(|route| route.project.as_deref()),
        upstream: forward.map(|forward| &**forward.backend().url()),
        upstream_ms: forward.and_then(|forward| forward.answered_after).map(millis),
        duration_ms: millis(duration),
        bytes_in,
        bytes_out,
        referer: texts.referer.as_deref(),
        tls: request.tls.as_deref().map(|tls| &*tls.description),
        metadata: texts.metadata.as_deref(),
    }
}

/// Who was let in without a session.
fn machine(request: &Request) -> Option<&str> {
    match request.forward.as_ref()?.caller() {
        Caller::Anyone => None,
        Caller::Known(identity) => Some(&identity.user_id).filter(|_| identity.session.is_none()).map(|id| &**id),
    }
}

fn common<'a>(request: &'a Request, texts: &'a Texts<'a>) -> Common<'a> {
    let location = request.location.as_deref();
    Common {
        time: request.time_us,
        request_id: Some(request.request_id()),
        source_ip: Some(request.client.address),
        country: location.and_then(|location| location.country.as_deref()),
        subdivision: location.and_then(|location| location.subdivision.as_deref()),
        city: location.and_then(|location| location.city.as_deref()),
        asn: location.and_then(|location| location.asn).map(u64::from),
        user_agent: texts.user_agent.as_deref(),
        revision: Some(&request.live.settings.revision),
        event_count: None,
        node: None,
    }
}

fn count(state: &State, request: &Request, duration: Duration) {
    let nobody: Arc<str>;
    let circuit = match &request.route {
        Some(route) => &route.name,
        None => {
            nobody = Arc::default();
            &nobody
        }
    };
    let ended = request.ended();
    state.metrics.finished(&Finished {
        circuit,
        answered: request.route.as_deref().filter(|_| is_answered(&ended)).map(|route| &route.answered),
        action: action(&ended),
        origin: origin(ended.mark),
        status: ended.status,
        reason: ended.reason,
        duration,
        upstream: request.forward.as_ref().and_then(|forward| forward.answered_after),
    });
}

/// A gate let a known caller pass, or one of our own pages served a session without objection.
fn is_let_in(request: &Request) -> bool {
    match &request.forward {
        Some(forward) => matches!(forward.caller(), Caller::Known(_)),
        None => request.ending.mark == Some(Mark::Auth) && request.ending.reason.is_none(),
    }
}

fn is_answered(ending: &Ending) -> bool {
    ending.mark.is_none() && !is_blocked(ending)
}

fn action(ending: &Ending) -> &'static str {
    if is_blocked(ending) { "blocked" } else { "allowed" }
}

fn origin(mark: Option<Mark>) -> &'static str {
    mark.map_or("backend", Mark::code)
}

/// What went wrong behind the gate, or what ended it later, does not make a permitted request a blocked one.
fn is_blocked(ending: &Ending) -> bool {
    let is_let_in = matches!(
        ending.reason,
        None | Some(
            Reason::BackendRefused
                | Reason::BackendUnreachable
                | Reason::BackendTimeout
                | Reason::BackendTlsError
                | Reason::ClientClosed
        )
    );
    !is_let_in && !ending.is_cut
}

fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2",
        _ => "HTTP/1.1",
    }
}

fn text(value: &HeaderValue) -> Cow<'_, str> {
    String::from_utf8_lossy(value.as_bytes())
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permitted_request_that_failed_later_is_not_blocked() {
        for reason in Reason::ALL {
            let after_the_gate = reason.code().starts_with("backend_") || *reason == Reason::ClientClosed;
            let ending = Ending { reason: Some(*reason), ..Ending::default() };
            assert_eq!(is_blocked(&ending), !after_the_gate, "{}", reason.code());
            assert!(!is_blocked(&Ending { is_cut: true, ..ending }), "{}", reason.code());
        }
        assert!(!is_blocked(&Ending::default()));
    }
}

//! Pingora's phases, one short method each.

mod end;
mod steps;

use std::any::Any;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::modules::http::HttpModules;
use pingora::protocols::Digest;
use pingora::proxy::{FailToProxy, ProxyHttp, ProxyWarnLogContext, Session};
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorType, Result};
use vestibule_config::logs::OnFull;

use crate::admit::Step;
use crate::answer;
use crate::context::Context;
use crate::edge::Tls;
use crate::failure;
use crate::forward::{self, Told};
use crate::hsts;
use crate::pace;
use crate::record;
use crate::state::State;
use end::{fail_to_proxy, final_status, is_final, is_silence, note_failed_answer};

/// The rest of a body before the connection serves another request.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// Forwards what a gate lets through, answers the rest, records all of it.
pub(crate) struct Gateway {
    state: Arc<State>,
    /// Everything is led to https.
    redirects: bool,
}

impl Gateway {
    /// Serves circuits.
    pub(crate) fn serving(state: Arc<State>) -> Self {
        Self { state, redirects: false }
    }

    /// Leads to https.
    pub(crate) fn redirecting(state: Arc<State>) -> Self {
        Self { state, redirects: true }
    }
}

#[async_trait]
impl ProxyHttp for Gateway {
    type CTX = Context;

    fn new_ctx(&self) -> Context {
        Context::new(self.state.clone())
    }

    /// None: bodies pass as they are, and Pingora's default would make a compressor for every request.
    fn init_downstream_modules(&self, _modules: &mut HttpModules) {}

    async fn early_request_filter(&self, session: &mut Session, context: &mut Context) -> Result<()> {
        let peer = peer_address(session);
        let tls = Tls::of(session.digest().and_then(|digest| digest.ssl_digest.as_deref()));
        context.begin(peer, tls, session.req_header_mut());
        if let Some(request) = &context.request {
            let limits = &request.live.settings.server.limits;
            session.set_read_timeout(Some(pace::first(limits)));
            session.set_write_timeout(Some(limits.write_timeout));
        }
        session.set_total_drain_timeout(Some(DRAIN_TIMEOUT));
        Ok(())
    }

    /// What the last request of the connection left.
    fn on_connection_reuse(&self, _session: &mut Session, context: &mut Context, kept: Box<dyn Any + Send + Sync>) {
        context.told = kept.downcast().ok().map(|told| *told);
    }

    fn persist_connection_context(&self, _session: &Session, context: &Context) -> Option<Box<dyn Any + Send + Sync>> {
        let told: &Arc<Told> = context.told.as_ref()?;
        Some(Box::new(Arc::clone(told)))
    }

    async fn request_filter(&self, session: &mut Session, context: &mut Context) -> Result<bool> {
        let Context { request: Some(request), fields, .. } = context else { return missing_record() };
        if let Some(reply) = self.challenged(request) {
            answer::write(session, request, reply).await?;
            return Ok(true);
        }
        let reply = match self.step(request, fields).await {
            Step::Forward => {
                self.await_body(session, request, fields)?;
                return Ok(false);
            }
            // Boxed, as signing in is long: every request would carry its room.
            Step::OwnPage => Box::pin(self.own_page(session, request, fields)).await,
            Step::Answer(reply) => reply,
        };
        Box::pin(answer::write(session, request, reply)).await?;
        Ok(true)
    }

    async fn upstream_peer(&self, _session: &mut Session, context: &mut Context) -> Result<Box<HttpPeer>> {
        let Some(request) = context.request.as_deref_mut() else { return missing_record() };
        forward::peer(request, &*self.state.clock).await
    }

    async fn connected_to_upstream(
        &self,
        _session: &mut Session,
        _reused: bool,
        _peer: &HttpPeer,
        _fd: std::os::unix::io::RawFd,
        _digest: Option<&Digest>,
        context: &mut Context,
    ) -> Result<()> {
        let Some(request) = context.request.as_deref_mut() else { return missing_record() };
        forward::connected(request, &*self.state.clock);
        Ok(())
    }

    async fn upstream_request_filter(
        &self,
        _session: &mut Session,
        out: &mut RequestHeader,
        context: &mut Context,
    ) -> Result<()> {
        let Context { request: Some(request), fields, told, .. } = context else { return missing_record() };
        forward::outgoing(request, fields, told, out)
    }

    async fn request_body_filter(
        &self,
        session: &mut Session,
        body: &mut Option<Bytes>,
        end: bool,
        context: &mut Context,
    ) -> Result<()> {
        let Context { request: Some(request), fields, .. } = context else { return Ok(()) };
        if let Some(place) = request.lasting.as_ref().filter(|_| end) {
            place.expect_body(None);
        }
        let Some(part) = body else { return Ok(()) };
        request.ending.bytes_in += length(part);
        let now = self.state.clock.elapsed();
        self.go_on(request, fields, None, now)?;
        if let Some(place) = &request.lasting {
            place.received(length(part));
        }
        let Some(forward) = request.forward.as_mut().filter(|_| !session.was_upgraded()) else { return Ok(()) };
        let limits = &request.live.settings.server.limits;
        let came = forward.came(part.len(), now);
        if came.bytes > limits.body_bytes.0 {
            return Error::e_explain(ErrorType::HTTPStatus(413), "request body over the limit");
        }
        match pace::next(limits, came) {
            Some(wait) => {
                session.set_read_timeout(Some(wait));
                request.lasting.iter().filter(|place| place.expects_body()).for_each(|place| {
                    place.expect_body(Some(now + wait));
                });
            }
            None => return Error::e_explain(ErrorType::HTTPStatus(408), "request body too slow"),
        }
        Ok(())
    }

    async fn upstream_response_filter(
        &self,
        session: &mut Session,
        head: &mut ResponseHeader,
        context: &mut Context,
    ) -> Result<()> {
        let Context { request: Some(request), fields, .. } = context else { return missing_record() };
        if is_final(head.status) {
            let now = self.state.clock.elapsed();
            forward::answered(request, now);
            request.ending.status = head.status.as_u16();
            self.go_on(request, fields, Some(&head.headers), now)?;
        }
        if head.status == StatusCode::SWITCHING_PROTOCOLS {
            // A tunnel may be silent as long as both sides are content with it.
            session.set_read_timeout(None);
            record::opened(&self.state, request, fields);
        }
        forward::incoming(head, request, fields)?;
        match hsts::of(request).filter(|(name, _)| !head.headers.contains_key(name)) {
            Some((name, value)) => head.insert_header(name, value),
            None => Ok(()),
        }
    }

    fn upstream_response_trailer_filter(
        &self,
        _session: &mut Session,
        trailers: &mut HeaderMap,
        _context: &mut Context,
    ) -> Result<()> {
        forward::trailing(trailers);
        Ok(())
    }

    fn response_body_filter(
        &self,
        _session: &mut Session,
        body: &mut Option<Bytes>,
        _end: bool,
        context: &mut Context,
    ) -> Result<Option<Duration>> {
        let Context { request: Some(request), fields, .. } = context else { return Ok(None) };
        if let Some(part) = body {
            request.ending.bytes_out += length(part);
            self.go_on(request, fields, None, self.state.clock.elapsed())?;
        }
        Ok(None)
    }

    fn fail_to_connect(
        &self,
        _session: &mut Session,
        _peer: &HttpPeer,
        context: &mut Context,
        mut error: Box<Error>,
    ) -> Box<Error> {
        let request = context.request.as_deref_mut();
        let again = request.is_some_and(|request| forward::failed_to_connect(request, &error, &*self.state.clock));
        error.set_retry(again);
        error
    }

    /// After a connection was made, or one was taken that had served before.
    fn error_while_proxy(
        &self,
        _peer: &HttpPeer,
        session: &mut Session,
        mut error: Box<Error>,
        context: &mut Context,
        had_served: bool,
    ) -> Box<Error> {
        let may_repeat = session.req_header().method.is_idempotent() && !session.as_ref().retry_buffer_truncated();
        // What Pingora marks so was closed while nobody used it.
        error.retry.decide_reuse(had_served && may_repeat);
        let is_empty = session.as_mut().is_body_empty() && session.response_written().is_none();
        if let Some(request) = context.request.as_deref_mut().filter(|_| !error.retry()) {
            forward::note_failure(request, &error);
            error.set_retry(may_repeat && is_empty && forward::broke(request, &error, &*self.state.clock));
        }
        error
    }

    async fn fail_to_proxy(&self, session: &mut Session, error: &Error, context: &mut Context) -> FailToProxy {
        if let Context { request: Some(request), fields, .. } = context {
            fail_to_proxy(session, error, request, fields).await;
        }
        FailToProxy { error_code: final_status(session), can_reuse_downstream: false }
    }

    async fn logging(&self, session: &mut Session, error: Option<&Error>, context: &mut Context) {
        // It stays in the context until it is written: if this future is dropped, the guard still has it.
        let Some(request) = context.request.as_deref_mut() else { return };
        request.ending.status = final_status(session);
        request.ending.bytes_in = u64::try_from(session.body_bytes_read()).unwrap_or(u64::MAX);
        request.ending.bytes_out = u64::try_from(session.body_bytes_sent()).unwrap_or(u64::MAX);
        if let Some(error) = error.filter(|error| !is_silence(session, error)) {
            request.ending.reason.get_or_insert_with(|| failure::reason(error));
        }
        note_failed_answer(request);
        match request.live.settings.logs.on_full {
            OnFull::Drop => record::finished(&self.state, request, &context.fields),
            OnFull::Block => Box::pin(record::finished_in_time(&self.state, request, &context.fields)).await,
        }
        context.request = None;
    }

    fn suppress_error_log(&self, _session: &Session, _context: &Context, _error: &Error) -> bool {
        // Its own entry says it, without the client's bytes.
        true
    }

    fn suppress_proxy_warn_log(
        &self,
        _session: &Session,
        _context: &Context,
        _error: &Error,
        _at: ProxyWarnLogContext,
    ) -> bool {
        true
    }

    fn request_summary(&self, _session: &Session, context: &Context) -> String {
        // The default one prints the query.
        context.request.as_ref().map_or_else(String::new, |request| request.request_id().to_owned())
    }
}

fn peer_address(session: &Session) -> IpAddr {
    let peer = session.client_addr().and_then(|peer| peer.as_inet());
    // All listeners are TCP; an address that nobody trusts stands for one that cannot be read.
    peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip().to_canonical())
}

fn length(part: &Bytes) -> u64 {
    u64::try_from(part.len()).unwrap_or(u64::MAX)
}

fn missing_record<T>() -> Result<T> {
    Error::e_explain(ErrorType::InternalError, "a request without a record")
}

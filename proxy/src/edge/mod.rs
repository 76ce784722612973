//! Guards connections: how many, how long a head may take and be, and whether it is one.
//!
//! Pingora sees whole, checked heads only. Each head that is not taken leaves one entry.

mod connections;
mod head;
mod read;
mod refusal;

use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::BytesMut;
use pingora::apps::{HttpPersistentSettings, HttpServerApp, ServerApp};
use pingora::protocols::Stream;
use pingora::protocols::http::ServerSession;
use pingora::proxy::HttpProxy;
use pingora::server::ShutdownWatch;
use vestibule_auth::Reason;

use self::connections::{Caps, Connection, Connections};
use self::head::Body;
use self::read::{Patience, Read};
use self::refusal::Refused;
use crate::client_address::is_trusted;
use crate::gateway::Gateway;
use crate::metrics::Metrics;
use crate::state::State;

/// The application behind all listeners.
pub(crate) struct Edge {
    proxy: Arc<HttpProxy<Gateway>>,
    state: Arc<State>,
    connections: Arc<Connections>,
}

/// Tells how many connections are open, after the edge was given away.
#[derive(Clone)]
pub(crate) struct Gauge(Arc<Connections>);

impl Gauge {
    /// Open now.
    pub(crate) fn open(&self) -> usize {
        self.0.count()
    }
}

impl Edge {
    /// In front of `proxy`.
    pub(crate) fn new(proxy: HttpProxy<Gateway>, state: Arc<State>) -> Self {
        Self { proxy: Arc::new(proxy), state, connections: Arc::default() }
    }

    /// For the drain.
    pub(crate) fn gauge(&self) -> Gauge {
        Gauge(self.connections.clone())
    }

    fn admit(&self, peer: IpAddr) -> Option<Counted<'_>> {
        let live = self.state.live.load();
        let server = &live.settings.server;
        let per_address = (!is_trusted(peer, &server.trusted_proxies)).then_some(server.limits.connections_per_ip);
        let caps = Caps { total: server.limits.connections, per_address };
        let connection = self.connections.open(peer, caps)?;
        self.state.metrics.connection_opened();
        Some(Counted { _connection: connection, metrics: &self.state.metrics })
    }

    async fn serve(&self, mut stream: Stream, peer: IpAddr, shutdown: &ShutdownWatch) {
        let mut buffer = BytesMut::new();
        let mut patience = Patience::new(shutdown);
        let mut settings: Option<HttpPersistentSettings> = None;
        loop {
            let limits = self.state.live.load().settings.server.limits.clone();
            let end = match read::head(&mut stream, &mut buffer, &limits, &mut patience).await {
                Read::Head(end) => end,
                Read::Gone => return,
                Read::Bad(reason) => return self.refuse(stream, peer, Refused::read(reason, &buffer)).await,
            };
            let body = match head::check(buffer.get(..end).unwrap_or_default()) {
                Ok(body) => body,
                Err(fault) => return self.refuse(stream, peer, Refused::checked(fault, &buffer)).await,
            };
            let mut session = ServerSession::new_http1(stream);
            if let Some(settings) = settings.take() {
                settings.apply_to_session(&mut session);
            }
            session.set_pipelined_prefix(take_request(&mut buffer, end, body));
            let Some(reused) = self.proxy.process_new_http(session, shutdown).await else { return };
            (stream, settings) = reused.consume();
        }
    }

    async fn refuse(&self, stream: Stream, peer: IpAddr, refused: Refused<'_>) {
        refused.answer(&self.state, stream, peer).await;
    }
}

#[async_trait]
impl ServerApp for Edge {
    async fn process_new(self: &Arc<Self>, stream: Stream, shutdown: &ShutdownWatch) -> Option<Stream> {
        let peer = peer_address(&stream)?;
        match self.admit(peer) {
            Some(_counted) => self.serve(stream, peer, shutdown).await,
            None => {
                self.state.metrics.connection_refused();
                Refused::read(Reason::ConnectionLimit, &[]).record(&self.state, peer, 0);
            }
        }
        None
    }

    async fn cleanup(&self) {
        self.proxy.http_cleanup().await;
    }
}

/// One connection in the gauges, until it is dropped.
struct Counted<'a> {
    _connection: Connection,
    metrics: &'a Metrics,
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.metrics.connection_closed();
    }
}

/// One head and what was read of its body; the rest is the next request's.
fn take_request(buffer: &mut BytesMut, end: usize, body: Body) -> BytesMut {
    let read = buffer.len() - end;
    let body = match body {
        Body::Length(length) => usize::try_from(length).map_or(read, |length| length.min(read)),
        Body::Chunked => read,
    };
    if body == read { std::mem::take(buffer) } else { buffer.split_to(end + body) }
}

fn peer_address(stream: &Stream) -> Option<IpAddr> {
    let digest = stream.get_socket_digest()?;
    Some(digest.peer_addr()?.as_inet()?.ip().to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_takes_its_own_body_and_leaves_the_next_request() {
        for (body, taken, left) in [
            (Body::Length(0), "HEAD", "bodyNEXT"),
            (Body::Length(4), "HEADbody", "NEXT"),
            (Body::Length(8), "HEADbodyNEXT", ""),
            (Body::Length(u64::MAX), "HEADbodyNEXT", ""),
            (Body::Chunked, "HEADbodyNEXT", ""),
        ] {
            let mut buffer = BytesMut::from("HEADbodyNEXT");
            assert_eq!(take_request(&mut buffer, 4, body), taken, "{body:?}");
            assert_eq!(buffer, left, "{body:?}");
        }
    }
}

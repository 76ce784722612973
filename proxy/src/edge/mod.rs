//! Guards connections: how many, from whom, how long a handshake and a head may take and be, and whether it is one.
//!
//! Pingora sees whole, checked heads only. Each head that is not taken leaves one entry, and so does each connection
//! that is refused, but for those of a [`flood`].

mod around;
mod arrival;
mod chunks;
mod connections;
mod flood;
mod gathered;
mod h1;
mod h2;
mod head;
mod listening;
mod message;
mod proxy_header;
mod read;
mod refusal;
mod sockets;
mod tls;
mod wire;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use pingora::apps::HttpServerApp;
use pingora::listeners::tls::Acceptor;
use pingora::proxy::HttpProxy;
use pingora::server::ShutdownWatch;
use vestibule_config::listener::Listener;

pub(crate) use self::chunks::Malformed;
use self::connections::{Connection, Connections};
pub(crate) use self::flood::{Flood, run as run_flood};
pub(crate) use self::h2::CAUSES;
pub(crate) use self::listening::Listening;
pub(crate) use self::sockets::{Socket, bind, bind_all};
pub(crate) use self::tls::Tls;
use crate::client_address::is_trusted;
use crate::gateway::Gateway;
use crate::metrics::Metrics;
use crate::state::State;

/// What has begun when we stop has this long to become a request, and a connection of HTTP/2 without requests to end.
const LAST_MOMENT: Duration = Duration::from_secs(1);

/// The application behind all listeners.
pub(crate) struct Edge {
    /// Serves circuits.
    serving: Arc<HttpProxy<Gateway>>,
    /// Leads to https, on listeners that do only that.
    redirecting: Arc<HttpProxy<Gateway>>,
    state: Arc<State>,
    connections: Arc<Connections>,
    acceptor: Acceptor,
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
    /// `proxy` makes what Pingora makes of a gateway.
    ///
    /// # Errors
    /// None in practice: TLS cannot be set up.
    pub(crate) fn new(state: &Arc<State>, proxy: impl Fn(Gateway) -> HttpProxy<Gateway>) -> pingora::Result<Self> {
        Ok(Self {
            serving: Arc::new(proxy(Gateway::serving(state.clone()))),
            redirecting: Arc::new(proxy(Gateway::redirecting(state.clone()))),
            state: state.clone(),
            connections: Arc::default(),
            acceptor: tls::acceptor(state.certificates.clone())?,
        })
    }

    /// For the drain.
    pub(crate) fn gauge(&self) -> Gauge {
        Gauge(self.connections.clone())
    }

    fn proxy(&self, listener: &Listener) -> &Arc<HttpProxy<Gateway>> {
        if listener.redirect_to_https { &self.redirecting } else { &self.serving }
    }

    /// Absent when there are too many in all.
    fn open(&self) -> Option<Counted<'_>> {
        let most = self.state.live.load().settings.server.limits.connections;
        let connection = self.connections.open(most)?;
        self.state.metrics.connection_opened();
        Some(Counted { connection, metrics: &self.state.metrics })
    }

    /// False when there are too many of this address.
    fn count(&self, connection: &mut Counted<'_>, client: IpAddr) -> bool {
        let live = self.state.live.load();
        let server = &live.settings.server;
        is_trusted(client, &server.trusted_proxies)
            || connection.connection.count_at(client, server.limits.connections_per_ip)
    }

    fn trusts(&self, peer: IpAddr) -> bool {
        is_trusted(peer, &self.state.live.load().settings.server.trusted_proxies)
    }

    async fn clean_up(&self) {
        self.serving.http_cleanup().await;
        self.redirecting.http_cleanup().await;
    }
}

/// Until we stop. Without anybody who could stop us we stop too.
async fn stopped(stopping: &mut ShutdownWatch) {
    drop(stopping.wait_for(|stopping| *stopping).await);
}

/// One connection in the gauges, until it is dropped.
struct Counted<'a> {
    connection: Connection,
    metrics: &'a Metrics,
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.metrics.connection_closed();
    }
}

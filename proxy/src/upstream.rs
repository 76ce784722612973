//! Where a circuit's requests go: addresses, connections, and how many at a time.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use pingora::upstreams::peer::{HttpPeer, HttpUpstreamRequestPolicy, Peer};
use vestibule_config::{Name, Upstream, UpstreamAddress};

/// To connect, and to connect and shake hands.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// An idle connection is given up before a usual backend does so (Node: 5 s), so that a request seldom meets a
/// closing one.
const POOL_IDLE: Duration = Duration::from_secs(4);

/// To look a name up; a slow resolver must not hold requests for longer.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(2);

/// Addresses of one name that are tried; more are not looked at.
const ADDRESSES_MAX: usize = 8;

/// The upstream of a circuit or of a path of it. Counts of requests and looked-up addresses survive a reload.
pub(crate) struct Target {
    upstream: Upstream,
    group_key: u64,
    /// One for each address, in the resolver's order; empty until the name was found.
    peers: ArcSwap<Vec<HttpPeer>>,
    /// Where the last connection could be made.
    preferred: AtomicUsize,
    in_flight: Arc<AtomicUsize>,
}

/// One request on its way; the place is free again when this is dropped.
pub(crate) struct Flight {
    in_flight: Arc<AtomicUsize>,
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.in_flight.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Target {
    /// `previous` is the target of the same circuit, or of the same path of it, before a reload.
    pub(crate) fn new(circuit: &Name, upstream: &Upstream, previous: Option<&Self>) -> Self {
        let target = Self {
            upstream: upstream.clone(),
            group_key: group_key(circuit, upstream),
            peers: ArcSwap::default(),
            preferred: AtomicUsize::new(0),
            in_flight: previous.map_or_else(Arc::default, |previous| previous.in_flight.clone()),
        };
        match &upstream.address {
            UpstreamAddress::Socket(address) => target.store(&[*address]),
            UpstreamAddress::Named { .. } => {
                let same = previous.filter(|previous| previous.upstream.address == target.upstream.address);
                let known = same.map(|previous| addresses(&previous.peers.load())).unwrap_or_default();
                target.store(&known);
            }
        }
        target
    }

    /// As checked.
    pub(crate) fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    /// A place among the requests under way; `None` when the cap is reached.
    pub(crate) fn enter(&self) -> Option<Flight> {
        let before = self.in_flight.fetch_add(1, Ordering::AcqRel);
        let flight = Flight { in_flight: self.in_flight.clone() };
        let full = self.upstream.max_in_flight.is_some_and(|max| before >= max);
        (!full).then_some(flight)
    }

    /// The peer for the `attempt`th try of a request, counted from 0, and its place among the addresses; `None` when
    /// every address was tried or the name is not known.
    pub(crate) async fn peer(&self, attempt: usize) -> Option<(usize, Box<HttpPeer>)> {
        let mut peers = self.peers.load();
        if peers.is_empty() {
            Box::pin(self.look_up()).await;
            peers = self.peers.load();
        }
        if attempt >= peers.len() {
            return None;
        }
        let at = self.preferred.load(Ordering::Relaxed).wrapping_add(attempt) % peers.len();
        peers.get(at).map(|peer| (at, Box::new(peer.clone())))
    }

    /// Another address is left after the `attempt`th try failed to connect.
    pub(crate) fn has_another(&self, attempt: usize) -> bool {
        attempt + 1 < self.peers.load().len()
    }

    /// The address at this place could be connected to, so that the next request begins there.
    pub(crate) fn prefer(&self, at: usize) {
        self.preferred.store(at, Ordering::Relaxed);
    }

    /// Asks the resolver; a failure keeps what was known.
    pub(crate) async fn look_up(&self) {
        let UpstreamAddress::Named { host, port } = &self.upstream.address else { return };
        match tokio::time::timeout(LOOKUP_TIMEOUT, tokio::net::lookup_host((host.as_str(), *port))).await {
            Ok(Ok(found)) => {
                let found: Vec<_> = found.take(ADDRESSES_MAX).collect();
                if !found.is_empty() && found != addresses(&self.peers.load()) {
                    self.store(&found);
                }
            }
            Ok(Err(error)) => tracing::warn!(upstream = %self.upstream.url, %error, "upstream name not found"),
            Err(_) => tracing::warn!(upstream = %self.upstream.url, "upstream name look-up timed out"),
        }
    }

    fn store(&self, addresses: &[SocketAddr]) {
        self.peers.store(Arc::new(addresses.iter().map(|address| self.peer_at(*address)).collect()));
    }

    fn peer_at(&self, address: SocketAddr) -> HttpPeer {
        // An empty name would switch the check of the certificate off, so that an address stands for itself.
        let name = match &self.upstream.address {
            UpstreamAddress::Socket(address) => address.ip().to_string(),
            UpstreamAddress::Named { host, .. } => host.clone(),
        };
        let mut peer = HttpPeer::new(address, self.upstream.tls, name);
        peer.group_key = self.group_key;
        peer.options.connection_timeout = Some(CONNECT_TIMEOUT);
        peer.options.total_connection_timeout = Some(HANDSHAKE_TIMEOUT);
        peer.options.read_timeout = Some(self.upstream.timeout);
        peer.options.write_timeout = Some(self.upstream.timeout);
        peer.options.idle_timeout = Some(POOL_IDLE);
        // What must not pass is left out where the upstream's fields are made.
        peer.options.http_upstream_request_policy = HttpUpstreamRequestPolicy::preserve();
        peer
    }
}

fn addresses(peers: &[HttpPeer]) -> Vec<SocketAddr> {
    peers.iter().filter_map(|peer| peer.address().as_inet().copied()).collect()
}

/// Circuits never share a connection, whatever their upstreams are.
fn group_key(circuit: &Name, upstream: &Upstream) -> u64 {
    let mut hasher = DefaultHasher::new();
    circuit.as_str().hash(&mut hasher);
    upstream.url.hash(&mut hasher);
    hasher.finish()
}

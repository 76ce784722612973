//! One upstream: its addresses, and how many requests are at it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use http::HeaderValue;
use pingora::upstreams::peer::HttpPeer;
use vestibule_auth::Clock;
use vestibule_config::{Circuit, HostHeader, Upstream, UpstreamAddress};

use super::condition::Condition;
use super::names::{LookUps, addresses};
use super::peer::Pattern;
use super::traffic::Traffic;
use super::upkeep::Due;

/// One upstream of a circuit or of a path of it.
pub(crate) struct Backend {
    upstream: Upstream,
    /// Among those of its target.
    place: usize,
    /// The circuit's name, and the host that its health is asked for.
    circuit: Arc<str>,
    host: HeaderValue,
    /// What all its peers have in common.
    pattern: Pattern,
    /// One for each address, in the resolver's order; empty until the name was found.
    pub(super) peers: ArcSwap<Vec<HttpPeer>>,
    /// Where the last connection could be made.
    preferred: AtomicUsize,
    in_flight: Arc<AtomicUsize>,
    condition: Arc<Condition>,
    traffic: Arc<Traffic>,
    pub(super) look_ups: LookUps,
    pub(super) due: Due,
}

/// One request at an upstream; the place is free again when this is dropped.
pub(crate) struct Flight {
    backend: Arc<Backend>,
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.backend.in_flight.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Flight {
    /// Where it goes.
    pub(crate) fn backend(&self) -> &Arc<Backend> {
        &self.backend
    }
}

impl Backend {
    pub(super) fn new(
        circuit: &Circuit,
        place: usize,
        upstream: &Upstream,
        is_asked: bool,
        previous: Option<&Self>,
    ) -> Self {
        let own = upstream.url.split_once("://").map_or(&*upstream.url, |(_, authority)| authority);
        let host = match upstream.host_header {
            HostHeader::Upstream => own,
            HostHeader::Client => circuit.hosts.first().map_or(own, |host| host.as_str()),
        };
        let backend = Self {
            upstream: upstream.clone(),
            place,
            circuit: circuit.name.shared(),
            // A checked URL and a checked host are visible ASCII.
            host: HeaderValue::from_str(host).unwrap_or(HeaderValue::from_static("")),
            pattern: Pattern::new(circuit, upstream),
            peers: ArcSwap::default(),
            preferred: AtomicUsize::new(0),
            in_flight: previous.map_or_else(Arc::default, |previous| previous.in_flight.clone()),
            condition: previous.map_or_else(Arc::default, |previous| previous.condition.clone()),
            traffic: previous.map_or_else(Arc::default, |previous| previous.traffic.clone()),
            look_ups: LookUps::default(),
            due: Due::default(),
        };
        if !is_asked {
            backend.condition.is_not_asked();
        }
        match &upstream.address {
            UpstreamAddress::Socket(address) => backend.store(&[*address]),
            UpstreamAddress::Named { .. } => {
                let same = previous.filter(|previous| previous.upstream.address == upstream.address);
                backend.store(&same.map(Self::addresses).unwrap_or_default());
            }
        }
        backend
    }

    /// As checked.
    pub(crate) fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    /// As written.
    pub(crate) fn url(&self) -> &Arc<str> {
        &self.upstream.url
    }

    /// Of the circuit that it is behind.
    pub(crate) fn circuit(&self) -> &Arc<str> {
        &self.circuit
    }

    /// The URL's own host and port, or the circuit's first host: as `host_header` says.
    pub(crate) fn host(&self) -> &HeaderValue {
        &self.host
    }

    /// Among those of its target.
    pub(super) fn place(&self) -> usize {
        self.place
    }

    /// Where it is, in the order in which they are tried; empty until its name was found.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        addresses(&self.peers.load())
    }

    /// Whether it works.
    pub(crate) fn condition(&self) -> &Condition {
        &self.condition
    }

    /// What it got and how it answered.
    pub(crate) fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    /// Requests under way.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// A place among the requests under way; `None` when the cap is reached.
    pub(super) fn enter(self: &Arc<Self>, now: Duration) -> Option<Flight> {
        let before = self.in_flight.fetch_add(1, Ordering::AcqRel);
        let flight = Flight { backend: self.clone() };
        let full = self.upstream.max_in_flight.is_some_and(|max| before >= max);
        if full {
            return None;
        }
        self.condition.is_tried(now);
        self.traffic.taken();
        Some(flight)
    }

    /// The peer for the `attempt`th try of a request, counted from 0, and its place among the addresses; `None` when
    /// every address was tried or the name is not known.
    pub(crate) async fn peer(&self, attempt: usize, clock: &dyn Clock) -> Option<(usize, Box<HttpPeer>)> {
        let mut peers = self.peers.load();
        if peers.is_empty() {
            Box::pin(self.find(clock.elapsed())).await;
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

    /// One peer for each address.
    pub(super) fn store(&self, addresses: &[SocketAddr]) {
        self.peers.store(Arc::new(addresses.iter().map(|address| self.pattern.peer_at(*address)).collect()));
    }

    /// Whether a URL of this host and port leads here.
    pub(super) fn is_at(&self, host: &str, port: u16) -> bool {
        if self.upstream.address.port() != port {
            return false;
        }
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        match &self.upstream.address {
            UpstreamAddress::Socket(address) => {
                bare.parse::<IpAddr>().is_ok_and(|host| host.to_canonical() == address.ip())
            }
            UpstreamAddress::Named { host, .. } => bare.strip_suffix('.').unwrap_or(bare).eq_ignore_ascii_case(host),
        }
    }
}

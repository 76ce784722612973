//! How an upstream is connected to.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use pingora::protocols::tls::CaType;
use pingora::upstreams::peer::{HttpPeer, HttpUpstreamRequestPolicy};
use pingora::utils::tls::{CertKey, WrappedX509, parse_x509};
use vestibule_config::{Circuit, Upstream, UpstreamTls};

/// An idle connection is given up before a usual backend does so (Node: 5 s), so that a request seldom meets a
/// closing one.
const POOL_IDLE: Duration = Duration::from_secs(4);

/// Requests at the same time on one HTTP/2 connection; one more gets another connection.
const STREAMS: usize = 100;
/// Bytes that an upstream may send before they are taken: of one answer, and of all on a connection.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 4 << 20;

/// Everything of a peer but its address.
pub(super) struct Pattern {
    peer: HttpPeer,
}

impl Pattern {
    pub(super) fn new(circuit: &Circuit, upstream: &Upstream) -> Self {
        let (name, tls) = match &upstream.tls {
            // An empty name would switch the check of the certificate off; a checked one has at least a letter.
            Some(tls) => (tls.name.clone(), Some(tls)),
            None => (String::new(), None),
        };
        let mut peer = HttpPeer::new(SocketAddr::from(([127, 0, 0, 1], 0)), tls.is_some(), name);
        peer.group_key = group_key(circuit, upstream);
        peer.options.connection_timeout = Some(upstream.connect);
        peer.options.total_connection_timeout = Some(upstream.connect);
        peer.options.read_timeout = Some(upstream.timeout);
        peer.options.write_timeout = Some(upstream.timeout);
        peer.options.idle_timeout = Some(POOL_IDLE);
        // What must not pass is left out where the upstream's fields are made.
        peer.options.http_upstream_request_policy = HttpUpstreamRequestPolicy::preserve();
        if upstream.http2 {
            // Over plain HTTP nothing can be offered: the upstream must speak it.
            peer.options.set_http_version(2, if tls.is_some() { 1 } else { 2 });
            peer.options.max_h2_streams = STREAMS;
            peer.options.h2_stream_window_size = Some(STREAM_WINDOW);
            peer.options.h2_connection_window_size = Some(CONNECTION_WINDOW);
        }
        tls.into_iter().for_each(|tls| secure(&mut peer, tls));
        Self { peer }
    }

    pub(super) fn peer_at(&self, address: SocketAddr) -> HttpPeer {
        HttpPeer { _address: address.into(), ..self.peer.clone() }
    }
}

fn secure(peer: &mut HttpPeer, tls: &UpstreamTls) {
    let UpstreamTls { name: _, verify, authorities, client } = tls;
    peer.options.verify_cert = *verify;
    peer.options.verify_hostname = *verify;
    // Checked to be readable: what is not would be a panic here.
    let read = |der: &Vec<u8>| WrappedX509::new(der.clone(), parse_x509);
    let authorities = authorities.as_ref().map(|authorities| authorities.all.iter().map(read).collect::<Box<CaType>>());
    peer.options.ca = authorities.map(Arc::from);
    peer.client_cert_key =
        client.as_ref().map(|client| Arc::new(CertKey::new(client.chain.all.to_vec(), client.expose_key().to_vec())));
}

/// Two upstreams never share a connection unless they are the same one, of the same circuit, and everything by which it
/// is known is the same.
fn group_key(circuit: &Circuit, upstream: &Upstream) -> u64 {
    let mut hasher = DefaultHasher::new();
    circuit.name.as_str().hash(&mut hasher);
    upstream.url.hash(&mut hasher);
    upstream.http2.hash(&mut hasher);
    if let Some(UpstreamTls { name, verify, authorities, client }) = &upstream.tls {
        (name, verify).hash(&mut hasher);
        authorities.as_ref().map(|authorities| &authorities.all).hash(&mut hasher);
        client.as_ref().map(|client| (&client.chain.all, client.expose_key())).hash(&mut hasher);
    }
    hasher.finish()
}

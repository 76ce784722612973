//! From an accepted socket to requests: caps, PROXY header, TLS, each in its time.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::BytesMut;
use pingora::listeners::ALPN;
use pingora::protocols::Stream;
use pingora::server::ShutdownWatch;
use tokio::net::TcpStream;
use tokio::time::sleep;
use vestibule_auth::Reason;
use vestibule_config::listener::Listener;

use super::proxy_header::{self, From, Missing};
use super::refusal::Refused;
use super::tls::{self, Failure};
use super::wire::Wire;
use super::{Counted, Edge, LAST_MOMENT, stopped};

/// From the connection's begin to the end of its PROXY header.
const PROXY_HEADER_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a connection serves nothing. Nobody is answered: nothing is agreed on in which that could be said.
enum End {
    /// The client left, or never said anything; no entry.
    Left,
    /// With this entry.
    Refused(Reason),
    /// There is no certificate for the host that it named.
    Unknown(Option<Box<str>>),
}

impl Edge {
    /// Serves one connection to its end.
    pub(super) async fn attend(
        &self,
        stream: TcpStream,
        from: SocketAddr,
        listener: &Listener,
        stopping: &ShutdownWatch,
    ) {
        let peer = from.ip().to_canonical();
        let Some(mut counted) = self.open() else { return self.turn_away(peer) };
        if !listener.proxy_protocol && !self.count(&mut counted, peer) {
            return self.turn_away(peer);
        }
        match self.arrive(stream, from, listener, &mut counted, stopping).await {
            Ok((stream, client)) if stream.selected_alpn_proto() == Some(ALPN::H2) => {
                self.serve_h2(stream, client, listener, stopping).await;
            }
            Ok((stream, client)) => self.serve_h1(stream, client, listener, stopping).await,
            Err((End::Left, _)) => (),
            Err((End::Refused(reason), peer)) => Refused::connection(reason, None).record(&self.state, peer),
            Err((End::Unknown(name), peer)) => {
                Refused::connection(Reason::CircuitNotFound, name.as_deref()).record(&self.state, peer);
            }
        }
    }

    fn turn_away(&self, peer: IpAddr) {
        self.state.metrics.connection_refused();
        Refused::connection(Reason::ConnectionLimit, None).record(&self.state, peer);
    }

    /// The connection as requests see it, and whose it is. The error names whom its entry is about.
    async fn arrive(
        &self,
        mut stream: TcpStream,
        from: SocketAddr,
        listener: &Listener,
        counted: &mut Counted<'_>,
        stopping: &ShutdownWatch,
    ) -> Result<(Stream, IpAddr), (End, IpAddr)> {
        let (mut client, mut rest) = (from, BytesMut::new());
        // Answers are written whole.
        let _ = stream.set_nodelay(true);
        if listener.proxy_protocol {
            let peer = from.ip().to_canonical();
            client = self.named(&mut stream, from, &mut rest, stopping).await.map_err(|end| (end, peer))?;
            if client != from && !self.count(counted, client.ip()) {
                self.state.metrics.connection_refused();
                return Err((End::Refused(Reason::ConnectionLimit), client.ip()));
            }
        }
        let address = client.ip().to_canonical();
        if !listener.tls {
            return Ok((Box::new(Wire::new(stream, client, rest)), address));
        }
        self.state.metrics.handshake_begun();
        match self.shake_hands(stream, client, rest, stopping).await {
            Ok(stream) => Ok((stream, address)),
            Err(end) => {
                self.state.metrics.handshake_failed();
                Err((end, address))
            }
        }
    }

    /// Whom the proxy in front names.
    async fn named(
        &self,
        stream: &mut TcpStream,
        from: SocketAddr,
        rest: &mut BytesMut,
        stopping: &ShutdownWatch,
    ) -> Result<SocketAddr, End> {
        if !self.trusts(from.ip().to_canonical()) {
            return Err(End::Refused(Reason::IpRestricted));
        }
        match in_time(proxy_header::read(stream, rest), PROXY_HEADER_TIMEOUT, stopping).await {
            Some(Ok(From::Client(client))) => Ok(client),
            Some(Ok(From::Peer)) => Ok(from),
            Some(Err(Missing::Malformed)) => Err(End::Refused(Reason::MalformedRequest)),
            Some(Err(Missing::Gone)) => Err(End::Left),
            None => Err(End::Refused(Reason::HeadTimeout)),
        }
    }

    async fn shake_hands(
        &self,
        stream: TcpStream,
        client: SocketAddr,
        rest: BytesMut,
        stopping: &ShutdownWatch,
    ) -> Result<Stream, End> {
        let time = self.state.live.load().settings.server.limits.header_timeout;
        let begun = async { !rest.is_empty() || matches!(stream.peek(&mut [0]).await, Ok(1)) };
        if in_time(begun, time, stopping).await != Some(true) {
            return Err(End::Left);
        }
        let handshake = tls::handshake(&self.acceptor, Wire::new(stream, client, rest));
        match in_time(handshake, time, stopping).await {
            Some(Ok(stream)) => Ok(stream),
            Some(Err(Failure::NoCertificate(name))) => Err(End::Unknown(name)),
            Some(Err(Failure::Declined)) => Err(End::Left),
            Some(Err(Failure::Broken)) => Err(End::Refused(Reason::MalformedRequest)),
            None => Err(End::Refused(Reason::HeadTimeout)),
        }
    }
}

/// Absent when the time is over, which comes sooner once we stop.
async fn in_time<T>(work: impl Future<Output = T>, time: Duration, stopping: &ShutdownWatch) -> Option<T> {
    let mut stop = stopping.clone();
    let stopped = async {
        stopped(&mut stop).await;
        sleep(LAST_MOMENT).await;
    };
    tokio::select! {
        biased;
        done = work => Some(done),
        () = sleep(time) => None,
        () = stopped => None,
    }
}

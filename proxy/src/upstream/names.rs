//! Names of upstreams: looked up beside the requests, and what was found is kept until something else is.

use std::net::SocketAddr;
use std::time::Duration;

use pingora::upstreams::peer::{HttpPeer, Peer as _};
use vestibule_config::UpstreamAddress;

use super::backend::Backend;

/// To look a name up; a slow resolver must not hold requests for longer.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(2);

/// Addresses of one name that are tried; more are not looked at.
const ADDRESSES_MAX: usize = 8;

/// A name that is not known is not asked for again by requests before this has passed.
const UNKNOWN_FOR: Duration = Duration::from_secs(1);

/// One at a time for each upstream. Inside: when the last one found nothing, on the clock that never goes back.
#[derive(Debug, Default)]
pub(super) struct LookUps(tokio::sync::Mutex<Option<Duration>>);

impl Backend {
    /// For a request that finds no address. All that come meanwhile wait for the one answer.
    pub(super) async fn find(&self, now: Duration) {
        let mut failed = self.look_ups.0.lock().await;
        let is_fresh = failed.is_some_and(|failed| now.saturating_sub(failed) < UNKNOWN_FOR);
        if !self.peers.load().is_empty() || is_fresh {
            return;
        }
        self.ask().await;
        *failed = self.peers.load().is_empty().then_some(now);
    }

    /// A failure keeps what was known.
    pub(super) async fn look_up(&self) {
        let _turn = self.look_ups.0.lock().await;
        self.ask().await;
    }

    /// Has a name, whose addresses may change.
    pub(super) fn is_named(&self) -> bool {
        matches!(self.upstream().address, UpstreamAddress::Named { .. })
    }

    async fn ask(&self) {
        let UpstreamAddress::Named { host, port } = &self.upstream().address else { return };
        let upstream = self.url();
        match tokio::time::timeout(LOOKUP_TIMEOUT, tokio::net::lookup_host((host.as_str(), *port))).await {
            Ok(Ok(found)) => self.take(found),
            Ok(Err(error)) => tracing::warn!(%upstream, %error, "upstream name not found"),
            Err(_) => tracing::warn!(%upstream, "upstream name look-up timed out"),
        }
    }

    /// What no file could name is not reached by a name either.
    pub(super) fn take(&self, found: impl Iterator<Item = SocketAddr>) {
        let fit = found.filter(|address| UpstreamAddress::may_be(address.ip()));
        let mut found: Vec<_> = fit.take(ADDRESSES_MAX).collect();
        found.dedup();
        let known = addresses(&self.peers.load());
        if found.is_empty() {
            tracing::warn!(upstream = %self.url(), "upstream name has no address that may be connected to");
        } else if found != known {
            tracing::info!(upstream = %self.url(), before = ?known, after = ?found, "upstream name has other addresses");
            self.store(&found);
        }
    }
}

/// In the order in which they are tried.
pub(super) fn addresses(peers: &[HttpPeer]) -> Vec<SocketAddr> {
    peers.iter().filter_map(|peer| peer.address().as_inet().copied()).collect()
}

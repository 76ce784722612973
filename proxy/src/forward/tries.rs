//! How often a request is tried, and where.
//!
//! An upstream that cannot be connected to has got nothing, so that another may get the request whatever it is. Once a
//! connection was made, only a request that changes nothing by being repeated, and has no body, goes on to another one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorSource, ErrorType, Result};
use vestibule_auth::{Clock, Reason};

use super::Forward;
use crate::context::Request;
use crate::failure;
use crate::tunnel::TunnelConnector;
use crate::upstream::{Now, Passed, Target};

/// Upgrades so far, so that no two share a connection.
static TUNNELS: AtomicU64 = AtomicU64::new(0);

/// Other upstreams that get a request after the first.
const OTHERS_MAX: u8 = 2;

/// What was tried so far.
#[derive(Debug, Default)]
pub(super) struct Tries {
    /// Addresses of the present upstream.
    addresses: usize,
    /// The present one's place among them.
    address_at: usize,
    /// Upstreams.
    passed: Passed,
    others: u8,
    /// When the present upstream got the request, on the clock that never goes back.
    pub(super) since: Duration,
}

impl Tries {
    /// `now` is on the clock that never goes back.
    pub(super) fn begin(now: Duration) -> Self {
        Self { since: now, ..Self::default() }
    }
}

/// The peer of the next try.
///
/// # Errors
/// When no upstream's name is known, or no gate let the request pass.
pub(crate) async fn peer(request: &mut Request, clock: &dyn Clock) -> Result<Box<HttpPeer>> {
    let is_tunnel = request.asks_for_tunnel;
    let Some((target, forward)) = under_way(request) else {
        return Error::e_explain(ErrorType::InternalError, "forwarding without a permit");
    };
    forward.body_bytes = 0;
    let (at, mut peer) = loop {
        let backend = forward.flight.backend();
        if let Some(found) = backend.peer(forward.tries.addresses, clock).await {
            break found;
        }
        forward.note_unconnected(Reason::BackendUnreachable, clock);
        if !forward.go_on(target, clock) {
            return Err(Error::explain(ErrorType::ConnectNoRoute, "upstream name not found").into_up());
        }
    };
    forward.tries.address_at = at;
    if is_tunnel {
        let upstream = forward.flight.backend().upstream();
        peer.options.read_timeout = Some(upstream.tunnel_idle);
        let answered = forward.head_came.get_or_insert_default().clone();
        peer.options.custom_l4 = Some(Arc::new(TunnelConnector { head_within: upstream.timeout, answered }));
        peer.options.set_http_version(1, 1);
        // Connections of this kind are for one request.
        peer.group_key ^= TUNNELS.fetch_add(1, Ordering::Relaxed) | 1 << 63;
    }
    Ok(peer)
}

/// A connection could not be made; true when another address or upstream is left to try.
pub(crate) fn failed_to_connect(request: &mut Request, error: &Error, clock: &dyn Clock) -> bool {
    let Some((target, forward)) = under_way(request) else { return false };
    if forward.flight.backend().has_another(forward.tries.addresses) && !forward.is_late(clock.elapsed()) {
        forward.tries.addresses += 1;
        return true;
    }
    forward.note_unconnected(failure::reason(error), clock);
    forward.go_on(target, clock)
}

/// A connection was made, so that the next request begins with its address.
pub(crate) fn connected(request: &mut Request, clock: &dyn Clock) {
    let Some((_, forward)) = under_way(request) else { return };
    let backend = forward.flight.backend();
    if std::mem::take(&mut forward.tries.addresses) > 0 {
        backend.prefer(forward.tries.address_at);
    }
    if backend.condition().is_connected(|| now(clock)) {
        backend.tell(None);
    }
}

/// The upstream has the request and does not answer it; told of in its figures.
pub(crate) fn note_failure(request: &Request, error: &Error) {
    if let Some(forward) = request.forward.as_ref().filter(|_| *error.esource() == ErrorSource::Upstream) {
        forward.backend().traffic().failed(failure::reason(error));
    }
}

/// A connection broke before anything was answered to a request that may be repeated; true when another upstream is
/// left to try.
pub(crate) fn broke(request: &mut Request, error: &Error, clock: &dyn Clock) -> bool {
    let Some((target, forward)) = under_way(request) else { return false };
    let is_unanswered = forward.answered_after.is_none() && forward.body_bytes == 0;
    is_unanswered && is_break(error) && forward.go_on(target, clock)
}

/// Not for taking too long: the next one would take as long again.
fn is_break(error: &Error) -> bool {
    use ErrorType as T;
    *error.esource() == ErrorSource::Upstream
        && matches!(error.etype(), T::ConnectionClosed | T::ReadError | T::WriteError | T::H2Error)
}

impl Forward {
    /// Leaves the present upstream for one that was not tried.
    fn go_on(&mut self, target: &Target, clock: &dyn Clock) -> bool {
        let elapsed = clock.elapsed();
        if self.tries.others >= OTHERS_MAX || self.is_late(elapsed) {
            return false;
        }
        self.tries.passed.pass(self.flight.backend());
        let Some(flight) = target.enter_another(&mut self.tries.passed, elapsed) else { return false };
        let left = std::mem::replace(&mut self.flight, flight);
        left.backend().condition().is_left();
        self.tries.addresses = 0;
        self.tries.others += 1;
        self.tries.since = elapsed;
        true
    }

    /// So much time has passed that nothing else is begun.
    fn is_late(&self, elapsed: Duration) -> bool {
        elapsed.saturating_sub(self.sent) > self.flight.backend().upstream().timeout
    }

    fn note_unconnected(&self, reason: Reason, clock: &dyn Clock) {
        let backend = self.flight.backend();
        backend.traffic().failed(reason);
        if backend.condition().is_unconnected(reason.code(), now(clock)) {
            backend.tell(Some(reason.code()));
        }
    }
}

fn under_way(request: &mut Request) -> Option<(&Target, &mut Forward)> {
    let target = request.route.as_ref()?.target.as_deref()?;
    Some((target, request.forward.as_mut()?))
}

fn now(clock: &dyn Clock) -> Now {
    Now { elapsed: clock.elapsed(), time: clock.now() }
}

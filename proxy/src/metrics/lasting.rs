//! Requests that last.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use vestibule_auth::Reason;

use super::labels::ReasonLabels;
use super::{Metrics, add};

/// How many there are, and why some were ended.
#[derive(Default)]
pub(super) struct LastingRequests {
    tunnels: Gauge,
    others: Gauge,
    ended: Family<ReasonLabels, Counter>,
}

impl LastingRequests {
    pub(super) fn register(&self, to: &mut Registry) {
        add(to, "tunnels", "Tunnels open, and upgrades that are asked for", &self.tunnels);
        add(to, "requests_lasting", "Requests that last and are no tunnels", &self.others);
        add(
            to,
            "requests_ended",
            "Requests that lasted and were not let in any more, or whose body came too slowly",
            &self.ended,
        );
    }
}

impl Metrics {
    /// So many last, when the page is asked for.
    pub(crate) fn lasting(&self, tunnels: usize, others: usize) {
        self.lasting.tunnels.set(signed(tunnels));
        self.lasting.others.set(signed(others));
    }

    /// One was ended, as it may not go on.
    pub(crate) fn ended(&self, reason: Reason) {
        self.lasting.ended.get_or_create(&ReasonLabels { reason: reason.code() }).inc();
    }
}

fn signed(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

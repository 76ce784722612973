//! How long certificates are good for, and how ordering them goes.

use std::collections::BTreeMap;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use super::Metrics;
use super::labels::ResultLabels;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct HostLabels {
    host: String,
}

/// By host, in seconds.
pub(super) type OfHosts = Family<HostLabels, Gauge>;

/// What becomes of an order at an authority.
pub(crate) const ORDER_RESULTS: [&str; 2] = ["success", "failed"];

impl Metrics {
    /// What is left of each host's certificate. Hosts of a configuration that is gone are not on the page any more.
    pub(crate) fn certificates(&self, left: BTreeMap<String, i64>) {
        set(&self.certificate_expiry, left);
    }

    /// What is left until each host's next order, where an authority makes its certificate.
    pub(crate) fn renewals(&self, left: BTreeMap<String, i64>) {
        set(&self.certificate_renewal, left);
    }

    /// An order has ended; one of [`ORDER_RESULTS`].
    pub(crate) fn ordered(&self, result: &'static str) {
        self.certificate_orders.get_or_create(&ResultLabels { result }).inc();
    }
}

fn set(figures: &OfHosts, now: BTreeMap<String, i64>) {
    figures.clear();
    for (host, seconds) in now {
        figures.get_or_create(&HostLabels { host }).set(seconds);
    }
}

//! How long certificates are good for.

use std::collections::BTreeMap;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use super::Metrics;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct HostLabels {
    host: String,
}

/// By host, in seconds.
pub(super) type Expiry = Family<HostLabels, Gauge>;

impl Metrics {
    /// What is left of each host's certificate. Hosts of a configuration that is gone are not on the page any more.
    pub(crate) fn certificates(&self, left: BTreeMap<String, i64>) {
        self.certificate_expiry.clear();
        for (host, seconds) in left {
            self.certificate_expiry.get_or_create(&HostLabels { host }).set(seconds);
        }
    }
}

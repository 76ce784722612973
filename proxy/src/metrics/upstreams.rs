//! Upstreams: what each gets, how it answers, and whether it works. Those of a configuration that is gone are not on the
//! page any more; what is counted of the others survives a reload.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use prometheus_client::encoding::{EncodeLabelSet, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::put;
use crate::routes::Routes;
use crate::upstream::Backend;

/// Of one upstream. As many as the configuration names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, EncodeLabelSet)]
struct UpstreamLabels {
    circuit: Arc<str>,
    /// Of the circuit, where it has upstreams of its own; else empty.
    path: Arc<str>,
    upstream: Arc<str>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FailureLabels {
    circuit: Arc<str>,
    path: Arc<str>,
    upstream: Arc<str>,
    reason: &'static str,
}

/// Each once, in a fixed order.
type All = BTreeMap<UpstreamLabels, Arc<Backend>>;

/// Those of the configuration in force, as they are now.
pub(super) fn register(to: &mut Registry, routes: &Routes) {
    let all = all(routes);
    let figure = |of: fn(&Backend) -> u64| {
        let family = Family::<UpstreamLabels, Counter>::default();
        for (labels, backend) in &all {
            family.get_or_create(labels).inc_by(of(backend));
        }
        family
    };
    let gauge = |of: fn(&Backend) -> i64| {
        let family = Family::<UpstreamLabels, Gauge>::default();
        for (labels, backend) in &all {
            family.get_or_create(labels).set(of(backend));
        }
        family
    };
    put(to, "upstream_requests", "Requests that an upstream got", figure(|backend| backend.traffic().requests()));
    put(to, "upstream_failures", "Requests that an upstream did not answer", failures(&all));
    let left = "Requests that went on to another upstream";
    put(to, "upstream_retries", left, figure(|backend| backend.condition().left()));
    let healthy = gauge(|backend| i64::from(backend.condition().is_healthy()));
    put(to, "upstream_healthy", "1 while nothing is known against an upstream", healthy);
    let in_flight = gauge(|backend| i64::try_from(backend.in_flight()).unwrap_or(i64::MAX));
    put(to, "upstream_in_flight", "Requests at an upstream", in_flight);
    put(to, "upstream_answer_seconds", "From an upstream's request to the head of its answer", Answers(all));
}

fn all(routes: &Routes) -> All {
    let routes = routes.all().filter_map(|route| Some((route, route.target.as_ref()?)));
    let backends = routes.flat_map(|(route, target)| {
        let path = route.path().filter(|path| path.upstreams.is_some());
        let path: Arc<str> = path.map_or("", |path| path.prefix.as_str()).into();
        target.backends().iter().map(move |backend| {
            let labels =
                UpstreamLabels { circuit: route.name.clone(), path: path.clone(), upstream: backend.url().clone() };
            (labels, backend.clone())
        })
    });
    backends.collect()
}

fn failures(all: &All) -> Family<FailureLabels, Counter> {
    let family = Family::<FailureLabels, Counter>::default();
    for (UpstreamLabels { circuit, path, upstream }, backend) in all {
        for (reason, count) in backend.traffic().failures() {
            let (circuit, path, upstream) = (circuit.clone(), path.clone(), upstream.clone());
            family.get_or_create(&FailureLabels { circuit, path, upstream, reason }).inc_by(count);
        }
    }
    family
}

/// How long each took to answer; a family takes no histogram that is there already.
struct Answers(All);

impl fmt::Debug for Answers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Answers({})", self.0.len())
    }
}

impl EncodeMetric for Answers {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), fmt::Error> {
        for (labels, backend) in &self.0 {
            backend.traffic().answered_after().encode(encoder.encode_family(labels)?)?;
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}

//! Counters and gauges of the metrics page; their names are part of the contract.

mod certificates;
mod expected;
mod held;
mod labels;
mod lasting;
mod upstreams;

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry};
use vestibule_auth::{Method, Reason};

pub(crate) use self::held::Held;
use self::labels::{
    AttemptLabels, CauseLabels, CircuitLabels, DenialLabels, HookLabels, KindLabels, LimitLabels, ReasonLabels,
    RequestLabels, ResultLabels, TaskLabels,
};

/// Of every name on the page.
const PREFIX: &str = "vestibule";
/// Seconds; from a cached answer on the same machine to the default upstream timeout.
const DURATION_BUCKETS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 15.0, 60.0];

/// What a hook may answer; an answer that does not come is `unavailable`, whatever follows from it.
pub(crate) const HOOK_RESULTS: [&str; 3] = ["allowed", "denied", "unavailable"];

/// All of them. Label values come from the configuration and from closed lists, never from clients.
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    denials: Family<DenialLabels, Counter>,
    attempts: Family<AttemptLabels, Counter>,
    rate_limited: Family<LimitLabels, Counter>,
    disabled: Family<CircuitLabels, Counter>,
    refused_connections: Counter,
    http2_ended: Family<CauseLabels, Counter>,
    handshakes: Counter,
    certificate_expiry: certificates::OfHosts,
    certificate_renewal: certificates::OfHosts,
    certificate_orders: Family<ResultLabels, Counter>,
    failed_handshakes: Counter,
    admin_refused: Family<ReasonLabels, Counter>,
    admin_streams: Family<KindLabels, Gauge>,
    tail_skipped: Counter,
    request_duration: Histogram,
    upstream_duration: Histogram,
    active_connections: Gauge,
    admin_connections: Gauge,
    reload_successful: Gauge,
    mails: Family<ResultLabels, Counter>,
    alerts: Family<ResultLabels, Counter>,
    hook_calls: Family<HookLabels, Counter>,
    lasting: lasting::LastingRequests,
    task_panics: Family<TaskLabels, Counter>,
}

/// A circuit's counters of what its upstream answered, by class of status, so that the commonest requests need not look
/// theirs up by name.
#[derive(Default)]
pub(crate) struct Answered([OnceLock<Counter>; STATUS_CLASSES.len()]);

/// What one finished request adds.
pub(crate) struct Finished<'a> {
    /// Empty where no circuit was found.
    pub(crate) circuit: &'a Arc<str>,
    /// Present where the circuit's upstream answered a request that was let through.
    pub(crate) answered: Option<&'a Answered>,
    /// `allowed` or `blocked`.
    pub(crate) action: &'static str,
    /// The entry's `origin`.
    pub(crate) origin: &'static str,
    /// 0: client gone before one was sent.
    pub(crate) status: u16,
    /// Why not, if it was denied or failed.
    pub(crate) reason: Option<Reason>,
    /// From head to the last byte of the answer.
    pub(crate) duration: Duration,
    /// Until the head of the upstream's answer.
    pub(crate) upstream: Option<Duration>,
}

impl Metrics {
    /// All at zero.
    pub(crate) fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix(PREFIX),
            requests: Family::default(),
            denials: Family::default(),
            attempts: Family::default(),
            rate_limited: Family::default(),
            disabled: Family::default(),
            refused_connections: Counter::default(),
            http2_ended: Family::default(),
            handshakes: Counter::default(),
            certificate_expiry: certificates::OfHosts::default(),
            certificate_renewal: certificates::OfHosts::default(),
            certificate_orders: Family::default(),
            failed_handshakes: Counter::default(),
            admin_refused: Family::default(),
            admin_streams: Family::default(),
            tail_skipped: Counter::default(),
            request_duration: Histogram::new(DURATION_BUCKETS),
            upstream_duration: Histogram::new(DURATION_BUCKETS),
            active_connections: Gauge::default(),
            admin_connections: Gauge::default(),
            reload_successful: Gauge::default(),
            mails: Family::default(),
            alerts: Family::default(),
            hook_calls: Family::default(),
            lasting: lasting::LastingRequests::default(),
            task_panics: Family::default(),
        };
        metrics.reload_successful.set(1);
        metrics.register();
        metrics.expect_what_is_of_no_circuit();
        metrics
    }

    /// One request has ended.
    pub(crate) fn finished(&self, request: &Finished<'_>) {
        let class = status_class(request.status);
        let counter = || self.requests.get_or_create_owned(&request_labels(request, class));
        match request.answered.and_then(|answered| answered.0.get(class)) {
            Some(known) => known.get_or_init(counter).inc(),
            None => counter().inc(),
        };
        if let Some(reason) = request.reason {
            let labels = DenialLabels { circuit: request.circuit.clone(), reason: reason.code() };
            self.denials.get_or_create(&labels).inc();
        }
        self.request_duration.observe(request.duration.as_secs_f64());
        if let Some(upstream) = request.upstream {
            self.upstream_duration.observe(upstream.as_secs_f64());
        }
    }

    /// One attempt was decided; `result` as in the access log.
    pub(crate) fn attempt(&self, circuit: &Arc<str>, method: Method, result: &'static str) {
        let labels = AttemptLabels { circuit: circuit.clone(), method: method.code(), result };
        self.attempts.get_or_create(&labels).inc();
    }

    /// One request or attempt was over a limit.
    pub(crate) fn rate_limited(&self, circuit: &Arc<str>, limit: &Arc<str>) {
        let labels = LimitLabels { circuit: circuit.clone(), limit: limit.clone() };
        self.rate_limited.get_or_create(&labels).inc();
    }

    /// A request for a circuit that is switched off; it leaves no entry.
    pub(crate) fn disabled(&self, circuit: &Arc<str>) {
        self.disabled.get_or_create(&CircuitLabels { circuit: circuit.clone() }).inc();
    }

    /// A connection was closed because there were too many.
    pub(crate) fn connection_refused(&self) {
        self.refused_connections.inc();
    }

    /// A connection of HTTP/2 was ended for what its client did; one of [`crate::edge::CAUSES`].
    pub(crate) fn http2_ended(&self, cause: &'static str) {
        self.http2_ended.get_or_create(&CauseLabels { cause }).inc();
    }

    /// A client of a TLS listener is there.
    pub(crate) fn handshake_begun(&self) {
        self.handshakes.inc();
    }

    /// And there will be no TLS with it.
    pub(crate) fn handshake_failed(&self) {
        self.failed_handshakes.inc();
    }

    /// The admin port refused a request; `reason` as its answer says.
    pub(crate) fn admin_refused(&self, reason: &'static str) {
        self.admin_refused.get_or_create(&ReasonLabels { reason }).inc();
    }

    /// An answer of the admin port began that goes on: `export` or `tail`.
    pub(crate) fn stream_opened(&self, kind: &'static str) {
        self.admin_streams.get_or_create(&KindLabels { kind }).inc();
    }

    /// And ended.
    pub(crate) fn stream_closed(&self, kind: &'static str) {
        self.admin_streams.get_or_create(&KindLabels { kind }).dec();
    }

    /// A tail passed over so many entries, and said so.
    pub(crate) fn tail_skipped(&self, entries: u64) {
        self.tail_skipped.inc_by(entries);
    }

    /// A client connected.
    pub(crate) fn connection_opened(&self) {
        self.active_connections.inc();
    }

    /// And left.
    pub(crate) fn connection_closed(&self) {
        self.active_connections.dec();
    }

    /// A client of the admin port connected.
    pub(crate) fn admin_connection_opened(&self) {
        self.admin_connections.inc();
    }

    /// And left.
    pub(crate) fn admin_connection_closed(&self) {
        self.admin_connections.dec();
    }

    /// One delivery of an alert is done.
    pub(crate) fn alert(&self, result: &'static str) {
        self.alerts.get_or_create(&ResultLabels { result }).inc();
    }

    /// What became of a message; one of [`crate::mail::RESULTS`].
    pub(crate) fn mail(&self, result: &'static str) {
        self.mails.get_or_create(&ResultLabels { result }).inc();
    }

    /// What became of a question to a hook; one of [`HOOK_RESULTS`].
    pub(crate) fn hook_called(&self, hook: &Arc<str>, result: &'static str) {
        self.hook_calls.get_or_create(&HookLabels { hook: hook.clone(), result }).inc();
    }

    /// A task of the housekeeping broke off; one of [`crate::housekeeping::TASKS`].
    pub(crate) fn task_panicked(&self, task: &'static str) {
        self.task_panics.get_or_create(&TaskLabels { task }).inc();
    }

    /// How often that happened.
    #[cfg(test)]
    pub(crate) fn panics_of(&self, task: &'static str) -> u64 {
        self.task_panics.get_or_create(&TaskLabels { task }).get()
    }

    /// How the last reload went.
    pub(crate) fn reloaded(&self, successful: bool) {
        self.reload_successful.set(i64::from(successful));
    }

    /// The page in OpenMetrics text.
    pub(crate) fn encode(&self, held: &Held<'_>) -> String {
        let mut page = String::new();
        text::encode_registry(&mut page, &self.registry)
            .and_then(|()| text::encode(&mut page, &held.registry()))
            .expect("a string takes all that is written");
        page
    }

    fn register(&mut self) {
        let to = &mut self.registry;
        add(to, "requests", "Requests", &self.requests);
        add(to, "denials", "Requests denied or failed", &self.denials);
        add(to, "attempts", "Attempts to sign in", &self.attempts);
        add(to, "rate_limited", "Requests and attempts over a limit", &self.rate_limited);
        add(to, "disabled_requests", "Requests for circuits that are switched off", &self.disabled);
        add(to, "connections_refused", "Connections over a cap", &self.refused_connections);
        let ended = "Connections of HTTP/2 ended for what their clients did";
        add(to, "http2_connections_ended", ended, &self.http2_ended);
        let left = "Seconds until a host's certificate is over; below zero since then";
        add(to, "certificate_expiry_seconds", left, &self.certificate_expiry);
        let next = "Seconds until a host's next certificate is ordered; 0 where it is due";
        add(to, "certificate_renewal_seconds", next, &self.certificate_renewal);
        add(to, "certificate_orders", "Certificates ordered from an authority", &self.certificate_orders);
        add(to, "tls_handshakes", "Connections to TLS listeners", &self.handshakes);
        add(to, "tls_handshakes_failed", "Connections on which TLS was not agreed on", &self.failed_handshakes);
        add(to, "admin_refused", "Requests that the admin port refused", &self.admin_refused);
        add(to, "admin_streams", "Exports and tails that run", &self.admin_streams);
        add(to, "tail_skipped_entries", "Entries that tails passed over", &self.tail_skipped);
        add(to, "request_duration_seconds", "Head to last byte", &self.request_duration);
        add(to, "upstream_duration_seconds", "Until the upstream's head", &self.upstream_duration);
        add(to, "active_connections", "Clients connected", &self.active_connections);
        add(to, "admin_connections", "Clients connected to the admin port", &self.admin_connections);
        add(to, "config_last_reload_successful", "1 while the last reload was good", &self.reload_successful);
        add(to, "mails", "Messages to people", &self.mails);
        add(to, "alerts", "Alerts, for each of their receivers", &self.alerts);
        add(to, "housekeeping_panics", "Tasks that broke off and began anew", &self.task_panics);
        add(to, "hook_calls", "Questions to hooks", &self.hook_calls);
        self.lasting.register(to);
    }
}

fn add(registry: &mut Registry, name: &str, help: &str, metric: &(impl Metric + Clone)) {
    put(registry, name, help, metric.clone());
}

fn put(registry: &mut Registry, name: &str, help: &str, metric: impl Metric) {
    registry.register(name, help, Named(metric));
}

/// On the page with its name and type even while it has no values.
#[derive(Debug)]
struct Named<M>(M);

impl<M: EncodeMetric> EncodeMetric for Named<M> {
    fn encode(&self, encoder: MetricEncoder<'_>) -> Result<(), fmt::Error> {
        self.0.encode(encoder)
    }

    fn metric_type(&self) -> MetricType {
        self.0.metric_type()
    }
}

fn request_labels(request: &Finished<'_>, class: usize) -> RequestLabels {
    RequestLabels {
        circuit: request.circuit.clone(),
        action: request.action,
        origin: request.origin,
        status_class: STATUS_CLASSES.get(class).copied().unwrap_or_default(),
    }
}

/// By first digit; the first is for a client that was gone before one was sent.
const STATUS_CLASSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

/// Index into [`STATUS_CLASSES`].
fn status_class(status: u16) -> usize {
    usize::from(status / 100) % STATUS_CLASSES.len()
}

#[cfg(test)]
mod tests;

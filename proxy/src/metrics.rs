//! Counters and gauges of the metrics page; their names are part of the contract.

mod certificates;
mod expected;
mod lasting;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, EncodeMetric, MetricEncoder, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry};
use vestibule_auth::{Method, Reason};

use crate::attempt::Opened;

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
    handshakes: Counter,
    certificate_expiry: certificates::Expiry,
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
    snapshot: Snapshot,
}

/// What others hold in memory when the page is asked for.
pub(crate) struct Held<'a> {
    /// Of the logs.
    pub(crate) store: &'a vestibule_logstore::Figures,
    /// Of sessions, limits and hashes.
    pub(crate) auth: &'a vestibule_auth::Figures,
    /// Attempts that began.
    pub(crate) opened: &'a Opened,
    /// Sessions whose refusal by a policy is recorded.
    pub(crate) remembered_refusals: u64,
    /// Machines whose first success waits for that of another one to be recorded.
    pub(crate) waiting_machines: u64,
    /// Addresses that sent wrong tokens to the admin port.
    pub(crate) throttled_addresses: u64,
    /// People who are signed in to the pages of the admin port.
    pub(crate) admin_sign_ins: u64,
    /// Of the latest anchor that every place has, in seconds; none before the first.
    pub(crate) anchor_age: Option<i64>,
    /// Anchors that a place did not take, each time.
    pub(crate) anchor_failures: u64,
    /// Messages that wait to be sent.
    pub(crate) waiting_mails: u64,
    /// Deliveries of alerts that are not done.
    pub(crate) waiting_alerts: u64,
}

/// Numbers that others keep and that are copied in when the page is asked for.
#[derive(Default)]
struct Snapshot {
    log_queue_depth: Gauge,
    log_dropped: Family<LogLabels, Counter>,
    log_quarantined: Gauge,
    log_entries: Family<LogLabels, Counter>,
    log_bytes: Gauge,
    limiter_keys: Family<KeyLabels, Gauge>,
    limiter_evictions: Counter,
    hash_queue: Gauge,
    hash_queue_full: Counter,
    started_sign_ins: Gauge,
    pending_sign_ins: Gauge,
    running_hooks: Gauge,
    waiting_mails: Gauge,
    waiting_alerts: Gauge,
    wanted_sign_ins: Gauge,
    hand_over_codes: Gauge,
    counted_returns: Gauge,
    open_pages: Gauge,
    unrecorded_attempts: Counter,
    grants: Gauge,
    sessions: Gauge,
    cached_sessions: Gauge,
    cached_locations: Gauge,
    cached_assertions: Gauge,
    signed_assertions: Counter,
    remembered_refusals: Gauge,
    waiting_machines: Gauge,
    throttled_addresses: Gauge,
    admin_sign_ins: Gauge,
    anchor_age: Gauge,
    anchor_failures: Counter,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    circuit: Arc<str>,
    action: &'static str,
    origin: &'static str,
    status_class: &'static str,
}

impl RequestLabels {
    fn of(request: &Finished<'_>, class: usize) -> Self {
        Self {
            circuit: request.circuit.clone(),
            action: request.action,
            origin: request.origin,
            status_class: STATUS_CLASSES.get(class).copied().unwrap_or_default(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DenialLabels {
    circuit: Arc<str>,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AttemptLabels {
    circuit: Arc<str>,
    method: &'static str,
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LimitLabels {
    circuit: Arc<str>,
    limit: Arc<str>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabels {
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HookLabels {
    hook: Arc<str>,
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabels {
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CircuitLabels {
    circuit: Arc<str>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LogLabels {
    log: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KeyLabels {
    limit: Arc<str>,
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
            registry: Registry::with_prefix("vestibule"),
            requests: Family::default(),
            denials: Family::default(),
            attempts: Family::default(),
            rate_limited: Family::default(),
            disabled: Family::default(),
            refused_connections: Counter::default(),
            handshakes: Counter::default(),
            certificate_expiry: certificates::Expiry::default(),
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
            snapshot: Snapshot::default(),
        };
        metrics.reload_successful.set(1);
        metrics.register();
        metrics.expect_what_is_of_no_circuit();
        metrics
    }

    /// One request has ended.
    pub(crate) fn finished(&self, request: &Finished<'_>) {
        let class = status_class(request.status);
        let counter = || self.requests.get_or_create_owned(&RequestLabels::of(request, class));
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

    /// How the last reload went.
    pub(crate) fn reloaded(&self, successful: bool) {
        self.reload_successful.set(i64::from(successful));
    }

    /// The page in OpenMetrics text.
    pub(crate) fn encode(&self, held: &Held<'_>) -> String {
        self.snapshot.take(held);
        let mut page = String::new();
        text::encode(&mut page, &self.registry).expect("a string takes all that is written");
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
        let left = "Seconds until a host's certificate is over; below zero since then";
        add(to, "certificate_expiry_seconds", left, &self.certificate_expiry);
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
        add(to, "hook_calls", "Questions to hooks", &self.hook_calls);
        self.lasting.register(to);
        let kept = &self.snapshot;
        add(to, "log_queue_depth", "Entries waiting for the writer", &kept.log_queue_depth);
        add(to, "log_dropped", "Entries lost", &kept.log_dropped);
        add(to, "log_entries", "Entries in each log", &kept.log_entries);
        add(to, "log_bytes", "Bytes of the store on disk", &kept.log_bytes);
        add(to, "log_quarantined_segments", "Segments that cannot be read", &kept.log_quarantined);
        add(to, "limiter_keys", "Keys held by each limit", &kept.limiter_keys);
        add(to, "limiter_evictions", "Keys dropped from full limiters", &kept.limiter_evictions);
        add(to, "hash_queue", "Credentials waiting to be checked", &kept.hash_queue);
        add(to, "hash_queue_full", "Credentials turned away", &kept.hash_queue_full);
        add(to, "sign_ins_started", "Sign-ins at providers in memory", &kept.started_sign_ins);
        add(to, "sign_ins_pending", "Sign-ins that wait for a code or a purpose in memory", &kept.pending_sign_ins);
        add(to, "hooks_running", "Questions to hooks without an answer yet", &kept.running_hooks);
        add(to, "mails_waiting", "Messages that wait to be sent", &kept.waiting_mails);
        add(to, "alerts_waiting", "Deliveries of alerts that are not done", &kept.waiting_alerts);
        add(to, "sign_ins_wanted", "Browsers sent to the login host, in memory", &kept.wanted_sign_ins);
        add(to, "hand_over_codes", "Codes for the way back to a circuit, in memory", &kept.hand_over_codes);
        add(to, "returns_counted", "Browsers whose returns without a session are counted", &kept.counted_returns);
        add(to, "sign_in_pages_open", "Shown sign-in pages in memory", &kept.open_pages);
        add(to, "attempts_unrecorded", "Beginnings of attempts that were only counted", &kept.unrecorded_attempts);
        add(to, "grants", "Grants in force", &kept.grants);
        add(to, "sessions", "Live sessions", &kept.sessions);
        add(to, "sessions_cached", "Sessions in memory", &kept.cached_sessions);
        add(to, "locations_cached", "Addresses whose place is in memory", &kept.cached_locations);
        add(to, "assertions_cached", "Signed identity assertions in memory", &kept.cached_assertions);
        add(to, "assertions_signed", "Identity assertions signed", &kept.signed_assertions);
        add(to, "refusals_remembered", "Refused sessions in memory", &kept.remembered_refusals);
        add(to, "machines_waiting", "Machines that wait for a record", &kept.waiting_machines);
        add(to, "admin_sign_ins", "People signed in to the admin port's pages", &kept.admin_sign_ins);
        add(to, "admin_throttled_addresses", "Addresses that sent wrong tokens", &kept.throttled_addresses);
        let age = "Seconds since the latest anchor that every place has; -1 before the first";
        add(to, "anchor_age_seconds", age, &kept.anchor_age);
        add(to, "anchor_failures", "Anchors that a place did not take, each time", &kept.anchor_failures);
    }
}

impl Snapshot {
    fn take(&self, held: &Held<'_>) {
        let Held {
            store,
            auth,
            opened,
            remembered_refusals,
            waiting_machines,
            throttled_addresses,
            admin_sign_ins,
            anchor_age,
            anchor_failures,
            waiting_mails,
            waiting_alerts,
        } = *held;
        self.log_queue_depth.set(signed(store.queue_depth));
        self.log_quarantined.set(signed(store.quarantined));
        self.log_bytes.set(signed(store.bytes));
        for (log, count) in store.dropped {
            store_in(&self.log_dropped.get_or_create(&LogLabels { log }), count);
        }
        for (log, count) in store.entries {
            store_in(&self.log_entries.get_or_create(&LogLabels { log }), count);
        }
        // Limits that a reload took away must not stay on the page.
        self.limiter_keys.clear();
        for (limit, keys) in &auth.limiter_keys {
            self.limiter_keys.get_or_create(&KeyLabels { limit: limit.as_str().into() }).set(signed(*keys));
        }
        store_in(&self.limiter_evictions, auth.limiter_evictions);
        self.hash_queue.set(signed(auth.hash_queue));
        store_in(&self.hash_queue_full, auth.hash_queue_full);
        self.started_sign_ins.set(signed(auth.started_sign_ins));
        self.pending_sign_ins.set(signed(auth.pending_sign_ins));
        self.running_hooks.set(signed(auth.running_hooks));
        self.waiting_mails.set(signed(waiting_mails));
        self.waiting_alerts.set(signed(waiting_alerts));
        self.wanted_sign_ins.set(signed(auth.wanted_sign_ins));
        self.hand_over_codes.set(signed(auth.hand_over_codes));
        self.counted_returns.set(signed(auth.counted_returns));
        self.open_pages.set(signed(opened.count()));
        store_in(&self.unrecorded_attempts, opened.unrecorded());
        self.grants.set(signed(auth.grants));
        self.sessions.set(signed(auth.sessions));
        self.cached_sessions.set(signed(auth.cached_sessions));
        self.cached_locations.set(signed(auth.cached_locations));
        self.cached_assertions.set(signed(auth.cached_assertions));
        store_in(&self.signed_assertions, auth.signed_assertions);
        self.remembered_refusals.set(signed(remembered_refusals));
        self.waiting_machines.set(signed(waiting_machines));
        self.throttled_addresses.set(signed(throttled_addresses));
        self.admin_sign_ins.set(signed(admin_sign_ins));
        self.anchor_age.set(anchor_age.unwrap_or(-1));
        store_in(&self.anchor_failures, anchor_failures);
    }
}

fn add(registry: &mut Registry, name: &str, help: &str, metric: &(impl Metric + Clone)) {
    registry.register(name, help, Named(metric.clone()));
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

fn store_in(counter: &Counter<u64, AtomicU64>, value: u64) {
    counter.inner().store(value, Ordering::Relaxed);
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// By first digit; the first is for a client that was gone before one was sent.
const STATUS_CLASSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

/// Index into [`STATUS_CLASSES`].
fn status_class(status: u16) -> usize {
    usize::from(status / 100) % STATUS_CLASSES.len()
}

#[cfg(test)]
mod tests;

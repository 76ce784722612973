//! Figures that others keep, read when the page is asked for: one line each.

use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::Registry;

use super::labels::{KeyLabels, LogLabels};
use super::{PREFIX, put, upstreams};
use crate::attempt::Opened;
use crate::routes::Routes;
use crate::scrub;

/// What others keep and hold in memory when the page is asked for.
pub(crate) struct Held<'a> {
    /// Of the logs.
    pub(crate) store: &'a vestibule_logstore::Figures,
    /// Of sessions, limits and hashes.
    pub(crate) auth: &'a vestibule_auth::Figures,
    /// Of upstreams.
    pub(crate) routes: &'a Routes,
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
    /// Of the slow look at what is stored.
    pub(crate) scrub: scrub::Figures,
}

impl Held<'_> {
    /// A registry of this moment. Limits that a reload took away are not in it.
    pub(super) fn registry(&self) -> Registry {
        let mut registry = Registry::with_prefix(PREFIX);
        of_store(&mut registry, self.store);
        of_auth(&mut registry, self.auth);
        upstreams::register(&mut registry, self.routes);
        self.of_proxy(&mut registry);
        registry
    }

    fn of_proxy(&self, to: &mut Registry) {
        gauge(to, "sign_in_pages_open", "Shown sign-in pages in memory", self.opened.count());
        counter(to, "attempts_unrecorded", "Beginnings of attempts that were only counted", self.opened.unrecorded());
        gauge(to, "admin_sign_ins", "People signed in to the admin port's pages", self.admin_sign_ins);
        gauge(to, "alerts_waiting", "Deliveries of alerts that are not done", self.waiting_alerts);
        gauge(to, "mails_waiting", "Messages that wait to be sent", self.waiting_mails);
        gauge(to, "refusals_remembered", "Refused sessions in memory", self.remembered_refusals);
        gauge(to, "machines_waiting", "Machines that wait for a record", self.waiting_machines);
        gauge(to, "admin_throttled_addresses", "Addresses that sent wrong tokens", self.throttled_addresses);
        counter(to, "log_scrub_failures", "Findings of the scrub, in every round", self.scrub.failures);
        counter(to, "log_scrub_passes", "Rounds of the scrub that ended", self.scrub.passes);
        gauge(to, "log_scrub_entries", "Entries that this round of the scrub has read", self.scrub.entries);
        let age = "Seconds since the last round of the scrub ended; -1 before the first";
        put(to, "log_scrub_age_seconds", age, ConstGauge::new(self.scrub.age.unwrap_or(-1)));
        counter(to, "anchor_failures", "Anchors that a place did not take, each time", self.anchor_failures);
        let age = "Seconds since the latest anchor that every place has; -1 before the first";
        put(to, "anchor_age_seconds", age, ConstGauge::new(self.anchor_age.unwrap_or(-1)));
    }
}

fn of_store(to: &mut Registry, store: &vestibule_logstore::Figures) {
    gauge(to, "log_queue_depth", "Entries waiting for the writer", store.queue_depth);
    gauge(to, "log_bytes", "Bytes of the store on disk", store.bytes);
    gauge(to, "log_quarantined_segments", "Segments that cannot be read", store.quarantined);
    gauge(to, "log_disk_free_bytes", "Bytes free on the disk of the logs", store.disk.free);
    let mark = "Mark that the room on the disk is below: 0 none, 1 low, 2 hard (requests leave no entries)";
    gauge(to, "log_disk_mark", mark, store.disk.mark as u64);
    gauge(to, "log_ballast_bytes", "Bytes of the file that gives way when the disk is full", store.disk.ballast);
    put(to, "log_dropped", "Entries lost", by_log(store.dropped));
    put(to, "log_entries", "Entries in each log", by_log(store.entries));
}

fn of_auth(to: &mut Registry, auth: &vestibule_auth::Figures) {
    gauge(to, "state_damaged", "1 once a file of the state database is found damaged", u64::from(auth.damaged));
    counter(to, "limiter_evictions", "Keys dropped from full limiters", auth.limiter_evictions);
    gauge(to, "hash_queue", "Credentials waiting to be checked", auth.hash_queue);
    counter(to, "hash_queue_full", "Credentials turned away", auth.hash_queue_full);
    counter(to, "hashes", "Secrets compared with a hash", auth.hashes);
    gauge(to, "sign_ins_started", "Sign-ins at providers in memory", auth.started_sign_ins);
    gauge(to, "sign_ins_pending", "Sign-ins that wait for a code or a purpose in memory", auth.pending_sign_ins);
    gauge(to, "hooks_running", "Questions to hooks without an answer yet", auth.running_hooks);
    gauge(to, "sign_ins_wanted", "Browsers sent to the login host, in memory", auth.wanted_sign_ins);
    gauge(to, "hand_over_codes", "Codes for the way back to a circuit, in memory", auth.hand_over_codes);
    gauge(to, "returns_counted", "Browsers whose returns without a session are counted", auth.counted_returns);
    gauge(to, "grants", "Grants in force", auth.grants);
    gauge(to, "sessions", "Live sessions", auth.sessions);
    gauge(to, "sessions_cached", "Sessions in memory", auth.cached_sessions);
    gauge(to, "locations_cached", "Addresses whose place is in memory", auth.cached_locations);
    gauge(to, "assertions_cached", "Signed identity assertions in memory", auth.cached_assertions);
    counter(to, "assertions_signed", "Identity assertions signed", auth.signed_assertions);
    let keys = Family::<KeyLabels, Gauge>::default();
    for (limit, count) in &auth.limiter_keys {
        keys.get_or_create(&KeyLabels { limit: limit.as_str().into() }).set(signed(*count));
    }
    put(to, "limiter_keys", "Keys held by each limit", keys);
}

fn gauge(to: &mut Registry, name: &str, help: &str, value: u64) {
    put(to, name, help, ConstGauge::new(signed(value)));
}

fn counter(to: &mut Registry, name: &str, help: &str, value: u64) {
    put(to, name, help, ConstCounter::new(value));
}

fn by_log(counts: impl IntoIterator<Item = (&'static str, u64)>) -> Family<LogLabels, Counter> {
    let family = Family::<LogLabels, Counter>::default();
    for (log, count) in counts {
        family.get_or_create(&LogLabels { log }).inc_by(count);
    }
    family
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

//! What an upstream got, and how it answered: its figures on the metrics page.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::metrics::histogram::Histogram;
use vestibule_auth::Reason;

/// Seconds until the head of an answer.
const BUCKETS: [f64; 7] = [0.005, 0.025, 0.1, 0.5, 2.0, 10.0, 60.0];
/// Why an upstream did not answer; whatever else it is, it cannot be reached.
const FAILURES: [Reason; 4] =
    [Reason::BackendUnreachable, Reason::BackendRefused, Reason::BackendTimeout, Reason::BackendTlsError];

/// Of one upstream; it survives a reload.
#[derive(Debug)]
pub(crate) struct Traffic {
    requests: AtomicU64,
    /// In the order of [`FAILURES`].
    failures: [AtomicU64; FAILURES.len()],
    answered_after: Histogram,
}

impl Default for Traffic {
    fn default() -> Self {
        Self { requests: AtomicU64::new(0), failures: Default::default(), answered_after: Histogram::new(BUCKETS) }
    }
}

impl Traffic {
    /// It gets a request.
    pub(super) fn taken(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    /// The head of its answer came so long after it got the request.
    pub(crate) fn answered(&self, after: Duration) {
        self.answered_after.observe(after.as_secs_f64());
    }

    /// It could not be connected to, broke off, or took too long.
    pub(crate) fn failed(&self, reason: Reason) {
        let at = FAILURES.iter().position(|known| *known == reason).unwrap_or_default();
        if let Some(count) = self.failures.get(at) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Requests that it got, those among them that went on to another one.
    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// How often it did not answer, by reason.
    pub(crate) fn failures(&self) -> impl Iterator<Item = (&'static str, u64)> {
        FAILURES.iter().zip(&self.failures).map(|(reason, count)| (reason.code(), count.load(Ordering::Relaxed)))
    }

    /// How long it took.
    pub(crate) fn answered_after(&self) -> &Histogram {
        &self.answered_after
    }
}

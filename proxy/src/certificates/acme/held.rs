//! What is known of one host's certificate.

use jiff::Timestamp;
use vestibule_config::certificate::Certificate;

use super::schedule::{self, Window};

/// One host.
#[derive(Debug, Clone, Default)]
pub(crate) struct Held {
    /// Served, over or not; absent until the first was made.
    pub(crate) certificate: Option<Certificate>,
    /// The last attempt, if it failed.
    pub(crate) failure: Option<Failure>,
    /// When the authority would like it to be renewed, where it says so.
    pub(super) advice: Option<Window>,
    /// When it is asked for advice again; absent: at once.
    pub(super) ask_again: Option<Timestamp>,
    /// An order or a question is on its way.
    pub(super) busy: bool,
}

/// Why there is no new certificate.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    /// The authority's own words where it said any.
    pub(crate) why: String,
    /// Attempts since the last that succeeded.
    pub(crate) count: u32,
    /// Nothing is tried before.
    pub(crate) again: Timestamp,
}

impl Held {
    /// When the next order is due; absent: at once.
    pub(crate) fn due(&self) -> Option<Timestamp> {
        let renewal = self.certificate.as_ref().map(|certificate| schedule::renewal(certificate, self.advice));
        // Of two times the later one counts, and none is earlier than all.
        renewal.max(self.failure.as_ref().map(|failure| failure.again))
    }

    /// What is there at the start, or where the configuration names a host.
    pub(super) fn found(certificate: Option<Certificate>) -> Self {
        Self { certificate, ..Self::default() }
    }

    /// The last attempt failed at `now`; when the next one is due.
    pub(super) fn failed(&mut self, host: &str, why: String, now: Timestamp) -> Timestamp {
        let count = self.failure.as_ref().map_or(0, |failure| failure.count).saturating_add(1);
        let again = schedule::later(now, schedule::pause(count, host));
        self.failure = Some(Failure { why, count, again });
        again
    }

    /// What an order brought.
    pub(super) fn renewed(&mut self, certificate: Certificate) {
        *self = Self { busy: self.busy, ..Self::found(Some(certificate)) };
    }

    /// What the authority said to the question when it would like a renewal.
    pub(super) fn advised(&mut self, advice: Option<Window>, ask_again: Timestamp) {
        self.advice = advice;
        self.ask_again = Some(ask_again);
    }
}

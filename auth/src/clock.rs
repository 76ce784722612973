//! Time, passed in.

use jiff::Timestamp;

/// Wall time for what is stored, and a clock that never goes back for limits.
pub trait Clock: Send + Sync + 'static {
    /// UTC.
    fn now(&self) -> Timestamp;
    /// Since an arbitrary start; never goes back.
    fn elapsed(&self) -> std::time::Duration;
}

/// The machine's clock.
#[derive(Debug, Clone)]
pub struct SystemClock {
    started: std::time::Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self { started: std::time::Instant::now() }
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn elapsed(&self) -> std::time::Duration {
        self.started.elapsed()
    }
}

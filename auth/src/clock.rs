//! Time, passed in.

use std::time::Duration;

use jiff::Timestamp;

/// Wall time for what is stored, and a clock that never goes back for limits.
pub trait Clock: Send + Sync + 'static {
    /// UTC.
    fn now(&self) -> Timestamp;
    /// Since an arbitrary start; never goes back.
    fn elapsed(&self) -> Duration;
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

    fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}

/// A clock that stands still until it is moved, for tests and for explanations at another time.
#[derive(Debug)]
pub struct Hand {
    position: parking_lot::Mutex<(Timestamp, Duration)>,
}

impl Hand {
    /// Stands at `now`; nothing has elapsed.
    pub fn at(now: Timestamp) -> Self {
        Self { position: parking_lot::Mutex::new((now, Duration::ZERO)) }
    }

    /// Time passes.
    ///
    /// # Panics
    /// Past the year 9999.
    pub fn advance(&self, by: Duration) {
        let mut position = self.position.lock();
        position.0 = position.0.checked_add(by).expect("tests stay within the calendar");
        position.1 += by;
    }

    /// Somebody sets the wall clock; what has elapsed does not change.
    pub fn set(&self, now: Timestamp) {
        self.position.lock().0 = now;
    }
}

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        self.position.lock().0
    }

    fn elapsed(&self) -> Duration {
        self.position.lock().1
    }
}

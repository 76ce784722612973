//! Whether an upstream works: what its checks say, and what requests met.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;

/// An upstream that no connection could be made to is left out for so long. Then one request tries it.
const OUT_FOR: Duration = Duration::from_secs(10);

/// What is known of one upstream; it survives a reload.
#[derive(Debug, Default)]
pub(crate) struct Condition {
    /// Too many checks in a row were bad, and not enough good since.
    is_sick: AtomicBool,
    /// Milliseconds on the clock that never goes back, until which it is left out; 0: it is not.
    out_until_ms: AtomicU64,
    /// Connections that could not be made, in all.
    failures: AtomicU64,
    /// Requests that went on to another upstream.
    left: AtomicU64,
    told: Mutex<Told>,
}

/// For people.
#[derive(Debug, Clone, Default)]
pub(crate) struct Told {
    /// Since when it is as it is; absent: since the start.
    pub(crate) since: Option<Timestamp>,
    /// The last thing that went wrong, and when.
    pub(crate) last_error: Option<(String, Timestamp)>,
    /// Answers of checks in a row that were unlike what it is.
    against: u32,
}

/// At what moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    /// On the clock that never goes back.
    pub(crate) elapsed: Duration,
    /// For people.
    pub(crate) time: Timestamp,
}

impl Condition {
    /// It gets requests as long as there is any such.
    pub(crate) fn is_usable(&self, elapsed: Duration) -> bool {
        !self.is_sick.load(Ordering::Relaxed) && self.out_until_ms.load(Ordering::Relaxed) <= millis(elapsed)
    }

    /// Nothing is known against it.
    pub(crate) fn is_healthy(&self) -> bool {
        !self.is_sick.load(Ordering::Relaxed) && self.out_until_ms.load(Ordering::Relaxed) == 0
    }

    /// Connections that could not be made, in all.
    pub(crate) fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// A request goes on to another upstream.
    pub(crate) fn is_left(&self) {
        self.left.fetch_add(1, Ordering::Relaxed);
    }

    /// Requests that went on to another upstream, in all.
    pub(crate) fn left(&self) -> u64 {
        self.left.load(Ordering::Relaxed)
    }

    /// For people.
    pub(crate) fn told(&self) -> Told {
        self.told.lock().clone()
    }

    /// A request goes there. The first one after its time out is the only one until it is known how that went.
    pub(super) fn is_tried(&self, elapsed: Duration) {
        let until = self.out_until_ms.load(Ordering::Relaxed);
        if until != 0 && until <= millis(elapsed) {
            let next = millis(elapsed.saturating_add(OUT_FOR));
            // Who comes second tries it too: it is a matter of an instant.
            let _ = self.out_until_ms.compare_exchange(until, next, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    /// A connection was made; true where that is news.
    pub(crate) fn is_connected(&self, now: impl FnOnce() -> Now) -> bool {
        if self.out_until_ms.load(Ordering::Relaxed) == 0 {
            return false;
        }
        self.change(now().time, |condition| condition.out_until_ms.store(0, Ordering::Relaxed))
    }

    /// No connection could be made; true where that is news.
    pub(crate) fn is_unconnected(&self, why: &str, now: Now) -> bool {
        self.failures.fetch_add(1, Ordering::Relaxed);
        self.told.lock().last_error = Some((why.to_owned(), now.time));
        let until = millis(now.elapsed.saturating_add(OUT_FOR));
        self.change(now.time, |condition| condition.out_until_ms.store(until, Ordering::Relaxed))
    }

    /// A check was answered well, or not; `after` such answers in a row change what it is. True where they did.
    pub(super) fn is_checked(&self, answer: Result<(), String>, after: u32, now: Now) -> bool {
        let is_bad = answer.is_err();
        let mut told = self.told.lock();
        if let Err(why) = answer {
            told.last_error = Some((why, now.time));
        }
        if self.is_sick.load(Ordering::Relaxed) == is_bad {
            told.against = 0;
            return false;
        }
        told.against += 1;
        if told.against < after {
            return false;
        }
        told.against = 0;
        drop(told);
        self.change(now.time, |condition| condition.is_sick.store(is_bad, Ordering::Relaxed))
    }

    /// Its checks were taken away, and with them what they said.
    pub(super) fn is_not_asked(&self) {
        self.is_sick.store(false, Ordering::Relaxed);
    }

    /// True where it was healthy before and is not any more, or the other way round.
    fn change(&self, time: Timestamp, change: impl FnOnce(&Self)) -> bool {
        let mut told = self.told.lock();
        let before = self.is_healthy();
        change(self);
        let is_news = self.is_healthy() != before;
        if is_news {
            told.since = Some(time);
        }
        is_news
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Now {
        let elapsed = Duration::from_secs(seconds);
        Now { elapsed, time: Timestamp::UNIX_EPOCH + jiff::SignedDuration::try_from(elapsed).unwrap() }
    }

    #[test]
    fn one_that_cannot_be_connected_to_is_left_out_for_a_while() {
        let condition = Condition::default();
        assert!(condition.is_healthy() && condition.is_usable(at(1).elapsed));
        assert!(condition.is_unconnected("backend_refused", at(1)));
        assert!(!condition.is_unconnected("backend_refused", at(2)), "no news");
        assert!(!condition.is_usable(at(11).elapsed), "the second one counts");
        assert!(condition.is_usable(at(12).elapsed) && !condition.is_healthy());
        condition.is_tried(at(12).elapsed);
        assert!(!condition.is_usable(at(13).elapsed), "one request tries it");
        assert!(condition.is_connected(|| at(14)));
        assert!(condition.is_usable(at(14).elapsed) && condition.is_healthy());
        assert!(!condition.is_connected(|| at(15)));
        let Told { since, last_error, against: _ } = condition.told();
        assert_eq!((since, last_error), (Some(at(14).time), Some(("backend_refused".to_owned(), at(2).time))));
        assert_eq!(condition.failures(), 2);
    }

    #[test]
    fn it_takes_several_checks_in_a_row() {
        let condition = Condition::default();
        let bad = || Err("status 503".to_owned());
        assert!(!condition.is_checked(bad(), 2, at(1)));
        assert!(!condition.is_checked(Ok(()), 2, at(2)));
        assert!(!condition.is_checked(bad(), 2, at(3)), "not in a row");
        assert!(condition.is_checked(bad(), 2, at(4)));
        assert!(!condition.is_usable(at(1000).elapsed));
        assert!(!condition.is_checked(Ok(()), 2, at(5)));
        assert!(condition.is_checked(Ok(()), 2, at(6)));
        assert!(condition.is_usable(at(6).elapsed));
    }
}

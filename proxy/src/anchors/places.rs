//! How sending to each place goes: who is told now, and who later.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;

/// A place that failed is told again after a minute, then after twice as long each time, up to this.
const LONGEST_WAIT: Duration = Duration::from_secs(15 * 60);
const FIRST_WAIT: Duration = Duration::from_secs(60);
/// A tick that comes a little early is no reason to wait for the next one.
const SLACK: Duration = Duration::from_secs(5);

/// How sending goes; lives as long as the process. Of each place that the configuration ever named a few words are kept.
#[derive(Debug, Default)]
pub(crate) struct Anchoring {
    /// When the latest anchor that every place has was made, in seconds since 1970; 0: none yet.
    reached: AtomicI64,
    failures: AtomicU64,
    places: Mutex<HashMap<String, Place>>,
}

/// One place.
#[derive(Debug, Default)]
struct Place {
    /// It is being told.
    busy: bool,
    /// Since it last took everything.
    failed: u32,
    /// On the clock that never goes back: not before this it is told again.
    not_before: Duration,
    /// Why it did not take the last one.
    error: Option<String>,
}

impl Anchoring {
    /// Since the latest anchor that every place has; none before the first.
    pub(crate) fn age(&self, now: Timestamp) -> Option<i64> {
        let reached = self.reached.load(Ordering::Relaxed);
        (reached != 0).then(|| now.as_second().saturating_sub(reached).max(0))
    }

    /// Anchors that a place did not take, each time it was told.
    pub(crate) fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// Why a place did not take the last one; absent where it did.
    pub(crate) fn error(&self, place: &str) -> Option<String> {
        self.places.lock().get(place)?.error.clone()
    }

    pub(super) fn set_reached(&self, time: Option<Timestamp>) {
        self.reached.store(time.map_or(0, Timestamp::as_second), Ordering::Relaxed);
    }

    /// Whether a place is to be told now; `asked` for, also one that failed just before. Then [`Self::end`] follows.
    pub(super) fn begin(&self, place: &str, now: Duration, asked: bool) -> bool {
        let mut places = self.places.lock();
        let place = places.entry(place.to_owned()).or_default();
        if place.busy {
            place.error = Some("it does not answer".to_owned());
            self.failures.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        place.busy = asked || now >= place.not_before;
        place.busy
    }

    pub(super) fn end(&self, name: &str, now: Duration, sent: &anyhow::Result<()>) {
        let mut places = self.places.lock();
        let place = places.entry(name.to_owned()).or_default();
        match sent {
            Ok(()) => *place = Place::default(),
            Err(error) => {
                self.failures.fetch_add(1, Ordering::Relaxed);
                let wait = FIRST_WAIT.saturating_mul(1 << place.failed.min(10)).min(LONGEST_WAIT);
                let error = format!("{error:#}");
                tracing::warn!(place = name, error, retry_s = wait.as_secs(), "anchors wait");
                let not_before = (now + wait).saturating_sub(SLACK);
                *place = Place { busy: false, failed: place.failed + 1, not_before, error: Some(error) };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_fails_is_told_again_later_and_later_and_asked_for_at_once() {
        let (anchoring, mut now) = (Anchoring::default(), Duration::ZERO);
        assert!(anchoring.begin("s3://heads", now, false));
        for minutes in [1, 2, 4, 8, 15, 15] {
            assert!(!anchoring.begin("s3://heads", now, true), "it is being told");
            anchoring.end("s3://heads", now, &Err(anyhow::anyhow!("away")));
            assert_eq!(anchoring.error("s3://heads").as_deref(), Some("away"));
            let before = now;
            while !anchoring.begin("s3://heads", now, false) {
                now += Duration::from_secs(1);
            }
            assert_eq!((now - before + SLACK).as_secs(), minutes * 60);
        }
        anchoring.end("s3://heads", now, &Err(anyhow::anyhow!("away")));
        assert!(anchoring.begin("s3://heads", now, true), "somebody asked");
        anchoring.end("s3://heads", now, &Ok(()));
        assert!(anchoring.begin("s3://heads", now, false));
        assert_eq!((anchoring.error("s3://heads"), anchoring.failures()), (None, 13));
    }
}

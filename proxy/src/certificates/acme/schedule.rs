//! When: renewals, attempts after failures, questions for advice. Every time is spread, each certificate's by its own
//! number, so that neither many hosts nor many installations come at once; a restart changes none of them.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use jiff::{SignedDuration, Timestamp};
use vestibule_config::certificate::Certificate;

/// The first pause after a failure; each further one is twice as long. Five fit into the first hour, which is what
/// authorities allow to fail.
const PAUSE_FIRST: Duration = Duration::from_secs(10 * 60);
/// The longest pause.
const PAUSE_MOST: Duration = Duration::from_secs(12 * 3600);
/// A pause is up to so much longer.
const PAUSE_SPREAD: f64 = 0.25;

/// Without advice a certificate is renewed after this part of its life, and up to [`SPREAD`] later.
const AFTER: f64 = 2.0 / 3.0;
const SPREAD: f64 = 1.0 / 24.0;
/// Advice never puts it off beyond this part.
const LATEST: f64 = 11.0 / 12.0;

/// How often advice is asked for, whatever the authority says.
pub(super) const ASK_LEAST: Duration = Duration::from_secs(60);
/// See [`ASK_LEAST`].
pub(super) const ASK_MOST: Duration = Duration::from_secs(24 * 3600);
/// After a question that was not answered.
pub(super) const ASK_AFTER_FAILURE: Duration = Duration::from_secs(6 * 3600);

/// The times between which an authority would like a renewal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) start: Timestamp,
    pub(super) end: Timestamp,
}

/// When a certificate is due for renewal.
pub(super) fn renewal(certificate: &Certificate, advice: Option<Window>) -> Timestamp {
    let life = Window { start: certificate.not_before, end: certificate.not_after };
    renewal_in(life, share(&certificate.serial), advice)
}

fn renewal_in(life: Window, share: f64, advice: Option<Window>) -> Timestamp {
    match advice {
        Some(window) => window.at(share).min(life.at(LATEST)),
        None => life.at(AFTER + SPREAD * share),
    }
}

impl Window {
    /// After this part of it; a window that ends before it starts is its start alone.
    fn at(self, part: f64) -> Timestamp {
        let length = Duration::try_from(self.end.duration_since(self.start)).unwrap_or_default();
        later(self.start, length.mul_f64(part))
    }
}

/// How long after the `count`th failure in a row nothing is tried.
pub(super) fn pause(count: u32, host: &str) -> Duration {
    let doubled = PAUSE_FIRST.saturating_mul(1_u32.checked_shl(count.saturating_sub(1)).unwrap_or(u32::MAX));
    doubled.min(PAUSE_MOST).mul_f64(1.0 + PAUSE_SPREAD * share(&format!("{host} {count}")))
}

/// A time of the calendar, its last one at most.
pub(super) fn later(time: Timestamp, by: Duration) -> Timestamp {
    let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
    time.saturating_add(by).unwrap_or(Timestamp::MAX)
}

/// From 0 to 1, evenly, always the same of the same text.
fn share(text: &str) -> f64 {
    let digest = digest(&SHA256, text.as_bytes());
    let first = digest.as_ref().iter().take(4).fold(0_u32, |sum, byte| (sum << 8) | u32::from(*byte));
    f64::from(first) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    const DAY: Duration = Duration::from_secs(24 * 3600);

    #[test]
    fn a_renewal_is_due_after_two_thirds_of_a_life_and_spread() {
        let life = Window { start: at("2026-01-01T00:00:00Z"), end: at("2026-04-01T00:00:00Z") };
        let due = |share| renewal_in(life, share, None).round(jiff::Unit::Second).unwrap();
        assert_eq!(due(0.0), later(life.start, 60 * DAY));
        assert_eq!(due(1.0), later(life.start, DAY.mul_f64(63.75)));
    }

    #[test]
    fn the_authority_may_ask_for_it_earlier_or_somewhat_later() {
        let life = Window { start: at("2026-01-01T00:00:00Z"), end: at("2026-04-01T00:00:00Z") };
        let window = |start: &str, end: &str| Some(Window { start: at(start), end: at(end) });
        let revoked = window("2026-01-03T00:00:00Z", "2026-01-04T00:00:00Z");
        assert_eq!(renewal_in(life, 0.5, revoked), at("2026-01-03T12:00:00Z"));
        let late = window("2026-06-01T00:00:00Z", "2026-06-02T00:00:00Z");
        assert!(renewal_in(life, 0.5, late) < life.end);
        let backwards = window("2026-02-01T00:00:00Z", "2026-01-01T00:00:00Z");
        assert_eq!(renewal_in(life, 0.5, backwards), at("2026-02-01T00:00:00Z"));
    }

    #[test]
    fn pauses_grow_to_a_bound_and_leave_an_hour_five_attempts_at_most() {
        let pauses: Vec<_> = (1..40).map(|count| pause(count, "wiki.example.net")).collect();
        assert!(pauses.iter().take(6).is_sorted() && pauses[0] >= PAUSE_FIRST);
        assert!(pauses.iter().all(|pause| *pause <= PAUSE_MOST.mul_f64(1.0 + PAUSE_SPREAD)));
        let mut attempts = 1;
        let mut passed = Duration::ZERO;
        for pause in &pauses {
            passed += *pause;
            attempts += u32::from(passed < Duration::from_secs(3600));
        }
        assert!(attempts <= 5, "{attempts}");
        assert_ne!(pause(1, "a.example.net"), pause(1, "b.example.net"));
    }
}

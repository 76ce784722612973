//! How long a client has for the next part of its request's body.

use std::time::Duration;

use vestibule_config::server::Limits;

/// Before a body's rate counts; a shorter `body_timeout` takes its place.
const GRACE: Duration = Duration::from_secs(10);

/// A client that waited for its upstream is not to blame for it: it always has so long, or a fifth of a `body_timeout` of
/// less than five times that, and one that sends so much at once is not slow.
const LEAST: Duration = Duration::from_secs(1);
const MUCH: usize = 1024;

/// What of a body has come.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Came {
    /// Bytes, with this part's.
    pub(crate) bytes: u64,
    /// Bytes of this part.
    pub(crate) part: usize,
    /// Since the first.
    pub(crate) taken: Duration,
}

/// Before anything of the body came.
pub(crate) fn first(limits: &Limits) -> Duration {
    limits.body_timeout
}

/// Until the next part must be there; absent where the body comes too slowly.
pub(crate) fn next(limits: &Limits, came: Came) -> Option<Duration> {
    let rate = limits.body_rate.0.max(1);
    let earned = Duration::from_millis(came.bytes.saturating_mul(1000) / rate);
    let until = earned.saturating_add(GRACE.min(limits.body_timeout));
    let least = LEAST.min(limits.body_timeout / 5);
    match until.checked_sub(came.taken) {
        Some(left) => Some(left.clamp(least, limits.body_timeout)),
        None => (came.part >= MUCH).then_some(least),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next_of(bytes: u64, part: usize, taken: u64) -> Option<u64> {
        let came = Came { bytes, part, taken: Duration::from_secs(taken) };
        next(&Limits::default(), came).map(|left| left.as_secs())
    }

    #[test]
    fn a_body_earns_its_time_by_what_came() {
        // 1 KiB/s after ten seconds, and never more than a minute of silence.
        for (bytes, part, taken, left) in [
            (1, 1, 0, Some(10)),
            (1, 1, 8, Some(2)),
            (1, 1, 10, Some(1)),
            (1, 1, 11, None),
            (4096, 1, 11, Some(3)),
            (4096, 1, 15, None),
            (1 << 20, 4096, 0, Some(60)),
            (u64::MAX, 1, u64::from(u32::MAX), Some(60)),
        ] {
            assert_eq!(next_of(bytes, part, taken), left, "{bytes} bytes in {taken} s");
        }
    }

    #[test]
    fn who_sends_much_at_once_waited_for_the_upstream() {
        assert_eq!(next_of(65_536, 65_536, 3600), Some(1));
        assert_eq!(next_of(65_536, 512, 3600), None);
    }

    #[test]
    fn a_short_timeout_is_the_grace_too() {
        let limits = Limits { body_timeout: Duration::from_secs(2), ..Limits::default() };
        assert_eq!(first(&limits), Duration::from_secs(2));
        assert!(next(&limits, Came { bytes: 1, part: 1, taken: Duration::from_millis(2100) }).is_none());
        let left = next(&limits, Came { bytes: 1 << 20, part: 1, taken: Duration::ZERO });
        assert_eq!(left, Some(Duration::from_secs(2)));
    }
}

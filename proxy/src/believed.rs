//! The wall clock, as far as it is believed: for what cannot be taken back.
//!
//! Entries are removed by their age. A clock that leaps forward, or is wrong when the machine starts, would make all of
//! them old. So a leap is believed only after a day; until then time goes on as the clock that never goes back says.

use std::time::Duration;

use jiff::Timestamp;

/// A clock that is further ahead than this has leapt.
const LEAP: Duration = Duration::from_secs(3600);

/// A leap that lasts so long is none.
const DOUBT: Duration = Duration::from_secs(24 * 3600);

/// What was believed last.
#[derive(Debug)]
pub(crate) struct Believed {
    wall: Timestamp,
    elapsed: Duration,
    /// On the clock that never goes back: since when the wall clock is not believed.
    doubted: Option<Duration>,
}

/// What the wall clock is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    /// As before: right, or not.
    Nothing,
    /// It has just leapt.
    Leapt,
}

impl Believed {
    /// The latest time that is known of, and the moment of now on both clocks.
    pub(crate) fn new(latest: Option<Timestamp>, wall: Timestamp, elapsed: Duration) -> Self {
        Self { wall: latest.map_or(wall, |latest| latest.min(wall)), elapsed, doubted: None }
    }

    /// The time that may be relied on now, and whether there is something to tell.
    pub(crate) fn now(&mut self, wall: Timestamp, elapsed: Duration) -> (Timestamp, Told) {
        let passed = elapsed.saturating_sub(self.elapsed);
        let steady = self.wall.checked_add(passed).unwrap_or(wall);
        let is_ahead = steady.checked_add(LEAP).is_ok_and(|latest| wall > latest);
        let since = if is_ahead { Some(self.doubted.unwrap_or(elapsed)) } else { None };
        let told = if is_ahead && self.doubted.is_none() { Told::Leapt } else { Told::Nothing };
        self.doubted = since.filter(|since| elapsed.saturating_sub(*since) < DOUBT);
        (self.wall, self.elapsed) = (if self.doubted.is_some() { steady } else { wall }, elapsed);
        (self.wall, told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_leap_is_believed_after_a_day_and_forgotten_when_the_clock_is_right_again() {
        let (start, wrong) = (at("2026-11-01T00:00:00Z"), at("2038-01-19T03:14:08Z"));
        let mut believed = Believed::new(None, start, Duration::ZERO);
        assert_eq!(believed.now(start + MINUTE, MINUTE), (start + MINUTE, Told::Nothing));
        assert_eq!(believed.now(wrong, 2 * MINUTE), (start + 2 * MINUTE, Told::Leapt));
        assert_eq!(believed.now(wrong + MINUTE, 3 * MINUTE), (start + 3 * MINUTE, Told::Nothing));
        assert_eq!(believed.now(start + 4 * MINUTE, 4 * MINUTE), (start + 4 * MINUTE, Told::Nothing));
        // Backwards at once: nothing is older by it.
        let back = at("2026-10-01T00:00:00Z");
        assert_eq!(believed.now(back, 5 * MINUTE), (back, Told::Nothing));
        // And forward for good.
        assert_eq!(believed.now(start, 6 * MINUTE), (back + MINUTE, Told::Leapt));
        let (day, minutes) = (DOUBT + 6 * MINUTE, MINUTE);
        assert_eq!(believed.now(start + DOUBT - MINUTE, day - MINUTE).0, back + DOUBT);
        assert_eq!(believed.now(start + DOUBT, day), (start + DOUBT, Told::Nothing));
        assert_eq!(believed.now(start + DOUBT + minutes, day + minutes), (start + DOUBT + minutes, Told::Nothing));
    }

    #[test]
    fn a_clock_that_is_wrong_at_the_start_is_measured_by_the_latest_entry() {
        let latest = at("2026-11-01T00:00:00Z");
        for (wall, is_believed) in
            [("2026-11-01T00:50:00Z", true), ("2026-10-01T00:00:00Z", true), ("2031-01-01T00:00:00Z", false)]
        {
            let mut believed = Believed::new(Some(latest), at(wall), MINUTE);
            let (now, told) = believed.now(at(wall), MINUTE);
            assert_eq!((now == at(wall), told), (is_believed, if is_believed { Told::Nothing } else { Told::Leapt }));
        }
    }
}

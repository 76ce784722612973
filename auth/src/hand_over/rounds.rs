//! Browsers that are given a session again and again, and come back without it.

use std::sync::Arc;
use std::time::Duration;

use crate::cache::Cache;

/// So many returns in [`WITHIN`] are a loop.
const MOST: u32 = 3;
const WITHIN: Duration = Duration::from_secs(60);

/// Browsers that are remembered; one that is forgotten is counted anew.
const REMEMBERED: usize = 10_000;

/// SHA-256 of the browser's cookie, and the circuit.
type Who = ([u8; 32], Arc<str>);

#[derive(Debug, Clone, Copy)]
struct Round {
    since: Duration,
    /// A session was given to it, and it was not seen since.
    given: bool,
    returns: u32,
}

pub(super) struct Rounds(Cache<Who, Round>);

impl Default for Rounds {
    fn default() -> Self {
        Self(Cache::new(REMEMBERED))
    }
}

impl Rounds {
    /// A session was opened for it.
    pub(super) fn given(&self, who: Who, now: Duration) {
        let round = self.of(&who, now).unwrap_or(Round { since: now, given: false, returns: 0 });
        self.0.insert(who, Round { given: true, ..round });
    }

    /// It asks for one as if it had none. True where that has happened too often; tabs that ask at the same time, before
    /// one was given, count as nothing.
    pub(super) fn is_loop(&self, who: Who, now: Duration) -> bool {
        let Some(round) = self.of(&who, now) else { return false };
        let returns = round.returns + u32::from(round.given);
        self.0.insert(who, Round { given: false, returns, ..round });
        returns >= MOST
    }

    pub(super) fn count(&self) -> u64 {
        self.0.len() as u64
    }

    fn of(&self, who: &Who, now: Duration) -> Option<Round> {
        self.0.get(who).filter(|round| now.saturating_sub(round.since) < WITHIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(browser: u8) -> Who {
        ([browser; 32], "wiki".into())
    }

    #[test]
    fn three_returns_in_a_minute_are_a_loop() {
        let rounds = Rounds::default();
        let at = Duration::from_secs;
        for round in 0..2 {
            rounds.given(who(1), at(round));
            assert!(!rounds.is_loop(who(1), at(round)));
        }
        rounds.given(who(1), at(2));
        assert!(!rounds.is_loop(who(2), at(2)), "another browser");
        assert!(rounds.is_loop(who(1), at(59)) && rounds.is_loop(who(1), at(59)), "it stays one");
        assert!(!rounds.is_loop(who(1), at(60)), "for a minute");
    }

    #[test]
    fn tabs_at_the_same_time_are_none() {
        let rounds = Rounds::default();
        let now = Duration::ZERO;
        assert!((0..20).all(|_| !rounds.is_loop(who(1), now)));
        (0..20).for_each(|_| rounds.given(who(1), now));
        assert!((0..20).all(|_| !rounds.is_loop(who(1), now)));
    }
}

//! The minutes of the last day.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::sync::Arc;

use super::counted::{Counted, Dimension};
use super::minute::Minute;

/// A day, the minute that is running, and some for a clock that is set back.
const MINUTES: usize = 24 * 60 + 10;

/// Minutes that can be added to without being unpacked first: requests are counted in the minute in which they began.
const OPEN: usize = 64;

const MINUTE_US: i64 = 60_000_000;

/// Minutes since 1970 of a time in microseconds since 1970.
pub(super) const fn minute_of(time: i64) -> i64 {
    time.div_euclid(MINUTE_US)
}

/// The first microsecond of a minute.
pub(super) const fn start_of(minute: i64) -> i64 {
    minute.saturating_mul(MINUTE_US)
}

/// All counters, at most [`MINUTES`] of [`super::minute::MINUTE_BYTES`] each. A minute is in one of two places.
#[derive(Debug, Default)]
pub(super) struct Ring {
    /// Being added to, at most [`OPEN`]; the one that was added to last is the last.
    open: Vec<Open>,
    /// As they are stored, by minutes since 1970.
    sealed: BTreeMap<i64, Sealed>,
    /// Dropped, and still on disk.
    dropped: BTreeSet<i64>,
    /// Request entries that are counted: those before this position.
    counted: u64,
    /// Empty, its memory to be used again.
    spare: Minute,
}

#[derive(Debug)]
struct Open {
    minute: i64,
    counts: Minute,
    /// Changed since it was last saved.
    is_dirty: bool,
}

#[derive(Debug)]
struct Sealed {
    bytes: Arc<[u8]>,
    /// Changed since it was last saved.
    is_dirty: bool,
}

/// What is to be written to disk, together.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) minutes: Vec<(i64, Arc<[u8]>)>,
    pub(super) dropped: BTreeSet<i64>,
    pub(super) counted: u64,
}

impl Ring {
    /// As it was saved.
    pub(super) fn restored(minutes: BTreeMap<i64, Box<[u8]>>, counted: u64) -> Self {
        let sealed = |bytes: Box<[u8]>| Sealed { bytes: bytes.into(), is_dirty: false };
        let sealed = minutes.into_iter().map(|(minute, bytes)| (minute, sealed(bytes))).collect();
        Self { sealed, counted, ..Self::default() }
    }

    /// Empty, with minutes on disk that count nothing any more. Counting begins at a position.
    pub(super) fn anew(stale: BTreeSet<i64>, counted: u64) -> Self {
        Self { dropped: stale, counted, ..Self::default() }
    }

    pub(super) const fn counted(&self) -> u64 {
        self.counted
    }

    /// Counts the entry at the next position.
    pub(super) fn count(&mut self, bytes: &[u8]) {
        self.counted += 1;
        if crate::erased::is_erased(bytes) {
            return;
        }
        let request = Counted::of(bytes);
        if request.is_announcement {
            return;
        }
        if let Some(open) = self.open(minute_of(request.time)) {
            open.add(&request);
        }
    }

    /// Those from one minute to another, both included, as they are stored.
    pub(super) fn between(&self, since: i64, until: i64) -> Vec<(i64, Arc<[u8]>)> {
        if since > until {
            return Vec::new();
        }
        let open = self.open.iter().filter(|open| (since..=until).contains(&open.minute));
        let mut minutes: Vec<_> = open.map(|open| (open.minute, open.counts.encode().into())).collect();
        minutes.extend(self.sealed.range(since..=until).map(|(minute, sealed)| (*minute, Arc::clone(&sealed.bytes))));
        minutes.sort_unstable_by_key(|(minute, _)| *minute);
        minutes
    }

    /// Counts keys without their names from now on.
    pub(super) fn forget_keys(&mut self, goes: impl Fn(Dimension, &[u8]) -> bool) {
        for open in &mut self.open {
            open.is_dirty |= open.counts.forget(&goes);
        }
        for sealed in self.sealed.values_mut() {
            let Some(mut counts) = Minute::decode(&sealed.bytes) else { continue };
            if counts.forget(&goes) {
                *sealed = Sealed { bytes: counts.encode().into(), is_dirty: true };
            }
        }
    }

    /// Drops every minute outside of these: too old, or ahead of a clock that was set back.
    pub(super) fn keep(&mut self, since: i64, until: i64) {
        let all = self.sealed.keys().copied().chain(self.open.iter().map(|open| open.minute));
        for minute in all.filter(|minute| !(since..=until).contains(minute)).collect::<Vec<i64>>() {
            self.forget(minute);
        }
    }

    /// What has changed since the last time; [`Self::give_back`] if it could not be written.
    pub(super) fn take_change(&mut self) -> Change {
        let open = self
            .open
            .iter_mut()
            .filter_map(|open| mem::take(&mut open.is_dirty).then(|| (open.minute, Arc::from(open.counts.encode()))));
        let mut minutes: Vec<_> = open.collect();
        minutes.extend(self.sealed.iter_mut().filter_map(|(minute, sealed)| {
            mem::take(&mut sealed.is_dirty).then(|| (*minute, Arc::clone(&sealed.bytes)))
        }));
        minutes.sort_unstable_by_key(|(minute, _)| *minute);
        Change { minutes, dropped: mem::take(&mut self.dropped), counted: self.counted }
    }

    pub(super) fn give_back(&mut self, change: Change) {
        for (minute, _) in change.minutes {
            if let Some(open) = self.open.iter_mut().find(|open| open.minute == minute) {
                open.is_dirty = true;
            } else if let Some(sealed) = self.sealed.get_mut(&minute) {
                sealed.is_dirty = true;
            }
        }
        let held = |minute: &i64| self.sealed.contains_key(minute) || self.open.iter().any(|it| it.minute == *minute);
        self.dropped.extend(change.dropped.into_iter().filter(|minute| !held(minute)));
    }

    /// The minute to add to; none if it is older than all there is room for.
    fn open(&mut self, minute: i64) -> Option<&mut Minute> {
        if self.open.last().is_none_or(|last| last.minute != minute) {
            let at = match self.open.iter().rposition(|open| open.minute == minute) {
                Some(at) => at,
                None => self.begin(minute)?,
            };
            // Few minutes follow the one that is added to.
            self.open.get_mut(at..)?.rotate_left(1);
        }
        let open = self.open.last_mut()?;
        open.is_dirty = true;
        Some(&mut open.counts)
    }

    /// Opens a minute that is not open. Gives its place.
    fn begin(&mut self, minute: i64) -> Option<usize> {
        // Bytes that cannot be read were written by nobody: the minute begins anew.
        let sealed = self.sealed.remove(&minute).map(|sealed| Minute::decode(&sealed.bytes).unwrap_or_default());
        if sealed.is_none() {
            self.make_room(minute)?;
        }
        if self.open.len() >= OPEN {
            self.seal_earliest();
        }
        let counts = sealed.unwrap_or_else(|| mem::take(&mut self.spare));
        self.open.push(Open { minute, counts, is_dirty: true });
        Some(self.open.len() - 1)
    }

    /// Requests come about in order of time: what is earliest is least likely to be added to.
    fn seal_earliest(&mut self) {
        let earliest = self.open.iter().enumerate().min_by_key(|(_, open)| open.minute).map(|(at, _)| at);
        if let Some(Open { minute, mut counts, is_dirty }) = earliest.map(|at| self.open.remove(at)) {
            self.sealed.insert(minute, Sealed { bytes: counts.encode().into(), is_dirty });
            counts.clear();
            self.spare = counts;
        }
    }

    /// Before a minute is added.
    fn make_room(&mut self, minute: i64) -> Option<()> {
        if self.sealed.len() + self.open.len() >= MINUTES {
            let open = self.open.iter().map(|open| open.minute);
            let oldest = self.sealed.keys().next().copied().into_iter().chain(open).min();
            self.forget(oldest.filter(|oldest| *oldest < minute)?);
        }
        self.dropped.remove(&minute);
        Some(())
    }

    fn forget(&mut self, minute: i64) {
        self.sealed.remove(&minute);
        self.open.retain(|open| open.minute != minute);
        self.dropped.insert(minute);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_are_bounded_the_open_ones_too_and_the_oldest_go() {
        let mut ring = Ring::default();
        // Backwards in the middle, as requests that took long.
        for minute in (0..3000).map(|at| if at % 7 == 0 { at - at % 50 } else { at }) {
            ring.open(minute);
            assert!(ring.sealed.len() + ring.open.len() <= MINUTES);
            assert!(ring.open.len() <= OPEN);
        }
        assert!(ring.open(5).is_none(), "older than all of them");
        let oldest = *ring.sealed.keys().next().unwrap();
        assert!(ring.dropped.iter().all(|dropped| *dropped < oldest));
    }

    #[test]
    fn what_could_not_be_written_is_written_the_next_time() {
        let mut ring = Ring::default();
        for minute in 0..3 {
            ring.open(minute);
        }
        let numbers = |change: &Change| change.minutes.iter().map(|(minute, _)| *minute).collect::<Vec<_>>();
        let change = ring.take_change();
        assert_eq!(numbers(&change), [0, 1, 2]);
        ring.keep(1, 5);
        ring.give_back(change);
        let change = ring.take_change();
        assert_eq!((numbers(&change), &change.dropped), (vec![1, 2], &BTreeSet::from([0])));
        ring.open(2);
        let change = ring.take_change();
        assert_eq!((numbers(&change), &change.dropped), (vec![2], &BTreeSet::new()));
    }
}

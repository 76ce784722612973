//! The minutes of the last day.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::sync::Arc;

use super::counted::Counted;
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

/// All counters, at most [`MINUTES`] of [`super::minute::MINUTE_BYTES`] each.
#[derive(Debug, Default)]
pub(super) struct Ring {
    /// By minutes since 1970.
    minutes: BTreeMap<i64, Slot>,
    /// Dropped, and still on disk.
    dropped: BTreeSet<i64>,
    /// Request entries that are counted: those before this position.
    counted: u64,
}

#[derive(Debug)]
struct Slot {
    held: Held,
    /// Changed since it was last saved.
    is_dirty: bool,
}

#[derive(Debug)]
enum Held {
    /// Being added to.
    Open(Box<Minute>),
    /// As it is stored.
    Sealed(Arc<[u8]>),
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
        let slot = |bytes: Box<[u8]>| Slot { held: Held::Sealed(bytes.into()), is_dirty: false };
        let minutes = minutes.into_iter().map(|(minute, bytes)| (minute, slot(bytes))).collect();
        Self { minutes, dropped: BTreeSet::new(), counted }
    }

    /// Empty, with minutes on disk that count nothing any more. Counting begins at a position.
    pub(super) const fn anew(stale: BTreeSet<i64>, counted: u64) -> Self {
        Self { minutes: BTreeMap::new(), dropped: stale, counted }
    }

    pub(super) const fn counted(&self) -> u64 {
        self.counted
    }

    /// Counts the entry at the next position.
    pub(super) fn count(&mut self, bytes: &[u8]) {
        self.counted += 1;
        let request = Counted::of(bytes);
        if let Some(open) = self.open(minute_of(request.time)) {
            open.add(&request);
        }
    }

    /// Those from one minute to another, both included, as they are stored.
    pub(super) fn between(&self, since: i64, until: i64) -> Vec<(i64, Arc<[u8]>)> {
        if since > until {
            return Vec::new();
        }
        self.minutes.range(since..=until).map(|(minute, slot)| (*minute, slot.held.bytes())).collect()
    }

    /// Drops every minute outside of these: too old, or ahead of a clock that was set back.
    pub(super) fn keep(&mut self, since: i64, until: i64) {
        let outside = self.minutes.keys().filter(|minute| !(since..=until).contains(*minute));
        for minute in outside.copied().collect::<Vec<i64>>() {
            self.forget(minute);
        }
    }

    /// What has changed since the last time; [`Self::give_back`] if it could not be written.
    pub(super) fn take_change(&mut self) -> Change {
        let minutes = self.minutes.iter_mut().filter_map(|(minute, slot)| {
            let was_dirty = mem::take(&mut slot.is_dirty);
            was_dirty.then(|| (*minute, slot.held.bytes()))
        });
        let minutes = minutes.collect();
        Change { minutes, dropped: mem::take(&mut self.dropped), counted: self.counted }
    }

    pub(super) fn give_back(&mut self, change: Change) {
        for (minute, _) in change.minutes {
            if let Some(slot) = self.minutes.get_mut(&minute) {
                slot.is_dirty = true;
            }
        }
        self.dropped.extend(change.dropped.into_iter().filter(|minute| !self.minutes.contains_key(minute)));
    }

    /// The minute to add to; none if it is older than all there is room for.
    fn open(&mut self, minute: i64) -> Option<&mut Minute> {
        if !self.minutes.get(&minute).is_some_and(|slot| slot.held.is_open()) {
            self.seal_surplus();
            let opened = match self.minutes.get(&minute) {
                Some(slot) => slot.held.unpacked(),
                None => self.make_room(minute).map(|()| Minute::default())?,
            };
            self.minutes.insert(minute, Slot { held: Held::Open(Box::new(opened)), is_dirty: true });
        }
        let slot = self.minutes.get_mut(&minute)?;
        slot.is_dirty = true;
        match &mut slot.held {
            Held::Open(open) => Some(open),
            Held::Sealed(_) => None,
        }
    }

    /// Before one more minute is open.
    fn seal_surplus(&mut self) {
        let mut surplus = (self.minutes.values().filter(|slot| slot.held.is_open()).count() + 1).saturating_sub(OPEN);
        for slot in self.minutes.values_mut() {
            if surplus > 0 && slot.held.is_open() {
                slot.held = Held::Sealed(slot.held.bytes());
                surplus -= 1;
            }
        }
    }

    /// Before a minute is added.
    fn make_room(&mut self, minute: i64) -> Option<()> {
        if self.minutes.len() >= MINUTES {
            let (&oldest, _) = self.minutes.first_key_value().filter(|(oldest, _)| **oldest < minute)?;
            self.forget(oldest);
        }
        self.dropped.remove(&minute);
        Some(())
    }

    fn forget(&mut self, minute: i64) {
        self.minutes.remove(&minute);
        self.dropped.insert(minute);
    }
}

impl Held {
    const fn is_open(&self) -> bool {
        match self {
            Self::Open(_) => true,
            Self::Sealed(_) => false,
        }
    }

    /// Bytes that cannot be read were written by nobody: the minute begins anew.
    fn unpacked(&self) -> Minute {
        Minute::decode(&self.bytes()).unwrap_or_default()
    }

    fn bytes(&self) -> Arc<[u8]> {
        match self {
            Self::Open(minute) => minute.encode().into(),
            Self::Sealed(bytes) => bytes.clone(),
        }
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
            assert!(ring.minutes.len() <= MINUTES);
            assert!(ring.minutes.values().filter(|slot| slot.held.is_open()).count() <= OPEN);
        }
        assert!(ring.open(5).is_none(), "older than all of them");
        let oldest = *ring.minutes.keys().next().unwrap();
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

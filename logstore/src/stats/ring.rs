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
    /// Changed since they were last saved.
    dirty: BTreeSet<i64>,
    /// Dropped, and still on disk.
    dropped: BTreeSet<i64>,
    /// Request entries that are counted: those before this position.
    counted: u64,
}

/// Open: being added to. Sealed: as it is stored.
#[derive(Debug)]
enum Slot {
    Open(Box<Minute>),
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
    pub(super) fn restored(minutes: impl IntoIterator<Item = (i64, Box<[u8]>)>, counted: u64) -> Self {
        let minutes = minutes.into_iter().map(|(minute, bytes)| (minute, Slot::Sealed(bytes.into()))).collect();
        Self { minutes, counted, ..Self::default() }
    }

    /// Empty, with minutes on disk that count nothing any more. Counting begins at a position.
    pub(super) fn anew(stale: impl IntoIterator<Item = i64>, counted: u64) -> Self {
        Self { dropped: stale.into_iter().collect(), counted, ..Self::default() }
    }

    pub(super) const fn counted(&self) -> u64 {
        self.counted
    }

    /// Counts the entry at the next position.
    pub(super) fn count(&mut self, bytes: &[u8]) {
        self.counted += 1;
        let request = Counted::of(bytes);
        let minute = minute_of(request.time);
        if let Some(open) = self.open(minute) {
            open.add(&request);
            self.dirty.insert(minute);
        }
    }

    /// Those from one minute to another, both included, as they are stored.
    pub(super) fn between(&self, since: i64, until: i64) -> Vec<(i64, Arc<[u8]>)> {
        if since > until {
            return Vec::new();
        }
        self.minutes.range(since..=until).map(|(minute, slot)| (*minute, slot.bytes())).collect()
    }

    /// Drops every minute outside of these: too old, or ahead of a clock that was set back.
    pub(super) fn keep(&mut self, since: i64, until: i64) {
        let outside = self.minutes.extract_if(.., |minute, _| !(since..=until).contains(minute));
        let outside: Vec<i64> = outside.map(|(minute, _)| minute).collect();
        outside.into_iter().for_each(|minute| self.forget(minute));
    }

    /// What has changed since the last time; [`Self::give_back`] if it could not be written.
    pub(super) fn take_change(&mut self) -> Change {
        let dirty = mem::take(&mut self.dirty);
        let minutes = dirty.into_iter().filter_map(|minute| Some((minute, self.minutes.get(&minute)?.bytes())));
        let minutes = minutes.collect();
        Change { minutes, dropped: mem::take(&mut self.dropped), counted: self.counted }
    }

    pub(super) fn give_back(&mut self, change: Change) {
        let still = |minute: &i64| self.minutes.contains_key(minute);
        self.dirty.extend(change.minutes.into_iter().map(|(minute, _)| minute).filter(still));
        self.dropped.extend(change.dropped.into_iter().filter(|minute| !self.minutes.contains_key(minute)));
    }

    /// The minute to add to; none if it is older than all there is room for.
    fn open(&mut self, minute: i64) -> Option<&mut Minute> {
        if !matches!(self.minutes.get(&minute), Some(Slot::Open(_))) {
            self.seal_surplus();
            let opened = match self.minutes.get(&minute) {
                Some(slot) => slot.unpacked(),
                None => self.make_room(minute).map(|()| Minute::default())?,
            };
            self.minutes.insert(minute, Slot::Open(Box::new(opened)));
        }
        match self.minutes.get_mut(&minute) {
            Some(Slot::Open(open)) => Some(open),
            Some(Slot::Sealed(_)) | None => None,
        }
    }

    /// Before one more minute is open.
    fn seal_surplus(&mut self) {
        let mut surplus = (self.minutes.values().filter(|slot| slot.is_open()).count() + 1).saturating_sub(OPEN);
        for slot in self.minutes.values_mut() {
            if surplus > 0 && slot.is_open() {
                *slot = Slot::Sealed(slot.bytes());
                surplus -= 1;
            }
        }
    }

    /// Before a minute is added.
    fn make_room(&mut self, minute: i64) -> Option<()> {
        if self.minutes.len() >= MINUTES {
            let (&oldest, _) = self.minutes.first_key_value().filter(|(oldest, _)| **oldest < minute)?;
            self.minutes.remove(&oldest);
            self.forget(oldest);
        }
        self.dropped.remove(&minute);
        Some(())
    }

    fn forget(&mut self, minute: i64) {
        self.dirty.remove(&minute);
        self.dropped.insert(minute);
    }
}

impl Slot {
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

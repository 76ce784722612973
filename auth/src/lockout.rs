//! Failures of credentials: counted per key in a sliding window, locking where a budget says so, surviving a restart.

#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use rocksdb::WriteBatch;
use vestibule_config::limit::FAILURES_MAX;

use crate::clock::Clock;
use crate::error::Error;
use crate::state::{State, Table};

/// Keys remembered. Beyond it those without a running window are dropped; where all run, new keys share one.
const MAX_KEYS: usize = 100_000;

/// A full table is searched for keys to drop at most this often, in milliseconds.
const MAKE_ROOM_EVERY_MS: i64 = 1_000;

/// Failures counted per key.
const MAX_COUNT: usize = FAILURES_MAX as usize;

/// Keyed hashes of account and address, or of a circuit.
pub(crate) type FailureKey = [u8; 32];

/// The key of all that found no room.
const SHARED: FailureKey = [0; 32];

/// How many failures, in which time, and what then.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) count: u32,
    pub(crate) within: Duration,
    /// Absent: refused only until enough failures are older than `within`.
    pub(crate) lock: Option<Duration>,
}

impl Limits {
    fn count(&self) -> usize {
        (self.count as usize).min(MAX_COUNT)
    }
}

pub(crate) struct Failures {
    clock: Arc<dyn Clock>,
    state: Arc<State>,
    table: Mutex<Counts>,
    /// Held over a whole flush: rows reach the database in the order of their counts.
    flushing: Mutex<()>,
}

#[derive(Default)]
struct Counts {
    entries: HashMap<FailureKey, Entry>,
    dirty: HashSet<FailureKey>,
    made_room_at: Option<i64>,
}

/// Times are milliseconds of the clock that never goes back; older than its start is negative.
#[derive(Default)]
struct Entry {
    failures: VecDeque<i64>,
    /// Attempts whose end is not known yet.
    running: u32,
    locked_until: Option<i64>,
    /// From here on the entry says nothing.
    stale_at: i64,
}

/// JSON; times are milliseconds since 1970.
#[derive(serde::Serialize, serde::Deserialize)]
struct Stored {
    failures: Vec<i64>,
    locked_until: Option<i64>,
    stale_at: i64,
}

/// An attempt under way. One that is dropped without an end, because the client left, has failed.
pub(crate) struct Attempt {
    failures: Arc<Failures>,
    key: FailureKey,
    limits: Limits,
    settled: bool,
}

impl Failures {
    pub(crate) fn open(state: Arc<State>, clock: Arc<dyn Clock>) -> Result<Arc<Self>, Error> {
        let mut entries = HashMap::new();
        let offset = wall_offset(&*clock);
        let now = millis(clock.elapsed());
        state.scan(Table::Failure, &[], &[], |key, value| {
            let stored = serde_json::from_slice::<Stored>(value).ok();
            if let (Some(key), Some(stored)) = (key.first_chunk::<32>(), stored) {
                // A wall clock that was set back must not stretch what is stored: nothing failed in the future.
                let failures = stored.failures.iter().map(|at| (at - offset).min(now)).collect();
                let locked_until = stored.locked_until.map(|until| until - offset);
                let entry = Entry { failures, running: 0, locked_until, stale_at: stored.stale_at - offset };
                if entry.stale_at > now {
                    entries.insert(*key, entry);
                }
            }
            entries.len() < MAX_KEYS
        })?;
        let table = Mutex::new(Counts { entries, ..Counts::default() });
        Ok(Arc::new(Self { clock, state, table, flushing: Mutex::default() }))
    }

    /// Begins an attempt, or says how long there may be none. Attempts under way count as failures until they end,
    /// so that many at once try no more than one after the other would.
    pub(crate) fn begin(self: &Arc<Self>, key: FailureKey, limits: Limits) -> Result<Attempt, Duration> {
        let now = millis(self.clock.elapsed());
        let mut table = self.table.lock();
        let key = table.room(key, now);
        let entry = table.entries.entry(key).or_default();
        if let Some(wait) = entry.wait(now, &limits) {
            return Err(wait);
        }
        entry.running += 1;
        entry.stale_at = entry.stale_at.max(now + millis(limits.within));
        Ok(Attempt { failures: self.clone(), key, limits, settled: false })
    }

    /// Writes what changed since the last call; not yet surely on disk.
    pub(crate) fn flush(&self) -> Result<(), Error> {
        let _turn = self.flushing.lock();
        let mut batch = WriteBatch::default();
        let dirty = {
            let offset = wall_offset(&*self.clock);
            let mut table = self.table.lock();
            let dirty = std::mem::take(&mut table.dirty);
            for key in &dirty {
                let row = Table::Failure.key(key);
                match table.entries.get(key) {
                    Some(entry) => batch.put(row, serde_json::to_vec(&entry.stored(offset))?),
                    None => batch.delete(row),
                }
            }
            dirty
        };
        if batch.is_empty() {
            return Ok(());
        }
        // What could not be written is written by the next call.
        self.state.write(batch).inspect_err(|_| self.table.lock().dirty.extend(dirty))
    }

    /// Forgets the failures of all keys that begin like this. How many of them were locked.
    pub(crate) fn forget(&self, prefix: &[u8]) -> usize {
        let now = millis(self.clock.elapsed());
        let mut table = self.table.lock();
        let Counts { entries, dirty, .. } = &mut *table;
        let mut locked = 0;
        for (key, entry) in entries.iter_mut().filter(|(key, _)| key.starts_with(prefix)) {
            locked += usize::from(entry.locked_until.is_some_and(|until| until > now));
            entry.failures.clear();
            entry.locked_until = None;
            dirty.insert(*key);
        }
        locked
    }

    /// Keys that are locked now, and until when.
    pub(crate) fn locked(&self) -> Vec<(FailureKey, Timestamp)> {
        let (now, offset) = (millis(self.clock.elapsed()), wall_offset(&*self.clock));
        let table = self.table.lock();
        let until = |entry: &Entry| entry.locked_until.filter(|until| *until > now);
        let locked = table.entries.iter().filter_map(|(key, entry)| Some((*key, until(entry)?)));
        locked.filter_map(|(key, until)| Some((key, Timestamp::from_millisecond(until + offset).ok()?))).collect()
    }

    /// Drops what says nothing any more.
    pub(crate) fn sweep(&self) {
        let now = millis(self.clock.elapsed());
        self.table.lock().drop_stale(now);
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.table.lock().entries.len()
    }

    fn settle(&self, key: &FailureKey, limits: &Limits, failed: bool) -> bool {
        let now = millis(self.clock.elapsed());
        let mut table = self.table.lock();
        let Some(entry) = table.entries.get_mut(key) else { return false };
        entry.running = entry.running.saturating_sub(1);
        if !failed {
            return false;
        }
        let locked = entry.fail(now, limits);
        table.dirty.insert(*key);
        locked
    }
}

impl Attempt {
    /// The credential was good, or was never looked at.
    pub(crate) fn forgive(mut self) {
        self.settled = true;
        self.failures.settle(&self.key, &self.limits, false);
    }

    /// True where this failure locked the key: that is to be on disk before anybody is told.
    pub(crate) fn fail(mut self) -> bool {
        self.settled = true;
        self.failures.settle(&self.key, &self.limits, true)
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if !self.settled {
            self.failures.settle(&self.key, &self.limits, true);
        }
    }
}

impl Counts {
    /// The key itself, or the one that is shared because the table is full.
    fn room(&mut self, key: FailureKey, now: i64) -> FailureKey {
        if self.entries.len() < MAX_KEYS || self.entries.contains_key(&key) {
            return key;
        }
        if self.made_room_at.is_none_or(|at| now - at >= MAKE_ROOM_EVERY_MS) {
            self.made_room_at = Some(now);
            self.drop_stale(now);
        }
        if self.entries.len() < MAX_KEYS { key } else { SHARED }
    }

    fn drop_stale(&mut self, now: i64) {
        let dirty = &mut self.dirty;
        self.entries.retain(|key, entry| {
            let keep = entry.running > 0 || entry.stale_at > now;
            if !keep {
                dirty.insert(*key);
            }
            keep
        });
    }
}

impl Entry {
    fn wait(&mut self, now: i64, limits: &Limits) -> Option<Duration> {
        let within = millis(limits.within);
        while self.failures.front().is_some_and(|at| now - at >= within) {
            self.failures.pop_front();
        }
        if let (Some(until), Some(lock)) = (self.locked_until, limits.lock) {
            // A stored lock is never longer than the configuration of now says.
            let left = (until - now).min(millis(lock));
            if left > 0 {
                return Some(duration(left));
            }
            self.locked_until = None;
        }
        let surplus = (self.failures.len() + self.running as usize + 1).checked_sub(limits.count() + 1)?;
        // Attempts under way end soon; failures leave the window in their order.
        let oldest = self.failures.get(surplus).map_or(1_000, |at| at + within - now);
        Some(duration(oldest))
    }

    fn fail(&mut self, now: i64, limits: &Limits) -> bool {
        self.failures.push_back(now);
        self.stale_at = self.stale_at.max(now + millis(limits.within));
        let Some(lock) = limits.lock.filter(|_| self.failures.len() >= limits.count()) else {
            while self.failures.len() > MAX_COUNT {
                self.failures.pop_front();
            }
            return false;
        };
        self.failures.clear();
        self.locked_until = Some(now + millis(lock));
        self.stale_at = self.stale_at.max(now + millis(lock));
        true
    }

    fn stored(&self, offset: i64) -> Stored {
        Stored {
            failures: self.failures.iter().map(|at| at + offset).collect(),
            locked_until: self.locked_until.map(|until| until + offset),
            stale_at: self.stale_at + offset,
        }
    }
}

/// Milliseconds since 1970 at which the clock that never goes back stood at zero.
fn wall_offset(clock: &dyn Clock) -> i64 {
    let now: Timestamp = clock.now();
    now.as_millisecond() - millis(clock.elapsed())
}

/// At most 146 million years, so that sums of a few do not overflow.
fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX).min(i64::MAX / 4)
}

fn duration(millis: i64) -> Duration {
    Duration::from_millis(u64::try_from(millis).unwrap_or(0).max(1))
}

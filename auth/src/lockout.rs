//! Failures of credentials: counted per key in a sliding window, locking where a budget says so, surviving a restart.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use rocksdb::WriteBatch;

use crate::clock::Clock;
use crate::error::Error;
use crate::state::{State, Table};

/// Keys remembered. Beyond it those without a running window are dropped; where all run, new keys share one.
const MAX_KEYS: usize = 100_000;

/// A full table is searched for keys to drop at most this often, in milliseconds.
const MAKE_ROOM_EVERY_MS: i64 = 1_000;

/// Failures counted per key; a larger budget acts as this one.
const MAX_COUNT: usize = 1_000;

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
        Ok(Arc::new(Self { clock, state, table }))
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
        let mut batch = WriteBatch::default();
        {
            let offset = wall_offset(&*self.clock);
            let mut table = self.table.lock();
            let dirty = std::mem::take(&mut table.dirty);
            for key in dirty {
                let row = Table::Failure.key(&key);
                match table.entries.get(&key) {
                    Some(entry) => batch.put(row, serde_json::to_vec(&entry.stored(offset))?),
                    None => batch.delete(row),
                }
            }
        }
        if batch.is_empty() { Ok(()) } else { self.state.write(batch) }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Hand;

    const KEY: FailureKey = [7; 32];
    const LIMITS: Limits = Limits { count: 5, within: Duration::from_secs(300), lock: Some(Duration::from_secs(900)) };

    struct Bench {
        clock: Arc<Hand>,
        state: Arc<State>,
        folder: tempfile::TempDir,
    }

    impl Bench {
        fn new() -> (Self, Arc<Failures>) {
            let folder = tempfile::tempdir().unwrap();
            let clock = Arc::new(Hand::at("2026-01-01T00:00:00Z".parse().unwrap()));
            let state = State::open(folder.path()).unwrap();
            let failures = Failures::open(state.clone(), clock.clone()).unwrap();
            (Self { clock, state, folder }, failures)
        }

        /// As after a restart: the clock that never goes back begins anew.
        fn restart(self, failures: &Failures) -> (Self, Arc<Failures>) {
            failures.flush().unwrap();
            self.state.close().unwrap();
            let clock = Arc::new(Hand::at(self.clock.now()));
            let state = State::open(self.folder.path()).unwrap();
            let again = Failures::open(state.clone(), clock.clone()).unwrap();
            (Self { clock, state, folder: self.folder }, again)
        }
    }

    fn fail(failures: &Arc<Failures>, limits: Limits) -> Result<bool, Duration> {
        failures.begin(KEY, limits).map(Attempt::fail)
    }

    #[test]
    fn the_last_failure_of_the_budget_locks_for_exactly_its_time() {
        let (bench, failures) = Bench::new();
        let locks: Vec<_> = (0..5).map(|_| fail(&failures, LIMITS)).collect();
        assert_eq!(locks, [Ok(false), Ok(false), Ok(false), Ok(false), Ok(true)]);
        assert_eq!(fail(&failures, LIMITS), Err(Duration::from_secs(900)));
        bench.clock.advance(Duration::from_secs(899));
        assert_eq!(fail(&failures, LIMITS), Err(Duration::from_secs(1)));
        bench.clock.advance(Duration::from_secs(1));
        assert_eq!(fail(&failures, LIMITS), Ok(false));
    }

    #[test]
    fn failures_older_than_the_window_do_not_count() {
        let (bench, failures) = Bench::new();
        for _ in 0..20 {
            assert_eq!(fail(&failures, LIMITS), Ok(false));
            bench.clock.advance(Duration::from_secs(75));
        }
        assert_eq!(fail(&failures, LIMITS), Ok(false));
        assert_eq!(fail(&failures, LIMITS), Ok(true));
    }

    #[test]
    fn attempts_that_succeed_use_nothing_up() {
        let (_bench, failures) = Bench::new();
        for _ in 0..4 {
            assert_eq!(fail(&failures, LIMITS), Ok(false));
        }
        for _ in 0..100 {
            failures.begin(KEY, LIMITS).unwrap_or_else(|wait| panic!("locked for {wait:?}")).forgive();
        }
        assert_eq!(fail(&failures, LIMITS), Ok(true));
    }

    #[test]
    fn attempts_at_once_are_no_more_than_the_budget() {
        let (_bench, failures) = Bench::new();
        let running: Vec<_> = (0..5).map(|_| failures.begin(KEY, LIMITS).ok().unwrap()).collect();
        assert!(failures.begin(KEY, LIMITS).is_err());
        // A client that leaves before the answer has failed too.
        drop(running);
        assert_eq!(fail(&failures, LIMITS), Err(Duration::from_secs(900)));
    }

    #[test]
    fn without_a_lock_the_oldest_failure_makes_room() {
        let (bench, failures) = Bench::new();
        let limits = Limits { count: 2, lock: None, ..LIMITS };
        assert_eq!(fail(&failures, limits), Ok(false));
        bench.clock.advance(Duration::from_secs(100));
        assert_eq!(fail(&failures, limits), Ok(false));
        assert_eq!(fail(&failures, limits), Err(Duration::from_secs(200)));
        bench.clock.advance(Duration::from_secs(200));
        assert_eq!(fail(&failures, limits), Ok(false));
    }

    #[test]
    fn counts_and_locks_survive_a_restart() {
        let (bench, failures) = Bench::new();
        bench.clock.advance(Duration::from_secs(3600));
        for _ in 0..4 {
            assert_eq!(fail(&failures, LIMITS), Ok(false));
        }
        let (bench, failures) = bench.restart(&failures);
        assert_eq!(fail(&failures, LIMITS), Ok(true));
        bench.clock.advance(Duration::from_secs(300));
        let (bench, failures) = bench.restart(&failures);
        assert_eq!(fail(&failures, LIMITS), Err(Duration::from_secs(600)));
        // Somebody sets the wall clock back a year while the server is down: no longer than a whole lock.
        bench.clock.set("2025-01-01T00:00:00Z".parse().unwrap());
        let (bench, failures) = bench.restart(&failures);
        assert_eq!(fail(&failures, LIMITS), Err(Duration::from_secs(900)));
        drop(bench);
    }

    #[test]
    fn a_full_table_shares_one_budget_among_the_new() {
        let (bench, failures) = Bench::new();
        let key = |number: usize| {
            let mut key = [1; 32];
            key[..8].copy_from_slice(&number.to_be_bytes());
            key
        };
        for number in 0..MAX_KEYS {
            failures.begin(key(number), LIMITS).ok().unwrap().fail();
        }
        for number in 0..5 {
            failures.begin(key(MAX_KEYS + number), LIMITS).ok().unwrap().fail();
        }
        assert!(failures.begin(key(MAX_KEYS + 9), LIMITS).is_err(), "new keys share one budget");
        assert!(failures.begin(key(3), LIMITS).is_ok(), "known keys keep theirs");
        assert!(failures.len() <= MAX_KEYS + 1);
        bench.clock.advance(Duration::from_secs(900));
        failures.sweep();
        assert_eq!(failures.len(), 0);
    }
}

//! Statistics of the last 24 hours, from counters: asking costs the same whether ten requests came or ten million.
//!
//! The writer counts each request entry once it is readable, in the minute in which the request began. Every minute and
//! at the end the counters go to disk with the position up to which they count, in one batch; at the start, whatever
//! the last end was, the entries from there on are counted again. They count entries: a circuit that records what was
//! refused has nothing else in its statistics.

mod counted;
mod disk;
mod keys;
mod minute;
mod ring;
mod sum;

use jiff::Timestamp;
use parking_lot::Mutex;
use rocksdb::DB;

use crate::block::Block;
use crate::entry::Log;
use crate::error::Error;
use crate::timeline::Timeline;

pub use counted::Totals;
pub use sum::{By, Range, Ranking, Stats, Step, TOP};

use counted::Dimension;
use ring::Ring;

/// How far the clock may be set back before the minutes ahead of it are dropped, in minutes.
const AHEAD: i64 = 60;

/// The counters of one store.
#[derive(Debug)]
pub(crate) struct Counters {
    ring: Mutex<Ring>,
    /// Held while what has changed goes to disk, so that it does in order.
    saving: Mutex<()>,
}

impl Counters {
    /// As saved, and with what was written since then.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) fn load(db: &DB, requests: &Timeline) -> Result<Self, Error> {
        Ok(Self { ring: Mutex::new(disk::load(db, requests)?), saving: Mutex::default() })
    }

    /// After the database was opened again: entries may be gone.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) fn reload(&self, db: &DB, requests: &Timeline) -> Result<(), Error> {
        let ring = disk::load(db, requests)?;
        *self.ring.lock() = ring;
        Ok(())
    }

    /// Counts entries that became readable, in the order of their positions.
    pub(crate) fn count(&self, batch: &[Block]) {
        let mut ring = self.ring.lock();
        let requests = batch.iter().flat_map(Block::entries).filter(|(head, _)| head.log == Log::Requests);
        requests.for_each(|(_, bytes)| ring.count(bytes));
    }

    /// Users and addresses that are no longer named; their requests stay counted.
    pub(crate) fn forget(&self, is_user: impl Fn(&[u8]) -> bool, is_address: impl Fn(&[u8]) -> bool) {
        let goes = |of, key: &[u8]| match of {
            Dimension::User => is_user(key),
            Dimension::Ip => is_address(key),
            Dimension::Country | Dimension::Status | Dimension::Reason | Dimension::Method => false,
        };
        self.ring.lock().forget_keys(goes);
    }

    pub(crate) fn stats(&self, range: Range, circuit: Option<&str>, now: Timestamp) -> Stats {
        let (since, until) = sum::window(range, now);
        // Added up without the lock: the writer must not wait for those who ask.
        let minutes = self.ring.lock().between(since, until);
        sum::sum(&minutes, range, circuit, now)
    }

    /// Drops the minutes that nobody can ask for any more.
    pub(crate) fn keep(&self, now: Timestamp) {
        let (since, until) = sum::window(Range::Day, now);
        self.ring.lock().keep(since, until + AHEAD);
    }

    /// Writes what has changed since the last time; not yet surely on disk.
    ///
    /// # Errors
    /// When the disk refuses; the next call tries again.
    pub(crate) fn save(&self, db: &DB) -> Result<(), Error> {
        let _turn = self.saving.lock();
        let change = self.ring.lock().take_change();
        let written = disk::write(db, &change);
        if written.is_err() {
            self.ring.lock().give_back(change);
        }
        Ok(written?)
    }
}

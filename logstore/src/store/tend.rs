//! For whoever tends the store: what is kept, pruned, erased and saved.

use std::sync::atomic::Ordering;

use jiff::Timestamp;

use super::Store;
use crate::column::Column;
use crate::database::{column, stored_number};
use crate::entry::Entry;
use crate::erase::{self, Erased};
use crate::error::Error;
use crate::retention::{self, Keep};
use crate::room::Marks;

/// In the database: the time that may be relied on.
const BELIEVED: &[u8] = b"believed";

impl Store {
    /// How long each log is kept from now on, by the order of [`crate::Log::ALL`]. Until the first call everything is.
    pub fn set_keep(&self, keep: [Keep; 3]) {
        *self.handle.shared.keep.lock() = keep;
    }

    /// How much of the disk is to stay free from now on. Until the first call nothing is looked at.
    pub fn set_marks(&self, marks: Marks) {
        let shared = &self.handle.shared;
        shared.room.set(marks, &shared.dir);
    }

    /// The time by which entries were last removed, as [`Self::set_believed`] was told.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn believed(&self) -> Result<Option<Timestamp>, Error> {
        let slot = self.handle.shared.db.read();
        let Some(db) = slot.as_ref() else { return Ok(None) };
        let stored = stored_number(db, BELIEVED)?;
        Ok(stored.and_then(|micros| Timestamp::from_microsecond(micros.cast_signed()).ok()))
    }

    /// Remembers a time that may be relied on. Not synced: after a crash of the machine it is a little older.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn set_believed(&self, time: Timestamp) -> Result<(), Error> {
        let slot = self.handle.shared.db.read();
        let Some(db) = slot.as_ref() else { return Ok(()) };
        Ok(db.put_cf(&column(db, Column::Meta), BELIEVED, time.as_microsecond().to_be_bytes())?)
    }

    /// Removes entries that need not be kept any more. Blocks; to be called at the start and every minute. A call
    /// while another one works does nothing.
    ///
    /// # Errors
    /// When the disk refuses; the next call goes on.
    pub fn prune(&self, now: Timestamp) -> Result<(), Error> {
        let shared = &self.handle.shared;
        let Some(_alone) = shared.pruning.try_lock() else { return Ok(()) };
        shared.now.store(now.as_microsecond(), Ordering::Relaxed);
        shared.wake_sealer();
        retention::prune(shared, now, |entry| self.commit_blocking(&Entry::Audit(entry)))
    }

    /// Erases what the logs hold of whoever has these names: an e-mail, and what stands for it. Entries that name them
    /// keep their place, their id, their time and their leaf; so do those of their sessions, attempts and requests. What
    /// is written meanwhile stays. Blocks, for as long as it takes to read all logs twice; a call while entries are
    /// removed waits for that.
    ///
    /// # Errors
    /// When the disk refuses. What was not erased yet is when this is asked for again.
    pub fn erase(&self, names: &[String], now: Timestamp) -> Result<Erased, Error> {
        let shared = &self.handle.shared;
        let _alone = shared.pruning.lock();
        erase::run(shared, names, now, |entry| self.commit_blocking(&Entry::Audit(entry)))
    }

    /// Drops counters that are older than a day and writes the others, so that the next start counts few entries
    /// again. Blocks; to be called every minute.
    ///
    /// # Errors
    /// When the disk refuses; nothing is lost, and the next call tries again.
    pub fn save_stats(&self, now: Timestamp) -> Result<(), Error> {
        let shared = &self.handle.shared;
        shared.counters.keep(now);
        shared.db.read().as_ref().map_or(Ok(()), |db| shared.counters.save(db))
    }
}

//! What the writer does when the disk refuses.
//!
//! Whoever waits is told at once, and until a write has succeeded again everyone who wants to wait is. Entries that
//! nobody waits for are kept and written later. Nothing is acknowledged that a sync did not confirm, and positions
//! stay dense: those of a batch that was not applied are given again, those of one that was applied stay.
//!
//! Where RocksDB finds a file damaged, nothing is tried until the program is started again: the database could be opened
//! and written to, until it comes by the same place, and so on for ever. What is stored can be read meanwhile.

use std::thread;
use std::time::{Duration, Instant};

use super::{BATCH, Places, Writer};
use crate::block::Block;
use crate::database::{self, Opened};
use crate::entry::Log;
use crate::error::{Error, Unavailable};
use crate::hot;
use crate::loss::{Cause, Gap};

/// Between two tries: at first, doubled each time, at most.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// After a full disk RocksDB may go on by itself, or refuse its write-ahead log for ever. If the folder takes files and
/// the database still does not for this many tries, it is opened again: writing goes on within seconds either way.
const TRIES_BEFORE_REOPEN: u32 = 2;

/// What is done until writing succeeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Remedy {
    /// Trying, and opening the database again if that does not help.
    Try,
    /// Opening it again first.
    Reopen,
    /// Nothing: somebody has to mend a file.
    Nothing,
}

impl Writer {
    pub(super) fn write_failed(&mut self, places: &Places, error: &Error) {
        let cause = chain(error);
        if self.applied(places) {
            // In the database in spite of the error: the positions are used. Nobody is told that it is on disk.
            self.publish(places);
        } else {
            self.keep_what_nobody_waits_for(&cause);
        }
        self.recover(cause, remedy(error));
    }

    /// After a failed fsync the system may have forgotten what it did not write, and the next fsync would succeed all
    /// the same. Opening the database again writes everything that can be read into new files.
    pub(super) fn sync_failed(&mut self, cause: String) {
        self.recover(cause, Remedy::Reopen);
    }

    pub(super) fn folder_failed(&mut self, cause: String) {
        self.recover(cause, Remedy::Try);
    }

    /// Nothing was written: it failed beside us.
    pub(super) fn database_failed(&mut self, error: &Error) {
        self.recover(chain(error), remedy(error));
    }

    fn applied(&self, places: &Places) -> bool {
        let Some((seq, head, written)) = places.of(&self.batch).last() else {
            return false;
        };
        let slot = self.shared.db.read();
        slot.as_ref().is_some_and(|db| {
            let mut rows = hot::rows(db, head.log);
            rows.seek(seq);
            rows.row() == Some((seq, written))
        })
    }

    fn keep_what_nobody_waits_for(&mut self, cause: &str) {
        let losses = &self.shared.losses;
        for (log, time, waiter) in self.batch.iter_mut().flat_map(Block::refuse) {
            losses.lose(log, time, Cause::WriteFailed);
            drop(waiter.send(Err(Unavailable { cause: cause.into() })));
        }
        self.batch.retain(|block| !block.is_empty());
    }

    /// Tries until a write was synced, or the store is closed.
    fn recover(&mut self, mut cause: String, remedy: Remedy) {
        tracing::error!(cause, ?remedy, "log cannot be written");
        self.shared.set_unwritable(&cause);
        let failed = Instant::now();
        let mut pause = FIRST_PAUSE;
        let mut tries = 0;
        loop {
            self.refuse_waiters(&cause);
            if !self.shared.closing() {
                thread::park_timeout(pause);
            }
            if self.shared.room.is_full(&cause) {
                self.shared.room.drop_ballast(&self.shared.dir);
            }
            if remedy != Remedy::Nothing {
                match self.try_again(&mut tries, remedy) {
                    Ok(()) => break,
                    Err(error) => cause = chain(&error),
                }
                self.shared.set_unwritable(&cause);
            }
            if self.shared.closing() {
                self.unwritten = Some(cause);
                return;
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        self.dirty = None;
        self.checked = Instant::now();
        self.shared.set_writable();
        tracing::warn!(after_ms = failed.elapsed().as_millis() as u64, "log can be written again");
    }

    /// Told now: whoever waits for a sync, and whoever queued before it was known that nothing can be written.
    fn refuse_waiters(&mut self, cause: &str) {
        for (waiter, _) in self.waiters.drain(..) {
            drop(waiter.send(Err(Unavailable { cause: cause.into() })));
        }
        // The request lane stays as it is: it holds what comes until it is full.
        let room = BATCH.saturating_sub(self.entries());
        self.shared.decisions.drain(room, &mut self.batch);
        self.keep_what_nobody_waits_for(cause);
    }

    fn try_again(&mut self, tries: &mut u32, remedy: Remedy) -> Result<(), Error> {
        let dir = &self.shared.dir;
        self.shared.room.look(dir);
        database::probe_folder(dir).map_err(|source| Error::Unwritable { dir: dir.clone(), source })?;
        *tries += 1;
        let is_wanted = remedy == Remedy::Reopen && *tries == 1;
        if is_wanted || *tries > TRIES_BEFORE_REOPEN || self.shared.db.read().is_none() {
            self.reopen()?;
        }
        let slot = self.shared.db.read();
        let db = slot.as_ref().ok_or(Error::Damaged { what: "the log store is not open" })?;
        Ok(database::probe(db, *tries)?)
    }

    /// Closes the database and opens it again. Queries wait; if it does not open, they fail until it does.
    fn reopen(&mut self) -> Result<(), Error> {
        let mut slot = self.shared.db.write();
        drop(slot.take());
        let opened = database::open(&self.shared.dir)?;
        let Opened { db, blocks, store: _, ids: _, contents, attempts, first_request: _ } = opened;
        for (log, found) in Log::ALL.into_iter().zip(contents) {
            let mut known = self.shared.contents(log).write();
            let end = found.timeline.end();
            if let Some((from, to)) = known.timeline.times_from(end) {
                let dropped = known.timeline.end() - end;
                self.shared.losses.add(Gap { log, dropped, from, to, cause: Cause::SyncFailed });
            }
            *known = found;
        }
        self.shared.counters.reload(&db, &self.shared.contents(Log::Requests).read().timeline)?;
        self.shared.recent.clear();
        *self.shared.blocks.lock() = blocks;
        *slot = Some(db);
        self.attempts = attempts;
        tracing::warn!("log store opened again");
        Ok(())
    }
}

const fn remedy(error: &Error) -> Remedy {
    if matches!(error, Error::File(_)) { Remedy::Nothing } else { Remedy::Try }
}

fn chain(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {}", chain(source)))
}

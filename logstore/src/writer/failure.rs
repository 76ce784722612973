//! What the writer does when the disk refuses.
//!
//! Whoever waits is told at once, and until a write has succeeded again everyone who wants to wait is. Entries that
//! nobody waits for are kept and written later. Nothing is acknowledged that a sync did not confirm, and positions
//! stay dense: those of a batch that was not applied are given again, those of one that was applied stay.

use std::thread;
use std::time::{Duration, Instant};

use super::{BATCH, Places, Writer};
use crate::block::Block;
use crate::column::Column;
use crate::database::{self, Opened, column};
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

impl Writer {
    pub(super) fn write_failed(&mut self, places: &Places, cause: &str) {
        if self.applied(places) {
            // In the database in spite of the error: the positions are used. Nobody is told that it is on disk.
            self.publish(places);
        } else {
            self.keep_what_nobody_waits_for(cause);
        }
        self.recover(cause, false);
    }

    /// After a failed fsync the system may have forgotten what it did not write, and the next fsync would succeed all
    /// the same. Opening the database again writes everything that can be read into new files.
    pub(super) fn sync_failed(&mut self, cause: &str) {
        self.recover(cause, true);
    }

    pub(super) fn folder_failed(&mut self, cause: &str) {
        self.recover(cause, false);
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
    fn recover(&mut self, cause: &str, distrusted: bool) {
        tracing::error!(cause, "log cannot be written");
        self.shared.set_unwritable(cause);
        let failed = Instant::now();
        let mut cause = cause.to_owned();
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
            match self.try_again(&mut tries, distrusted) {
                Ok(()) => break,
                Err(cause) if self.shared.closing() => {
                    self.unwritten = Some(cause);
                    return;
                }
                Err(next) => {
                    self.shared.set_unwritable(&next);
                    cause = next;
                }
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

    fn try_again(&mut self, tries: &mut u32, distrusted: bool) -> Result<(), String> {
        self.shared.room.look(&self.shared.dir);
        database::probe_folder(&self.shared.dir).map_err(|error| error.to_string())?;
        *tries += 1;
        if (distrusted && *tries == 1) || *tries > TRIES_BEFORE_REOPEN || self.shared.db.read().is_none() {
            self.reopen().map_err(|error| chain(&error))?;
        }
        let slot = self.shared.db.read();
        let db = slot.as_ref().ok_or("the log store is not open")?;
        let probe = db.put_cf(&column(db, Column::Meta), "probe", tries.to_be_bytes());
        probe.and_then(|()| db.flush_wal(true)).map_err(|error| error.to_string())
    }

    /// Closes the database and opens it again. Queries wait; if it does not open, they fail until it does.
    fn reopen(&mut self) -> Result<(), Error> {
        let mut slot = self.shared.db.write();
        drop(slot.take());
        let opened = database::open(&self.shared.dir)?;
        let Opened { db, store: _, ids: _, contents, attempts, first_request: _ } = opened;
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
        *slot = Some(db);
        self.attempts = attempts;
        tracing::warn!("log store opened again");
        Ok(())
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {}", chain(source)))
}

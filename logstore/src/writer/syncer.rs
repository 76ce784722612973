//! The thread that waits for the disk, so that the writer need not.
//!
//! A slow fsync holds back acknowledgements only: meanwhile the writer goes on handing entries to the system, where
//! the end of this process cannot take them away.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::Committed;
use crate::block::Waiter;
use crate::error::{Error, Unavailable};
use crate::shared::Shared;

/// What an fsync usually takes at the most; it begins that much earlier.
const DISK: Duration = Duration::from_millis(5);

/// Between two looks at the queues, at the most.
const POLL: Duration = Duration::from_millis(10);

/// Between two looks at the queues while entries come.
pub(super) fn poll_every(sync: Duration) -> Duration {
    POLL.min(sync / 4)
}

/// From the first entry that is not synced to the beginning of its sync: early enough that polling and the disk's own
/// time fit into the interval.
pub(super) fn begin_after(sync: Duration) -> Duration {
    sync.saturating_sub(poll_every(sync) + DISK).max(sync / 2)
}

/// Whoever waits for the entries that are written and not yet synced.
pub(super) type Waiters = Vec<(Waiter, Committed)>;

/// One sync at a time.
pub(super) struct Syncer {
    /// Absent once it is being ended.
    begin: Option<SyncSender<Waiters>>,
    ended: Receiver<Result<(), String>>,
    is_busy: bool,
    thread: Option<JoinHandle<()>>,
}

impl Syncer {
    /// # Errors
    /// When the system has no thread to give.
    pub(super) fn new(shared: &Arc<Shared>) -> Result<Self, Error> {
        let (begin, orders) = sync_channel(1);
        let (ends, ended) = sync_channel(1);
        let shared = Arc::clone(shared);
        let run = move || {
            for waiters in orders {
                let outcome = sync(&shared);
                answer(waiters, outcome.as_ref());
                if ends.send(outcome).is_err() {
                    return;
                }
                shared.hurry();
            }
        };
        let thread = thread::Builder::new().name("log-syncer".into()).spawn(run).map_err(Error::Thread)?;
        Ok(Self { begin: Some(begin), ended, is_busy: false, thread: Some(thread) })
    }

    pub(super) fn is_busy(&self) -> bool {
        self.is_busy
    }

    /// Syncs what was written before this call and tells `waiters`. Not while one is under way.
    pub(super) fn begin(&mut self, waiters: Waiters) {
        // If nobody takes it, the outcome is a failed sync: entries must not stay unsynced unnoticed.
        self.is_busy = true;
        if let Some(begin) = &self.begin {
            drop(begin.send(waiters));
        }
    }

    /// How the last one ended, once; nothing while it is under way.
    pub(super) fn outcome(&mut self) -> Option<Result<(), String>> {
        let outcome = match self.ended.try_recv() {
            Ok(outcome) => outcome,
            Err(TryRecvError::Empty) => return None,
            Err(TryRecvError::Disconnected) if !self.is_busy => return None,
            Err(TryRecvError::Disconnected) => Err("the thread that syncs has ended".into()),
        };
        self.is_busy = false;
        Some(outcome)
    }

    /// As [`Self::outcome`], but waits for it.
    pub(super) fn wait(&mut self) -> Option<Result<(), String>> {
        if !self.is_busy {
            return None;
        }
        self.is_busy = false;
        Some(self.ended.recv().unwrap_or_else(|_| Err("the thread that syncs has ended".into())))
    }
}

impl Drop for Syncer {
    fn drop(&mut self) {
        drop(self.wait());
        drop(self.begin.take());
        if let Some(thread) = self.thread.take() {
            // Its panic would have been seen as a failed sync.
            drop(thread.join());
        }
    }
}

fn sync(shared: &Shared) -> Result<(), String> {
    #[cfg(test)]
    tests::wait_for_disk(&shared.dir);
    let slot = shared.db.read();
    let db = slot.as_ref().ok_or("the log store is not open")?;
    db.flush_wal(true).map_err(|error| error.to_string())
}

/// Whoever gave up waiting does not need the answer.
fn answer(waiters: Waiters, outcome: Result<&(), &String>) {
    for (waiter, committed) in waiters {
        let answer = outcome.map(|()| committed).map_err(|cause| Unavailable { cause: cause.clone() });
        drop(waiter.send(answer));
    }
}

#[cfg(test)]
mod tests;

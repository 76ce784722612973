//! For those who have entries: queued, or committed.

use std::cell::RefCell;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

use super::Store;
use crate::Committed;
use crate::block::{Item, Waiter};
use crate::entry::{Entry, Log};
use crate::error::Unavailable;
use crate::loss::Cause;
use crate::request_ids::RequestIds;
use crate::shared::Shared;

/// A commit waits this long for room in its lane.
const COMMIT_ROOM: Duration = Duration::from_millis(50);

/// A commit waits this long for the disk.
const COMMIT_DISK: Duration = Duration::from_secs(10);

/// An append that may wait waits this long for room in its lane.
const APPEND_ROOM: Duration = Duration::from_secs(5);

thread_local! {
    static ENCODED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

impl Store {
    /// Queues one entry without waiting. A full queue drops it, counts it, and leaves a mark in the log: an audit
    /// entry `log.gap` with the log, the number and the times of what was lost.
    ///
    /// Attempts and audit entries that nobody waits for leave the last quarter of their lane to those of
    /// [`Self::commit`].
    pub fn append(&self, entry: &Entry<'_>) {
        self.check_words(entry);
        // A thread's own room to encode in: the lane copies what it takes.
        ENCODED.with_borrow_mut(|bytes| {
            bytes.clear();
            entry.encode_into(bytes);
            if let Err(item) = self.push(item(entry, bytes, None)) {
                self.lose(&item);
            }
        });
    }

    /// As [`Self::append`], but waits for room when the queue is full, at most 5 s.
    pub async fn append_or_wait(&self, entry: &Entry<'_>) {
        let shared = &self.handle.shared;
        self.check_words(entry);
        let bytes = entry.encode();
        let item = item(entry, &bytes, None);
        let is_hopeless = item.log == Log::Requests && shared.room.is_short();
        let longest = if is_hopeless { Duration::ZERO } else { APPEND_ROOM };
        if let Err(item) = wait_for_room(shared, item, longest, |item| self.push(item)).await {
            self.lose(&item);
        }
    }

    /// Returns when the entry is on disk. Entries that are committed at the same time share one fsync.
    ///
    /// # Errors
    /// When it could not be written; it may then not be relied upon. At once while the store cannot write, after 50 ms
    /// without room in the queue, after 10 s without an answer of the disk.
    pub async fn commit(&self, entry: &Entry<'_>) -> Result<Committed, Unavailable> {
        let shared = &self.handle.shared;
        let (waiter, outcome) = oneshot::channel();
        self.check_words(entry);
        let bytes = entry.encode();
        let item = item(entry, &bytes, Some(waiter));
        if !shared.writable() || shared.closing() {
            self.lose(&item);
            return Err(shared.unavailable());
        }
        if let Err(item) = wait_for_room(shared, item, COMMIT_ROOM, |item| self.push(item)).await {
            self.lose(&item);
            return Err(Unavailable { cause: "more entries wait than the queue holds".into() });
        }
        match timeout(COMMIT_DISK, outcome).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(shared.unavailable()),
            Err(_) => Err(Unavailable { cause: format!("the disk did not answer within {COMMIT_DISK:?}") }),
        }
    }

    /// As [`Self::commit`], for threads that may wait.
    pub(super) fn commit_blocking(&self, entry: &Entry<'_>) -> Result<(), Unavailable> {
        let (waiter, outcome) = oneshot::channel();
        self.check_words(entry);
        if self.push(item(entry, &entry.encode(), Some(waiter))).is_err() {
            return Err(self.handle.shared.unavailable());
        }
        match outcome.blocking_recv() {
            Ok(outcome) => outcome.map(|_| ()),
            Err(_) => Err(self.handle.shared.unavailable()),
        }
    }

    /// False while entries cannot be written; true again when a write has succeeded.
    pub fn writable(&self) -> bool {
        self.handle.shared.writable() && !self.handle.shared.closing()
    }

    /// Why entries cannot be written, for the operator; none while they can.
    pub fn unwritable(&self) -> Option<String> {
        (!self.writable()).then(|| self.handle.shared.unavailable().cause)
    }

    /// Makes the ids of requests: none comes twice, and each costs the store about a byte.
    pub fn request_ids(&self) -> RequestIds {
        self.handle.shared.request_ids.clone()
    }

    fn check_words(&self, entry: &Entry<'_>) {
        if let Some((field, word)) = entry.stray_word() {
            self.handle.shared.stray_words.fetch_add(1, Ordering::Relaxed);
            tracing::error!(log = entry.log().name(), field, word, "value is not in the closed list of its field");
        }
    }

    fn push<'a>(&self, item: Item<'a>) -> Result<(), Item<'a>> {
        let shared = &self.handle.shared;
        if shared.closing() {
            return Err(item);
        }
        let lane = shared.lane(item.log);
        match (item.log, &item.waiter) {
            (Log::Requests, None) if shared.room.is_short() => return Err(item),
            (_, Some(_)) => {
                lane.push(item)?;
                shared.hurry();
            }
            (Log::Requests, None) => {
                lane.push(item)?;
                shared.wake();
            }
            (Log::Access | Log::Audit, None) => {
                lane.push_yielding(item)?;
                shared.wake();
            }
        }
        Ok(())
    }

    fn lose(&self, item: &Item<'_>) {
        let shared = &self.handle.shared;
        let cause = match (shared.closing(), shared.writable()) {
            (true, _) => Cause::Closed,
            (false, false) => Cause::WriteFailed,
            (false, true) if item.log == Log::Requests && shared.room.is_short() => Cause::NoRoom,
            (false, true) => Cause::QueueFull,
        };
        shared.losses.lose(item.log, item.time, cause);
    }
}

const fn item<'a>(entry: &Entry<'_>, bytes: &'a [u8], waiter: Option<Waiter>) -> Item<'a> {
    Item { log: entry.log(), time: entry.time(), bytes, waiter }
}

async fn wait_for_room<'a>(
    shared: &Shared,
    item: Item<'a>,
    longest: Duration,
    push: impl Fn(Item<'a>) -> Result<(), Item<'a>>,
) -> Result<(), Item<'a>> {
    let Err(item) = push(item) else {
        return Ok(());
    };
    let lane = shared.lane(item.log);
    let mut item = Some(item);
    let waited = timeout(longest, async {
        while let Some(waiting) = item.take() {
            let room = lane.room.notified();
            let Err(back) = push(waiting) else {
                return;
            };
            item = Some(back);
            shared.hurry();
            room.await;
        }
    })
    .await;
    match (waited, item) {
        (Ok(()), _) | (Err(_), None) => Ok(()),
        (Err(_), Some(item)) => Err(item),
    }
}

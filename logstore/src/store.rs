//! The store as its users see it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;
use uuid::Uuid;

use crate::database::{self, Opened};
use crate::entry::{Entry, Log};
use crate::error::{Error, QueryError, Unavailable};
use crate::id::Ids;
use crate::lane::Item;
use crate::loss::Cause;
use crate::query::{self, Page, Query};
use crate::row::Row;
use crate::shared::Shared;
use crate::writer::Writer;
use crate::{Committed, Figures, Options};

/// A commit waits this long for room in its lane.
const COMMIT_ROOM: Duration = Duration::from_millis(50);

/// A commit waits this long for the disk.
const COMMIT_DISK: Duration = Duration::from_secs(10);

/// An append that may wait waits this long for room in its lane.
const APPEND_ROOM: Duration = Duration::from_secs(5);

/// The three logs. Clones share one store; the last one to go closes it.
#[derive(Clone)]
pub struct Store {
    handle: Arc<Handle>,
}

struct Handle {
    shared: Arc<Shared>,
    writer: Mutex<Option<JoinHandle<Result<(), Error>>>>,
}

impl Store {
    /// Opens or makes the store in `dir`, which only this process may use.
    ///
    /// # Errors
    /// When the folder cannot be written, another process holds it, or its format is not known.
    pub fn open(dir: &Path, options: Options) -> Result<Self, Error> {
        let Opened { db, store, id_key, timelines } = database::open(dir)?;
        let ids = Ids::new(&id_key).map_err(|_| Error::Damaged { what: "the key of the ids is not a key" })?;
        let shared = Arc::new(Shared::new(dir.into(), options, store, ids, db, timelines));
        let writer = Writer::new(Arc::clone(&shared))?;
        let thread = thread::Builder::new().name("log-writer".into()).spawn(|| writer.run()).map_err(Error::Thread)?;
        shared.set_writer(thread.thread().clone());
        Ok(Self { handle: Arc::new(Handle { shared, writer: Mutex::new(Some(thread)) }) })
    }

    /// Queues one entry without waiting. A full queue drops it, counts it, and leaves a mark in the log: an audit
    /// entry `log.gap` with the log, the number and the times of what was lost.
    ///
    /// Attempts and audit entries that nobody waits for leave the last quarter of their lane to those of
    /// [`Self::commit`].
    pub fn append(&self, entry: &Entry<'_>) {
        if let Err(item) = self.push(self.item(entry, None)) {
            self.lose(&item);
        }
    }

    /// As [`Self::append`], but waits for room when the queue is full, at most 5 s.
    pub async fn append_or_wait(&self, entry: &Entry<'_>) {
        let shared = &self.handle.shared;
        let item = self.item(entry, None);
        if let Err(item) = wait_for_room(shared, item, APPEND_ROOM, |item| self.push(item)).await {
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
        let item = self.item(entry, Some(waiter));
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

    /// False while entries cannot be written; true again when a write has succeeded.
    pub fn writable(&self) -> bool {
        self.handle.shared.writable() && !self.handle.shared.closing()
    }

    /// Entries that match, in order, one page. Blocks; bounded by `query.deadline`.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn query(&self, query: &Query) -> Result<Page, QueryError> {
        query::run(&self.handle.shared, query)
    }

    /// One entry by its id. None too for an id that was not made here.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn entry(&self, log: Log, id: &Uuid) -> Result<Option<Row>, QueryError> {
        match self.handle.shared.ids.place(id) {
            Some((of, seq)) if of == log => query::row_at(&self.handle.shared, log, seq),
            Some(_) | None => Ok(None),
        }
    }

    /// Entries at positions from `from` up to but without `to`, in the order of their arrival. Those that are no longer
    /// kept are left out. Blocks; reads each of them.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn rows(&self, log: Log, from: u64, to: u64) -> Result<Vec<Row>, QueryError> {
        (from..to).filter_map(|seq| query::row_at(&self.handle.shared, log, seq).transpose()).collect()
    }

    /// The position that the next entry of this log gets. Cheap.
    pub fn end(&self, log: Log) -> u64 {
        self.handle.shared.timeline(log).read().rows()
    }

    /// Changes whenever entries became readable. The value is their number since the start, all logs together.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.handle.shared.news.subscribe()
    }

    /// Names this store for ever.
    pub fn uuid(&self) -> Uuid {
        self.handle.shared.store
    }

    /// Entries waiting for the writer. Cheap.
    pub fn queue_depth(&self) -> u64 {
        (self.handle.shared.decisions.len() + self.handle.shared.requests.len()) as u64
    }

    /// Numbers for the metrics page and the status. Reads the folder.
    pub fn figures(&self) -> Figures {
        let shared = &self.handle.shared;
        Figures {
            queue_depth: self.queue_depth(),
            entries: Log::ALL.map(|log| (log.name(), shared.timeline(log).read().rows())),
            dropped: Log::ALL.map(|log| (log.name(), shared.losses.total(log))),
            bytes: bytes_in(&shared.dir),
            stray_words: shared.stray_words.load(Ordering::Relaxed),
        }
    }

    /// Writes and syncs what is queued, stops the writer, closes the database. Later appends are counted as dropped.
    /// Blocks.
    ///
    /// # Errors
    /// When the last sync fails.
    pub fn close(&self) -> Result<(), Error> {
        self.handle.close()
    }

    fn item(&self, entry: &Entry<'_>, waiter: Option<crate::lane::Waiter>) -> Item {
        if let Some((field, word)) = entry.stray_word() {
            self.handle.shared.stray_words.fetch_add(1, Ordering::Relaxed);
            tracing::error!(log = entry.log().name(), field, word, "value is not in the closed list of its field");
        }
        Item::of(entry, waiter)
    }

    fn push(&self, item: Item) -> Result<(), Item> {
        let shared = &self.handle.shared;
        if shared.closing() {
            return Err(item);
        }
        let lane = shared.lane(item.log);
        match (item.log, &item.waiter) {
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

    fn lose(&self, item: &Item) {
        let shared = &self.handle.shared;
        let cause = match (shared.closing(), shared.writable()) {
            (true, _) => Cause::Closed,
            (false, false) => Cause::WriteFailed,
            (false, true) => Cause::QueueFull,
        };
        shared.losses.lose(item.log, item.time, cause);
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Store").field("dir", &self.handle.shared.dir).finish_non_exhaustive()
    }
}

impl Handle {
    fn close(&self) -> Result<(), Error> {
        let Some(writer) = self.writer.lock().take() else {
            return Ok(());
        };
        self.shared.close();
        let ended = writer.join().unwrap_or_else(|_| Err(Error::Unwritten { cause: "the writer panicked".into() }));
        // Waits for the queries that still read.
        drop(self.shared.db.write().take());
        ended
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            tracing::error!(error = &error as &dyn std::error::Error, "log store closed");
        }
    }
}

async fn wait_for_room(
    shared: &Shared,
    item: Item,
    longest: Duration,
    push: impl Fn(Item) -> Result<(), Item>,
) -> Result<(), Item> {
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

/// Bytes of the files of the folder; a file that vanishes meanwhile counts nothing.
fn bytes_in(dir: &Path) -> u64 {
    let files = std::fs::read_dir(dir).into_iter().flatten().flatten();
    files.filter_map(|file| file.metadata().ok()).map(|file| file.len()).sum()
}

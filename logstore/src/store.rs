//! The store as its users see it.

use std::cell::RefCell;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use rocksdb::checkpoint::Checkpoint;
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;
use uuid::Uuid;

use crate::anchor;
use crate::block::{Item, Waiter};
use crate::checkpoint::{self, Signed};
use crate::database::{self, Opened};
use crate::entry::{Entry, Field, Log};
use crate::erase::{self, Erased};
use crate::error::{Error, QueryError, Unavailable};
use crate::loss::Cause;
use crate::note::Signer;
use crate::prove;
use crate::query::{self, Facets, Histogram, Page, Query};
use crate::request_ids::RequestIds;
use crate::retention::{self, Keep};
use crate::row::Row;
use crate::sealer;
use crate::seen::{self, Seen, SeenQuery};
use crate::shared::{Loaded, Shared};
use crate::stats::{self, Counters, Stats};
use crate::writer::Writer;
use crate::{Committed, Figures, Options, Quarantined};

/// A commit waits this long for room in its lane.
const COMMIT_ROOM: Duration = Duration::from_millis(50);

/// A commit waits this long for the disk.
const COMMIT_DISK: Duration = Duration::from_secs(10);

/// An append that may wait waits this long for room in its lane.
const APPEND_ROOM: Duration = Duration::from_secs(5);

/// Ids of requests that a restored store leaves out: more than it gave out since its backup.
const LEFT_OUT: u64 = 1 << 36;

thread_local! {
    static ENCODED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The three logs. Clones share one store; the last one to go closes it.
#[derive(Clone)]
pub struct Store {
    handle: Arc<Handle>,
}

struct Handle {
    shared: Arc<Shared>,
    writer: Mutex<Option<JoinHandle<Result<(), Error>>>>,
    sealer: Mutex<Option<JoinHandle<()>>>,
}

impl Store {
    /// Opens or makes the store in `dir`, which only this process may use.
    ///
    /// # Errors
    /// When the folder cannot be written, another process holds it, or its format is not known.
    pub fn open(dir: &Path, options: Options) -> Result<Self, Error> {
        let Opened { db, store, ids, contents, attempts, first_request } = database::open(dir)?;
        let request_ids = RequestIds::new(Arc::clone(&ids), first_request);
        let [_, requests, _] = &contents;
        let counters = Counters::load(&db, &requests.timeline)?;
        let shared =
            Arc::new(Shared::new(dir.into(), options, store, ids, Loaded { db, contents, counters }, request_ids));
        let writer = Writer::new(Arc::clone(&shared), attempts)?;
        let thread = thread::Builder::new().name("log-writer".into()).spawn(|| writer.run()).map_err(Error::Thread)?;
        shared.set_writer(thread.thread().clone());
        let sealing = Arc::clone(&shared);
        let sealer = thread::Builder::new().name("log-sealer".into()).spawn(move || sealer::run(&sealing));
        let sealer = sealer.map_err(Error::Thread)?;
        shared.set_sealer(sealer.thread().clone());
        let (writer, sealer) = (Mutex::new(Some(thread)), Mutex::new(Some(sealer)));
        Ok(Self { handle: Arc::new(Handle { shared, writer, sealer }) })
    }

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

    /// Matches of a question over time, by the values of a field if one is named. Blocks; bounded by `query.deadline`.
    ///
    /// # Errors
    /// When the disk refuses, or the answer has more than 10,000 steps or too many values.
    pub fn histogram(&self, query: &Query, step: Duration, by: Option<&Field>) -> Result<Histogram, QueryError> {
        query::histogram(&self.handle.shared, query, step, by)
    }

    /// The `top` most frequent values of each field among the matches of a question. Blocks; bounded by
    /// `query.deadline`.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn facets(&self, query: &Query, fields: &[Field], top: usize) -> Result<Facets, QueryError> {
        query::facets(&self.handle.shared, query, fields, top)
    }

    /// Makes the ids of requests: none comes twice, and each costs the store about a byte.
    pub fn request_ids(&self) -> RequestIds {
        self.handle.shared.request_ids.clone()
    }

    /// One entry by its id. None too for an id that was not made here.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn entry(&self, log: Log, id: &Uuid) -> Result<Option<Row>, QueryError> {
        match self.handle.shared.ids.place(id) {
            Some((of, seq)) if of == log => Ok(query::rows_at(&self.handle.shared, log, &[seq])?.pop()),
            Some(_) | None => Ok(None),
        }
    }

    /// Everybody with a successful sign-in in a time. Blocks; bounded by `query.deadline`.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn seen(&self, query: &SeenQuery) -> Result<Seen, QueryError> {
        seen::run(self, query)
    }

    /// Requests of a time until `now`, of all circuits or of one; an empty name means requests that found no circuit.
    /// Reads no entry.
    pub fn stats(&self, range: stats::Range, circuit: Option<&str>, now: Timestamp) -> Stats {
        self.handle.shared.counters.stats(range, circuit, now)
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

    /// Signs the heads of the logs that have grown since the last time. Blocks for an fsync; to be called every minute
    /// and before [`Self::close`].
    ///
    /// # Errors
    /// When the disk refuses; the next call signs what is there then.
    pub fn sign(&self, signer: &Signer, now: Timestamp) -> Result<(), Error> {
        checkpoint::sign(&self.handle.shared, signer, now)
    }

    /// The latest signed head of each log, by the order of [`Log::ALL`]; none if there is none yet.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn heads(&self) -> Result<[Option<Signed>; 3], Error> {
        checkpoint::heads(&self.handle.shared)
    }

    /// Signs the heads, and makes the next anchor of them; none while the store is being opened again.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn anchor(&self, signer: &Signer, now: Timestamp, cause: &str) -> Result<Option<anchor::Kept>, Error> {
        self.sign(signer, now)?;
        anchor::make(&self.handle.shared, now, cause, None)
    }

    /// A copy of what is stored now, in a folder that is not there yet: files that never change are shared with it where
    /// the file system can. Blocks for as long as it takes to write out what is in memory.
    ///
    /// # Errors
    /// When the disk refuses, or the store is being opened again.
    pub fn copy_to(&self, dir: &Path) -> Result<(), Error> {
        let slot = self.handle.shared.db.read();
        let db = slot.as_ref().ok_or(Error::Damaged { what: "the log store is not open" })?;
        db.flush_wal(true)?;
        Ok(Checkpoint::new(db)?.create_checkpoint(dir)?)
    }

    /// After a store was restored from a backup: takes the anchors that were made since, so that the next one follows
    /// them, and leaves out request ids that may have been given out since. Nothing else may be written yet.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn adopt(&self, younger: &[anchor::Kept]) -> Result<(), Error> {
        let shared = &self.handle.shared;
        anchor::adopt(shared, younger)?;
        let slot = shared.db.read();
        slot.as_ref().map_or(Ok(()), |db| {
            Ok(database::reserve_requests(db, shared.request_ids.counter().saturating_add(LEFT_OUT))?)
        })
    }

    /// As [`Self::anchor`], of a store that was restored with so many entries of each log: heads with more that were
    /// anchored before are lost, and this says so.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn anchor_restored(
        &self,
        signer: &Signer,
        now: Timestamp,
        kept: [u64; 3],
    ) -> Result<Option<anchor::Kept>, Error> {
        self.sign(signer, now)?;
        anchor::make(&self.handle.shared, now, "restore", Some((signer, kept)))
    }

    /// The latest anchor.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn last_anchor(&self) -> Result<Option<anchor::Kept>, Error> {
        let slot = self.handle.shared.db.read();
        slot.as_ref().map_or(Ok(None), |db| Ok(anchor::last(db)?))
    }

    /// Anchors from a number on, at most [`anchor::AT_ONCE`].
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn anchors(&self, from: u64) -> Result<Vec<anchor::Kept>, Error> {
        anchor::from(&self.handle.shared, from)
    }

    /// The number of the first anchor that a place does not have yet.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn next_anchor_of(&self, place: &str) -> Result<u64, Error> {
        anchor::next_of(&self.handle.shared, place)
    }

    /// A place has all anchors before this number.
    ///
    /// # Errors
    /// When the disk refuses; the place is told again then.
    pub fn set_next_anchor_of(&self, place: &str, next: u64) -> Result<(), Error> {
        anchor::set_next_of(&self.handle.shared, place, next)
    }

    /// A file that proves to whoever has the key that this entry is in its log, see [`prove::check`]; none if no head
    /// was signed since it was written.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn prove(&self, row: &Row) -> Result<Option<String>, QueryError> {
        prove::prove(&self.handle.shared, row)
    }

    /// How long each log is kept from now on, by the order of [`Log::ALL`]. Until the first call everything is.
    pub fn set_keep(&self, keep: [Keep; 3]) {
        *self.handle.shared.keep.lock() = keep;
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

    /// Sealed segments of a log.
    pub fn segments(&self, log: Log) -> usize {
        self.handle.shared.contents(log).read().pieces.len()
    }

    /// Segments that cannot be read.
    pub fn quarantined(&self) -> Vec<Quarantined> {
        let of = |log: Log| {
            let pieces = Arc::clone(&self.handle.shared.contents(log).read().pieces);
            let broken = pieces.iter().filter_map(|piece| {
                let fault = piece.fault()?.to_owned();
                Some(Quarantined { log, first: piece.first, last: piece.end() - 1, fault })
            });
            broken.collect::<Vec<_>>()
        };
        Log::ALL.into_iter().flat_map(of).collect()
    }

    /// As [`Self::commit`], for threads that may wait.
    fn commit_blocking(&self, entry: &Entry<'_>) -> Result<(), Unavailable> {
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

    /// Entries at positions from `from` up to but without `to`, in the order of their arrival. Those that are no longer
    /// kept are left out. Blocks; reads each of them.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn rows(&self, log: Log, from: u64, to: u64) -> Result<Vec<Row>, QueryError> {
        query::rows_at(&self.handle.shared, log, &(from..to).collect::<Vec<_>>())
    }

    /// The position that the next entry of this log gets. Cheap.
    pub fn end(&self, log: Log) -> u64 {
        self.handle.shared.contents(log).read().timeline.end()
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
            entries: Log::ALL.map(|log| (log.name(), shared.contents(log).read().timeline.end())),
            kept: Log::ALL.map(|log| {
                let contents = shared.contents(log).read();
                (log.name(), contents.timeline.end() - contents.first)
            }),
            quarantined: self.quarantined().len() as u64,
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

    pub(crate) fn shared(&self) -> &Shared {
        &self.handle.shared
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
        self.shared.wake_sealer();
        if let Some(Err(_)) = self.sealer.lock().take().map(JoinHandle::join) {
            tracing::error!("the sealer panicked");
        }
        // Waits for the queries that still read.
        let db = self.shared.db.write().take();
        let saved = db.as_ref().map_or(Ok(()), |db| self.shared.counters.save(db));
        if let (Ok(()), Ok(()), Some(db)) = (&ended, &saved, &db) {
            database::write_out(db);
        }
        ended.and(saved)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            tracing::error!(error = &error as &dyn std::error::Error, "log store closed");
        }
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

/// Bytes of the files of the folder; a file that vanishes meanwhile counts nothing.
fn bytes_in(dir: &Path) -> u64 {
    let files = std::fs::read_dir(dir).into_iter().flatten().flatten();
    files.filter_map(|file| file.metadata().ok()).map(|file| file.len()).sum()
}

//! The one thread that writes.
//!
//! It takes what is queued, gives each entry its position, writes all of it as one batch, and syncs: at once when
//! someone waits, else once per sync interval, on a thread beside it. While entries come it looks every 10 ms, and at
//! once when someone waits; after a second without any it sleeps until it is woken. RocksDB's write stalls stall this
//! thread only; what the queues then cannot hold is lost and marked.

mod failure;
mod syncer;

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rocksdb::WriteBatch;

use self::syncer::{Syncer, Waiters};
use crate::Committed;
use crate::block::{Block, Head, Item};
use crate::column::{Column, hot_key};
use crate::database::{self, column};
use crate::entry::{Entry, Log};
use crate::error::Error;
use crate::hidden::OpenAttempts;
use crate::hot;
use crate::loss::Cause;
use crate::request_ids::RESERVED;
use crate::sealer;
use crate::shared::Shared;
use crate::tree::{Hash, leaf};

/// Entries of one batch, but for the rest of a block.
const BATCH: usize = 4096;

/// Attempts and audit entries of one batch, but for the rest of a block, so that a flood of them does not starve the
/// requests.
const BATCH_DECISIONS: usize = 2048;

/// Without entries for this long the writer sleeps.
const IDLE: Duration = Duration::from_secs(1);

/// Between two looks whether the folder takes files.
const FOLDER_CHECK: Duration = Duration::from_secs(5);

/// A gap is marked when nothing was lost for this long, and while losses go on at most this late.
const GAP_CALM: Duration = Duration::from_millis(100);
const GAP_LATEST: Duration = Duration::from_secs(1);

pub(crate) struct Writer {
    shared: Arc<Shared>,
    /// Taken from the queues, not yet written.
    batch: Vec<Block>,
    /// Written, waiting for the next sync.
    waiters: Waiters,
    syncer: Syncer,
    /// When the first of the entries that are not synced was written.
    dirty: Option<Instant>,
    /// Unmarked losses, when they began and when they last grew.
    losing: Option<(u64, Instant, Instant)>,
    busy: Instant,
    checked: Instant,
    /// Why entries remained unwritten when the store was closed.
    unwritten: Option<String>,
    attempts: OpenAttempts,
    /// Log, time and leaf of each entry of a batch; empty between two. So much memory is expensive to get anew.
    heads: Vec<(Log, i64, Hash)>,
    /// A record while it is put together; the same holds for it.
    record: Vec<u8>,
    /// Counters of requests' ids are in reserve up to here.
    reserved: u64,
}

/// Where the entries of a batch go: the first position, by [`Log::index`].
#[derive(Clone)]
struct Places {
    first: [u64; 3],
}

impl Writer {
    /// # Errors
    /// When the system has no thread to give.
    pub(crate) fn new(shared: Arc<Shared>, attempts: OpenAttempts) -> Result<Self, Error> {
        let now = Instant::now();
        Ok(Self {
            batch: Vec::new(),
            waiters: Vec::new(),
            syncer: Syncer::new(&shared)?,
            reserved: shared.request_ids.counter() + RESERVED,
            attempts,
            heads: Vec::new(),
            record: Vec::new(),
            shared,
            dirty: None,
            losing: None,
            busy: now,
            checked: now,
            unwritten: None,
        })
    }

    /// Until the store is closed.
    pub(crate) fn run(mut self) -> Result<(), Error> {
        let ended = Ended(Arc::clone(&self.shared));
        loop {
            // Asked before the queues are emptied: what was queued before the closing is written.
            let closing = self.shared.closing();
            self.unwritten = None;
            self.take();
            self.mark_losses(closing);
            let full = self.entries() >= BATCH;
            if !self.batch.is_empty() {
                self.busy = Instant::now();
                self.write();
            }
            self.sync_if_due(closing);
            self.check_folder();
            if closing && (self.unwritten.is_some() || self.nothing_left()) {
                break;
            }
            if !full {
                self.rest();
            }
        }
        self.give_up_the_rest();
        drop(ended);
        self.unwritten.map_or(Ok(()), |cause| Err(Error::Unwritten { cause }))
    }

    fn take(&mut self) {
        let room = BATCH.saturating_sub(self.entries());
        self.shared.decisions.drain(room.min(BATCH_DECISIONS), &mut self.batch);
        let room = BATCH.saturating_sub(self.entries());
        self.shared.requests.drain(room, &mut self.batch);
    }

    /// In the batch.
    fn entries(&self) -> usize {
        self.batch.iter().map(Block::len).sum()
    }

    /// Adds the entries that say what was lost.
    fn mark_losses(&mut self, closing: bool) {
        let unmarked = self.shared.losses.unmarked();
        if unmarked == 0 {
            self.losing = None;
            return;
        }
        let now = Instant::now();
        let (_, began, grew) = match self.losing {
            Some((before, began, grew)) if before == unmarked => (before, began, grew),
            Some((_, began, _)) => (unmarked, began, now),
            None => (unmarked, now, now),
        };
        self.losing = Some((unmarked, began, grew));
        if closing || now - grew >= GAP_CALM || now - began >= GAP_LATEST {
            let mut marks = Block::default();
            for gap in self.shared.losses.take() {
                gap.mark(|entry| {
                    let entry = Entry::Audit(entry);
                    let (log, time, bytes) = (entry.log(), entry.time(), &entry.encode());
                    marks.push(Item { log, time, bytes, waiter: None });
                });
            }
            self.batch.push(marks);
            self.losing = None;
        }
    }

    fn write(&mut self) {
        let places = Places { first: Log::ALL.map(|log| self.shared.contents(log).read().timeline.end()) };
        match self.put(&places) {
            Ok(()) => self.publish(&places),
            Err(error) => self.write_failed(&places, &error),
        }
    }

    fn put(&mut self, places: &Places) -> Result<(), Error> {
        let slot = self.shared.db.read();
        let db = slot.as_ref().ok_or(Error::Damaged { what: "the log store is not open" })?;
        let hot = column(db, Column::Hot);
        // Growing while it is filled would copy all of it again and again.
        let mut rows = WriteBatch::with_capacity_bytes(self.batch.iter().map(Block::size).sum());
        let mut places = places.clone();
        for (heads, start, bytes) in self.batch.iter().flat_map(Block::runs) {
            let Some(log) = heads.first().map(|head| head.log) else { continue };
            hot::encode(heads.iter().map(|head| head.end), start, bytes, &mut self.record);
            rows.put_cf(&hot, hot_key(log, places.take(log, heads.len())), &self.record);
        }
        Ok(db.write(rows)?)
    }

    /// The batch is readable; whoever waits is told after the sync.
    fn publish(&mut self, places: &Places) {
        self.hide(places);
        // Before anyone may seal them.
        self.shared.counters.count(&self.batch);
        self.note_waiters(places);
        let rows = self.entries() as u64;
        let of = |(_, head, bytes): (u64, &Head, &[u8])| (head.log, head.time, leaf(bytes));
        self.heads.extend(places.of(&self.batch).map(of));
        self.pass_on(places);
        for log in Log::ALL {
            let of_log = self.heads.iter().filter(|(of, ..)| *of == log);
            let mut contents = self.shared.contents(log).write();
            contents.timeline.extend(of_log.clone().map(|(_, time, _)| *time));
            contents.tree.extend(of_log.map(|(.., leaf)| *leaf));
            if sealer::is_due(&contents.timeline) {
                self.shared.wake_sealer();
            }
        }
        self.heads.clear();
        self.dirty.get_or_insert_with(Instant::now);
        self.shared.news.send_modify(|news| *news += rows);
        self.reserve_requests();
    }

    fn note_waiters(&mut self, places: &Places) {
        let mut places = places.clone();
        for head in self.batch.iter_mut().flat_map(Block::heads_mut) {
            let seq = places.next(head.log);
            if let Some(waiter) = head.waiter.take() {
                self.waiters.push((waiter, Committed { seq, id: self.shared.ids.id(head.log, seq) }));
            }
        }
    }

    /// Requests go to whoever seals them, and all other memory back to where it came from.
    fn pass_on(&mut self, places: &Places) {
        let mut seq = places.first_of(Log::Requests);
        for block in self.batch.drain(..) {
            let Some(log) = block.heads().first().map(|head| head.log) else { continue };
            let lane = self.shared.lane(log);
            if log == Log::Requests {
                let first = seq;
                seq += block.len() as u64;
                self.shared.recent.add(first, block).into_iter().for_each(|free| lane.recycle(free));
            } else {
                lane.recycle(block);
            }
        }
    }

    /// Rows that those of this batch stand for. Should this not reach the disk, it is found again when the store is
    /// opened: the rows are not sealed before.
    fn hide(&mut self, places: &Places) {
        let attempts = places.of(&self.batch).filter(|(_, head, _)| head.log == Log::Access);
        let stood_for: Vec<u64> = attempts.filter_map(|(seq, _, bytes)| self.attempts.see(seq, bytes)).collect();
        if stood_for.is_empty() {
            return;
        }
        let mut contents = self.shared.contents(Log::Access).write();
        let changed = Arc::make_mut(&mut contents.hidden).add(&stood_for);
        drop(contents);
        let slot = self.shared.db.read();
        for (page, bits) in changed {
            let put =
                slot.as_ref().map(|db| db.put_cf(&column(db, Column::Over), hot_key(Log::Access, page), bits.encode()));
            if let Some(Err(error)) = put {
                tracing::warn!(%error, "states of attempts not stored yet");
            }
        }
    }

    fn reserve_requests(&mut self) {
        let counter = self.shared.request_ids.counter();
        if counter + RESERVED / 2 < self.reserved {
            return;
        }
        let slot = self.shared.db.read();
        if let Some(Ok(())) = slot.as_ref().map(|db| database::reserve_requests(db, counter)) {
            self.reserved = counter + RESERVED;
        }
    }

    fn sync_if_due(&mut self, closing: bool) {
        if let Some(Err(cause)) = self.syncer.outcome() {
            return self.sync_failed(cause);
        }
        if self.is_sync_due(closing) {
            self.dirty = None;
            self.syncer.begin(std::mem::take(&mut self.waiters));
        }
        if closing && let Some(Err(cause)) = self.syncer.wait() {
            self.sync_failed(cause);
        }
    }

    fn is_sync_due(&self, closing: bool) -> bool {
        let Some(since) = self.dirty else { return false };
        !self.syncer.is_busy() && (closing || !self.waiters.is_empty() || since.elapsed() >= self.sync_after())
    }

    fn sync_after(&self) -> Duration {
        syncer::begin_after(self.shared.options.sync)
    }

    fn poll(&self) -> Duration {
        syncer::poll_every(self.shared.options.sync)
    }

    /// A folder that takes no files lets RocksDB write until its next file only; and when merging tables failed, nobody
    /// hears of it before the next write.
    fn check_folder(&mut self) {
        if self.checked.elapsed() < FOLDER_CHECK {
            return;
        }
        self.checked = Instant::now();
        self.shared.room.look(&self.shared.dir);
        if let Err(error) = database::probe_folder(&self.shared.dir) {
            return self.folder_failed(error.to_string());
        }
        let slot = self.shared.db.read();
        let failed = slot.as_ref().filter(|db| database::has_failed_beside(db)).map(|db| database::probe(db, 0));
        drop(slot);
        if let Some(Err(error)) = failed {
            self.database_failed(&error.into());
        }
    }

    fn nothing_left(&self) -> bool {
        self.batch.is_empty() && self.shared.decisions.is_empty() && self.shared.requests.is_empty()
    }

    fn rest(&self) {
        if self.busy.elapsed() < IDLE || self.dirty.is_some() || self.losing.is_some() {
            // A sync that is under way wakes us at its end.
            let dirty = self.dirty.filter(|_| !self.syncer.is_busy());
            let due = dirty.map(|since| self.sync_after().saturating_sub(since.elapsed()));
            thread::park_timeout(due.map_or(self.poll(), |due| due.min(self.poll())));
        } else if self.shared.may_sleep() {
            thread::park_timeout(FOLDER_CHECK);
        }
        self.shared.awake();
    }

    /// After the last batch: whoever came too late is told.
    fn give_up_the_rest(&mut self) {
        loop {
            self.take();
            if self.batch.is_empty() {
                break;
            }
            for head in self.batch.iter_mut().flat_map(Block::heads_mut) {
                self.shared.losses.lose(head.log, head.time, Cause::Closed);
                if let Some(waiter) = head.waiter.take() {
                    drop(waiter.send(Err(self.shared.unavailable())));
                }
            }
            self.batch.clear();
        }
    }
}

impl Places {
    /// Position, head and bytes of each entry.
    fn of<'a>(&self, batch: &'a [Block]) -> impl Iterator<Item = (u64, &'a Head, &'a [u8])> + use<'a> {
        let mut places = self.clone();
        batch.iter().flat_map(Block::entries).map(move |(head, bytes)| (places.next(head.log), head, bytes))
    }

    fn first_of(&self, log: Log) -> u64 {
        self.clone().next(log)
    }

    /// The position of the next entry of a log.
    const fn next(&mut self, log: Log) -> u64 {
        self.take(log, 1)
    }

    /// The position of the first of the next entries of a log.
    const fn take(&mut self, log: Log, entries: usize) -> u64 {
        let [access, requests, audit] = &mut self.first;
        let next = match log {
            Log::Access => access,
            Log::Requests => requests,
            Log::Audit => audit,
        };
        let first = *next;
        *next += entries as u64;
        first
    }
}

/// However the writer ends, nobody is left waiting for it.
struct Ended(Arc<Shared>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.set_unwritable("the log writer has ended");
    }
}

//! What the writer, the readers and those who make entries have in common.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering, fence};
use std::sync::{Arc, OnceLock};
use std::thread::Thread;

use parking_lot::{Mutex, RwLock};
use rocksdb::DB;
use tokio::sync::watch;

use crate::Options;
use crate::cache::Cache;
use crate::entry::Log;
use crate::error::Unavailable;
use crate::hidden::Hidden;
use crate::id::Ids;
use crate::lane::Lane;
use crate::leaves::Leaves;
use crate::loss::Losses;
use crate::piece::Pieces;
use crate::recent::Recent;
use crate::request_ids::RequestIds;
use crate::retention::Keep;
use crate::room::Room;
use crate::stats::Counters;
use crate::timeline::Timeline;

/// What a log holds, as far as it is known without reading.
#[derive(Default)]
pub(crate) struct Contents {
    /// The first position that is kept.
    pub(crate) first: u64,
    pub(crate) pieces: Pieces,
    /// Of the rows after them.
    pub(crate) timeline: Timeline,
    /// Of all entries that ever were.
    pub(crate) tree: Leaves,
    pub(crate) hidden: Arc<Hidden>,
}

/// What was read when the store was opened.
pub(crate) struct Loaded {
    pub(crate) db: DB,
    pub(crate) blocks: rocksdb::Cache,
    /// By [`Log::index`].
    pub(crate) contents: [Contents; 3],
    pub(crate) counters: Counters,
}

pub(crate) struct Shared {
    pub(crate) dir: PathBuf,
    pub(crate) options: Options,
    pub(crate) store: uuid::Uuid,
    pub(crate) ids: Arc<Ids>,
    /// Attempts and audit entries.
    pub(crate) decisions: Lane,
    pub(crate) requests: Lane,
    /// Requests that are written and perhaps not sealed.
    pub(crate) recent: Recent,
    /// Absent after the store was closed, and while it is opened again after a failure.
    pub(crate) db: RwLock<Option<DB>>,
    /// Blocks of its files that are in memory.
    pub(crate) blocks: Mutex<rocksdb::Cache>,
    contents: [RwLock<Contents>; 3],
    /// Held by whoever reads segments; taken whole to remove files under them.
    pub(crate) readers: RwLock<()>,
    pub(crate) request_ids: RequestIds,
    pub(crate) cache: Cache,
    sealer: OnceLock<Thread>,
    pub(crate) counters: Counters,
    /// By [`Log::index`].
    pub(crate) keep: Mutex<[Keep; 3]>,
    /// Held while entries are removed.
    pub(crate) pruning: Mutex<()>,
    /// Held by whoever moves the oldest rows: into a segment, or away. Taken before the database.
    pub(crate) moving: Mutex<()>,
    pub(crate) losses: Losses,
    pub(crate) room: Room,
    /// Values that were not in the closed list of their field.
    pub(crate) stray_words: AtomicU64,
    /// Microseconds since 1970, as whoever tends the store last said.
    pub(crate) now: AtomicI64,
    failure: Mutex<Option<String>>,
    writable: AtomicBool,
    closing: AtomicBool,
    /// Set while the writer sleeps until it is woken.
    sleeping: AtomicBool,
    writer: OnceLock<Thread>,
    /// Rows written since the start, all logs together.
    pub(crate) news: watch::Sender<u64>,
}

impl Shared {
    pub(crate) fn new(
        dir: PathBuf,
        options: Options,
        store: uuid::Uuid,
        ids: Arc<Ids>,
        loaded: Loaded,
        request_ids: RequestIds,
    ) -> Self {
        let Loaded { db, blocks, contents, counters } = loaded;
        Self {
            dir,
            store,
            ids,
            decisions: Lane::new(options.queue_entries, options.queue_bytes),
            requests: Lane::new(options.queue_entries, options.queue_bytes),
            recent: Recent::default(),
            options,
            db: RwLock::new(Some(db)),
            blocks: Mutex::new(blocks),
            contents: contents.map(RwLock::new),
            readers: RwLock::new(()),
            request_ids,
            cache: Cache::default(),
            sealer: OnceLock::new(),
            counters,
            keep: Mutex::default(),
            pruning: Mutex::default(),
            moving: Mutex::default(),
            losses: Losses::default(),
            room: Room::default(),
            stray_words: AtomicU64::new(0),
            now: AtomicI64::new(i64::MIN),
            failure: Mutex::new(None),
            writable: AtomicBool::new(true),
            closing: AtomicBool::new(false),
            sleeping: AtomicBool::new(false),
            writer: OnceLock::new(),
            news: watch::Sender::new(0),
        }
    }

    pub(crate) const fn lane(&self, log: Log) -> &Lane {
        match log {
            Log::Access | Log::Audit => &self.decisions,
            Log::Requests => &self.requests,
        }
    }

    pub(crate) const fn contents(&self, log: Log) -> &RwLock<Contents> {
        let [access, requests, audit] = &self.contents;
        match log {
            Log::Access => access,
            Log::Requests => requests,
            Log::Audit => audit,
        }
    }

    pub(crate) fn writable(&self) -> bool {
        self.writable.load(Ordering::Acquire)
    }

    /// Why nothing can be written.
    pub(crate) fn unavailable(&self) -> Unavailable {
        let cause = self.failure.lock().clone().unwrap_or_else(|| "the store is closed".into());
        Unavailable { cause }
    }

    pub(crate) fn set_writable(&self) {
        *self.failure.lock() = None;
        self.writable.store(true, Ordering::Release);
    }

    pub(crate) fn set_unwritable(&self, cause: &str) {
        *self.failure.lock() = Some(cause.to_owned());
        self.writable.store(false, Ordering::Release);
    }

    pub(crate) fn closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    /// From here on nothing is taken.
    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::Release);
        self.hurry();
    }

    /// Called by the writer before anything else.
    pub(crate) fn set_writer(&self, thread: Thread) {
        // Set once: a store has one writer.
        drop(self.writer.set(thread));
    }

    /// Called by whoever starts the sealer.
    pub(crate) fn set_sealer(&self, thread: Thread) {
        // Set once: a store has one sealer.
        drop(self.sealer.set(thread));
    }

    /// Rows may be there to be sealed.
    pub(crate) fn wake_sealer(&self) {
        if let Some(sealer) = self.sealer.get() {
            sealer.unpark();
        }
    }

    /// Called after something was queued that nobody waits for. Wakes the writer only if it sleeps: a wake-up costs more than the rest.
    pub(crate) fn wake(&self) {
        fence(Ordering::SeqCst);
        if self.sleeping.load(Ordering::Relaxed)
            && self.sleeping.swap(false, Ordering::Relaxed)
            && let Some(writer) = self.writer.get()
        {
            writer.unpark();
        }
    }

    /// Wakes the writer also between two looks at the queues: someone waits.
    pub(crate) fn hurry(&self) {
        if let Some(writer) = self.writer.get() {
            writer.unpark();
        }
    }

    /// Called by the writer: from now on it must be woken, unless something came meanwhile.
    pub(crate) fn may_sleep(&self) -> bool {
        self.sleeping.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        self.decisions.is_empty() && self.requests.is_empty() && !self.closing()
    }

    pub(crate) fn awake(&self) {
        self.sleeping.store(false, Ordering::Relaxed);
    }
}

//! Keeps three logs and answers questions about them.
//!
//! Promised: what [`Store::commit`] returned for is on disk; what [`Store::append`] took is on disk within the sync
//! interval or counted as lost and marked in the log; sequences have no gaps; an entry is readable within a second.
//! Nothing here knows policy, HTTP or configuration.

pub mod entry;
pub mod error;
pub mod query;
pub mod row;

use std::path::Path;
use std::time::Duration;

pub use entry::{AccessEntry, AuditEntry, Entry, Log, RequestEntry};
pub use error::{BadParameter, Error, QueryError, Unavailable};
pub use query::{Page, Query};
pub use row::Row;

/// How a store is kept.
#[derive(Debug, Clone)]
pub struct Options {
    /// Request entries are on disk this long after they were appended, at the latest.
    pub sync: Duration,
    /// Entries waiting for the writer, per lane; one more is dropped and counted.
    pub queue_entries: usize,
    /// Bytes waiting for the writer, per lane.
    pub queue_bytes: usize,
}

/// The three logs. Clones share one store.
#[derive(Clone)]
pub struct Store {}

/// Where a committed entry stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// Position in its log.
    pub seq: u64,
    /// Its name.
    pub id: uuid::Uuid,
}

impl Store {
    /// Opens or makes the store in `dir`, which only this process may use.
    ///
    /// # Errors
    /// When the folder cannot be written, another process holds it, or its format is not known.
    pub fn open(_dir: &Path, _options: Options) -> Result<Self, Error> {
        todo!()
    }

    /// Queues one entry without waiting. A full queue drops it, counts it, and leaves a mark in the log.
    pub fn append(&self, _entry: &Entry<'_>) {
        todo!()
    }

    /// As [`Self::append`], but waits for room when the queue is full.
    pub async fn append_or_wait(&self, _entry: &Entry<'_>) {
        todo!()
    }

    /// Returns when the entry is on disk.
    ///
    /// # Errors
    /// When it could not be written; it may then not be relied upon.
    pub async fn commit(&self, _entry: &Entry<'_>) -> Result<Committed, Unavailable> {
        todo!()
    }

    /// False while entries cannot be written; true again when a write has succeeded.
    pub fn writable(&self) -> bool {
        todo!()
    }

    /// Entries that match, in order, one page. Blocks; bounded by `query.deadline`.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn query(&self, _query: &Query) -> Result<Page, QueryError> {
        todo!()
    }

    /// One entry by its id.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn entry(&self, _log: Log, _id: &uuid::Uuid) -> Result<Option<Row>, QueryError> {
        todo!()
    }

    /// Numbers for the metrics page and the status.
    pub fn figures(&self) -> Figures {
        todo!()
    }

    /// Writes and syncs what is queued, stops the writer, closes the database. Later appends are counted as dropped.
    ///
    /// # Errors
    /// When the last sync fails.
    pub fn close(&self) -> Result<(), Error> {
        todo!()
    }
}

/// Numbers for the metrics page and the status.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    /// Entries waiting for the writer.
    pub queue_depth: u64,
    /// Per log: entries in it.
    pub entries: [(&'static str, u64); 3],
    /// Per log: entries lost since start.
    pub dropped: [(&'static str, u64); 3],
    /// Bytes on disk.
    pub bytes: u64,
}

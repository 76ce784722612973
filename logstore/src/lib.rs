//! Keeps three logs and answers questions about them.
//!
//! Promised: what [`Store::commit`] returned for is on disk; what [`Store::append`] took is on disk within the sync
//! interval or counted as lost and marked in the log; sequences have no gaps; an entry is readable within a second.
//! Nothing here knows policy, HTTP or configuration.

pub mod anchor;
mod block;
mod cache;
pub mod checkpoint;
pub mod codec;
mod column;
mod database;
pub mod entry;
mod erase;
mod erased;
pub mod error;
pub mod export;
mod hidden;
mod hot;
mod id;
mod json;
mod lane;
mod leaves;
mod loss;
pub mod note;
mod piece;
mod places;
pub mod prove;
pub mod query;
mod recent;
mod request_ids;
pub mod retention;
mod room;
pub mod row;
mod sealer;
pub mod seen;
mod segment;
mod shared;
pub mod stats;
mod store;
pub mod succession;
mod timeline;
pub mod tree;
pub mod verify;
mod view;
mod warm;
mod writer;

use std::time::Duration;

pub use entry::{AccessEntry, AuditEntry, Entry, Log, RequestEntry};
pub use erase::Erased;
pub use error::{BadParameter, Error, QueryError, Unavailable};
pub use export::Export;
pub use query::{Facets, Histogram, Page, Query};
pub use request_ids::RequestIds;
pub use retention::Keep;
pub use room::{Disk, Mark, Marks};
pub use row::Row;
pub use seen::{Seen, SeenQuery};
pub use stats::Stats;
pub use store::Store;

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

/// Where a committed entry stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// Position in its log.
    pub seq: u64,
    /// Its name.
    pub id: uuid::Uuid,
}

/// Sealed entries that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    /// Their log.
    pub log: Log,
    /// Position of the first.
    pub first: u64,
    /// Position of the last.
    pub last: u64,
    /// What was found.
    pub fault: String,
}

/// Numbers for the metrics page and the status.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Figures {
    /// Entries waiting for the writer.
    pub queue_depth: u64,
    /// Per log: entries that were ever in it, which is the position of the next one.
    pub entries: [(&'static str, u64); 3],
    /// Per log: entries that are in it now.
    pub kept: [(&'static str, u64); 3],
    /// Segments that cannot be read.
    pub quarantined: u64,
    /// Per log: entries lost since start.
    pub dropped: [(&'static str, u64); 3],
    /// Bytes on disk.
    pub bytes: u64,
    /// The disk that they are on.
    pub disk: Disk,
    /// Values that were not in the closed list of their field, since start. Anything but 0 is a mistake in the program.
    pub stray_words: u64,
}

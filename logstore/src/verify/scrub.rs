//! A slow look at what is stored: one segment at a time, again and again.

use rocksdb::DB;

use super::piece::check;
use super::source::Source;
use super::{Extent, Finding};
use crate::column::Column;
use crate::database::{column, read_anew};
use crate::entry::Log;
use crate::error::Error;
use crate::store::Store;

/// In the database: how far the scrub is.
const KEY: &str = "scrub";

/// How far a scrub is: what is before this position, and in the logs before this one, it has read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Of the logs in their order.
    pub log: Log,
    /// In this log.
    pub seq: u64,
}

/// A segment that was read again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scrubbed {
    /// Its log.
    pub log: Log,
    /// Position of its first entry.
    pub first: u64,
    /// Position of its last entry.
    pub last: u64,
    /// What is wrong with it.
    pub findings: Vec<Finding>,
}

impl Place {
    /// Where a scrub begins.
    pub const START: Self = Self { log: Log::Access, seq: 0 };
}

/// Reads the next segment again, and compares it with what it hashed to when it was sealed; none after the last one.
/// Blocks for some tens of milliseconds.
///
/// # Errors
/// When the disk refuses or the store is being opened again.
pub fn scrub(store: &Store, from: Place) -> Result<Option<Scrubbed>, Error> {
    let shared = store.shared();
    // No file is removed under the reader.
    let _reads = shared.readers.read();
    let slot = shared.db.read();
    let db = slot.as_ref().ok_or(Error::Damaged { what: "the log store is not open" })?;
    let next = Log::ALL.into_iter().skip(from.log.index()).find_map(|log| {
        let from = if log == from.log { from.seq } else { 0 };
        let pieces = shared.contents(log).read().pieces.clone();
        let at = pieces.partition_point(|piece| piece.end() <= from);
        Some((log, pieces.get(at)?.clone()))
    });
    let Some((log, piece)) = next else { return Ok(None) };
    read_anew(&mut shared.blocks.lock());
    let source = Source::of_piece(shared, db, log, &piece, Extent::from(1))?;
    let findings = check(&source, &piece).findings;
    Ok(Some(Scrubbed { log, first: piece.first, last: piece.end() - 1, findings }))
}

/// How far the last scrub was when the store was closed.
///
/// # Errors
/// When the disk refuses.
pub fn scrubbed(store: &Store) -> Result<Place, Error> {
    let slot = store.shared().db.read();
    slot.as_ref().map_or(Ok(Place::START), |db| Ok(load(db)?.unwrap_or(Place::START)))
}

fn load(db: &DB) -> Result<Option<Place>, rocksdb::Error> {
    let stored = db.get_cf(&column(db, Column::Meta), KEY)?;
    Ok(stored.and_then(|bytes| {
        let (log, seq) = bytes.split_first()?;
        let log = Log::ALL.get(usize::from(*log)).copied()?;
        Some(Place { log, seq: u64::from_be_bytes(seq.try_into().ok()?) })
    }))
}

/// Remembers how far it is. Not synced: a crash reads a segment twice.
///
/// # Errors
/// When the disk refuses.
pub fn set_scrubbed(store: &Store, place: Place) -> Result<(), Error> {
    let slot = store.shared().db.read();
    let Some(db) = slot.as_ref() else { return Ok(()) };
    let value = [&[place.log.index() as u8], place.seq.to_be_bytes().as_slice()].concat();
    Ok(db.put_cf(&column(db, Column::Meta), KEY, value)?)
}

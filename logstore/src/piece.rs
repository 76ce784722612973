//! The sealed segments of a log as they are known in memory.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use rocksdb::{DB, ReadOptions};

use crate::column::Column;
use crate::database::column;
use crate::entry::{Log, TIME};
use crate::error::Error;
use crate::segment::{Fault, Header, Part, ROWS, Shape, Stored, TIME_SIGN, part_key};
use crate::warm::InMemory;

/// One sealed segment.
#[derive(Debug)]
pub(crate) struct Piece {
    /// Position of its first row.
    pub(crate) first: u64,
    pub(crate) rows: u64,
    /// The earliest and the latest time; all of time if that is not known.
    pub(crate) times: (i64, i64),
    header: Option<Arc<Header>>,
    /// Its parts, if it is not on disk.
    memory: Option<Arc<InMemory>>,
    /// Why it cannot be read. Set once: what is damaged stays so until the store is opened again.
    fault: OnceLock<String>,
}

/// All of a log, by position.
pub(crate) type Pieces = Arc<Vec<Arc<Piece>>>;

impl Piece {
    pub(crate) fn new(header: Header) -> Self {
        let (first, rows) = (header.first, header.rows);
        let times = match header.column(TIME).map(|column| &column.shape) {
            Some(Shape::Numbers(numbers)) => (time(numbers.span.0), time(numbers.span.1)),
            // Entries without a time are of 1970.
            Some(_) | None => (0, 0),
        };
        Self { first, rows, times, header: Some(Arc::new(header)), memory: None, fault: OnceLock::new() }
    }

    /// One that is not on disk.
    pub(crate) fn in_memory(header: Header, memory: Arc<InMemory>) -> Self {
        Self { memory: Some(memory), ..Self::new(header) }
    }

    fn broken(first: u64, rows: u64, fault: String) -> Self {
        Self { first, rows, times: (i64::MIN, i64::MAX), header: None, memory: None, fault: fault.into() }
    }

    /// Its parts, if it is not on disk.
    pub(crate) fn memory(&self) -> Option<&InMemory> {
        self.memory.as_deref()
    }

    /// What they take.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.memory().map_or(0, InMemory::bytes)
    }

    pub(crate) fn positions(&self) -> Range<u64> {
        self.first..self.end()
    }

    /// Position after its last row.
    pub(crate) fn end(&self) -> u64 {
        self.first + self.rows
    }

    /// What is known of it, unless it cannot be read.
    pub(crate) fn header(&self) -> Option<&Arc<Header>> {
        self.header.as_ref().filter(|_| self.fault.get().is_none())
    }

    /// From here on it is left out of answers, which say so.
    pub(crate) fn quarantine(&self, log: Log, fault: &Fault) {
        if self.fault.set(fault.to_string()).is_ok() {
            tracing::error!(log = log.name(), first = self.first, rows = self.rows, %fault, "segment quarantined");
        }
    }

    /// Why it cannot be read.
    pub(crate) fn fault(&self) -> Option<&str> {
        self.fault.get().map(String::as_str)
    }

    /// Bytes on disk, as far as known.
    pub(crate) fn bytes(&self) -> u64 {
        self.header.as_ref().map_or(0, |header| header.bytes)
    }
}

pub(crate) fn time(stored: u64) -> i64 {
    (stored ^ TIME_SIGN).cast_signed()
}

/// The segments of a log as they stand on disk. One that cannot be read is in quarantine.
///
/// # Errors
/// When the database cannot be read.
pub(crate) fn load(db: &DB, log: Log) -> Result<Vec<Arc<Piece>>, Error> {
    let headers = headers(db, log)?;
    let ends: Vec<u64> = headers.iter().skip(1).map(|(first, _)| *first).chain([u64::MAX]).collect();
    let pieces = headers.into_iter().zip(ends).map(|((first, header), end)| {
        Arc::new(match header {
            Ok(header) => Piece::new(header),
            Err(fault) => {
                tracing::error!(log = log.name(), first, %fault, "segment quarantined");
                Piece::broken(first, (end - first).min(ROWS), fault.to_string())
            }
        })
    });
    Ok(pieces.collect())
}

/// Of a last segment that cannot be read the length follows from the rows after it.
pub(crate) fn end_before(pieces: &mut [Arc<Piece>], hot_first: Option<u64>) {
    if let (Some(last), Some(end)) = (pieces.last_mut(), hot_first)
        && last.end() > end
        && let Some(fault) = last.fault()
    {
        *last = Arc::new(Piece::broken(last.first, end - last.first, fault.to_owned()));
    }
}

/// Position and header of a segment.
type Found = (u64, Result<Header, Fault>);

/// Headers have the first key of their segments, so that the search goes from one to the next.
fn headers(db: &DB, log: Log) -> Result<Vec<Found>, Error> {
    let mut options = ReadOptions::default();
    options.set_iterate_upper_bound(part_key(log, u64::MAX, u32::from(u16::MAX), Part::Strays));
    let mut parts = db.raw_iterator_cf_opt(&column(db, Column::Seg), options);
    parts.seek(part_key(log, 0, 0, Part::Header));
    let mut found = Vec::new();
    while let Some((key, value)) = parts.item() {
        let Some(first) = key.get(1..9).and_then(|first| first.try_into().ok()).map(u64::from_be_bytes) else {
            return Err(Error::Damaged { what: "a part of a segment has no place" });
        };
        let checked = Stored::Owned(value.to_owned()).checked();
        let header = match key == part_key(log, first, 0, Part::Header) {
            true => checked.and_then(|header| Header::decode(first, &header)),
            false => Err(Fault::Damaged("the header of a segment is missing")),
        };
        let next = header.as_ref().map_or(first + 1, |header| first + header.rows);
        found.push((first, header));
        parts.seek(part_key(log, next, 0, Part::Header));
    }
    parts.status()?;
    Ok(found)
}

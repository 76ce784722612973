//! The pieces of a segment as they stand in the database.

use std::ops::Deref;

use rocksdb::DBPinnableSlice;
use xxhash_rust::xxh3::xxh3_64;

use super::Fault;
use crate::cache::{Decoded, Kind};
use crate::column::log_byte;
use crate::entry::Log;

/// One piece of a segment. The numbers stay: segments of any age have them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub(crate) enum Part {
    /// What every column holds; of no column.
    Header = 0,
    /// Distinct values of a column, sorted.
    Dictionary = 1,
    /// Which value each row has.
    Codes = 2,
    /// The number that each row has.
    Numbers = 3,
    /// Which three bytes stand next to each other in some value.
    Trigrams = 4,
    /// Which values may be there.
    Exact = 5,
    /// The rows of values that few rows have.
    Rare = 6,
    /// How many rows each value of a dictionary has.
    Counts = 7,
    /// The smallest and the largest numbers with their rows.
    Extremes = 8,
    /// How many rows each value of each small dictionary has, hour by hour; of no column.
    Hours = 9,
    /// Texts of a column of ids that are none of ours.
    Strays = 10,
}

/// Where the parts of one segment come from.
pub(crate) trait Parts {
    /// # Errors
    /// When it is not there or not what was written.
    fn part(&self, column: u32, part: Part) -> Result<Stored<'_>, Fault>;

    /// Decodes a page or a block, or gives it as it was decoded before.
    ///
    /// # Errors
    /// Those of `make`.
    fn decoded(
        &self,
        _column: u32,
        _kind: Kind,
        _at: usize,
        make: &mut dyn FnMut() -> Result<Decoded, Fault>,
    ) -> Result<Decoded, Fault> {
        make()
    }
}

/// A part in memory, its checksum checked.
pub(crate) enum Stored<'a> {
    Pinned(DBPinnableSlice<'a>),
    Owned(Vec<u8>),
    Borrowed(&'a [u8]),
}

const CHECK_BYTES: usize = 4;

impl Stored<'_> {
    /// # Errors
    /// When the bytes are not those that [`seal`] closed.
    pub(crate) fn checked(self) -> Result<Self, Fault> {
        let (body, check) = match &self {
            Self::Pinned(bytes) => split(bytes),
            Self::Owned(bytes) => split(bytes),
            Self::Borrowed(bytes) => split(bytes),
        };
        if check == checksum(body) { Ok(self) } else { Err(Fault::Damaged("a part of a segment has been changed")) }
    }
}

impl Deref for Stored<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Pinned(bytes) => split(bytes).0,
            Self::Owned(bytes) => split(bytes).0,
            Self::Borrowed(bytes) => split(bytes).0,
        }
    }
}

/// Ends a part with its checksum.
pub(super) fn seal(mut body: Vec<u8>) -> Vec<u8> {
    let check = checksum(&body);
    body.extend_from_slice(&check);
    body
}

fn checksum(body: &[u8]) -> [u8; CHECK_BYTES] {
    (xxh3_64(body) as u32).to_be_bytes()
}

fn split(bytes: &[u8]) -> (&[u8], [u8; CHECK_BYTES]) {
    bytes.split_last_chunk().map_or((&[], [0; CHECK_BYTES]), |(body, check)| (body, *check))
}

/// Key of a part: log u8, first position u64, column u16, part u8.
pub(crate) fn part_key(log: Log, first: u64, column: u32, part: Part) -> [u8; 12] {
    let [a, b, c, d, e, f, g, h] = first.to_be_bytes();
    let [x, y] = u16::try_from(column).unwrap_or(u16::MAX).to_be_bytes();
    [log_byte(log), a, b, c, d, e, f, g, h, x, y, part as u8]
}

/// Keys of everything between two positions of a log: from the first, up to but without the second.
pub(crate) fn segment_range(log: Log, from: u64, to: u64) -> ([u8; 12], [u8; 12]) {
    (part_key(log, from, 0, Part::Header), part_key(log, to, 0, Part::Header))
}

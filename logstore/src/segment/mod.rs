//! Sealed rows, column by column.
//!
//! A segment holds consecutive rows of one log, a power of two of them that begins at a multiple of their number. It
//! is a handful of compressed *parts*: a header that says what every column holds and is kept in memory, and per
//! column what it takes to test it (codes or numbers, in pages of 4,096 rows), to name its values (a sorted
//! dictionary), and to leave it unread (filters, lists of rows).
//!
//! What comes out is what went in: the canonical bytes of every row, fields of later versions included.

mod bytes;
mod dictionary;
mod encode;
mod extremes;
mod fault;
mod filter;
mod frames;
mod frequent;
mod gather;
mod header;
mod hours;
mod making;
mod order;
mod pages;
mod part;
mod rare;
mod read;
mod rebuild;
mod skip;
#[cfg(test)]
mod tests;

pub(crate) use dictionary::{Block, Dictionary, Directory};
pub(crate) use encode::{Made, encode};
pub(crate) use fault::Fault;
pub(crate) use frequent::{Frequent, LISTED};
pub(crate) use header::{Column, Header, Numbers, STRAY, Shape, Word};
pub(crate) use hours::{HOUR, Hours};
pub(crate) use making::TIME_SIGN;
pub(crate) use pages::Codes;
pub(crate) use part::{Part, Parts, Stored, part_key, segment_range};
pub(crate) use read::Segment;

/// Rows of the largest segment.
pub(crate) const ROWS: u64 = 1 << 15;

/// Rows that are decoded together.
pub(crate) const PAGE: usize = 4096;

//! From the canonical bytes of rows to the parts of a segment as they stand on disk.

use super::dictionary;
use super::frames::Press;
use super::header::Header;
use super::making::{Content, Take, of_rows};
use super::pages::{encode_codes, encode_numbers};
use super::part::{Part, seal};
use crate::entry::Log;
use crate::id::Ids;

/// A part, of which column and which.
pub(crate) type Made = (u32, Part, Vec<u8>);

/// The parts of a segment of these rows.
pub(crate) fn encode(log: Log, first: u64, rows: &[&[u8]], ids: &Ids) -> Vec<Made> {
    of_rows(log, first, rows, ids, Encoding::new()).made
}

/// Compresses parts and closes them with their checksums.
pub(super) struct Encoding {
    press: Press,
    pub(super) made: Vec<Made>,
}

impl Encoding {
    pub(super) fn new() -> Self {
        Self { press: Press::new(), made: Vec::new() }
    }
}

impl Take for Encoding {
    fn part(&mut self, column: u32, part: Part, content: Content<'_>) {
        let body = match content {
            Content::Whole(bytes) => bytes,
            Content::Block(plain) => self.press.block(&plain),
            Content::Values(values) => dictionary::encode(values, &mut self.press),
            Content::Codes(codes, is_narrow) => encode_codes(codes, is_narrow, &mut self.press),
            Content::Numbers(numbers) => encode_numbers(numbers),
        };
        self.made.push((column, part, seal(body)));
    }

    fn header(&mut self, header: Header) {
        let bytes = self.made.iter().map(|(_, _, body)| body.len() as u64).sum();
        self.part(0, Part::Header, Content::Whole(Header { bytes, ..header }.encode()));
    }
}

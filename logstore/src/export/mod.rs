//! All entries that a query matches, as text, piece by piece.
//!
//! What an export holds at a time is one page of entries and one piece of text, however long it gets.

mod csv;

use std::time::Duration;
use std::vec;

use crate::entry::Field;
use crate::error::QueryError;
use crate::query::{LIMIT_MAX, Page, Query};
use crate::row::Row;
use crate::store::Store;

/// A piece is handed over when it has so many bytes; it has at most one entry more.
pub const PIECE_BYTES: usize = 256 << 10;

/// Entries that are read at a time make about so much text. An export can go on from the end of each page: on a bad line
/// this is what is sent again.
const PAGE_BYTES: usize = 2 * PIECE_BYTES;

/// Entries of the first page, of which nobody knows how long they are, and the least of any.
const PAGE_MIN: usize = 64;

/// Time for the search of one page. A page cut short ends nothing: the next one goes on where it stopped.
const PAGE_DEADLINE: Duration = Duration::from_secs(1);

/// How entries are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// RFC 4180, with a header row: for spreadsheets. Absent values are empty, a cell that would be taken for a formula
    /// begins with an apostrophe, and control characters are escaped as in JSON; [`Self::Ndjson`] is exact.
    Csv,
    /// One JSON object a line, as [`Row::to_json`] writes it.
    Ndjson,
}

impl Format {
    /// What comes before the first entry.
    pub fn write_head(self, query: &Query, out: &mut String) {
        match self {
            Self::Csv => csv::header(query.fields(), out),
            Self::Ndjson => (),
        }
    }

    /// One entry as the query projects it, with the end of its line.
    pub fn write_row(self, query: &Query, row: &Row, out: &mut String) {
        self.write(query.fields(), row, out);
    }

    fn write(self, fields: &[Field], row: &Row, out: &mut String) {
        match self {
            Self::Csv => csv::row(row, fields, out),
            Self::Ndjson => {
                row.write_json(fields.iter(), out);
                out.push('\n');
            }
        }
    }
}

/// Some lines of an export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Whole lines; none at all while a search goes on that finds nothing.
    pub text: String,
    /// Entries in it.
    pub rows: u64,
    /// What goes on after the last of them, as `cursor` of the same query. Absent in the midst of a page, and at the end.
    pub cursor: Option<String>,
    /// Whether this is the last piece.
    pub last: bool,
}

/// The pieces of an export. Ends after the last one, or after an error; a segment in quarantine
/// is an error after everything else. Blocks; a piece takes about a second at most.
///
/// Entries that were appended after the start are left out, so that an export ends however many are appended.
#[derive(Debug)]
pub struct Export {
    store: Store,
    query: Query,
    format: Format,
    /// Entries from this position on are left out.
    end: u64,
    /// Entries that are still wanted.
    wanted: u64,
    head_written: bool,
    /// A segment that could not be read: said after everything that could.
    quarantined: Option<(u64, u64)>,
    /// Text of the page at hand, and entries in it.
    written: (usize, usize),
    /// Text that the next page will make, by those before.
    expected: usize,
    at: At,
}

#[derive(Debug)]
enum At {
    /// The next page is to be read.
    PageStart,
    /// The rows of a page, and where the next one begins.
    Rows {
        rows: vec::IntoIter<Row>,
        next: Option<String>,
        complete: bool,
    },
    End,
}

impl Export {
    /// Of everything that the query matches, whatever its page size, or of the first `most` entries. With a cursor it
    /// goes on from there, without the header row.
    pub fn new(store: Store, query: Query, format: Format, most: Option<u64>) -> Self {
        let query = query.in_pages(PAGE_MIN, PAGE_DEADLINE);
        let (end, head_written) = (store.end(query.log), query.has_cursor());
        let wanted = most.unwrap_or(u64::MAX);
        Self {
            store,
            query,
            format,
            end,
            wanted,
            head_written,
            written: (0, 0),
            expected: 0,
            quarantined: None,
            at: At::PageStart,
        }
    }

    fn piece(&mut self) -> Result<Piece, QueryError> {
        let mut piece = Piece { text: String::new(), rows: 0, cursor: None, last: false };
        if !self.head_written {
            self.head_written = true;
            self.format.write_head(&self.query, &mut piece.text);
        }
        loop {
            if matches!(self.at, At::PageStart) {
                self.at = self.read()?;
            }
            if !self.write_page(&mut piece) {
                return Ok(piece);
            }
            let At::Rows { next, complete, .. } = std::mem::replace(&mut self.at, At::End) else { return Ok(piece) };
            let Some(next) = next.filter(|_| self.wanted > 0) else {
                (piece.cursor, piece.last) = (None, true);
                return Ok(piece);
            };
            self.query.go_on(&next)?;
            self.fit_page();
            self.at = At::PageStart;
            piece.cursor = Some(next);
            // A piece that ends with its page is one behind which one can go on; and whoever waits for a search that
            // takes long hears from it.
            if piece.text.len() + self.expected > PIECE_BYTES || !complete {
                return Ok(piece);
            }
        }
    }

    fn read(&mut self) -> Result<At, QueryError> {
        let page = self.store.query(&self.query)?;
        let Page { rows, next_cursor, complete, quarantined, prev_cursor: _, folds: _, total: _ } = page;
        self.quarantined = self.quarantined.or(quarantined.first().copied());
        Ok(At::Rows { rows: rows.into_iter(), next: next_cursor, complete })
    }

    /// Long entries make short pages.
    fn fit_page(&mut self) {
        let (bytes, rows) = std::mem::take(&mut self.written);
        let Some(length) = bytes.checked_div(rows) else { return };
        self.query.limit = (PAGE_BYTES / length.max(1)).clamp(PAGE_MIN, LIMIT_MAX);
        self.expected = self.query.limit * length;
    }

    /// False when the piece is full before the page is at its end.
    fn write_page(&mut self, piece: &mut Piece) -> bool {
        let At::Rows { rows, .. } = &mut self.at else { return true };
        for row in rows.by_ref().filter(|row| row.seq < self.end) {
            if self.wanted == 0 {
                break;
            }
            if piece.text.is_empty() {
                piece.text.reserve(PIECE_BYTES);
            }
            let before = piece.text.len();
            self.format.write(self.query.fields(), &row, &mut piece.text);
            piece.rows += 1;
            self.written = (self.written.0 + piece.text.len() - before, self.written.1 + 1);
            self.wanted -= 1;
            if piece.text.len() >= PIECE_BYTES {
                piece.cursor = None;
                return false;
            }
        }
        true
    }
}

impl Iterator for Export {
    type Item = Result<Piece, QueryError>;

    fn next(&mut self) -> Option<Self::Item> {
        if matches!(self.at, At::End) {
            let (first, last) = self.quarantined.take()?;
            return Some(Err(QueryError::Quarantined { log: self.query.log.name(), first, last }));
        }
        let piece = self.piece();
        if piece.is_err() {
            self.at = At::End;
        }
        Some(piece)
    }
}

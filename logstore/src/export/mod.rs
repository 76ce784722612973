//! All entries that a query matches, as text, piece by piece.
//!
//! What an export holds at a time is the text of one page of entries, however long it gets.

mod csv;
mod lines;
mod page;
mod text;

use std::collections::VecDeque;
use std::time::Duration;

use crate::entry::Field;
use crate::error::QueryError;
use crate::json;
use crate::query::{Listed, Query, Rank, list};
use crate::row::{Row, Value, Walk};
use crate::store::Store;

use lines::Cells;
use page::Page;

/// A piece is handed over when it has so many bytes; it has at most one entry more.
pub const PIECE_BYTES: usize = 256 << 10;

/// Entries that are read at a time make about so much text, and at most twice as much and an entry.
const PAGE_BYTES: usize = 16 * PIECE_BYTES;

/// Entries of the first page, of which nobody knows how long they are, and the least of any.
const PAGE_MIN: usize = 64;

/// Entries of any page.
const PAGE_MAX: usize = 1 << 16;

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
        let mut walk = Walk::over(row);
        for (at, field) in fields.iter().enumerate() {
            put_before(self, at, field, out);
            self.cell(walk.value(field), out);
        }
        out.push_str(self.end());
    }

    /// One cell, the same wherever its value was found.
    fn cell(self, value: Option<Value<'_>>, out: &mut String) {
        match self {
            Self::Csv => csv::cell(value, out),
            Self::Ndjson => json::value(value, out),
        }
    }

    /// What ends a line.
    const fn end(self) -> &'static str {
        match self {
            Self::Csv => "\r\n",
            Self::Ndjson => "}\n",
        }
    }
}

/// A text of any origin as one cell of [`Format::Csv`].
pub fn put_cell(text: &str, out: &mut String) {
    csv::text(text, out);
}

/// A text with escapes of JSON in place of what a terminal or an editor obeys. What was JSON is the same JSON.
pub fn put_visible(text: &str, out: &mut String) {
    json::escaped(text, json::is_obeyed, out);
}

/// What stands before the cell of a field.
fn put_before(format: Format, at: usize, field: &Field, out: &mut String) {
    match format {
        Format::Csv => out.push_str(if at > 0 { "," } else { "" }),
        Format::Ndjson => {
            // Names are words, in which nothing needs an escape.
            out.push_str(if at > 0 { ",\"" } else { "{\"" });
            out.push_str(field.name);
            out.push_str("\":");
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
    /// What goes on after the last of them, as `cursor` of the same query. Absent at the end.
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
    /// Of the page that was read last.
    ready: VecDeque<Piece>,
    /// For the next page, which mostly begins in the segment in which this one ends.
    cells: Option<(u64, Cells)>,
    ended: bool,
}

impl Export {
    /// Of everything that the query matches, whatever its page size, or of the first `most` entries. With a cursor it
    /// goes on from there, without the header row.
    pub fn new(store: Store, query: Query, format: Format, most: Option<u64>) -> Self {
        let query = query.in_pages(PAGE_MIN, PAGE_DEADLINE);
        Self {
            end: store.end(query.log),
            wanted: most.unwrap_or(u64::MAX),
            head_written: query.has_cursor(),
            store,
            query,
            format,
            quarantined: None,
            ready: VecDeque::new(),
            cells: None,
            ended: false,
        }
    }

    /// Makes pieces of the next page; at least one.
    fn read(&mut self) -> Result<(), QueryError> {
        let (query, end, wanted) = (&self.query, self.end, self.wanted);
        let mut page = Page::new(self.format, query, self.cells.take());
        if !self.head_written {
            self.head_written = true;
            page.put_head();
        }
        let quarantined = &mut self.quarantined;
        let next = list(self.store.shared(), query, |view, Listed { found, more, cut }| {
            let kept = found.iter().filter(|rank| rank.seq < end);
            let ranks: Vec<&Rank> = kept.take(usize::try_from(wanted).unwrap_or(usize::MAX)).collect();
            let too_long = page.write(view, &ranks)?;
            *quarantined = quarantined.or(view.broken().first().copied());
            // Where it goes on, if it does.
            Ok(match (too_long, found.last()) {
                (Some(last), _) => Some(query.cursor(last, false)),
                (None, _) if ranks.len() as u64 == wanted => None,
                (None, Some(last)) if more => Some(query.cursor(last, false)),
                (None, _) => cut.map(|cut| query.cursor(&cut, true)),
            })
        })?;
        let (rows, bytes) = (page.made.rows, page.made.bytes + page.text.len());
        self.wanted -= rows;
        self.cells = page.cells.take();
        self.ready = page.pieces(next.clone());
        self.ended = next.is_none();
        if let Some(next) = next {
            self.query.go_on(&next)?;
        }
        // Long entries make short pages.
        if let Some(length) = bytes.checked_div(rows as usize) {
            self.query.limit = (PAGE_BYTES / length.max(1)).clamp(PAGE_MIN, PAGE_MAX);
        }
        Ok(())
    }
}

impl Iterator for Export {
    type Item = Result<Piece, QueryError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ready.is_empty() {
            if self.ended {
                let (first, last) = self.quarantined.take()?;
                return Some(Err(QueryError::Quarantined { log: self.query.log.name(), first, last }));
            }
            if let Err(error) = self.read() {
                self.ended = true;
                return Some(Err(error));
            }
        }
        self.ready.pop_front().map(Ok)
    }
}

//! The query language of the admin API, shared by every door.

mod condition;
mod cursor;
mod filter;
mod parse;
mod scan;
mod text;

use std::ops::RangeInclusive;
use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

use crate::entry::{Field, Log};
use crate::error::{BadParameter, QueryError};
use crate::json;
use crate::row::Row;

use cursor::{Cursor, Order};
use filter::{Filter, Test};
use text::Needle;

pub(crate) use scan::{row_at, run};

/// Largest page.
pub const LIMIT_MAX: usize = 1000;

/// Page size when none is asked for.
pub const LIMIT: usize = 25;

/// Time for one page when nothing else is said.
pub const DEADLINE: Duration = Duration::from_secs(2);

/// A time as parameters have it: RFC 3339, or as long before `now` as `15m`, `24h`, `7d` say. None for anything else.
pub fn moment(text: &str, now: Timestamp) -> Option<Timestamp> {
    Timestamp::from_microsecond(parse::time("", text, now).ok()?).ok()
}

/// A checked question. Memory for its answer is bounded by `limit` entries of at most 64 KiB.
#[derive(Debug, Clone)]
pub struct Query {
    /// Which log.
    pub log: Log,
    /// Page size, 1 to 1000.
    pub limit: usize,
    /// When this is over the answer is cut short and says so. A cut page still gets ahead: its cursor never stands
    /// where the question began.
    pub deadline: Duration,
    /// The earliest time, microseconds since 1970.
    since: i64,
    /// The latest time.
    until: i64,
    order: Order,
    cursor: Option<Cursor>,
    /// All of them must hold.
    filters: Vec<Filter>,
    text: Option<Needle>,
    /// The entry whose id the text is.
    text_place: Option<u64>,
    /// None: all.
    fields: Option<Vec<Field>>,
    count: bool,
}

impl Query {
    /// Reads parameters as they stand in a URL, decoded, in order: `since until range limit cursor order sort q fields
    /// count`, filters on every field, and the operators `.not .contains .prefix .min .max`.
    ///
    /// # Errors
    /// The first parameter, field or value that is not known.
    pub fn parse(log: Log, parameters: &[(String, String)], now: Timestamp) -> Result<Self, BadParameter> {
        parse::parse(log, parameters, now)
    }

    /// Whether an entry that is no part of a page matches: filters, text and times.
    ///
    /// False for a row of another log.
    pub fn matches(&self, row: &Row) -> bool {
        let placed = self.placed(|id| (*id == row.id).then_some(row.seq));
        row.log == self.log && scan::matches(&placed, row.seq, row.bytes())
    }

    /// Whether it asks for what comes after an earlier answer.
    pub fn has_cursor(&self) -> bool {
        self.cursor.is_some()
    }

    /// The same question from a cursor on that an answer to it gave.
    pub(crate) fn go_on(&mut self, cursor: &str) -> Result<(), QueryError> {
        self.cursor = Some(Cursor::decode(cursor).ok_or(QueryError::Cursor)?);
        Ok(())
    }

    /// The same question in pages of another size, each found within this time and without counting all matches.
    pub(crate) fn in_pages(self, limit: usize, deadline: Duration) -> Self {
        Self { limit, deadline, count: false, ..self }
    }

    /// The fields of an answer, in the order of the contract.
    pub(crate) fn fields(&self) -> &[Field] {
        self.fields.as_deref().unwrap_or(self.log.fields())
    }

    /// The same with positions in place of ids.
    fn placed(&self, position: impl Fn(&Uuid) -> Option<u64>) -> Self {
        let mut placed = self.clone();
        for test in placed.filters.iter_mut().flat_map(|filter| &mut filter.tests) {
            if let Test::Id(id) = test {
                // An id that names nothing here is an empty range.
                *test = Test::Number(position(id).map_or_else(|| RangeInclusive::new(1, 0), |seq| seq..=seq));
            }
        }
        placed.text_place = self.text.as_ref().and_then(Needle::as_id).and_then(|id| position(&id));
        placed
    }
}

/// One page of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// In order.
    pub rows: Vec<Row>,
    /// Absent on the last page.
    pub next_cursor: Option<String>,
    /// Absent on the first page.
    pub prev_cursor: Option<String>,
    /// With `count=true`: matches over all pages. None too when the deadline was over before they were counted.
    pub total: Option<u64>,
    /// False when the deadline cut it short.
    pub complete: bool,
}

impl Page {
    /// The answer's body, fields as the query projects them. `complete` is there only when it is false, `total` only
    /// when it was asked for.
    pub fn to_json(&self, query: &Query, took: Duration) -> String {
        let mut out = String::with_capacity(256 + self.rows.len() * 1024);
        out.push_str("{\"data\":[");
        for (at, row) in self.rows.iter().enumerate() {
            if at > 0 {
                out.push(',');
            }
            query.write_row(row, &mut out);
        }
        out.push(']');
        for (name, cursor) in [("next_cursor", &self.next_cursor), ("prev_cursor", &self.prev_cursor)] {
            json::put(&mut out, format_args!(",\"{name}\":"));
            match cursor {
                Some(cursor) => json::string(cursor, &mut out),
                None => out.push_str("null"),
            }
        }
        match self.total {
            Some(total) => json::put(&mut out, format_args!(",\"total\":{total}")),
            None if query.count => out.push_str(",\"total\":null"),
            None => (),
        }
        if !self.complete {
            out.push_str(",\"complete\":false");
        }
        json::put(&mut out, format_args!(",\"took_ms\":{}}}", took.as_millis()));
        out
    }
}

impl Query {
    /// One entry as the query projects it, on one line.
    pub fn row_to_json(&self, row: &Row) -> String {
        let mut out = String::with_capacity(1024);
        self.write_row(row, &mut out);
        out
    }

    fn write_row(&self, row: &Row, out: &mut String) {
        row.write_json(self.fields().iter(), out);
    }
}

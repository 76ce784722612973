//! The query language of the admin API, shared by every door.

use std::time::Duration;

use jiff::Timestamp;

use crate::entry::Log;
use crate::error::BadParameter;
use crate::row::Row;

/// A checked question.
#[derive(Debug, Clone)]
pub struct Query {
    /// Which log.
    pub log: Log,
    /// Page size, 1 to 1000.
    pub limit: usize,
    /// When this is over the answer is cut short and says so.
    pub deadline: Duration,
}

impl Query {
    /// Reads parameters as they stand in a URL, decoded, in order: `since until range limit cursor order q fields
    /// count` and equality filters on every field.
    ///
    /// # Errors
    /// The first parameter, field or value that is not known.
    pub fn parse(_log: Log, _parameters: &[(String, String)], _now: Timestamp) -> Result<Self, BadParameter> {
        todo!()
    }
}

/// One page of an answer.
#[derive(Debug)]
pub struct Page {
    /// In order.
    pub rows: Vec<Row>,
    /// Absent on the last page.
    pub next_cursor: Option<String>,
    /// Absent on the first page.
    pub prev_cursor: Option<String>,
    /// With `count=true`: matches over all pages.
    pub total: Option<u64>,
    /// False when the deadline cut it short.
    pub complete: bool,
}

impl Page {
    /// The answer's body, fields as the query projects them.
    pub fn to_json(&self, _query: &Query, _took: Duration) -> String {
        todo!()
    }
}

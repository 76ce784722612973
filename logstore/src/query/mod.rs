//! The query language of the admin API, shared by every door.

mod aggregate;
pub(crate) mod bits;
mod compile;
mod condition;
mod cursor;
mod facet;
mod filter;
mod fold;
mod histogram;
mod id_part;
mod key;
mod page;
mod parse;
mod predicate;
mod ranker;
mod search;
mod tally;
mod text;
mod top;

use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

use crate::codec::time_of;
use crate::entry::{Field, Kind, Log};
use crate::error::{BadParameter, QueryError};
use crate::id::Ids;
use crate::json;
use crate::row::{Row, Stored, Value};

use cursor::Cursor;
use filter::{Candidate, Filter, Group, found_anywhere};
use key::{Key, Order, Walk};
use text::Needle;

pub(crate) use facet::facets;
pub use facet::{Facet, Facets};
pub(crate) use histogram::histogram;
pub use histogram::{Bucket, Histogram, STEP_MIN};
pub(crate) use key::Rank;
pub(crate) use page::{Listed, list, newest, rows_at, run, view_of};

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
    /// Entries that are passed over before the page, for pages with numbers. They are looked for like those of the
    /// page, so that far pages cost more than cursors do.
    pub offset: usize,
    /// The earliest time, microseconds since 1970.
    since: i64,
    /// The latest time.
    until: i64,
    sort: Sort,
    order: Order,
    cursor: Option<Cursor>,
    /// Of the access log: every event instead of attempts in their latest state.
    events: bool,
    /// Runs of adjacent equal entries as one row.
    fold: bool,
    /// All of them must hold.
    filters: Vec<Filter>,
    /// Of each group at least one must hold; of a negated one none may.
    groups: Vec<Group>,
    text: Option<Needle>,
    /// None: all.
    fields: Option<Vec<Field>>,
    count: bool,
}

impl Query {
    /// Reads parameters as they stand in a URL, decoded, in order: `since until range limit cursor order sort q fields
    /// count view fold`, filters on every field, and the operators `.not .contains .prefix .min .max`.
    ///
    /// # Errors
    /// The first parameter, field or value that is not known.
    pub fn parse(log: Log, parameters: &[(String, String)], now: Timestamp) -> Result<Self, BadParameter> {
        parse::parse(log, parameters, now)
    }

    /// One more condition: at least one of these must hold, each written as in [`Self::parse`]. Of an empty list none
    /// does, so that nothing matches.
    ///
    /// # Errors
    /// The first that is not a condition.
    pub fn any_of(&mut self, conditions: &[(String, String)]) -> Result<(), BadParameter> {
        self.group(false, conditions)
    }

    /// One more condition: none of these may hold.
    ///
    /// # Errors
    /// The first that is not a condition.
    pub fn none_of(&mut self, conditions: &[(String, String)]) -> Result<(), BadParameter> {
        self.group(true, conditions)
    }

    fn group(&mut self, negated: bool, conditions: &[(String, String)]) -> Result<(), BadParameter> {
        let filters = conditions.iter().map(|(name, value)| condition::read(self.log, name, value));
        self.groups.push(Group { negated, filters: filters.collect::<Result<_, _>>()? });
        Ok(())
    }

    /// Whether an entry that is no part of a page matches: filters, text and times.
    ///
    /// False for a row of another log.
    pub fn matches(&self, row: &Row) -> bool {
        row.log == self.log
            && (self.since..=self.until).contains(&time_of(row.bytes()))
            && self.takes(&Candidate { seq: row.seq, bytes: row.bytes(), id: &|| row.id })
    }

    fn walk(&self) -> Walk {
        self.cursor.as_ref().map_or(Walk { order: self.order, start: None, inclusive: true }, Cursor::walk)
    }

    fn backwards(&self) -> bool {
        self.cursor.as_ref().is_some_and(|cursor| cursor.backwards)
    }

    /// Whether rows that a later one stands for are left out.
    fn hides(&self) -> bool {
        self.log == Log::Access && !self.events
    }

    /// Without filters the entries need not be read to be counted.
    fn is_unfiltered(&self) -> bool {
        self.filters.is_empty() && self.groups.is_empty() && self.text.is_none()
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

    /// The same question in its own order, in pages of another size, each found within this time and without counting
    /// all matches.
    pub(crate) fn in_pages(self, limit: usize, deadline: Duration) -> Self {
        let turn = |cursor: Cursor| if cursor.backwards { cursor.turned() } else { cursor };
        Self { limit, deadline, count: false, cursor: self.cursor.map(turn), ..self }
    }

    /// What goes on behind an entry, or with it, in the direction of the query.
    pub(crate) fn cursor(&self, rank: &Rank, inclusive: bool) -> String {
        self.cursor_at(rank, inclusive, self.backwards()).encode()
    }

    fn cursor_at(&self, rank: &Rank, inclusive: bool, backwards: bool) -> Cursor {
        let sort = self.sort.place(self.log);
        Cursor { log: self.log, sort, order: self.order, backwards, inclusive, rank: rank.clone() }
    }

    /// The fields of an answer, in the order of the contract.
    pub(crate) fn fields(&self) -> &[Field] {
        self.fields.as_deref().unwrap_or(self.log.fields())
    }

    /// Whether filters and text hold of an entry, whatever its time.
    fn takes(&self, entry: &Candidate<'_>) -> bool {
        self.filters.iter().all(|filter| filter.holds(entry))
            && self.groups.iter().all(|group| group.holds(entry))
            && self.text.as_ref().is_none_or(|needle| found_anywhere(needle, self.log, entry))
    }
}

/// What an answer is sorted by.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Sort {
    Field(Field),
    /// Of the request log: host, then path.
    Url,
}

impl Sort {
    /// None for a name that is no field of the log.
    fn named(log: Log, name: &str) -> Option<Self> {
        if (log, name) == (Log::Requests, "url") {
            return Some(Self::Url);
        }
        log.field(name).copied().map(Self::Field)
    }

    /// The place among what the log can be sorted by, as cursors carry it.
    fn place(self, log: Log) -> u8 {
        let place = match self {
            Self::Field(field) => log.fields().iter().position(|known| known.name == field.name),
            Self::Url => None,
        };
        place.and_then(|place| u8::try_from(place).ok()).unwrap_or(u8::MAX)
    }

    fn key(self, log: Log, ids: &Ids, seq: u64, stored: Stored<'_>) -> Key {
        match self {
            Self::Field(field) => Key::of(match field.kind {
                Kind::Id => Some(Value::Id(ids.id(log, seq))),
                Kind::Position => Some(Value::Number(seq)),
                Kind::Time | Kind::Text | Kind::Word(_) | Kind::Number | Kind::Count | Kind::Address | Kind::Json => {
                    stored.value(&field)
                }
            }),
            Self::Url => {
                let (host, path) = url_fields();
                url_key(stored.value(host), stored.value(path))
            }
        }
    }
}

fn url_fields() -> (&'static Field, &'static Field) {
    let field = |name| Log::Requests.field(name).expect("the request log has hosts and paths");
    (field("host"), field("path"))
}

fn url_key(host: Option<Value<'_>>, path: Option<Value<'_>>) -> Key {
    Key::Text(url(host, path).into())
}

fn url(host: Option<Value<'_>>, path: Option<Value<'_>>) -> String {
    let text = |value| match value {
        Some(Value::Text(text)) => text,
        Some(Value::Id(_) | Value::Number(_) | Value::Time(_) | Value::Address(_) | Value::Json(_)) | None => "",
    };
    [text(host), text(path)].concat()
}

/// The entries that one row stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fold {
    /// The earliest, microseconds since 1970.
    pub first_time: i64,
    /// The latest.
    pub last_time: i64,
    /// Of the earliest.
    pub first_id: Uuid,
    /// Of the latest.
    pub last_id: Uuid,
    /// How long they took; none where an entry does not say.
    pub took: Option<Took>,
}

/// `duration_ms` over the entries of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Took {
    /// The shortest.
    pub least_ms: u64,
    /// The longest.
    pub most_ms: u64,
    /// Their mean, rounded down.
    pub mean_ms: u64,
}

/// One page of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// In order.
    pub rows: Vec<Row>,
    /// With `fold=true`: of each row what it stands for. Its `event_count` is that of the whole run.
    pub folds: Vec<Fold>,
    /// Absent on the last page.
    pub next_cursor: Option<String>,
    /// Absent on the first page.
    pub prev_cursor: Option<String>,
    /// With `count=true`: matches over all pages. None too when the deadline was over before they were counted.
    pub total: Option<u64>,
    /// False when the deadline cut it short, or a segment could not be read.
    pub complete: bool,
    /// Segments in quarantine that may hold matches: their first and last positions.
    pub quarantined: Vec<(u64, u64)>,
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
            if let Some(Fold { first_time, last_time, first_id, last_id, took: _ }) = self.folds.get(at) {
                out.pop();
                let (first_time, last_time) = (json::time(*first_time), json::time(*last_time));
                json::put(&mut out, format_args!(",\"first_time\":\"{first_time}\",\"last_time\":\"{last_time}\""));
                json::put(&mut out, format_args!(",\"first_id\":\"{first_id}\",\"last_id\":\"{last_id}\"}}"));
            }
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
        json::ranges("quarantined", &self.quarantined, &mut out);
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

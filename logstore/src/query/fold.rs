//! Runs of adjacent equal entries as one row each. Nothing is merged on disk.

use std::time::Instant;

use super::cursor::Cursor;
use super::key::{Key, Rank};
use super::page::plain;
use super::{Fold, LIMIT_MAX, Page, Query, Took};
use crate::codec::{Fields, Raw, put_bytes, put_number, time_of};
use crate::entry::Log;
use crate::error::QueryError;
use crate::row::{Row, Value};
use crate::shared::Shared;

/// Fields in which equal entries may differ, by [`Log::index`]: what measures, counts or names the single entry.
const APART: [&[&str]; 3] = [
    &["time", "request_id", "revision", "event_count", "attempt_id", "session_id", "duration_ms"],
    &[
        "time",
        "request_id",
        "revision",
        "event_count",
        "session_id",
        "upstream_ms",
        "duration_ms",
        "bytes_in",
        "bytes_out",
        "metadata",
    ],
    &["time", "request_id", "revision", "event_count", "duration_ms"],
];

/// One page of runs.
pub(super) fn run(shared: &Shared, query: &Query) -> Result<Page, QueryError> {
    let ends = Instant::now() + query.deadline;
    let folding = Folding::read(shared, query, ends)?;
    let total = match query.count {
        true if query.cursor.is_none() && folding.is_whole() => Some(folding.count()),
        true => count(shared, query, ends)?,
        false => None,
    };
    Ok(folding.page(total))
}

/// Runs over all pages, cursor or not; none when the deadline is over first. Every entry is read to see where runs end.
fn count(shared: &Shared, query: &Query, ends: Instant) -> Result<Option<u64>, QueryError> {
    // Passed over, so that one run is held at a time.
    let all = Query { cursor: None, offset: usize::MAX, ..query.clone() };
    let folding = Folding::read(shared, &all, ends)?;
    Ok(folding.is_whole().then(|| folding.count()))
}

/// A row so far.
struct Run {
    /// As found first.
    row: Row,
    count: u64,
    /// Where it ends so far.
    last: Row,
    durations: Durations,
}

/// Of the entries of a run, in milliseconds.
#[derive(Debug, Clone, Copy)]
struct Durations {
    least: u64,
    most: u64,
    sum: u64,
    entries: u64,
    /// False once an entry does not say.
    known: bool,
}

impl Durations {
    fn of(row: &Row) -> Self {
        match row.value("duration_ms") {
            Some(Value::Number(ms)) => Self { least: ms, most: ms, sum: ms, entries: 1, known: true },
            Some(_) | None => Self { least: 0, most: 0, sum: 0, entries: 1, known: false },
        }
    }

    fn and(self, other: Self) -> Self {
        Self {
            least: self.least.min(other.least),
            most: self.most.max(other.most),
            sum: self.sum.saturating_add(other.sum),
            entries: self.entries + other.entries,
            known: self.known && other.known,
        }
    }

    fn took(self) -> Option<Took> {
        let Self { least, most, sum, entries, known } = self;
        known.then(|| Took { least_ms: least, most_ms: most, mean_ms: sum / entries.max(1) })
    }
}

struct Folding<'q> {
    query: &'q Query,
    apart: Vec<u32>,
    /// Runs before the page that were passed over: of those only the one at hand is held.
    passed: usize,
    runs: Vec<Run>,
    quarantined: Vec<(u64, u64)>,
    /// To what comes before the first entry.
    behind: Option<String>,
    /// Where the time was over before there were enough runs.
    cut: Option<String>,
}

impl<'q> Folding<'q> {
    fn new(query: &'q Query) -> Self {
        let apart = APART.get(query.log.index()).copied().unwrap_or_default();
        let apart = apart.iter().filter_map(|name| query.log.field(name)).map(|field| field.number).collect();
        Self { query, apart, passed: 0, runs: Vec::new(), quarantined: Vec::new(), behind: None, cut: None }
    }

    /// Entries are read page by page until there are enough runs, or the time is over. The first page has as many as
    /// there are to be runs: entries that lie far apart in the log cost most, and are seldom equal.
    fn read(shared: &Shared, query: &'q Query, ends: Instant) -> Result<Self, QueryError> {
        let mut folding = Self::new(query);
        let limit = folding.wanted().saturating_add(1).min(LIMIT_MAX);
        let mut entries = Query { fold: false, count: false, offset: 0, limit, ..query.clone() };
        loop {
            entries.deadline = ends.saturating_duration_since(Instant::now());
            let page = plain(shared, &entries)?;
            let (ahead, back) = match query.backwards() {
                true => (page.prev_cursor, page.next_cursor),
                false => (page.next_cursor, page.prev_cursor),
            };
            folding.behind = folding.behind.or(back);
            folding.quarantined.extend(page.quarantined);
            let rows = page.rows.into_iter();
            let full = if query.backwards() { folding.take_all(rows.rev()) } else { folding.take_all(rows) };
            let Some(ahead) = ahead.filter(|_| !full) else { return Ok(folding) };
            if Instant::now() >= ends {
                folding.cut = Some(ahead);
                return Ok(folding);
            }
            entries.cursor = Cursor::decode(&ahead);
            entries.limit = (entries.limit * 2).min(LIMIT_MAX);
        }
    }

    /// True when the page is full: a row that begins the next page was seen.
    fn take_all(&mut self, rows: impl Iterator<Item = Row>) -> bool {
        for row in rows {
            let equal =
                self.runs.last().is_some_and(|run| self.are_next(&run.last, &row) && self.are_equal(&run.row, &row));
            match self.runs.last_mut().filter(|_| equal) {
                Some(run) => {
                    run.count += events(&row);
                    run.durations = run.durations.and(Durations::of(&row));
                    run.last = row;
                }
                None => {
                    if self.passed < self.query.offset && !self.runs.is_empty() {
                        self.runs.clear();
                        self.passed += 1;
                    }
                    self.runs.push(Run { count: events(&row), durations: Durations::of(&row), last: row.clone(), row })
                }
            }
            if self.runs.len() > self.wanted() {
                return true;
            }
        }
        false
    }

    /// Whether the last run was seen to its end.
    fn is_whole(&self) -> bool {
        self.cut.is_none() && self.runs.len() <= self.wanted()
    }

    fn count(&self) -> u64 {
        (self.passed + self.runs.len()) as u64
    }

    fn wanted(&self) -> usize {
        (self.query.offset - self.passed).saturating_add(self.query.limit)
    }

    /// Whether nothing stands between them in the log, where that can be told. Entries that were written in another
    /// order than they began, or hide behind a later state, are next to each other in time alone.
    fn are_next(&self, one: &Row, other: &Row) -> bool {
        self.query.log != Log::Audit || one.seq.abs_diff(other.seq) == 1
    }

    fn are_equal(&self, one: &Row, other: &Row) -> bool {
        let kept = |row: &Row| {
            let fields = Fields::of(row.bytes()).map_while(Result::ok);
            fields.filter(|(number, _)| !self.apart.contains(number)).map(owned).collect::<Vec<_>>()
        };
        kept(one) == kept(other)
    }

    fn page(mut self, total: Option<u64>) -> Page {
        let more = self.runs.len() > self.wanted();
        self.runs.truncate(self.wanted());
        let cursor = |run: &Run| Cursor {
            log: self.query.log,
            sort: self.query.sort.place(self.query.log),
            order: self.query.order,
            backwards: self.query.backwards(),
            inclusive: false,
            rank: Rank { key: Key::Time(time_of(run.last.bytes())), seq: run.last.seq },
        };
        let (cut, behind) = (self.cut.is_some(), self.behind);
        // A search that found nothing yet goes on where it stopped.
        let ahead = self.runs.last().filter(|_| more || cut).map(|run| cursor(run).encode()).or(self.cut);
        self.runs.drain(..(self.query.offset - self.passed).min(self.runs.len()));
        let (next_cursor, prev_cursor) = if self.query.backwards() { (behind, ahead) } else { (ahead, behind) };
        if self.query.backwards() {
            self.runs.reverse();
        }
        let (rows, folds) = self.runs.into_iter().map(folded).unzip();
        let complete = !cut && self.quarantined.is_empty() && (total.is_some() || !self.query.count);
        Page { rows, folds, next_cursor, prev_cursor, total, complete, quarantined: self.quarantined }
    }
}

/// What two fields have to share to be equal.
fn owned((number, raw): (u32, Raw<'_>)) -> (u32, Option<u64>, Vec<u8>) {
    match raw {
        Raw::Number(value) => (number, Some(value), Vec::new()),
        Raw::Bytes(bytes) => (number, None, bytes.to_owned()),
    }
}

fn events(row: &Row) -> u64 {
    match row.value("event_count") {
        Some(Value::Number(count)) => count,
        Some(_) | None => 1,
    }
}

/// The row with the count of all, and what the run covers.
fn folded(run: Run) -> (Row, Fold) {
    let ends = [&run.row, &run.last].map(|row| (time_of(row.bytes()), row.id));
    let ((first_time, first_id), (last_time, last_id)) = match ends {
        [one, other] if (one.0, run.row.seq) <= (other.0, run.last.seq) => (one, other),
        [one, other] => (other, one),
    };
    let row = Row::new(run.row.log, run.row.seq, run.row.id, with_count(run.row.log, run.row.bytes(), run.count));
    (row, Fold { first_time, last_time, first_id, last_id, took: run.durations.took() })
}

/// The same entry with another `event_count`.
fn with_count(log: Log, bytes: &[u8], count: u64) -> Box<[u8]> {
    let own = log.field("event_count").map_or(0, |field| field.number);
    let mut out = Vec::with_capacity(bytes.len() + 4);
    let mut is_due = count != 1;
    for (number, raw) in Fields::of(bytes).map_while(Result::ok).filter(|(number, _)| *number != own) {
        if is_due && number > own {
            put_number(own, count, &mut out);
            is_due = false;
        }
        match raw {
            Raw::Number(value) => put_number(number, value, &mut out),
            Raw::Bytes(bytes) => put_bytes(number, bytes, &mut out),
        }
    }
    if is_due {
        put_number(own, count, &mut out);
    }
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_differ_are_fields_of_the_log() {
        for log in Log::ALL {
            for name in APART[log.index()] {
                assert!(log.field(name).is_some(), "{name} of {}", log.name());
            }
        }
    }
}

//! Finds the entries of a page.
//!
//! Chunks of rows are visited in the order in which they can hold the best entry that is still wanted, and the best
//! `limit` entries so far are kept. The first chunk that can hold none better than the worst of them ends the search.

use std::collections::BinaryHeap;
use std::time::Instant;

use rocksdb::{DB, DBRawIteratorWithThreadMode, ReadOptions};

use super::cursor::{Cursor, Order, Rank};
use super::filter::found_anywhere;
use super::{Page, Query};
use crate::codec::time_of;
use crate::column::{Column, hot_key, hot_seq};
use crate::database::column;
use crate::entry::Log;
use crate::error::QueryError;
use crate::row::{Row, Stored};
use crate::shared::Shared;
use crate::timeline::Unit;

/// One page.
pub(crate) fn run(shared: &Shared, query: &Query) -> Result<Page, QueryError> {
    let ends = Instant::now() + query.deadline;
    let query = &query.placed(|id| shared.ids.place(id).and_then(|(log, seq)| (log == query.log).then_some(seq)));
    // The database first: opening it again replaces the timelines while no one reads.
    let slot = shared.db.read();
    let db = slot.as_ref().ok_or(QueryError::Closed)?;
    let units = shared.timeline(query.log).read().units(query.since, query.until);
    let mut found = Search::new(query, ends).run(db, &units)?;
    let total = if query.count { count(db, query, &units, ends)? } else { None };
    found.rows.drain(..query.offset.min(found.rows.len()));
    let more = found.rows.len() > query.limit;
    found.rows.truncate(query.limit);
    let (next_cursor, prev_cursor) = cursors(query, &found, more);
    let mut rows: Vec<Row> = found
        .rows
        .into_iter()
        .map(|Found { rank, bytes }| {
            let (_, seq) = rank.place(query.walk());
            Row::new(query.log, seq, shared.ids.id(query.log, seq), bytes)
        })
        .collect();
    if query.backwards() {
        rows.reverse();
    }
    let complete = found.cut.is_none() && (total.is_some() || !query.count);
    Ok(Page { rows, next_cursor, prev_cursor, total, complete })
}

/// The entry at a position.
pub(crate) fn row_at(shared: &Shared, log: Log, seq: u64) -> Result<Option<Row>, QueryError> {
    let slot = shared.db.read();
    let db = slot.as_ref().ok_or(QueryError::Closed)?;
    let Some(bytes) = db.get_cf(&column(db, Column::Hot), hot_key(log, seq))? else {
        return Ok(None);
    };
    checked(log, seq, &bytes)?;
    Ok(Some(Row::new(log, seq, shared.ids.id(log, seq), bytes.into())))
}

/// Whether an entry matches filters, text and times.
pub(crate) fn matches(query: &Query, seq: u64, bytes: &[u8]) -> bool {
    (query.since..=query.until).contains(&time_of(bytes)) && matches_fields(query, seq, bytes)
}

fn matches_fields(query: &Query, seq: u64, bytes: &[u8]) -> bool {
    let stored = Stored::of(bytes);
    query.filters.iter().all(|filter| filter.holds(seq, stored))
        && query.groups.iter().all(|group| group.holds(seq, stored))
        && query
            .text
            .as_ref()
            .is_none_or(|needle| query.text_place == Some(seq) || found_anywhere(needle, query.log, bytes, stored))
}

impl Query {
    fn backwards(&self) -> bool {
        self.cursor.is_some_and(|cursor| cursor.backwards)
    }

    fn walk(&self) -> Order {
        self.cursor.map_or(self.order, |cursor| cursor.walk())
    }

    /// Without filters the entries need not be read to be counted.
    fn is_unfiltered(&self) -> bool {
        self.filters.is_empty() && self.groups.is_empty() && self.text.is_none()
    }
}

/// A matching entry. The greatest is the one that comes last.
struct Found {
    rank: Rank,
    bytes: Box<[u8]>,
}

impl PartialEq for Found {
    fn eq(&self, other: &Self) -> bool {
        self.rank == other.rank
    }
}

impl Eq for Found {}

impl PartialOrd for Found {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Found {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.rank.cmp(&other.rank)
    }
}

struct Answer {
    /// In the order of the walk, one more than the page if there are more.
    rows: Vec<Found>,
    /// Where the deadline stopped the search: entries from this rank on were not looked at.
    cut: Option<Rank>,
}

struct Search<'q> {
    query: &'q Query,
    order: Order,
    start: Rank,
    ends: Instant,
    best: BinaryHeap<Found>,
}

impl<'q> Search<'q> {
    fn new(query: &'q Query, ends: Instant) -> Self {
        let start = query.cursor.map_or(Rank::FIRST, |cursor| cursor.start());
        Self { query, order: query.walk(), start, ends, best: BinaryHeap::new() }
    }

    fn run(mut self, db: &DB, units: &[Unit]) -> Result<Answer, QueryError> {
        let order = self.order;
        let mut ahead: Vec<(Rank, &Unit)> = units
            .iter()
            .filter(|unit| last_rank(order, unit) >= self.start)
            .map(|unit| (first_rank(order, unit).max(self.start), unit))
            .collect();
        ahead.sort_unstable_by_key(|(first, _)| *first);
        let hot = column(db, Column::Hot);
        let mut rows = db.raw_iterator_cf_opt(&hot, read_options(self.query.log));
        let mut cut = None;
        for (first, unit) in ahead {
            if self.worst_wanted().is_some_and(|worst| worst < first) {
                break;
            }
            // Only where that gets ahead: a search that ended where it began would be asked again for ever.
            if first > self.start && Instant::now() >= self.ends {
                cut = Some(first);
                break;
            }
            self.look_at(&mut rows, unit)?;
        }
        let mut found = self.best.into_sorted_vec();
        if let Some(cut) = cut {
            // What comes after the cut may have better entries before it.
            found.retain(|entry| entry.rank < cut);
        }
        Ok(Answer { rows: found, cut })
    }

    /// Entries to find: those before the page and those on it.
    const fn most(&self) -> usize {
        self.query.offset.saturating_add(self.query.limit)
    }

    /// The last of a full page and the one after it.
    fn worst_wanted(&self) -> Option<Rank> {
        if self.best.len() > self.most() { self.best.peek().map(|worst| worst.rank) } else { None }
    }

    fn look_at(&mut self, rows: &mut Rows<'_>, unit: &Unit) -> Result<(), QueryError> {
        let query = self.query;
        let (order, start) = (self.order, self.start);
        each_row(rows, query.log, unit, |seq, time, bytes| {
            let rank = Rank::of(order, time, seq);
            let wanted = rank >= start
                && (query.since..=query.until).contains(&time)
                && self.worst_wanted().is_none_or(|worst| rank < worst);
            if wanted && matches_fields(query, seq, bytes) {
                checked(query.log, seq, bytes)?;
                self.best.push(Found { rank, bytes: bytes.into() });
                if self.best.len() > self.most().saturating_add(1) {
                    self.best.pop();
                }
            }
            Ok(())
        })
    }
}

/// All matches, cursor or not; none when the deadline is over first.
fn count(db: &DB, query: &Query, units: &[Unit], ends: Instant) -> Result<Option<u64>, QueryError> {
    let hot = column(db, Column::Hot);
    let mut rows = db.raw_iterator_cf_opt(&hot, read_options(query.log));
    let mut total = 0;
    for unit in units {
        if query.is_unfiltered() && unit.min >= query.since && unit.max <= query.until {
            total += unit.rows - unit.strays;
            continue;
        }
        if Instant::now() >= ends {
            return Ok(None);
        }
        each_row(&mut rows, query.log, unit, |seq, time, bytes| {
            let counted = (query.since..=query.until).contains(&time) && matches_fields(query, seq, bytes);
            total += u64::from(counted);
            Ok(())
        })?;
    }
    Ok(Some(total))
}

type Rows<'db> = DBRawIteratorWithThreadMode<'db, DB>;

fn read_options(log: Log) -> ReadOptions {
    let mut options = ReadOptions::default();
    options.set_iterate_upper_bound(hot_key(log, u64::MAX));
    options
}

/// Calls `see` with position, time and bytes of the rows of a unit, those apart that are in units of their own.
fn each_row(
    rows: &mut Rows<'_>,
    log: Log,
    unit: &Unit,
    mut see: impl FnMut(u64, i64, &[u8]) -> Result<(), QueryError>,
) -> Result<(), QueryError> {
    rows.seek(hot_key(log, unit.first));
    for seq in unit.first..unit.first + unit.rows {
        let Some((key, bytes)) = rows.item() else {
            break;
        };
        if hot_seq(log, key) != Some(seq) {
            return Err(QueryError::Damaged { log: log.name(), seq });
        }
        let time = time_of(bytes);
        if time >= unit.min {
            see(seq, time, bytes)?;
        }
        rows.next();
    }
    Ok(rows.status()?)
}

fn checked(log: Log, seq: u64, bytes: &[u8]) -> Result<(), QueryError> {
    Stored::of(bytes).check().map_err(|_| QueryError::Damaged { log: log.name(), seq })
}

fn first_rank(order: Order, unit: &Unit) -> Rank {
    match order {
        Order::Ascending => Rank::of(order, unit.min, 0),
        Order::Descending => Rank::of(order, unit.max, u64::MAX),
    }
}

fn last_rank(order: Order, unit: &Unit) -> Rank {
    match order {
        Order::Ascending => Rank::of(order, unit.max, u64::MAX),
        Order::Descending => Rank::of(order, unit.min, 0),
    }
}

/// To the next page and to the previous one.
fn cursors(query: &Query, found: &Answer, more: bool) -> (Option<String>, Option<String>) {
    let order = query.walk();
    let at = |rank: Rank, inclusive, backwards| {
        let (time, seq) = rank.place(order);
        Cursor { log: query.log, order: query.order, backwards, inclusive, time, seq }
    };
    let backwards = query.backwards();
    let ahead = match (found.rows.last(), found.cut) {
        (Some(last), _) if more => Some(at(last.rank, false, backwards)),
        (_, Some(cut)) => Some(at(cut, true, backwards)),
        (_, None) => None,
    };
    let behind = match (found.rows.first(), query.cursor) {
        (_, None) => None,
        (Some(first), Some(_)) => Some(at(first.rank, false, !backwards)),
        (None, Some(cursor)) => Some(cursor.turned()),
    };
    let (next, prev) = if backwards { (behind, ahead) } else { (ahead, behind) };
    (next.map(|cursor| cursor.encode()), prev.map(|cursor| cursor.encode()))
}

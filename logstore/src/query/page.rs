//! One page of an answer.

use std::time::Instant;

use super::key::Rank;
use super::search::{Answer, Search};
use super::{Page, Query, aggregate, fold};
use crate::entry::Log;
use crate::error::QueryError;
use crate::row::Row;
use crate::shared::Shared;
use crate::view::View;

/// Entries before a page that are held at once.
const PASSED_AT_ONCE: usize = 10_000;

/// One page.
pub(crate) fn run(shared: &Shared, query: &Query) -> Result<Page, QueryError> {
    if query.fold { fold::run(shared, query) } else { plain(shared, query) }
}

/// Lets a question look at a log. What it sees stays until it has ended.
pub(crate) fn view_of<T>(
    shared: &Shared,
    log: Log,
    look: impl FnOnce(&View<'_>) -> Result<T, QueryError>,
) -> Result<T, QueryError> {
    let _pin = shared.readers.read();
    // The database first: opening it again replaces what is known of the logs while no one reads.
    let slot = shared.db.read();
    let db = slot.as_ref().ok_or(QueryError::Closed)?;
    look(&View::of(shared, db, log))
}

/// One page of entries as they are.
pub(super) fn plain(shared: &Shared, query: &Query) -> Result<Page, QueryError> {
    view_of(shared, query.log, |view| page(query, view, Instant::now() + query.deadline))
}

fn page(query: &Query, view: &View<'_>, ends: Instant) -> Result<Page, QueryError> {
    let mut answer = after_offset(query, view, ends)?;
    let total = if query.count { aggregate::count(query, view, ends)? } else { None };
    let more = answer.found.len() > query.limit;
    answer.found.truncate(query.limit);
    let (next_cursor, prev_cursor) = cursors(query, &answer, more);
    let positions: Vec<u64> = answer.found.iter().map(|rank| rank.seq).collect();
    let mut rows = view.rows(&positions)?;
    if query.backwards() {
        rows.reverse();
    }
    let quarantined = view.broken();
    let complete = answer.cut.is_none() && (total.is_some() || !query.count) && quarantined.is_empty();
    Ok(Page { rows, folds: Vec::new(), next_cursor, prev_cursor, total, complete, quarantined })
}

/// What comes next, without what the entries hold.
pub(crate) struct Listed {
    /// In order, at most as many as the query's limit.
    pub(crate) found: Vec<Rank>,
    /// Whether more come after them.
    pub(crate) more: bool,
    /// Where the deadline stopped the search, after all that were found.
    pub(crate) cut: Option<Rank>,
}

/// Lists what comes next and lets `look` see it.
pub(crate) fn list<T>(
    shared: &Shared,
    query: &Query,
    look: impl FnOnce(&View<'_>, Listed) -> Result<T, QueryError>,
) -> Result<T, QueryError> {
    view_of(shared, query.log, |view| {
        let Answer { mut found, cut } = after_offset(query, view, Instant::now() + query.deadline)?;
        let more = found.len() > query.limit;
        found.truncate(query.limit);
        look(view, Listed { found, more, cut })
    })
}

/// The entries of the page and one more. Those before it are passed over some at a time, so that far pages take time
/// and no memory.
fn after_offset(query: &Query, view: &View<'_>, ends: Instant) -> Result<Answer, QueryError> {
    let (mut walk, mut left) = (query.walk(), query.offset);
    loop {
        let passed = left.min(PASSED_AT_ONCE);
        let wanted = if passed < left { passed } else { passed.saturating_add(query.limit).saturating_add(1) };
        let mut answer = Search::new(query, view, walk.clone(), wanted, ends).run()?;
        if passed == left || answer.cut.is_some() || answer.found.len() < passed {
            answer.found.drain(..passed.min(answer.found.len()));
            return Ok(answer);
        }
        (walk.start, walk.inclusive) = (answer.found.pop(), false);
        left -= passed;
    }
}

/// The newest entries that match, at most so many, in the order of their positions. Fewer where the deadline of the
/// question is over first.
pub(crate) fn newest(query: &Query, view: &View<'_>, most: usize) -> Result<Vec<Row>, QueryError> {
    let answer = Search::new(query, view, query.walk(), most, Instant::now() + query.deadline).run()?;
    let mut positions: Vec<u64> = answer.found.iter().map(|rank| rank.seq).collect();
    positions.sort_unstable();
    view.rows(&positions)
}

/// The entries at these positions; those that are not there are left out.
pub(crate) fn rows_at(shared: &Shared, log: Log, positions: &[u64]) -> Result<Vec<Row>, QueryError> {
    view_of(shared, log, |view| view.rows(positions))
}

/// To the next page and to the previous one.
fn cursors(query: &Query, answer: &Answer, more: bool) -> (Option<String>, Option<String>) {
    let at = |rank: &Rank, inclusive, backwards| query.cursor_at(rank, inclusive, backwards);
    let backwards = query.backwards();
    let ahead = match (answer.found.last(), &answer.cut) {
        (Some(last), _) if more => Some(at(last, false, backwards)),
        (_, Some(cut)) => Some(at(cut, true, backwards)),
        (_, None) => None,
    };
    let behind = match (answer.found.first(), &query.cursor) {
        (_, None) => None,
        (Some(first), Some(_)) => Some(at(first, false, !backwards)),
        (None, Some(cursor)) => Some(cursor.clone().turned()),
    };
    let (next, prev) = if backwards { (behind, ahead) } else { (ahead, behind) };
    (next.map(|cursor| cursor.encode()), prev.map(|cursor| cursor.encode()))
}

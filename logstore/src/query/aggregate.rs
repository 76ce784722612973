//! Goes through all matches of a question, wherever they are.

use std::time::Instant;

use super::Query;
use super::bits::Bits;
use super::compile::compile;
use super::filter::Candidate;
use super::predicate::Predicate;
use crate::error::QueryError;
use crate::segment::{Fault, PAGE, Segment};
use crate::view::View;

/// What is done with the matches.
pub(super) trait Sink {
    /// Takes all rows of a segment at once, if that is possible without looking at them.
    fn segment(&mut self, segment: &Segment<'_>) -> Result<bool, Fault>;

    /// Takes rows of one page of a segment.
    fn page(&mut self, segment: &Segment<'_>, page: usize, rows: &Bits) -> Result<(), Fault>;

    /// Takes all rows of a chunk at once, if that is possible without looking at them.
    fn chunk(&mut self, _rows: u64) -> bool {
        false
    }

    /// Takes one row that is not in a segment.
    fn row(&mut self, seq: u64, time: i64, bytes: &[u8]) -> Result<(), QueryError>;

    /// Called after each segment that could be read whole, before the next.
    fn settle(&mut self) -> Result<(), QueryError>;

    /// Forgets what came since the last time it was settled.
    fn forget(&mut self);
}

/// False when the deadline was over before everything was seen.
pub(super) fn each_match(
    query: &Query,
    view: &View<'_>,
    ends: Instant,
    sink: &mut impl Sink,
) -> Result<bool, QueryError> {
    let hides = query.hides() && !view.hidden.is_empty();
    let unsealed = view.unsealed()?;
    for piece in view.pieces.iter().chain(&unsealed.pieces) {
        let (min, max) = piece.times;
        if min > query.until || max < query.since {
            continue;
        }
        if Instant::now() >= ends {
            return Ok(false);
        }
        let read = view.segment(piece, |segment| {
            let predicate = compile(query, segment, view.ids)?;
            if predicate == Predicate::Constant(false)
                || (predicate == Predicate::Constant(true) && !hides && sink.segment(segment)?)
            {
                return Ok(());
            }
            for page in 0..segment.header.pages() {
                let mut bits = predicate.page(segment, page)?;
                let first = segment.header.first + (page * PAGE) as u64;
                if hides && let Some(hidden) = view.hidden.rows_from(first, segment.header.rows_of(page)) {
                    bits.and_not(&hidden);
                }
                if !bits.is_empty() {
                    sink.page(segment, page, &bits)?;
                }
            }
            Ok(())
        })?;
        match read {
            Some(()) => sink.settle()?,
            None => sink.forget(),
        }
    }
    let mut hot = view.hot_rows();
    for unit in unsealed.units.iter().filter(|unit| unit.min <= query.until && unit.max >= query.since) {
        if Instant::now() >= ends {
            return Ok(false);
        }
        let all = query.is_unfiltered() && !hides && unit.min >= query.since && unit.max <= query.until;
        if all && sink.chunk(unit.rows - unit.strays) {
            continue;
        }
        hot.each(unit, |seq, time, bytes| {
            let seen = (query.since..=query.until).contains(&time) && !(hides && view.hidden.has(seq));
            let entry = Candidate { seq, bytes, id: &|| view.ids.id(view.log, seq) };
            if seen && query.takes(&entry) { sink.row(seq, time, bytes) } else { Ok(()) }
        })?;
        sink.settle()?;
    }
    Ok(true)
}

/// All matches, cursor or not; none when the deadline is over first.
pub(super) fn count(query: &Query, view: &View<'_>, ends: Instant) -> Result<Option<u64>, QueryError> {
    let mut count = Count { settled: 0, open: 0 };
    Ok(each_match(query, view, ends, &mut count)?.then_some(count.settled))
}

struct Count {
    settled: u64,
    open: u64,
}

impl Sink for Count {
    fn segment(&mut self, segment: &Segment<'_>) -> Result<bool, Fault> {
        self.open += segment.header.rows;
        Ok(true)
    }

    fn page(&mut self, _segment: &Segment<'_>, _page: usize, rows: &Bits) -> Result<(), Fault> {
        self.open += rows.count();
        Ok(())
    }

    fn chunk(&mut self, rows: u64) -> bool {
        self.settled += rows;
        true
    }

    fn row(&mut self, _seq: u64, _time: i64, _bytes: &[u8]) -> Result<(), QueryError> {
        self.open += 1;
        Ok(())
    }

    fn settle(&mut self) -> Result<(), QueryError> {
        self.settled += std::mem::take(&mut self.open);
        Ok(())
    }

    fn forget(&mut self) {
        self.open = 0;
    }
}

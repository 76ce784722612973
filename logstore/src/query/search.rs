//! Finds the entries of a page.
//!
//! Segments and chunks of rows are visited in the order in which they can hold the best entry that is still wanted,
//! and the best entries so far are kept. The first that can hold none better than the worst of them ends the search.

use std::sync::Arc;
use std::time::Instant;

use super::compile::compile;
use super::filter::Candidate;
use super::key::{Key, Order, Rank, Walk};
use super::predicate::Predicate;
use super::ranker::{Ranker, best_of_segment};
use super::{Query, Sort};
use crate::entry::{Field, TIME};
use crate::error::QueryError;
use crate::piece::{Piece, time};
use crate::row::Stored;
use crate::segment::{Fault, PAGE, Segment};
use crate::timeline::Unit;
use crate::view::{HotRows, Unsealed, View};

/// A search that could not be cut short where its deadline ended fails after so many times that.
const PATIENCE: u32 = 5;

/// What was found.
pub(crate) struct Answer {
    /// In the order of the walk.
    pub(crate) found: Vec<Rank>,
    /// Where the deadline stopped the search: entries from this rank on were not looked at.
    pub(crate) cut: Option<Rank>,
}

/// The first entries so far, and some that may be among them.
struct Best {
    order: Order,
    wanted: usize,
    ranks: Vec<Rank>,
    /// So many are wanted that come before this or are it.
    worst: Option<Rank>,
}

impl Best {
    fn keep(&mut self, rank: Rank) {
        self.ranks.push(rank);
        // Turned out together, which costs less than one at a time; the first time at once, so that there is a bound.
        let room = if self.worst.is_none() { 0 } else { self.wanted.max(ROOM_MIN) };
        if self.ranks.len() >= self.wanted.saturating_add(room) {
            self.turn_out();
        }
    }

    fn turn_out(&mut self) {
        let Some(last) = self.wanted.checked_sub(1).filter(|last| *last < self.ranks.len()) else { return };
        let (_, worst, _) = self.ranks.select_nth_unstable_by(last, |one, other| self.order.compare(one, other));
        self.worst = Some(worst.clone());
        self.ranks.truncate(self.wanted);
    }

    /// In order.
    fn sorted(mut self) -> Vec<Rank> {
        // They come in long runs that are in order already.
        self.ranks.sort_by(|one, other| self.order.compare(one, other));
        self.ranks.truncate(self.wanted);
        self.ranks
    }
}

/// Entries that are kept beside those that are wanted, at least.
const ROOM_MIN: usize = 64;

/// Where entries are.
enum Place<'v> {
    Sealed(&'v Arc<Piece>),
    Hot(&'v Unit),
}

pub(crate) struct Search<'q, 'v, 'a> {
    query: &'q Query,
    view: &'v View<'a>,
    walk: Walk,
    ends: Instant,
    best: Best,
}

impl<'q, 'v, 'a> Search<'q, 'v, 'a> {
    /// Of the first `wanted` entries of a walk.
    pub(crate) fn new(query: &'q Query, view: &'v View<'a>, walk: Walk, wanted: usize, ends: Instant) -> Self {
        let best = Best { order: walk.order, wanted, ranks: Vec::new(), worst: None };
        Self { query, view, walk, ends, best }
    }

    pub(crate) fn run(mut self) -> Result<Answer, QueryError> {
        let mut cut = None;
        // By time alone few rows are looked at.
        let unsealed = if self.is_by_time() && self.query.is_unfiltered() {
            Unsealed { pieces: Vec::new(), units: self.view.hot.clone() }
        } else {
            self.view.unsealed()?
        };
        let places = self.places(&unsealed);
        let first = places.first().and_then(|(best, _)| best.clone());
        let mut hot = None;
        for (best, place) in places {
            if self.worst().is_some_and(|worst| best.as_ref().is_some_and(|best| self.walk.is_before(worst, best))) {
                break;
            }
            if Instant::now() >= self.ends {
                if self.is_by_time() {
                    // Only where that gets ahead: a search that ended where it began would be asked again for ever.
                    let start = self.walk.start.clone().or_else(|| first.clone());
                    if let Some(ahead) = best.filter(|best| start.is_none_or(|start| self.walk.is_before(&start, best)))
                    {
                        cut = Some(ahead);
                        break;
                    }
                } else if Instant::now() >= self.ends + self.query.deadline * (PATIENCE - 1) {
                    return Err(QueryError::TooLong);
                }
            }
            match place {
                Place::Sealed(piece) => self.look_into(piece)?,
                Place::Hot(unit) if self.look_at_times(unit) => (),
                Place::Hot(unit) => self.look_at(hot.get_or_insert_with(|| self.view.hot_rows()), unit)?,
            }
        }
        let mut found = self.best.sorted();
        if let Some(cut) = &cut {
            // What comes after the cut may have better entries before it.
            found.retain(|rank| self.walk.is_before(rank, cut));
        }
        Ok(Answer { found, cut })
    }

    fn is_by_time(&self) -> bool {
        matches!(self.query.sort, Sort::Field(Field { number: TIME, .. }))
    }

    /// All places that may hold wanted entries, the most promising first; those of which nothing is known before them.
    fn places<'p>(&self, unsealed: &'p Unsealed) -> Vec<(Option<Rank>, Place<'p>)>
    where
        'v: 'p,
    {
        let order = self.walk.order;
        let rank = |key: Key| Rank::before(order, key);
        // Of equal keys those of the piece's own rows.
        let within = |piece: &Piece, key: Key| match order {
            Order::Ascending => Rank { key, seq: piece.first },
            Order::Descending => Rank { key, seq: piece.end() - 1 },
        };
        let enough = self.enough_from(&unsealed.units);
        let times = |(min, max): (i64, i64)| min <= self.query.until && max >= self.query.since.max(enough);
        let pieces = self.view.pieces.iter().chain(&unsealed.pieces);
        let sealed = pieces.filter(|piece| times(piece.times)).filter_map(|piece| {
            let bound = |order| match order {
                Order::Ascending if self.is_by_time() => piece.header().map(|_| Key::Time(piece.times.0)),
                Order::Descending if self.is_by_time() => piece.header().map(|_| Key::Time(piece.times.1)),
                Order::Ascending | Order::Descending => {
                    piece.header().and_then(|header| best_of_segment(header, self.query.sort, order))
                }
            };
            let is_past = || bound(order.reversed()).is_some_and(|last| self.walk.is_past(&last));
            let wanted = self.walk.start.is_none() || !is_past();
            wanted.then(|| (bound(order).map(|key| within(piece, key)), Place::Sealed(piece)))
        });
        let hot = unsealed.units.iter().filter(|unit| times((unit.min, unit.max))).filter_map(|unit| {
            if !self.is_by_time() {
                return Some((None, Place::Hot(unit)));
            }
            let (best, last) = match order {
                Order::Ascending => (unit.min, unit.max),
                Order::Descending => (unit.max, unit.min),
            };
            let wanted = !self.walk.is_past(&Key::Time(last));
            wanted.then(|| (Some(rank(Key::Time(best))), Place::Hot(unit)))
        });
        let mut places: Vec<_> = hot.chain(sealed).collect();
        places.sort_by(|(one, _), (other, _)| match (one, other) {
            (Some(one), Some(other)) => order.compare(one, other),
            (one, other) => one.is_some().cmp(&other.is_some()),
        });
        places
    }

    /// A time from which on there are as many rows that are not sealed as are wanted, where nothing but time is asked
    /// for, the newest first: of older segments, of which there may be thousands, nothing need be known.
    fn enough_from(&self, units: &[Unit]) -> i64 {
        let is_newest = self.is_by_time() && self.walk.order == Order::Descending;
        if !is_newest || !self.query.is_unfiltered() || self.query.hides() {
            return i64::MIN;
        }
        let is_whole = |unit: &&Unit| {
            let is_taken = self.walk.takes(&Rank { key: Key::Time(unit.max), seq: u64::MAX });
            is_taken && unit.min >= self.query.since && unit.max <= self.query.until
        };
        let mut whole: Vec<&Unit> = units.iter().filter(is_whole).collect();
        whole.sort_unstable_by_key(|unit| std::cmp::Reverse(unit.min));
        let mut rows = 0;
        let last = whole.into_iter().find(|unit| {
            rows += unit.rows - unit.strays;
            rows >= self.best.wanted as u64
        });
        last.map_or(i64::MIN, |unit| unit.min)
    }

    /// What comes after this is not wanted.
    fn worst(&self) -> Option<&Rank> {
        self.best.worst.as_ref()
    }

    /// Where time alone decides, rows need not be read. False where it does not, or the times are not known.
    fn look_at_times(&mut self, unit: &Unit) -> bool {
        if !self.is_by_time() || !self.query.is_unfiltered() {
            return false;
        }
        let Some(times) = self.view.times(unit) else { return false };
        let (hides, order) = (self.query.hides(), self.walk.order);
        let mut take = |(at, time): (usize, i64)| {
            let seq = unit.first + at as u64;
            let rank = Rank { key: Key::Time(time), seq };
            let seen = (self.query.since..=self.query.until).contains(&time) && !(hides && self.view.hidden.has(seq));
            if seen && time >= unit.min && self.is_wanted(&rank) {
                self.best.keep(rank);
            }
        };
        // Times run about in the order of positions: the first that are looked at are those that are kept.
        let all = times.into_iter().enumerate();
        match order {
            Order::Ascending => all.for_each(&mut take),
            Order::Descending => all.rev().for_each(&mut take),
        }
        true
    }

    fn look_at(&mut self, hot: &mut HotRows<'_>, unit: &Unit) -> Result<(), QueryError> {
        let (query, view) = (self.query, self.view);
        let hides = query.hides();
        hot.each(unit, |seq, time, bytes| {
            if !(query.since..=query.until).contains(&time) || (hides && view.hidden.has(seq)) {
                return Ok(());
            }
            // By time the key costs nothing, and turns most rows away.
            if self.is_by_time() && !self.is_wanted(&Rank { key: Key::Time(time), seq }) {
                return Ok(());
            }
            if query.takes(&Candidate { seq, bytes, id: &|| view.ids.id(view.log, seq) }) {
                let rank = Rank { key: query.sort.key(view.log, view.ids, seq, Stored::of(bytes)), seq };
                if self.is_wanted(&rank) {
                    self.best.keep(rank);
                }
            }
            Ok(())
        })
    }

    fn is_wanted(&self, rank: &Rank) -> bool {
        self.walk.takes(rank) && self.worst().is_none_or(|worst| self.walk.is_before(rank, worst))
    }

    fn look_into(&mut self, piece: &Arc<Piece>) -> Result<(), QueryError> {
        let view = self.view;
        let before = self.best.ranks.len();
        let read = view.segment(piece, |segment| {
            let predicate = compile(self.query, segment, view.ids)?;
            if predicate == Predicate::Constant(false) {
                return Ok(());
            }
            let ranker = Ranker::new(segment, view.log, self.query.sort, view.ids)?;
            if predicate == Predicate::Constant(true) && self.take_extremes(segment)? {
                return Ok(());
            }
            self.look_into_pages(segment, &predicate, &ranker)
        })?;
        if read.is_none() && self.best.ranks.len() != before {
            self.best.ranks.retain(|rank| !piece.positions().contains(&rank.seq));
            self.best.worst = None;
        }
        Ok(())
    }

    fn look_into_pages(
        &mut self,
        segment: &Segment<'_>,
        predicate: &Predicate,
        ranker: &Ranker<'_, '_>,
    ) -> Result<(), Fault> {
        let order = self.walk.order;
        let mut pages: Vec<_> =
            (0..segment.header.pages()).map(|page| (ranker.best_of_page(order, page), page)).collect();
        if order == Order::Descending {
            pages.reverse();
        }
        pages.sort_by(|(one, _), (other, _)| match (one, other) {
            (Some(one), Some(other)) => order.compare(one, other),
            (one, other) => one.is_some().cmp(&other.is_some()),
        });
        for (best, page) in pages {
            if ranker.best_of_page(order.reversed(), page).is_some_and(|last| self.walk.is_past(&last)) {
                continue;
            }
            let best = best.map(|key| Rank::before(order, key));
            if best.is_some_and(|best| self.worst().is_some_and(|worst| self.walk.is_before(worst, &best))) {
                continue;
            }
            let mut bits = predicate.page(segment, page)?;
            let first = segment.header.first + (page * PAGE) as u64;
            if self.query.hides()
                && let Some(hidden) = self.view.hidden.rows_from(first, segment.header.rows_of(page))
            {
                bits.and_not(&hidden);
            }
            if bits.is_empty() {
                continue;
            }
            let bounds = ranker.code_bounds(&self.walk, self.worst())?;
            let rows: Vec<usize> = match &bounds {
                Some(bounds) => {
                    let codes = segment.codes(bounds.number, page)?;
                    let may =
                        |row: &usize| codes.get(*row).is_some_and(|code| (bounds.from..bounds.to).contains(&code));
                    bits.rows().filter(may).collect()
                }
                None => bits.rows().collect(),
            };
            self.take_rows(&rows, page, ranker)?;
        }
        Ok(())
    }

    /// Rows that come later in a segment come first where the largest do: fewer are kept and turned out again.
    fn take_rows(&mut self, rows: &[usize], page: usize, ranker: &Ranker<'_, '_>) -> Result<(), Fault> {
        let times = ranker.times(page)?;
        let take = |search: &mut Self, row: usize| {
            let rank = match times.and_then(|times| times.get(row)) {
                Some(stored) => {
                    ranker.rank_of(page * PAGE + row, Key::Time(time(*stored)), &search.walk, search.worst())
                }
                None => ranker.rank(page * PAGE + row, &search.walk, search.worst())?,
            };
            rank.into_iter().for_each(|rank| search.best.keep(rank));
            Ok(())
        };
        match self.walk.order {
            Order::Ascending => rows.iter().try_for_each(|row| take(self, *row)),
            Order::Descending => rows.iter().rev().try_for_each(|row| take(self, *row)),
        }
    }

    /// The smallest or largest numbers of a whole segment are listed; true if the list was long enough.
    fn take_extremes(&mut self, segment: &Segment<'_>) -> Result<bool, Fault> {
        let Sort::Field(field) = self.query.sort else { return Ok(false) };
        let largest = self.walk.order == Order::Descending;
        let listed = segment.header.has_extremes(field.number) && self.walk.start.is_none() && !self.query.hides();
        if !listed || (!largest && segment.header.has_absent(field.number)) {
            return Ok(false);
        }
        let rows = segment.extremes(field.number, largest)?;
        if rows.len() < self.best.wanted && (rows.len() as u64) < segment.header.rows {
            return Ok(false);
        }
        for (number, row) in rows.iter() {
            let rank = Rank { key: Key::Number(*number), seq: segment.header.first + *row as u64 };
            if !self.is_wanted(&rank) {
                break;
            }
            self.best.keep(rank);
        }
        Ok(true)
    }
}

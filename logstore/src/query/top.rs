//! The most frequent values of a field without reading every dictionary.
//!
//! Each segment lists its most frequent values, and no other value has more rows there than the last of the list. What
//! a value has in the lists is the least that it can have in all, and with the last rows of the lists in which it is
//! not, the most. Values whose most is below the least of those at the top are out; the few others are looked up where
//! they are not listed. The counts are exact.

use std::sync::Arc;
use std::time::Instant;

use rustc_hash::FxHashMap;

use super::aggregate::Sink as _;
use super::tally::{Tally, name};
use crate::codec::Raw;
use crate::entry::{Field, Kind};
use crate::error::QueryError;
use crate::piece::Piece;
use crate::row::value_of;
use crate::segment::{Fault, Frequent, Segment};
use crate::view::View;

/// Rows of one value, as far as they are known.
#[derive(Default)]
struct Known {
    rows: u64,
    /// The lists in which it is, ascending.
    lists: Vec<u32>,
}

type List = (Arc<Piece>, Arc<Frequent>);

/// Adds values of a field with their rows, among them the `top` most frequent and all that have as many rows as the
/// last of these. False when the deadline was over before.
pub(super) fn values(
    view: &View<'_>,
    ends: Instant,
    tally: &mut Tally<'_>,
    at: usize,
    field: &Field,
    top: usize,
    out: &mut Vec<(Arc<str>, u64)>,
) -> Result<bool, QueryError> {
    let put_off = tally.put_off.as_mut().and_then(|put_off| put_off.get_mut(at)).map(std::mem::take);
    let mut lists: Vec<List> = Vec::new();
    for piece in put_off.iter().flatten().filter_map(|first| view.piece_of(*first)) {
        if Instant::now() >= ends {
            return Ok(false);
        }
        let frequent = view.segment(piece, |segment| segment.frequent(field.number))?;
        lists.extend(frequent.map(|frequent| (Arc::clone(piece), frequent)));
    }
    if !lists.is_empty()
        && let Some(best) = best(known(tally, at, field, &lists), &lists, top)
    {
        return finish(view, field, &lists, best, out);
    }
    for (piece, _) in &lists {
        if Instant::now() >= ends {
            return Ok(false);
        }
        view.segment(piece, |segment| tally.dictionary(segment, at, field))?;
        tally.settle()?;
    }
    out.extend(
        tally
            .counts
            .get(at)
            .into_iter()
            .flat_map(|counts| counts.each())
            .map(|(_, name, rows)| (Arc::clone(name), rows)),
    );
    Ok(true)
}

/// What has been counted already, and what stands in the lists.
fn known(tally: &Tally<'_>, at: usize, field: &Field, lists: &[List]) -> FxHashMap<Box<[u8]>, Known> {
    let mut known: FxHashMap<Box<[u8]>, Known> = FxHashMap::default();
    for (_, name, rows) in tally.counts.get(at).into_iter().flat_map(|counts| counts.each()) {
        known.insert(stored(field, name), Known { rows, lists: Vec::new() });
    }
    for ((_, frequent), at) in lists.iter().zip(0..) {
        for (value, rows) in &frequent.values {
            let known = match known.get_mut(value) {
                Some(known) => known,
                None => known.entry(value.clone()).or_default(),
            };
            known.rows += rows;
            known.lists.push(at);
        }
    }
    known
}

/// The values that can be at the top. None if any value may be, listed or not.
fn best(known: FxHashMap<Box<[u8]>, Known>, lists: &[List], top: usize) -> Option<Vec<(Box<[u8]>, Known)>> {
    let unlisted: u64 = lists.iter().map(|(_, frequent)| frequent.least).sum();
    if unlisted == 0 {
        return Some(known.into_iter().collect());
    }
    let mut rows: Vec<u64> = known.values().map(|known| known.rows).collect();
    let at = rows.len().checked_sub(top.max(1))?;
    let (_, floor, _) = rows.select_nth_unstable(at);
    let floor = *floor;
    let most = |known: &Known| {
        let least = |at: &u32| lists.get(*at as usize).map_or(0, |(_, frequent)| frequent.least);
        known.rows + unlisted - known.lists.iter().map(least).sum::<u64>()
    };
    let may = |known: &Known| known.rows + unlisted >= floor && most(known) >= floor;
    (unlisted < floor).then(|| known.into_iter().filter(|(_, known)| may(known)).collect())
}

/// Adds what the values have in segments that do not list them.
fn finish(
    view: &View<'_>,
    field: &Field,
    lists: &[List],
    mut best: Vec<(Box<[u8]>, Known)>,
    out: &mut Vec<(Arc<str>, u64)>,
) -> Result<bool, QueryError> {
    for ((piece, frequent), at) in lists.iter().zip(0..) {
        let mut unlisted: Vec<_> = best
            .iter_mut()
            .filter(|(_, known)| frequent.least > 0 && known.lists.binary_search(&at).is_err())
            .collect();
        if unlisted.is_empty() {
            continue;
        }
        view.segment(piece, |segment| {
            for (value, known) in &mut unlisted {
                known.rows += rows_of(segment, field.number, value)?;
            }
            Ok(())
        })?;
    }
    let named = |value: &[u8]| name(value_of(field, Some(Raw::Bytes(value)))).as_ref().into();
    out.extend(best.iter().map(|(value, known)| (named(value), known.rows)));
    Ok(true)
}

fn rows_of(segment: &Segment<'_>, number: u32, value: &[u8]) -> Result<u64, Fault> {
    match segment.dictionary(number)?.place(value)? {
        (code, true) => Ok(segment.counts(number)?.get(code).copied().unwrap_or_default()),
        (_, false) => Ok(0),
    }
}

/// A value as it stands in entries, by its name.
fn stored(field: &Field, name: &str) -> Box<[u8]> {
    use std::net::IpAddr;
    match (field.kind, name.parse()) {
        (Kind::Address, Ok(IpAddr::V4(address))) => Box::new(address.octets()),
        (Kind::Address, Ok(IpAddr::V6(address))) => Box::new(address.octets()),
        (
            Kind::Id
            | Kind::Position
            | Kind::Time
            | Kind::Text
            | Kind::Word(_)
            | Kind::Number
            | Kind::Count
            | Kind::Json
            | Kind::Address,
            _,
        ) => name.as_bytes().into(),
    }
}

//! The rows with the smallest and the largest numbers, so that the top of a whole log is found without its pages.

use std::cmp::Ordering;

use super::Fault;
use super::bytes::{Read, put_length};
use crate::codec::put_varint;

/// Rows at each end.
const ROWS: usize = 128;

/// Part: the smallest numbers ascending, then the largest descending: how many, and of each its distance from the one
/// before and its row. Rows of equal numbers stand in the same direction as the numbers.
pub(super) fn encode(numbers: &[u64], absent: Option<u64>) -> Vec<u8> {
    let rows = || numbers.iter().enumerate().filter(move |(_, number)| Some(**number) != absent);
    let mut out = Vec::new();
    put(&first(rows().map(|(row, number)| (*number, row)), Ord::cmp), &mut out);
    // From the end, as they are to stand.
    put(&first(rows().rev().map(|(row, number)| (*number, row)), |one, other| other.cmp(one)), &mut out);
    out
}

type Row = (u64, usize);

/// The first rows in an order. Of many rows few come before those that were found, so that one look at each does.
fn first(rows: impl Iterator<Item = Row>, order: impl Fn(&Row, &Row) -> Ordering) -> Vec<Row> {
    let mut found: Vec<Row> = Vec::with_capacity(2 * ROWS);
    let mut last: Option<Row> = None;
    for row in rows {
        if last.is_some_and(|last| order(&row, &last) == Ordering::Greater) {
            continue;
        }
        found.push(row);
        if found.len() == 2 * ROWS {
            let (_, known, _) = found.select_nth_unstable_by(ROWS - 1, &order);
            last = Some(*known);
            found.truncate(ROWS);
        }
    }
    found.sort_unstable_by(order);
    found.truncate(ROWS);
    found
}

fn put(rows: &[Row], out: &mut Vec<u8>) {
    put_length(rows.len(), out);
    let mut before = 0_u64;
    for (number, row) in rows {
        put_varint(number.abs_diff(before), out);
        put_length(*row, out);
        before = *number;
    }
}

/// Numbers and rows at one end, in the order of that end.
pub(super) fn decode(part: &[u8], largest: bool) -> Result<Vec<(u64, usize)>, Fault> {
    let mut read = Read::of(part);
    let smallest = run(&mut read, u64::wrapping_add)?;
    if largest {
        run(&mut read, |before, distance| if before == 0 { distance } else { before.wrapping_sub(distance) })
    } else {
        Ok(smallest)
    }
}

fn run(read: &mut Read<'_>, next: impl Fn(u64, u64) -> u64) -> Result<Vec<(u64, usize)>, Fault> {
    let mut before = 0;
    (0..read.length()?)
        .map(|_| {
            before = next(before, read.number()?);
            Ok((before, read.length()?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_first_rows_of_all_are_listed(
            few in 1..2000_u64,
            numbers in proptest::collection::vec(any::<u64>(), 0..2000),
            has_absent: bool,
        ) {
            // Of many equal ones too.
            let numbers: Vec<u64> = numbers.into_iter().map(|number| number % few).collect();
            let absent = has_absent.then_some(few / 2);
            let mut all: Vec<Row> = numbers.iter().zip(0..).map(|(number, row)| (*number, row)).collect();
            all.retain(|(number, _)| Some(*number) != absent);
            all.sort_unstable();
            let part = encode(&numbers, absent);
            let expected: Vec<Row> = all.iter().take(ROWS).copied().collect();
            prop_assert_eq!(decode(&part, false).unwrap(), expected);
            let expected: Vec<Row> = all.iter().rev().take(ROWS).copied().collect();
            // A number of 0 is a distance of 0 from nothing.
            prop_assert_eq!(decode(&part, true).unwrap(), expected);
        }
    }
}

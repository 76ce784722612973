//! The rows with the smallest and the largest numbers, so that the top of a whole log is found without its pages.

use super::Fault;
use super::bytes::{Read, put_length};
use crate::codec::put_varint;

/// Rows at each end.
const ROWS: usize = 128;

/// Part: the smallest numbers ascending, then the largest descending: how many, and of each its distance from the one
/// before and its row. Rows of equal numbers stand in the same direction as the numbers.
pub(super) fn encode(numbers: &[u64], absent: Option<u64>) -> Vec<u8> {
    let mut all: Vec<(u64, usize)> = numbers
        .iter()
        .zip(0..)
        .filter(|(number, _)| Some(**number) != absent)
        .map(|(number, row)| (*number, row))
        .collect();
    let mut out = Vec::new();
    put(&smallest(&mut all, Ord::cmp), &mut out);
    put(&smallest(&mut all, |one, other| other.cmp(one)), &mut out);
    out
}

type Row = (u64, usize);

fn smallest(all: &mut [Row], mut order: impl FnMut(&Row, &Row) -> std::cmp::Ordering) -> Vec<Row> {
    if all.len() > ROWS {
        all.select_nth_unstable_by(ROWS, &mut order);
    }
    let mut first: Vec<_> = all.iter().take(ROWS).copied().collect();
    first.sort_unstable_by(order);
    first
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

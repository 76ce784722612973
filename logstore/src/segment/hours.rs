//! How many rows each value of each small dictionary has, hour by hour: what a chart of a whole log is drawn from.

use std::collections::BTreeMap;
use std::ops::Range;

use super::Fault;
use super::bytes::{Read, put_length};
use super::frames::unpress;
use crate::codec::put_varint;

/// Microseconds.
pub(crate) const HOUR: i64 = 3_600_000_000;

/// A segment over more hours has no such part.
const HOURS_MAX: usize = 512;

/// A column of more values is not counted.
pub(super) const VALUES_MAX: usize = 64;

/// One hour of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hour {
    /// Hours since 1970.
    pub(crate) hour: i64,
    pub(crate) rows: u64,
}

/// A segment's rows by hour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hours {
    pub(crate) hours: Vec<Hour>,
    /// Per column its number and, hour after hour, the rows of each code.
    columns: Vec<(u32, usize, Vec<u32>)>,
}

impl Hours {
    /// Memory that it takes.
    pub(crate) fn bytes(&self) -> usize {
        let counts: usize = self.columns.iter().map(|(_, _, counts)| counts.len() * size_of::<u32>()).sum();
        counts + self.hours.len() * size_of::<Hour>()
    }

    /// Whether a column is counted.
    pub(crate) fn has(&self, column: u32) -> bool {
        self.columns.iter().any(|(number, ..)| *number == column)
    }

    /// Hours, and the rows of each code of a column in each of them; nothing if the column is not counted.
    pub(crate) fn of(&self, column: u32) -> impl Iterator<Item = (&Hour, &[u32])> {
        let counted = self.columns.iter().filter(move |(number, ..)| *number == column);
        counted.flat_map(|(_, codes, counts)| self.hours.iter().zip(counts.chunks((*codes).max(1))))
    }
}

/// Part, to be compressed: hours with their rows, then per column its number, its codes, and its counts. None if there
/// are too many hours.
pub(super) fn encode(times: &[i64], columns: &[(u32, usize, &[u16])]) -> Option<Vec<u8>> {
    // Times run about in order: an hour is looked up when it changes.
    let mut runs: Vec<(i64, Range<usize>)> = Vec::new();
    for (row, time) in times.iter().enumerate() {
        let hour = time.div_euclid(HOUR);
        match runs.last_mut() {
            Some((last, rows)) if *last == hour => rows.end = row + 1,
            Some(_) | None => runs.push((hour, row..row + 1)),
        }
    }
    let mut places: BTreeMap<i64, u64> = BTreeMap::new();
    for (hour, rows) in &runs {
        *places.entry(*hour).or_default() += rows.len() as u64;
    }
    if places.len() > HOURS_MAX {
        return None;
    }
    let mut out = Vec::new();
    put_length(places.len(), &mut out);
    let mut before = 0_i64;
    for (hour, rows) in &places {
        put_varint(hour.wrapping_sub(before).cast_unsigned(), &mut out);
        put_varint(*rows, &mut out);
        before = *hour;
    }
    let hours: Vec<i64> = places.into_keys().collect();
    put_length(columns.len(), &mut out);
    for (number, codes, rows) in columns {
        let mut counts = vec![0_u64; hours.len() * codes];
        for (hour, run) in &runs {
            let place = hours.partition_point(|known| known < hour);
            let counts = counts.get_mut(place * codes..(place + 1) * codes).unwrap_or_default();
            for code in rows.get(run.clone()).unwrap_or_default() {
                if let Some(count) = counts.get_mut(usize::from(*code)) {
                    *count += 1;
                }
            }
        }
        put_varint(u64::from(*number), &mut out);
        put_length(*codes, &mut out);
        counts.iter().for_each(|count| put_varint(*count, &mut out));
    }
    Some(out)
}

pub(super) fn decode(part: &[u8]) -> Result<Hours, Fault> {
    let plain = unpress(part)?;
    let mut read = Read::of(&plain);
    let mut before = 0_i64;
    let hours = (0..read.length()?).map(|_| {
        before = before.wrapping_add(read.number()?.cast_signed());
        Ok(Hour { hour: before, rows: read.number()? })
    });
    let hours: Vec<Hour> = hours.collect::<Result<_, Fault>>()?;
    let mut columns = Vec::new();
    for _ in 0..read.length()? {
        let number = u32::try_from(read.number()?).map_err(|_| Fault::Damaged("a column has no such number"))?;
        let codes = read.length()?;
        let count = |read: &mut Read<'_>| {
            u32::try_from(read.number()?).map_err(|_| Fault::Damaged("an hour has more rows than a segment"))
        };
        let counts = (0..hours.len().saturating_mul(codes)).map(|_| count(&mut read)).collect::<Result<_, _>>()?;
        columns.push((number, codes, counts));
    }
    Ok(Hours { hours, columns })
}

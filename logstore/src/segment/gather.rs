//! Rows into columns.

mod gathered;
mod run;
#[cfg(test)]
mod tests;
mod words;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use crate::codec::{Fields, Raw};
use crate::entry::TIME;

pub(super) use gathered::{ABSENT, Gathered};
pub(super) use words::Words;

use run::Run;

/// Columns are numbered with two bytes.
pub(super) const COLUMNS_MAX: u32 = 1 << 16;

/// Rows that are read before their values go to their columns: what a column needs stays in the processor's cache.
const TOGETHER: usize = 64;

/// Where an entry goes that says itself that it is of the first instant of 1970, which in a column is how those without
/// a time stand. No encoder of ours says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Zero {
    /// To the column, as any other time.
    Column,
    /// To the rows that are kept whole, so that it comes back as it was.
    Apart,
}

/// Rows as columns, by number. Column 0 holds whole rows that cannot be read. `runs` are numbers of fields that tend to
/// repeat together, ascending: where they do, they are looked up once for all of them.
pub(super) fn gather<'a>(
    rows: &[&'a [u8]],
    runs: &[RangeInclusive<u32>],
    zero: Zero,
    are_unique: impl Fn(u32) -> bool,
) -> BTreeMap<u32, Gathered<'a>> {
    let mut columns: Vec<Column<'a>> = Vec::new();
    let mut runs: Vec<Run> = runs.iter().map(|fields| Run::of(fields.clone(), rows.len())).collect();
    let mut fields = Vec::new();
    let new = |number| Gathered::new(are_unique(number), rows.len());
    for (chunk, first) in rows.chunks(TOGETHER).zip((0..).step_by(TOGETHER)) {
        for (row, bytes) in (first..).zip(chunk) {
            if read(bytes, zero, &mut fields) {
                note(&mut columns, &mut runs, (row, *bytes), &fields, &new);
            } else {
                runs.iter_mut().for_each(|run| run.push(&[]));
                let at = place(&mut columns, 0, 0, || Gathered::Empty);
                if let Some(column) = columns.get_mut(at) {
                    column.gathered.push_whole(row, bytes);
                }
            }
        }
        for Column { number, gathered, noted } in &mut columns {
            noted.drain(..).for_each(|(row, raw)| gathered.push(row, *number, raw, rows.len()));
        }
    }
    let gathered = columns.into_iter().map(|Column { number, mut gathered, .. }| {
        gathered.fill(rows.len());
        (number, gathered)
    });
    gathered.chain(runs.into_iter().flat_map(Run::columns)).collect()
}

/// A field of a row, and where it ends there.
struct Read<'a> {
    number: u32,
    raw: Raw<'a>,
    end: usize,
}

struct Column<'a> {
    number: u32,
    gathered: Gathered<'a>,
    /// Values that are still to be gathered, with their rows.
    noted: Vec<(usize, Raw<'a>)>,
}

/// Gives the fields of a row to their runs and to their columns.
fn note<'a>(
    columns: &mut Vec<Column<'a>>,
    runs: &mut [Run],
    row: (usize, &[u8]),
    mut fields: &[Read<'a>],
    new: &impl Fn(u32) -> Gathered<'a>,
) {
    let (row, bytes) = row;
    let (mut at, mut start) = (0, 0);
    let mut note_alone = |fields: &[Read<'a>]| {
        for Read { number, raw, .. } in fields {
            // Numbers ascend within a row, and rows are alike: the next column is nearly always the one that follows.
            at = place(columns, *number, at, || new(*number));
            if let Some(column) = columns.get_mut(at) {
                column.noted.push((row, *raw));
            }
            at += 1;
        }
    };
    let mut take = |is_taken: &dyn Fn(u32) -> bool| {
        let taken = fields.iter().take_while(|field| is_taken(field.number)).count();
        let (taken, rest) = fields.split_at_checked(taken).unwrap_or_default();
        fields = rest;
        taken
    };
    for run in runs {
        let before = take(&|number| number < *run.fields.start());
        start = before.last().map_or(start, |field| field.end);
        note_alone(before);
        let end = take(&|number| number <= *run.fields.end()).last().map_or(start, |field| field.end);
        run.push(bytes.get(start..end).unwrap_or_default());
        start = end;
    }
    note_alone(take(&|_| true));
}

/// The fields of a row; false if a column cannot be made of each of them.
fn read<'a>(row: &'a [u8], zero: Zero, fields: &mut Vec<Read<'a>>) -> bool {
    fields.clear();
    let mut unread = Fields::of(row);
    while let Some(field) = unread.next() {
        match field {
            Ok((TIME, Raw::Number(0))) if zero == Zero::Apart => return false,
            Ok((number, raw)) if number < COLUMNS_MAX => {
                fields.push(Read { number, raw, end: row.len() - unread.rest() });
            }
            Ok(_) | Err(_) => return false,
        }
    }
    true
}

/// Where the column of this number is, beginning the search at a guess; made if it is not there.
fn place<'a>(columns: &mut Vec<Column<'a>>, number: u32, guess: usize, new: impl FnOnce() -> Gathered<'a>) -> usize {
    let guessed = columns.get(guess).map(|column| column.number);
    if guessed == Some(number) {
        return guess;
    }
    let from = if guessed.is_some_and(|known| known < number) { guess } else { 0 };
    let found = columns.iter().skip(from).position(|column| column.number >= number);
    let at = found.map_or(columns.len(), |skipped| from + skipped);
    if columns.get(at).is_none_or(|column| column.number != number) {
        columns.insert(at, Column { number, gathered: new(), noted: Vec::with_capacity(TOGETHER) });
    }
    at
}

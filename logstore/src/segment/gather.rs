//! Rows into columns.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use crate::codec::{Fields, Raw, put_bytes, put_number};
use crate::id::{self, Scrambled};
use crate::places::{Places, hash};

/// Columns are numbered with two bytes.
pub(super) const COLUMNS_MAX: u32 = 1 << 16;

/// A row that has no value of a column. No segment has as many rows.
pub(super) const ABSENT: u16 = u16::MAX;

/// Rows that are read before their values go to their columns: what a column needs stays in the processor's cache.
const TOGETHER: usize = 64;

/// Rows as columns, by number. Column 0 holds whole rows that cannot be read. `runs` are numbers of fields that tend to
/// repeat together, ascending: where they do, they are looked up once for all of them.
pub(super) fn gather<'a>(
    rows: &[&'a [u8]],
    runs: &[RangeInclusive<u32>],
    are_unique: impl Fn(u32) -> bool,
) -> BTreeMap<u32, Gathered<'a>> {
    let mut columns: Vec<Column<'a>> = Vec::new();
    let mut runs: Vec<Run> = runs.iter().map(|fields| Run::of(fields.clone(), rows.len())).collect();
    let mut fields = Vec::new();
    let new = |number| Gathered::new(are_unique(number), rows.len());
    for (chunk, first) in rows.chunks(TOGETHER).zip((0..).step_by(TOGETHER)) {
        for (row, bytes) in (first..).zip(chunk) {
            if read(bytes, &mut fields) {
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

/// Fields that repeat together: per row the place of their bytes among the distinct ones.
struct Run {
    fields: RangeInclusive<u32>,
    rows: Vec<u16>,
    distinct: Words,
}

impl Run {
    fn of(fields: RangeInclusive<u32>, rows: usize) -> Self {
        Self { fields, rows: Vec::with_capacity(rows), distinct: Words::with_room(rows, RUN_BYTES) }
    }

    fn push(&mut self, bytes: &[u8]) {
        let place = self.distinct.place(bytes);
        self.rows.push(place);
    }

    /// The columns of its fields: those of the distinct ones, spread over the rows.
    fn columns<'a>(self) -> Vec<(u32, Gathered<'a>)> {
        let distinct: Vec<&[u8]> = (0..self.distinct.len()).filter_map(|at| self.distinct.get(at)).collect();
        let columns = gather(&distinct, &[], |_| false);
        columns.into_iter().map(|(number, gathered)| (number, gathered.spread(&self.rows))).collect()
    }
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
fn read<'a>(row: &'a [u8], fields: &mut Vec<Read<'a>>) -> bool {
    fields.clear();
    let mut unread = Fields::of(row);
    while let Some(field) = unread.next() {
        match field {
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

/// One column of rows not yet compressed.
pub(super) enum Gathered<'a> {
    Empty,
    /// Per row its number; the rows without one are listed.
    Numbers {
        rows: Vec<u64>,
        absent: Vec<usize>,
    },
    /// Per row its text, and what it is as an id: for columns in which hardly two rows have the same.
    Ids {
        rows: Vec<Option<&'a [u8]>>,
        ids: Vec<Option<Scrambled>>,
    },
    /// Per row the place of its text among the distinct ones.
    Words {
        rows: Vec<u16>,
        words: Words,
    },
    /// Of more than one type: the fields as they stood in the entry.
    Mixed {
        rows: Vec<Option<Vec<u8>>>,
    },
}

/// Distinct texts in the order in which they came, close together: rows lie far apart.
#[derive(Default)]
pub(super) struct Words {
    places: Places,
    ends: Vec<u32>,
    bytes: Vec<u8>,
}

/// Room that is set aside for each row. Memory that is not used costs nothing; growing copies all of it.
const WORD_BYTES: usize = 16;
const RUN_BYTES: usize = 64;

impl Words {
    fn with_room(rows: usize, bytes: usize) -> Self {
        Self { places: Places::default(), ends: Vec::with_capacity(rows), bytes: Vec::with_capacity(rows * bytes) }
    }

    pub(super) const fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn get(&self, at: usize) -> Option<&[u8]> {
        let start = at.checked_sub(1).map_or(Some(0), |before| self.ends.get(before).copied())?;
        self.bytes.get(start as usize..*self.ends.get(at)? as usize)
    }

    /// The place of a text, which is there from now on.
    fn place(&mut self, text: &[u8]) -> u16 {
        let hash = hash(0, text);
        let known = self.places.find(hash, |at| self.get(at) == Some(text));
        let place = known.unwrap_or_else(|| {
            self.places.add(hash);
            self.bytes.extend_from_slice(text);
            // Of at most 32,768 rows, each of a few KiB.
            self.ends.push(self.bytes.len() as u32);
            self.ends.len() - 1
        });
        place as u16
    }
}

impl<'a> Gathered<'a> {
    /// With room for so many rows: growing to them would copy all of them again and again.
    fn new(is_unique: bool, rows: usize) -> Self {
        match is_unique {
            true => Self::Ids { rows: Vec::with_capacity(rows), ids: Vec::with_capacity(rows) },
            false => Self::Empty,
        }
    }

    /// Of `all` rows.
    fn push(&mut self, row: usize, number: u32, raw: Raw<'a>, all: usize) {
        if matches!(self, Self::Empty) {
            *self = match raw {
                Raw::Number(_) => Self::Numbers { rows: Vec::with_capacity(all), absent: Vec::new() },
                Raw::Bytes(_) => {
                    Self::Words { rows: Vec::with_capacity(all), words: Words::with_room(all, WORD_BYTES) }
                }
            };
        }
        if self.len() != row {
            self.fill(row);
        }
        match (&mut *self, raw) {
            (Self::Numbers { rows, .. }, Raw::Number(value)) => rows.push(value),
            (Self::Ids { rows, ids }, Raw::Bytes(text)) => {
                rows.push(Some(text));
                ids.push(id::read(text));
            }
            (Self::Words { rows, words }, Raw::Bytes(text)) => {
                // Rows of one client follow each other.
                let last = rows.last().copied().filter(|last| words.get(usize::from(*last)) == Some(text));
                rows.push(last.unwrap_or_else(|| words.place(text)));
            }
            (Self::Mixed { rows }, raw) => rows.push(Some(as_stored(number, raw))),
            (Self::Empty | Self::Numbers { .. } | Self::Ids { .. } | Self::Words { .. }, raw) => {
                self.mix(number);
                self.push(row, number, raw, all);
            }
        }
    }

    fn push_whole(&mut self, row: usize, bytes: &[u8]) {
        if matches!(self, Self::Empty) {
            *self = Self::Mixed { rows: Vec::new() };
        }
        self.fill(row);
        if let Self::Mixed { rows } = self {
            rows.push(Some(bytes.to_owned()));
        }
    }

    /// Rows up to this one have no value.
    fn fill(&mut self, to: usize) {
        match self {
            Self::Empty => (),
            Self::Numbers { rows, absent } => {
                absent.extend(rows.len()..to);
                rows.resize(to, 0);
            }
            Self::Ids { rows, ids } => {
                rows.resize(to, None);
                ids.resize(to, None);
            }
            Self::Words { rows, .. } => rows.resize(to, ABSENT),
            Self::Mixed { rows } => rows.resize(to, None),
        }
    }

    /// Of distinct rows, all rows: by the place of each among them.
    fn spread<'b>(self, rows: &[u16]) -> Gathered<'b> {
        match self {
            Self::Empty | Self::Ids { .. } => Gathered::Empty,
            Self::Numbers { rows: known, absent } => {
                let mut are_absent = vec![false; known.len()];
                absent.iter().for_each(|at| are_absent.iter_mut().skip(*at).take(1).for_each(|absent| *absent = true));
                let is_absent = |at: &u16| are_absent.get(usize::from(*at)).copied().unwrap_or(true);
                let absent = rows.iter().enumerate().filter(|(_, at)| is_absent(at)).map(|(row, _)| row).collect();
                let number = |at: &u16| known.get(usize::from(*at)).copied().unwrap_or(0);
                Gathered::Numbers { rows: rows.iter().map(number).collect(), absent }
            }
            Self::Words { rows: known, words } => {
                let word = |at: &u16| known.get(usize::from(*at)).copied().unwrap_or(ABSENT);
                Gathered::Words { rows: rows.iter().map(word).collect(), words }
            }
            Self::Mixed { rows: known } => {
                let value = |at: &u16| known.get(usize::from(*at)).cloned().flatten();
                Gathered::Mixed { rows: rows.iter().map(value).collect() }
            }
        }
    }

    const fn len(&self) -> usize {
        match self {
            Self::Empty => 0,
            Self::Numbers { rows, .. } => rows.len(),
            Self::Ids { rows, .. } => rows.len(),
            Self::Words { rows, .. } => rows.len(),
            Self::Mixed { rows } => rows.len(),
        }
    }

    fn mix(&mut self, number: u32) {
        let rows = match self {
            Self::Numbers { rows, absent } => {
                let stored = rows.iter().map(|value| Some(as_stored(number, Raw::Number(*value))));
                let mut stored: Vec<_> = stored.collect();
                for row in absent {
                    if let Some(stored) = stored.get_mut(*row) {
                        *stored = None;
                    }
                }
                stored
            }
            Self::Ids { rows, .. } => {
                rows.iter().map(|text| text.map(|text| as_stored(number, Raw::Bytes(text)))).collect()
            }
            Self::Words { rows, words } => {
                let text = |word: &u16| words.get(usize::from(*word)).map(|text| as_stored(number, Raw::Bytes(text)));
                rows.iter().map(text).collect()
            }
            Self::Empty | Self::Mixed { .. } => Vec::new(),
        };
        *self = Self::Mixed { rows };
    }
}

fn as_stored(number: u32, raw: Raw<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    match raw {
        Raw::Number(value) => put_number(number, value, &mut out),
        Raw::Bytes(bytes) => put_bytes(number, bytes, &mut out),
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a column says of a row, as it stands in an entry.
    fn value(number: u32, gathered: &Gathered<'_>, row: usize) -> Option<Vec<u8>> {
        match gathered {
            Gathered::Empty => None,
            Gathered::Numbers { rows, absent } => {
                (!absent.contains(&row)).then(|| as_stored(number, Raw::Number(rows[row])))
            }
            Gathered::Ids { rows, .. } => rows[row].map(|text| as_stored(number, Raw::Bytes(text))),
            Gathered::Words { rows, words } => {
                words.get(usize::from(rows[row])).map(|text| as_stored(number, Raw::Bytes(text)))
            }
            Gathered::Mixed { rows } => rows[row].clone(),
        }
    }

    fn rows() -> Vec<Vec<u8>> {
        let row = |at: u64| {
            let mut row = Vec::new();
            put_number(1, at, &mut row);
            put_bytes(2, format!("id {at}").as_bytes(), &mut row);
            match at % 11 {
                0 => (),
                // A text where others have a number.
                1 => put_bytes(4, b"four", &mut row),
                _ => {
                    put_bytes(3, format!("three {}", at % 5).as_bytes(), &mut row);
                    put_number(4, at % 3, &mut row);
                }
            }
            if !at.is_multiple_of(7) {
                put_number(6, at % 2, &mut row);
                put_bytes(8, b"eight", &mut row);
            }
            if at % 50 == 49 {
                row.push(0xff);
            }
            row
        };
        (0..300).map(row).collect()
    }

    #[test]
    fn columns_are_the_same_whatever_is_looked_up_together() {
        let rows = rows();
        let slices: Vec<&[u8]> = rows.iter().map(Vec::as_slice).collect();
        let alone = gather(&slices, &[], |number| number == 2);
        for runs in [vec![3..=4], vec![1..=1, 3..=6], vec![0..=1, 3..=3, 4..=9], vec![6..=7, 9..=12]] {
            let together = gather(&slices, &runs, |number| number == 2);
            assert_eq!(together.keys().collect::<Vec<_>>(), alone.keys().collect::<Vec<_>>(), "{runs:?}");
            for (number, gathered) in &together {
                assert_eq!(gathered.len(), rows.len());
                for row in 0..rows.len() {
                    let expected = value(*number, &alone[number], row);
                    assert_eq!(value(*number, gathered, row), expected, "{runs:?}: field {number} of row {row}");
                }
            }
        }
        assert!(matches!(alone[&4], Gathered::Mixed { .. }) && alone.contains_key(&0));
    }
}

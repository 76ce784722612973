//! Rows into columns.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use crate::codec::{Fields, Raw, put_bytes, put_number};

/// Columns are numbered with two bytes.
const COLUMNS_MAX: u32 = 1 << 16;

/// A row that has no value of a column.
const ABSENT: u32 = u32::MAX;

/// Rows as columns, by number. Column 0 holds whole rows that cannot be read.
pub(super) fn gather<'a>(rows: &[&'a [u8]], are_unique: impl Fn(u32) -> bool) -> BTreeMap<u32, Gathered<'a>> {
    let mut columns: Vec<(u32, Gathered<'a>)> = Vec::new();
    for (row, bytes) in rows.iter().enumerate() {
        if is_readable(bytes) {
            // Numbers ascend within a row, and rows are alike: the next column is nearly always the one that follows.
            let mut at = 0;
            for (number, raw) in Fields::of(bytes).map_while(Result::ok) {
                at = place(&mut columns, number, at, || are_unique(number));
                if let Some((_, column)) = columns.get_mut(at) {
                    column.push(row, number, raw);
                }
                at += 1;
            }
        } else {
            let at = place(&mut columns, 0, 0, || false);
            if let Some((_, column)) = columns.get_mut(at) {
                column.push_whole(row, bytes);
            }
        }
    }
    for (_, column) in &mut columns {
        column.fill(rows.len());
    }
    columns.into_iter().collect()
}

/// Whether a column can be made of each of its fields.
fn is_readable(row: &[u8]) -> bool {
    Fields::of(row).all(|field| matches!(field, Ok((number, _)) if number < COLUMNS_MAX))
}

/// Where the column of this number is, beginning the search at a guess; made if it is not there.
fn place<'a>(
    columns: &mut Vec<(u32, Gathered<'a>)>,
    number: u32,
    guess: usize,
    is_unique: impl FnOnce() -> bool,
) -> usize {
    let from = if columns.get(guess).is_some_and(|(known, _)| *known <= number) { guess } else { 0 };
    let found = columns.iter().skip(from).position(|(known, _)| *known >= number);
    let at = found.map_or(columns.len(), |skipped| from + skipped);
    if columns.get(at).is_none_or(|(known, _)| *known != number) {
        columns.insert(at, (number, Gathered::new(is_unique())));
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
    /// Per row its text: for columns in which hardly two rows have the same.
    Texts {
        rows: Vec<Option<&'a [u8]>>,
    },
    /// Per row the place of its text among the distinct ones.
    Words {
        rows: Vec<u32>,
        words: Vec<&'a [u8]>,
        known: FxHashMap<&'a [u8], u32>,
    },
    /// Of more than one type: the fields as they stood in the entry.
    Mixed {
        rows: Vec<Option<Vec<u8>>>,
    },
}

impl<'a> Gathered<'a> {
    fn new(is_unique: bool) -> Self {
        if is_unique { Self::Texts { rows: Vec::new() } } else { Self::Empty }
    }

    fn push(&mut self, row: usize, number: u32, raw: Raw<'a>) {
        if matches!(self, Self::Empty) {
            *self = match raw {
                Raw::Number(_) => Self::Numbers { rows: Vec::new(), absent: Vec::new() },
                Raw::Bytes(_) => Self::Words { rows: Vec::new(), words: Vec::new(), known: FxHashMap::default() },
            };
        }
        self.fill(row);
        match (&mut *self, raw) {
            (Self::Numbers { rows, .. }, Raw::Number(value)) => rows.push(value),
            (Self::Texts { rows }, Raw::Bytes(text)) => rows.push(Some(text)),
            (Self::Words { rows, words, known }, Raw::Bytes(text)) => {
                // Rows of one client follow each other.
                let last = rows.last().copied().filter(|last| words.get(*last as usize) == Some(&text));
                let word = last.unwrap_or_else(|| {
                    *known.entry(text).or_insert_with(|| {
                        words.push(text);
                        (words.len() - 1) as u32
                    })
                });
                rows.push(word);
            }
            (Self::Mixed { rows }, raw) => rows.push(Some(as_stored(number, raw))),
            (Self::Empty | Self::Numbers { .. } | Self::Texts { .. } | Self::Words { .. }, raw) => {
                self.mix(number);
                self.push(row, number, raw);
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
            Self::Texts { rows } => rows.resize(to, None),
            Self::Words { rows, .. } => rows.resize(to, ABSENT),
            Self::Mixed { rows } => rows.resize(to, None),
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
            Self::Texts { rows } => {
                rows.iter().map(|text| text.map(|text| as_stored(number, Raw::Bytes(text)))).collect()
            }
            Self::Words { rows, words, .. } => {
                let text = |word: &u32| words.get(*word as usize).map(|text| as_stored(number, Raw::Bytes(text)));
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

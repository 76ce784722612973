//! One column of rows, value by value.

use super::words::Words;
use crate::codec::{Raw, put_bytes, put_number};
use crate::id::{self, Scrambled};

/// A row that has no value of a column. No segment has as many rows.
pub(in crate::segment) const ABSENT: u16 = u16::MAX;

/// One column of rows not yet compressed.
pub(in crate::segment) enum Gathered<'a> {
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

/// Room that is set aside for the texts of each row.
const WORD_BYTES: usize = 16;

impl<'a> Gathered<'a> {
    /// With room for so many rows: growing to them would copy all of them again and again.
    pub(super) fn new(is_unique: bool, rows: usize) -> Self {
        match is_unique {
            true => Self::Ids { rows: Vec::with_capacity(rows), ids: Vec::with_capacity(rows) },
            false => Self::Empty,
        }
    }

    /// Of `all` rows.
    pub(super) fn push(&mut self, row: usize, number: u32, raw: Raw<'a>, all: usize) {
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
                let last = rows.last().copied().filter(|last| words.is(usize::from(*last), text));
                rows.push(last.unwrap_or_else(|| words.place(text)));
            }
            (Self::Mixed { rows }, raw) => rows.push(Some(as_stored(number, raw))),
            (Self::Empty | Self::Numbers { .. } | Self::Ids { .. } | Self::Words { .. }, raw) => {
                self.mix(number);
                self.push(row, number, raw, all);
            }
        }
    }

    pub(super) fn push_whole(&mut self, row: usize, bytes: &[u8]) {
        if matches!(self, Self::Empty) {
            *self = Self::Mixed { rows: Vec::new() };
        }
        self.fill(row);
        if let Self::Mixed { rows } = self {
            rows.push(Some(bytes.to_owned()));
        }
    }

    /// Rows up to this one have no value.
    pub(super) fn fill(&mut self, to: usize) {
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
    pub(super) fn spread<'b>(self, rows: &[u16]) -> Gathered<'b> {
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

    /// Whether rows without a number and rows with the number 0 would look alike with 0 for those without.
    pub(in crate::segment) fn confuses_zero(&self) -> bool {
        let Self::Numbers { rows, absent } = self else { return false };
        !absent.is_empty() && rows.iter().filter(|number| **number == 0).count() > absent.len()
    }

    pub(super) const fn len(&self) -> usize {
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

pub(super) fn as_stored(number: u32, raw: Raw<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    match raw {
        Raw::Number(value) => put_number(number, value, &mut out),
        Raw::Bytes(bytes) => put_bytes(number, bytes, &mut out),
    }
    out
}

//! What a question comes down to in one segment: sets of codes, ranges of numbers, rows.
//!
//! Values are tested once per distinct value, not once per row; what the header, the filters or the dictionary already
//! answer reads no page.

use super::bits::Bits;
use crate::segment::{Codes, Fault, PAGE, Segment};

/// Which rows of a segment are meant.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Predicate {
    /// All of them, or none.
    Constant(bool),
    /// Those whose code is in the set.
    Codes {
        column: u32,
        set: CodeSet,
    },
    /// Those whose number is in one of the ranges, ends included.
    Numbers {
        column: u32,
        ranges: Vec<(u64, u64)>,
    },
    /// These, ascending.
    Rows(Vec<usize>),
    All(Vec<Predicate>),
    Any(Vec<Predicate>),
    Not(Box<Predicate>),
}

/// Codes of a dictionary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CodeSet {
    words: Vec<u64>,
    codes: usize,
}

impl CodeSet {
    /// None of so many codes.
    pub(crate) fn none(codes: usize) -> Self {
        Self { words: vec![0; codes.div_ceil(64)], codes }
    }

    pub(crate) fn add(&mut self, code: usize) {
        if let Some(word) = self.words.get_mut(code / 64) {
            *word |= 1 << (code % 64);
        }
    }

    pub(crate) fn has(&self, code: usize) -> bool {
        self.words.get(code / 64).is_some_and(|word| word >> (code % 64) & 1 == 1)
    }

    fn len(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// The code, if it is the only one.
    fn only(&self) -> Option<usize> {
        (self.len() == 1).then(|| (0..self.codes).find(|code| self.has(*code)))?
    }
}

impl Predicate {
    pub(crate) fn codes(column: u32, set: CodeSet) -> Self {
        match set.len() {
            0 => Self::Constant(false),
            all if all == set.codes => Self::Constant(true),
            _ => Self::Codes { column, set },
        }
    }

    pub(crate) fn rows(rows: impl IntoIterator<Item = usize>) -> Self {
        let rows: Vec<usize> = rows.into_iter().collect();
        if rows.is_empty() { Self::Constant(false) } else { Self::Rows(rows) }
    }

    pub(crate) fn all(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut kept = Vec::new();
        for part in parts {
            if part == Self::Constant(false) {
                return part;
            }
            if let Self::All(parts) = part {
                kept.extend(parts);
            } else if part != Self::Constant(true) {
                kept.push(part);
            }
        }
        match kept.len() {
            0 => Self::Constant(true),
            1 => kept.remove(0),
            _ => Self::All(kept),
        }
    }

    pub(crate) fn any(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut kept = Vec::new();
        for part in parts {
            if part == Self::Constant(true) {
                return part;
            }
            if part != Self::Constant(false) {
                kept.push(part);
            }
        }
        match kept.len() {
            0 => Self::Constant(false),
            1 => kept.remove(0),
            _ => Self::Any(kept),
        }
    }

    pub(crate) fn not(part: Self) -> Self {
        if let Self::Constant(holds) = part {
            Self::Constant(!holds)
        } else if let Self::Not(part) = part {
            *part
        } else {
            Self::Not(Box::new(part))
        }
    }

    /// Turns sets of rare codes into their rows, and puts the parts that cost least first.
    pub(crate) fn sharpened(self, segment: &Segment<'_>) -> Result<Self, Fault> {
        Ok(match self {
            Self::Codes { column, set } => match segment.rare(column, |code| set.has(code))? {
                Some(mut rows) => {
                    rows.sort_unstable();
                    Self::Rows(rows)
                }
                None => Self::Codes { column, set },
            },
            Self::All(parts) => {
                let parts = parts.into_iter().map(|part| part.sharpened(segment)).collect::<Result<Vec<_>, _>>()?;
                let mut parts = parts;
                parts.sort_by_key(|part| !matches!(part, Self::Rows(_)));
                Self::All(parts)
            }
            Self::Constant(_) | Self::Numbers { .. } | Self::Rows(_) | Self::Any(_) | Self::Not(_) => self,
        })
    }

    /// The rows of a page that are meant.
    pub(crate) fn page(&self, segment: &Segment<'_>, page: usize) -> Result<Bits, Fault> {
        let rows = segment.header.rows_of(page);
        Ok(match self {
            Self::Constant(true) => Bits::first(rows),
            Self::Constant(false) => Bits::NONE,
            Self::Codes { column, set } => coded(segment.codes(*column, page)?, set),
            Self::Numbers { column, ranges } => in_ranges(segment, *column, page, ranges)?,
            Self::Rows(list) => {
                let mut bits = Bits::NONE;
                let from = list.partition_point(|row| *row < page * PAGE);
                let here = list.iter().skip(from).take_while(|row| **row < (page + 1) * PAGE);
                here.for_each(|row| bits.set(row % PAGE));
                bits
            }
            Self::All(parts) => {
                let mut bits = Bits::first(rows);
                for part in parts {
                    match bits.count() {
                        0 => break,
                        1..=FEW => part.thin(segment, page, &mut bits)?,
                        _ => bits.and(&part.page(segment, page)?),
                    }
                }
                bits
            }
            Self::Any(parts) => {
                let mut bits = Bits::NONE;
                for part in parts {
                    bits.or(&part.page(segment, page)?);
                }
                bits
            }
            Self::Not(part) => {
                let mut bits = Bits::first(rows);
                bits.and_not(&part.page(segment, page)?);
                bits
            }
        })
    }
}

/// So few rows of a page are tested one by one.
const FEW: u64 = 64;

impl Predicate {
    /// Leaves those of a few rows that are meant.
    fn thin(&self, segment: &Segment<'_>, page: usize, bits: &mut Bits) -> Result<(), Fault> {
        if let Self::Codes { column, set } = self {
            let codes = segment.codes(*column, page)?;
            bits.retain(|row| codes.get(row).is_some_and(|code| set.has(code)));
        } else {
            bits.and(&self.page(segment, page)?);
        }
        Ok(())
    }
}

fn coded(codes: &Codes, set: &CodeSet) -> Bits {
    match (codes, set.only()) {
        (Codes::Narrow(codes), Some(only)) => Bits::of(codes, |code| usize::from(code) == only),
        (Codes::Wide(codes), Some(only)) => Bits::of(codes, |code| usize::from(code) == only),
        (Codes::Narrow(codes), None) => {
            let table: [bool; 256] = std::array::from_fn(|code| set.has(code));
            Bits::of(codes, |code| table.get(usize::from(code)).copied().unwrap_or_default())
        }
        (Codes::Wide(codes), None) => Bits::of(codes, |code| set.has(usize::from(code))),
    }
}

/// The header's span of the page answers most pages.
fn in_ranges(segment: &Segment<'_>, column: u32, page: usize, ranges: &[(u64, u64)]) -> Result<Bits, Fault> {
    if let Some((least, most, has_absent)) = segment.span_of_page(column, page) {
        let touched = |(from, to): &&(u64, u64)| *from <= most && *to >= least;
        let inside = |(from, to): &(u64, u64)| *from <= least && *to >= most;
        if !has_absent && ranges.iter().any(inside) {
            return Ok(Bits::first(segment.header.rows_of(page)));
        }
        if !has_absent && ranges.iter().find(touched).is_none() {
            return Ok(Bits::NONE);
        }
    }
    let numbers = segment.numbers(column, page)?;
    Ok(match ranges {
        [(from, to)] => Bits::of(numbers, |number| *from <= number && number <= *to),
        ranges => Bits::of(numbers, |number| ranges.iter().any(|(from, to)| *from <= number && number <= *to)),
    })
}

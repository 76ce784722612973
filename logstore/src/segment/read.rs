//! One segment as a query reads it: parts are fetched and pages decoded when they are asked for, each once.

use std::cell::OnceCell;
use std::sync::Arc;

use super::dictionary::Dictionary;
use super::frequent::Frequent;
use super::header::{Header, Shape, Word};
use super::hours::{self, Hours};
use super::making::{TIME_SIGN, is_narrow};
use super::pages::{Codes, decode_codes, decode_numbers};
use super::part::{Part, Parts, Stored};
use super::{Fault, extremes, filter, rare};
use crate::cache::{Decoded, Kind};

/// A segment under the eyes of one query.
pub(crate) struct Segment<'a> {
    pub(crate) header: Arc<Header>,
    pub(super) parts: &'a dyn Parts,
    /// By the place of the column in the header; most of them are never asked for.
    columns: Vec<OnceCell<Box<Loaded<'a>>>>,
}

/// What has been read of a column.
struct Loaded<'a> {
    dictionary: OnceCell<Dictionary<'a>>,
    pages: OnceCell<Stored<'a>>,
    codes: Vec<OnceCell<Arc<Codes>>>,
    numbers: Vec<OnceCell<Arc<Vec<u64>>>>,
}

impl Loaded<'_> {
    fn new(pages: usize) -> Self {
        Self {
            dictionary: OnceCell::new(),
            pages: OnceCell::new(),
            codes: std::iter::repeat_with(OnceCell::new).take(pages).collect(),
            numbers: std::iter::repeat_with(OnceCell::new).take(pages).collect(),
        }
    }
}

const NO_COLUMN: Fault = Fault::Damaged("a segment lacks a column");

impl<'a> Segment<'a> {
    pub(crate) fn new(header: Arc<Header>, parts: &'a dyn Parts) -> Self {
        let columns = header.columns.iter().map(|_| OnceCell::new()).collect();
        Self { header, parts, columns }
    }

    /// Codes of a page of a column with a dictionary.
    pub(crate) fn codes(&self, number: u32, page: usize) -> Result<&Codes, Fault> {
        let (shape, loaded) = self.loaded(number)?;
        let (values, absent) = match shape {
            Shape::Small { values, absent } => (values.len(), *absent),
            Shape::Large { values, absent, .. } | Shape::Raw { values, absent } => (*values as usize, *absent),
            Shape::Constant(_) | Shape::Numbers(_) | Shape::Ids { .. } => return Err(NO_COLUMN),
        };
        let cell = loaded.codes.get(page).ok_or(NO_COLUMN)?;
        let codes = get_or_try(cell, || {
            let decoded = self.parts.decoded(number, Kind::Codes, page, &mut || {
                let part = self.pages(loaded, number, Part::Codes)?;
                let codes = decode_codes(part, page, self.header.rows_of(page), is_narrow(values, absent))?;
                Ok(Decoded::Codes(Arc::new(codes)))
            })?;
            if let Decoded::Codes(codes) = decoded { Ok(codes) } else { Err(NO_COLUMN) }
        });
        codes.map(|codes| &**codes)
    }

    /// Numbers of a page of a column of numbers or of ids.
    pub(crate) fn numbers(&self, number: u32, page: usize) -> Result<&[u64], Fault> {
        let (_, loaded) = self.loaded(number)?;
        let cell = loaded.numbers.get(page).ok_or(NO_COLUMN)?;
        let numbers = get_or_try(cell, || {
            let decoded = self.parts.decoded(number, Kind::Numbers, page, &mut || {
                let part = self.pages(loaded, number, Part::Numbers)?;
                Ok(Decoded::Numbers(Arc::new(decode_numbers(part, page, self.header.rows_of(page))?)))
            })?;
            if let Decoded::Numbers(numbers) = decoded { Ok(numbers) } else { Err(NO_COLUMN) }
        });
        numbers.map(|numbers| numbers.as_slice())
    }

    /// Values of a column with a dictionary of its own.
    pub(crate) fn dictionary(&self, number: u32) -> Result<&Dictionary<'a>, Fault> {
        let (_, loaded) = self.loaded(number)?;
        get_or_try(&loaded.dictionary, || Dictionary::open(self.parts, number, Part::Dictionary))
    }

    /// Texts of a column of ids that are none of ours.
    pub(crate) fn strays(&self, number: u32) -> Result<&Dictionary<'a>, Fault> {
        let (_, loaded) = self.loaded(number)?;
        get_or_try(&loaded.dictionary, || Dictionary::open(self.parts, number, Part::Strays))
    }

    /// Whether a text with this lower-case needle may be in any of these columns. One look for all of them, and none
    /// at the disk when others have looked for texts before.
    pub(crate) fn may_hold_text(&self, columns: impl Fn(u32) -> bool, needle: &[u8]) -> Result<bool, Fault> {
        if needle.len() < 3 {
            return Ok(true);
        }
        let decoded =
            self.parts.decoded(0, Kind::Texts, 0, &mut || Ok(Decoded::Texts(Arc::new(self.trigrams_of(&columns)?))))?;
        let Decoded::Texts(trigrams) = decoded else { return Err(NO_COLUMN) };
        Ok(filter::may_contain(&trigrams, needle))
    }

    /// The trigrams of all texts of these columns in one filter.
    fn trigrams_of(&self, is_meant: &impl Fn(u32) -> bool) -> Result<Vec<u8>, Fault> {
        let meant = || self.header.columns.iter().filter(|column| is_meant(column.number));
        let words = meant().flat_map(|column| column.shape.words());
        let mut all = filter::trigrams(&words.filter_map(Word::bytes).collect::<Vec<_>>());
        for column in meant() {
            match column.shape {
                Shape::Large { .. } => filter::join(&mut all, &self.parts.part(column.number, Part::Trigrams)?)?,
                Shape::Ids { strays: 1.., .. } => {
                    let mut texts = Vec::new();
                    self.strays(column.number)?.each(|_, text| texts.push(text.to_owned()))?;
                    filter::join(&mut all, &filter::trigrams(&texts.iter().map(Vec::as_slice).collect::<Vec<_>>()))?;
                }
                Shape::Constant(_)
                | Shape::Small { .. }
                | Shape::Numbers(_)
                | Shape::Ids { .. }
                | Shape::Raw { .. } => (),
            }
        }
        Ok(all)
    }

    /// Whether a value may be in the dictionary of a column.
    pub(crate) fn may_hold(&self, number: u32, value: &[u8]) -> Result<bool, Fault> {
        Ok(filter::may_hold(&self.parts.part(number, Part::Exact)?, value))
    }

    /// Whether a value with this lower-case needle may be in the dictionary of a column of texts.
    pub(crate) fn may_contain(&self, number: u32, needle: &[u8]) -> Result<bool, Fault> {
        Ok(needle.len() < 3 || filter::may_contain(&self.parts.part(number, Part::Trigrams)?, needle))
    }

    /// The rows of these codes of a small dictionary, if all of them are rare.
    pub(crate) fn rare(&self, number: u32, is_wanted: impl Fn(usize) -> bool) -> Result<Option<Vec<usize>>, Fault> {
        let (Shape::Small { values, absent }, _) = self.loaded(number)? else {
            return Ok(None);
        };
        let few = |(code, rows): (usize, u64)| !is_wanted(code) || rows <= 64;
        let shift = usize::from(*absent > 0);
        let counts = values.iter().zip(shift..).map(|((_, rows), code)| (code, *rows));
        if !(0..shift).map(|code| (code, *absent)).chain(counts).all(few) {
            return Ok(None);
        }
        rare::rows(&self.parts.part(number, Part::Rare)?, is_wanted, values.len() + shift)
    }

    /// Rows of each value of a dictionary of its own.
    pub(crate) fn counts(&self, number: u32) -> Result<Vec<u64>, Fault> {
        let part = super::frames::unpress(&self.parts.part(number, Part::Counts)?)?;
        let mut read = super::bytes::Read::of(&part);
        (0..self.dictionary(number)?.len()).map(|_| read.number()).collect()
    }

    /// The values of a dictionary of its own that most rows have.
    pub(crate) fn frequent(&self, number: u32) -> Result<Arc<Frequent>, Fault> {
        let decoded = self.parts.decoded(number, Kind::Frequent, 0, &mut || {
            Ok(Decoded::Frequent(Arc::new(Frequent::of(self.dictionary(number)?, &self.counts(number)?)?)))
        })?;
        if let Decoded::Frequent(frequent) = decoded { Ok(frequent) } else { Err(NO_COLUMN) }
    }

    /// The smallest or the largest numbers of a column with their rows, in order.
    pub(crate) fn extremes(&self, number: u32, largest: bool) -> Result<Arc<Vec<(u64, usize)>>, Fault> {
        let decoded = self.parts.decoded(number, Kind::Extremes, usize::from(largest), &mut || {
            let part = self.parts.part(number, Part::Extremes)?;
            Ok(Decoded::Extremes(Arc::new(extremes::decode(&part, largest)?)))
        })?;
        if let Decoded::Extremes(rows) = decoded { Ok(rows) } else { Err(NO_COLUMN) }
    }

    /// Rows by hour.
    pub(crate) fn hours(&self) -> Result<Arc<Hours>, Fault> {
        let decoded = self.parts.decoded(0, Kind::Hours, 0, &mut || {
            Ok(Decoded::Hours(Arc::new(hours::decode(&self.parts.part(0, Part::Hours)?)?)))
        })?;
        if let Decoded::Hours(hours) = decoded { Ok(hours) } else { Err(NO_COLUMN) }
    }

    fn loaded(&self, number: u32) -> Result<(&Shape, &Loaded<'a>), Fault> {
        let at = self.header.columns.binary_search_by_key(&number, |column| column.number).map_err(|_| NO_COLUMN)?;
        let (column, loaded) = self.header.columns.get(at).zip(self.columns.get(at)).ok_or(NO_COLUMN)?;
        Ok((&column.shape, loaded.get_or_init(|| Box::new(Loaded::new(self.header.pages())))))
    }

    fn pages<'s>(&self, loaded: &'s Loaded<'a>, number: u32, part: Part) -> Result<&'s Stored<'a>, Fault> {
        get_or_try(&loaded.pages, || self.parts.part(number, part))
    }
}

/// What the cell holds; made if it is empty.
pub(super) fn get_or_try<T>(cell: &OnceCell<T>, make: impl FnOnce() -> Result<T, Fault>) -> Result<&T, Fault> {
    if let Some(known) = cell.get() {
        return Ok(known);
    }
    let made = make()?;
    Ok(cell.get_or_init(|| made))
}

impl Segment<'_> {
    /// The least and the greatest number of a page of a column of numbers, and whether a row there may have none.
    pub(crate) fn span_of_page(&self, number: u32, page: usize) -> Option<(u64, u64, bool)> {
        match &self.header.column(number)?.shape {
            Shape::Numbers(numbers) => {
                let (least, most) = *numbers.pages.get(page)?;
                Some((least, most, numbers.absent.is_some() && number != crate::entry::TIME))
            }
            Shape::Ids { counters, strays } => {
                let (least, most) = *counters.pages.get(page)?;
                Some((least, most, *strays > 0 || counters.absent.is_some()))
            }
            Shape::Constant(_) | Shape::Small { .. } | Shape::Large { .. } | Shape::Raw { .. } => None,
        }
    }

    /// What a code of a column with a dictionary stands for.
    pub(crate) fn raw_of_code(&self, number: u32, code: usize) -> Result<Option<crate::codec::Raw<'_>>, Fault> {
        use crate::codec::Raw;
        let Some(column) = self.header.column(number) else { return Ok(None) };
        Ok(match &column.shape {
            Shape::Small { values, absent } => {
                let code = code.checked_sub(usize::from(*absent > 0));
                code.and_then(|code| values.get(code)).map(|(value, _)| value.raw())
            }
            Shape::Large { absent, .. } => match code.checked_sub(usize::from(*absent > 0)) {
                Some(code) => Some(Raw::Bytes(self.dictionary(number)?.value(code)?)),
                None => None,
            },
            Shape::Constant(_) | Shape::Numbers(_) | Shape::Ids { .. } | Shape::Raw { .. } => None,
        })
    }

    /// What a row holds of a column, as it stands in the entry; a text that has to be made goes to `made`.
    pub(crate) fn raw<'s>(
        &'s self,
        number: u32,
        row: usize,
        ids: &crate::id::Ids,
        made: &'s mut String,
    ) -> Result<Option<crate::codec::Raw<'s>>, Fault> {
        use crate::codec::Raw;
        let Some(column) = self.header.column(number) else { return Ok(None) };
        Ok(match &column.shape {
            Shape::Constant(only) => Some(only.raw()),
            Shape::Small { .. } | Shape::Large { .. } => self.raw_of_code(number, self.code(number, row)?)?,
            Shape::Raw { .. } => None,
            Shape::Numbers(numbers) => {
                let value = self.number(number, row)?;
                let stored = if number == crate::entry::TIME { value ^ TIME_SIGN } else { value };
                (numbers.absent != Some(value)).then_some(Raw::Number(stored))
            }
            Shape::Ids { strays, .. } => match self.id_text(number, row, *strays, ids)? {
                Some(text) => {
                    *made = text;
                    Some(Raw::Bytes(made.as_bytes()))
                }
                None => None,
            },
        })
    }
}

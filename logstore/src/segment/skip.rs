//! What makes searches fast, compared with what the entries make of it.
//!
//! Filters, counts and lists are in no hash: an entry that they deny is not found, though it is there. So all of it is
//! made once more, from the columns of which the entries are made, and compared before it would be compressed: that
//! costs the most, and another version of a compressor may have written the same content otherwise.
//!
//! The columns could make the same entries and still be other ones than the entries make: with values that no row has,
//! in another order, or kept in another way. That too hides entries, and is looked for here.

use super::Fault;
use super::frames::unpress;
use super::gather::{ABSENT, COLUMNS_MAX};
use super::header::{Column, Header, STRAY, Shape, Word};
use super::making::{Content, Making, SMALL_VALUES, TIME_SIGN, Take, are_ids, of_rows};
use super::part::Part;
use super::read::Segment;
use crate::entry::{Log, TIME};
use crate::id::{self, Ids, SEQ_MAX};

const NO_VALUE: Fault = Fault::Damaged("a row of a segment has no value");

impl Segment<'_> {
    /// Whether this segment is the one that its entries make.
    pub(crate) fn agrees(&self, log: Log, ids: &Ids) -> Result<bool, Fault> {
        let Header { first, rows, columns, .. } = &*self.header;
        let comparing = Comparing { segment: self, found: Ok(true) };
        if columns.iter().any(|column| matches!(column.shape, Shape::Raw { .. })) {
            return self.agrees_with_rows(log, ids, comparing);
        }
        let mut making = Making::new(log, comparing);
        for column in columns {
            if !self.make(log, ids, column, &mut making)? {
                return Ok(false);
            }
        }
        making.finish(*first, *rows as usize).found
    }

    /// Only the rows tell what their fields of changing type make.
    fn agrees_with_rows(&self, log: Log, ids: &Ids, comparing: Comparing<'_, '_>) -> Result<bool, Fault> {
        let mut rows = Vec::with_capacity(self.header.rows as usize);
        self.each_row(ids, |_, bytes| rows.push(bytes.to_vec()))?;
        let rows: Vec<&[u8]> = rows.iter().map(Vec::as_slice).collect();
        of_rows(log, self.header.first, &rows, ids, comparing).found
    }

    /// Makes the parts of a column anew. False if its entries would make a column of another kind.
    fn make<T: Take>(&self, log: Log, ids: &Ids, column: &Column, making: &mut Making<T>) -> Result<bool, Fault> {
        let (number, holds_ids) = (column.number, log.holds_ids(column.number));
        if !(1..COLUMNS_MAX).contains(&number) {
            return Ok(false);
        }
        match &column.shape {
            Shape::Constant(_) | Shape::Small { .. } => {
                let texts: Vec<&[u8]> = column.shape.words().filter_map(Word::bytes).collect();
                let make = |making| match texts.as_slice() {
                    [] if number == TIME || holds_ids => Ok(false),
                    [] => self.make_few(column, making),
                    texts => self.make_texts(ids, column, holds_ids, texts, making),
                };
                Ok(are_had(column) && make(making)?)
            }
            Shape::Large { .. } => {
                let dictionary = self.dictionary(number)?;
                let texts: Vec<&[u8]> =
                    (0..dictionary.len()).map(|code| dictionary.value(code)).collect::<Result<_, _>>()?;
                let are_had = self.counts(number)?.iter().all(|rows| *rows > 0);
                Ok(are_had && self.make_texts(ids, column, holds_ids, &texts, making)?)
            }
            Shape::Numbers(numbers) if !holds_ids => {
                let mut rows = self.all_numbers(number)?;
                let is_absent = |number: &u64| numbers.absent == Some(*number);
                let absent: Vec<usize> =
                    rows.iter().zip(0..).filter(|(number, _)| is_absent(number)).map(|(_, row)| row).collect();
                let some_present = absent.len() < rows.len();
                if number == TIME {
                    rows.iter_mut().for_each(|time| *time ^= TIME_SIGN);
                    making.times(rows, !absent.is_empty());
                } else {
                    making.numbers(number, rows, &absent);
                }
                Ok(some_present)
            }
            Shape::Ids { strays, .. } if holds_ids => self.make_ids(ids, number, *strays, making),
            Shape::Numbers(_) | Shape::Ids { .. } | Shape::Raw { .. } => Ok(false),
        }
    }

    /// Of a column of few numbers.
    fn make_few<T: Take>(&self, column: &Column, making: &mut Making<T>) -> Result<bool, Fault> {
        let words: Vec<Word> = column.shape.words().cloned().collect();
        let are_few = (1..SMALL_VALUES).contains(&words.len()) && words.is_sorted_by(|one, other| one < other);
        if are_few {
            making.small(column.number, words, self.all_codes(column)?);
        }
        Ok(are_few)
    }

    /// Of a column of texts.
    fn make_texts<T: Take>(
        &self,
        ids: &Ids,
        column: &Column,
        holds_ids: bool,
        texts: &[&[u8]],
        making: &mut Making<T>,
    ) -> Result<bool, Fault> {
        if !texts.is_sorted_by(|one, other| one < other) {
            return Ok(false);
        }
        let codes = self.all_codes(column)?;
        if holds_ids {
            let read: Vec<_> = texts.iter().map(|text| id::read(text)).collect();
            let counters = ids.counters(&read);
            let is_ours = |code: &&u16| counters.get(usize::from(**code)).is_some_and(Option::is_some);
            if are_ids(codes.iter().filter(is_ours).count(), codes.len()) {
                return Ok(false);
            }
        }
        making.sorted(column.number, texts, codes);
        Ok(true)
    }

    /// Of a column of ids: texts that are none of ours are numbered in the order of their rows.
    fn make_ids<T: Take>(&self, ids: &Ids, number: u32, strays: u64, making: &mut Making<T>) -> Result<bool, Fault> {
        let numbers = self.all_numbers(number)?;
        let (mut ours, mut next) = (0, 0);
        for number in &numbers {
            match STRAY.checked_sub(*number) {
                None => (),
                Some(stray) if stray < strays && stray == next => next += 1,
                Some(_) if *number <= SEQ_MAX => ours += 1,
                Some(_) => return Ok(false),
            }
        }
        if next != strays || !are_ids(ours, numbers.len()) {
            return Ok(false);
        }
        if strays == 0 {
            making.counters(number, &numbers, &[]);
            return Ok(true);
        }
        let dictionary = self.strays(number)?;
        let texts: Vec<&[u8]> = (0..dictionary.len()).map(|code| dictionary.value(code)).collect::<Result<_, _>>()?;
        making.counters(number, &numbers, &texts);
        let read: Vec<_> = texts.iter().map(|text| id::read(text)).collect();
        Ok(texts.len() as u64 == strays && ids.counters(&read).iter().all(Option::is_none))
    }

    /// The code of each row among the values of a column.
    fn all_codes(&self, column: &Column) -> Result<Vec<u16>, Fault> {
        let rows = self.header.rows as usize;
        let (values, absent) = match &column.shape {
            Shape::Small { values, absent } => (values.len(), *absent),
            Shape::Large { values, absent, .. } | Shape::Raw { values, absent } => (*values as usize, *absent),
            Shape::Constant(_) | Shape::Numbers(_) | Shape::Ids { .. } => return Ok(vec![0; rows]),
        };
        let mut all = Vec::with_capacity(rows);
        for page in 0..self.header.pages() {
            self.codes(column.number, page)?.add_to(&mut all);
        }
        if absent > 0 {
            // Code 0 becomes the largest number, which stands for absence.
            all.iter_mut().for_each(|code: &mut u16| *code = code.wrapping_sub(1));
        }
        let is_known = |code: &u16| usize::from(*code) < values || (absent > 0 && *code == ABSENT);
        if all.iter().all(is_known) { Ok(all) } else { Err(NO_VALUE) }
    }

    fn all_numbers(&self, number: u32) -> Result<Vec<u64>, Fault> {
        let mut all = Vec::with_capacity(self.header.rows as usize);
        for page in 0..self.header.pages() {
            all.extend_from_slice(self.numbers(number, page)?);
        }
        Ok(all)
    }
}

/// Whether rows have each value that stands in the header.
fn are_had(column: &Column) -> bool {
    match &column.shape {
        Shape::Small { values, .. } => values.iter().all(|(_, rows)| *rows > 0),
        Shape::Constant(_) | Shape::Large { .. } | Shape::Numbers(_) | Shape::Ids { .. } | Shape::Raw { .. } => true,
    }
}

/// Compares parts with those of a segment.
struct Comparing<'s, 'a> {
    segment: &'s Segment<'a>,
    /// Whether all so far were the same.
    found: Result<bool, Fault>,
}

impl Take for Comparing<'_, '_> {
    fn part(&mut self, column: u32, part: Part, content: Content<'_>) {
        if matches!(self.found, Ok(true)) {
            self.found = self.is_same(column, part, &content);
        }
    }

    fn header(&mut self, header: Header) {
        let known = &*self.segment.header;
        if matches!(self.found, Ok(true)) {
            self.found = Ok(Header { bytes: known.bytes, ..header } == *known);
        }
    }
}

impl Comparing<'_, '_> {
    fn is_same(&self, column: u32, part: Part, content: &Content<'_>) -> Result<bool, Fault> {
        let stored = || self.segment.parts.part(column, part);
        match content {
            Content::Whole(bytes) => Ok(**bytes == *stored()?),
            Content::Block(plain) => Ok(*plain == unpress(&stored()?)?),
            Content::Values(values) if part == Part::Strays => self.segment.strays(column)?.holds(values),
            Content::Values(values) => self.segment.dictionary(column)?.holds(values),
            // Entries are made of these.
            Content::Codes(..) | Content::Numbers(_) => Ok(true),
        }
    }
}

#[cfg(test)]
mod tests;

//! From columns back to the canonical bytes of rows.

use super::encode::TIME_SIGN;
use super::header::{STRAY, Shape, Word};
use super::read::Segment;
use super::{Fault, PAGE};
use crate::codec::{put_bytes, put_number};
use crate::entry::TIME;
use crate::id::Ids;

impl Segment<'_> {
    /// The canonical bytes of a row, added to `out`.
    pub(crate) fn rebuild(&self, row: usize, ids: &Ids, out: &mut Vec<u8>) -> Result<(), Fault> {
        for column in &self.header.columns {
            self.put(column.number, &column.shape, row, ids, out)?;
        }
        Ok(())
    }

    fn put(&self, number: u32, shape: &Shape, row: usize, ids: &Ids, out: &mut Vec<u8>) -> Result<(), Fault> {
        match shape {
            Shape::Constant(word) => put_word(number, word, out),
            Shape::Small { values, absent } => {
                let code = self.code(number, row)?;
                if let Some(code) = code.checked_sub(usize::from(*absent > 0)) {
                    put_word(number, &values.get(code).ok_or(NO_VALUE)?.0, out);
                }
            }
            Shape::Large { absent, .. } => {
                let code = self.code(number, row)?;
                if let Some(code) = code.checked_sub(usize::from(*absent > 0)) {
                    put_bytes(number, self.dictionary(number)?.value(code)?, out);
                }
            }
            Shape::Raw { absent, .. } => {
                let code = self.code(number, row)?;
                if let Some(code) = code.checked_sub(usize::from(*absent > 0)) {
                    out.extend_from_slice(self.dictionary(number)?.value(code)?);
                }
            }
            Shape::Numbers(numbers) => {
                let value = self.number(number, row)?;
                if numbers.absent != Some(value) {
                    put_number(number, if number == TIME { value ^ TIME_SIGN } else { value }, out);
                }
            }
            Shape::Ids { strays, .. } => {
                if let Some(text) = self.id_text(number, row, *strays, ids)? {
                    put_bytes(number, text.as_bytes(), out);
                }
            }
        }
        Ok(())
    }

    /// The text of a row of a column of ids.
    pub(crate) fn id_text(&self, number: u32, row: usize, strays: u64, ids: &Ids) -> Result<Option<String>, Fault> {
        let value = self.number(number, row)?;
        if value == STRAY + 1 {
            return Ok(None);
        }
        if STRAY - value < strays {
            let text = self.strays(number)?.value((STRAY - value) as usize)?;
            return Ok(Some(String::from_utf8_lossy(text).into_owned()));
        }
        Ok(Some(ids.request_id(value)))
    }

    pub(crate) fn code(&self, number: u32, row: usize) -> Result<usize, Fault> {
        self.codes(number, row / PAGE)?.get(row % PAGE).ok_or(NO_VALUE)
    }

    pub(crate) fn number(&self, number: u32, row: usize) -> Result<u64, Fault> {
        self.numbers(number, row / PAGE)?.get(row % PAGE).copied().ok_or(NO_VALUE)
    }
}

const NO_VALUE: Fault = Fault::Damaged("a row of a segment has no value");

fn put_word(number: u32, word: &Word, out: &mut Vec<u8>) {
    match word {
        Word::Number(value) => put_number(number, *value, out),
        Word::Bytes(bytes) => put_bytes(number, bytes, out),
    }
}

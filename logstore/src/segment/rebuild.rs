//! From columns back to the canonical bytes of rows.

use uuid::fmt::Hyphenated;

use super::header::{STRAY, Shape, Word};
use super::making::TIME_SIGN;
use super::read::Segment;
use super::{Fault, PAGE};
use crate::codec::{put_bytes, put_number};
use crate::entry::TIME;
use crate::erased::leaf_of;
use crate::id::Ids;
use crate::tree::Hash;

impl Segment<'_> {
    /// The canonical bytes of rows, which ascend; each is added to the text at its place.
    pub(crate) fn rebuild(&self, rows: &[usize], ids: &Ids, out: &mut [Vec<u8>]) -> Result<(), Fault> {
        for column in &self.header.columns {
            self.put(column.number, &column.shape, rows, ids, out)?;
        }
        Ok(())
    }

    /// The canonical bytes of every row, in order.
    pub(crate) fn each_row(&self, ids: &Ids, mut see: impl FnMut(usize, &[u8])) -> Result<(), Fault> {
        let mut out = vec![Vec::new(); PAGE.min(self.header.rows as usize)];
        for first in (0..self.header.rows as usize).step_by(PAGE) {
            let rows: Vec<usize> = (first..first + out.len()).collect();
            out.iter_mut().for_each(Vec::clear);
            self.rebuild(&rows, ids, &mut out)?;
            rows.iter().zip(&out).for_each(|(row, bytes)| see(*row, bytes));
        }
        Ok(())
    }

    /// What stands for the rows in the tree.
    pub(crate) fn leaves(&self, ids: &Ids) -> Result<Vec<Hash>, Fault> {
        let mut leaves = Vec::with_capacity(self.header.rows as usize);
        self.each_row(ids, |_, bytes| leaves.push(leaf_of(bytes)))?;
        Ok(leaves)
    }

    fn put(&self, number: u32, shape: &Shape, rows: &[usize], ids: &Ids, out: &mut [Vec<u8>]) -> Result<(), Fault> {
        match shape {
            Shape::Constant(word) => out.iter_mut().for_each(|out| put_word(number, word, out)),
            Shape::Small { values, absent } => self.each_code(number, *absent, rows, out, |code, out| {
                put_word(number, &values.get(code).ok_or(NO_VALUE)?.0, out);
                Ok(())
            })?,
            Shape::Large { absent, .. } => {
                let dictionary = self.dictionary(number)?;
                self.each_code(number, *absent, rows, out, |code, out| {
                    put_bytes(number, dictionary.value(code)?, out);
                    Ok(())
                })?;
            }
            Shape::Raw { absent, .. } => {
                let dictionary = self.dictionary(number)?;
                self.each_code(number, *absent, rows, out, |code, out| {
                    out.extend_from_slice(dictionary.value(code)?);
                    Ok(())
                })?;
            }
            Shape::Numbers(numbers) => self.each_number(number, rows, out, |value, out| {
                if numbers.absent != Some(value) {
                    put_number(number, if number == TIME { value ^ TIME_SIGN } else { value }, out);
                }
                Ok(())
            })?,
            Shape::Ids { strays, .. } => self.put_ids(number, *strays, rows, ids, out)?,
        }
        Ok(())
    }

    fn each_code(
        &self,
        number: u32,
        absent: u64,
        rows: &[usize],
        out: &mut [Vec<u8>],
        mut put: impl FnMut(usize, &mut Vec<u8>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let mut out = out.iter_mut();
        for rows in rows.chunk_by(|one, other| one / PAGE == other / PAGE) {
            let codes = self.codes(number, rows.first().copied().unwrap_or_default() / PAGE)?;
            for (row, out) in rows.iter().zip(&mut out) {
                let code = codes.get(row % PAGE).ok_or(NO_VALUE)?;
                if let Some(code) = code.checked_sub(usize::from(absent > 0)) {
                    put(code, out)?;
                }
            }
        }
        Ok(())
    }

    fn each_number(
        &self,
        number: u32,
        rows: &[usize],
        out: &mut [Vec<u8>],
        mut put: impl FnMut(u64, &mut Vec<u8>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let mut out = out.iter_mut();
        for rows in rows.chunk_by(|one, other| one / PAGE == other / PAGE) {
            let numbers = self.numbers(number, rows.first().copied().unwrap_or_default() / PAGE)?;
            for (row, out) in rows.iter().zip(&mut out) {
                put(*numbers.get(row % PAGE).ok_or(NO_VALUE)?, out)?;
            }
        }
        Ok(())
    }

    /// Ids are made together, which costs a fraction of making each.
    fn put_ids(&self, number: u32, strays: u64, rows: &[usize], ids: &Ids, out: &mut [Vec<u8>]) -> Result<(), Fault> {
        let mut values = Vec::with_capacity(rows.len());
        self.each_number(number, rows, out, |value, _| {
            values.push(value);
            Ok(())
        })?;
        let made = ids.requests(values.iter().copied());
        let mut text = [0; Hyphenated::LENGTH];
        for ((value, id), out) in values.into_iter().zip(made).zip(out) {
            match STRAY.checked_sub(value) {
                None => (),
                Some(stray) if stray < strays => put_bytes(number, self.strays(number)?.value(stray as usize)?, out),
                Some(_) => put_bytes(number, id.hyphenated().encode_lower(&mut text).as_bytes(), out),
            }
        }
        Ok(())
    }

    /// The text of a row of a column of ids.
    pub(crate) fn id_text(&self, number: u32, row: usize, strays: u64, ids: &Ids) -> Result<Option<String>, Fault> {
        let value = self.number(number, row)?;
        Ok(match STRAY.checked_sub(value) {
            None => None,
            Some(stray) if stray < strays => {
                Some(String::from_utf8_lossy(self.strays(number)?.value(stray as usize)?).into_owned())
            }
            Some(_) => Some(ids.request_id(value)),
        })
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

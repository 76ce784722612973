//! Which rows of a page are meant.

use crate::segment::PAGE;

const WORDS: usize = PAGE / 64;

/// A bit for each row of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bits([u64; WORDS]);

impl Bits {
    pub(crate) const NONE: Self = Self([0; WORDS]);

    /// The first rows.
    pub(crate) fn first(rows: usize) -> Self {
        Self(std::array::from_fn(|at| match rows.saturating_sub(at * 64) {
            64.. => u64::MAX,
            left => (1 << left) - 1,
        }))
    }

    /// The rows for which it holds.
    pub(crate) fn of<T: Copy>(rows: &[T], holds: impl Fn(T) -> bool) -> Self {
        let mut bits = Self::NONE;
        for (word, rows) in bits.0.iter_mut().zip(rows.chunks(64)) {
            *word = rows.iter().enumerate().fold(0, |word, (at, row)| word | u64::from(holds(*row)) << at);
        }
        bits
    }

    pub(crate) fn set(&mut self, row: usize) {
        if let Some(word) = self.0.get_mut(row / 64) {
            *word |= 1 << (row % 64);
        }
    }

    /// Unsets the rows for which it does not hold.
    pub(crate) fn retain(&mut self, holds: impl Fn(usize) -> bool) {
        let gone: Vec<usize> = self.rows().filter(|row| !holds(*row)).collect();
        for row in gone {
            if let Some(word) = self.0.get_mut(row / 64) {
                *word &= !(1 << (row % 64));
            }
        }
    }

    pub(crate) fn has(&self, row: usize) -> bool {
        self.0.get(row / 64).is_some_and(|word| word >> (row % 64) & 1 == 1)
    }

    pub(crate) fn and(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(word, other)| *word &= other);
    }

    pub(crate) fn or(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(word, other)| *word |= other);
    }

    pub(crate) fn and_not(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(word, other)| *word &= !other);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.iter().map(|word| u64::from(word.count_ones())).sum()
    }

    /// Value on disk: the words, big-endian.
    pub(crate) fn encode(&self) -> Vec<u8> {
        self.0.iter().flat_map(|word| word.to_be_bytes()).collect()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (words, rest) = bytes.as_chunks();
        let words: Vec<u64> = words.iter().map(|word| u64::from_be_bytes(*word)).collect();
        rest.is_empty().then_some(Self(words.try_into().ok()?))
    }

    /// Ascending.
    pub(crate) fn rows(&self) -> impl Iterator<Item = usize> {
        self.0.iter().enumerate().flat_map(|(at, word)| {
            let mut left = *word;
            std::iter::from_fn(move || {
                let bit = left.trailing_zeros() as usize;
                left &= left.checked_sub(1)?;
                Some(at * 64 + bit)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_go_in_and_come_out() {
        let rows: Vec<u16> = (0..1000).collect();
        let bits = Bits::of(&rows, |row| row % 7 == 3);
        assert_eq!(bits.rows().collect::<Vec<_>>(), (0..1000).filter(|row| row % 7 == 3).collect::<Vec<_>>());
        assert_eq!(bits.count(), 143);
        let mut rest = Bits::first(1000);
        rest.and_not(&bits);
        assert_eq!(rest.count(), 857);
        rest.or(&bits);
        assert_eq!(rest, Bits::first(1000));
        assert_eq!(Bits::first(PAGE).count(), PAGE as u64);
        rest.and(&Bits::NONE);
        assert!(rest.is_empty());
    }
}

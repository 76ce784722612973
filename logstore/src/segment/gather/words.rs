//! The distinct texts of a column, or of fields that repeat together.

use crate::places::{Places, hash, same};

/// Distinct texts in the order in which they came, close together: rows lie far apart.
#[derive(Default)]
pub(in crate::segment) struct Words {
    places: Places,
    ends: Vec<u32>,
    bytes: Vec<u8>,
}

impl Words {
    /// With room for so many texts of so many bytes. Memory that is not used costs nothing; growing copies all of it.
    pub(super) fn with_room(rows: usize, bytes: usize) -> Self {
        Self { places: Places::default(), ends: Vec::with_capacity(rows), bytes: Vec::with_capacity(rows * bytes) }
    }

    pub(in crate::segment) const fn len(&self) -> usize {
        self.ends.len()
    }

    pub(in crate::segment) fn get(&self, at: usize) -> Option<&[u8]> {
        let start = at.checked_sub(1).map_or(Some(0), |before| self.ends.get(before).copied())?;
        self.bytes.get(start as usize..*self.ends.get(at)? as usize)
    }

    /// Whether this text is at a place.
    #[inline]
    pub(super) fn is(&self, at: usize, text: &[u8]) -> bool {
        self.get(at).is_some_and(|known| same(known, text))
    }

    /// The place of a text, which is there from now on.
    pub(super) fn place(&mut self, text: &[u8]) -> u16 {
        let hash = hash(0, text);
        let known = self.places.find(hash, |at| self.is(at, text));
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

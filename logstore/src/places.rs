//! Finds by hash where something stands in a list: a table that knows neither what stands there nor where it comes from.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::LazyLock;

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Slots of a table that has any.
const SLOTS_MIN: usize = 64;

/// The largest table.
const SLOTS_MAX: usize = 1 << 16;

/// More places than the rows of a segment, or the keys of a minute.
const PLACES_MAX: u16 = u16::MAX - 1;

/// Clients choose what is hashed, so that where it goes must not be known to them.
static SEED: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one(0_u64));

/// The hash of bytes among those of the same `kind`. Good for as long as this process runs.
pub(crate) fn hash(kind: u32, bytes: &[u8]) -> u16 {
    xxh3_64_with_seed(bytes, SEED.wrapping_add(u64::from(kind) << 32)) as u16
}

/// Whether two texts are equal. Most that are looked up are short: without a call for those.
#[inline]
pub(crate) fn same(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    match (one.first_chunk::<8>(), other.first_chunk::<8>()) {
        (Some(first), Some(others)) if one.len() <= 16 => {
            first == others && one.last_chunk::<8>() == other.last_chunk::<8>()
        }
        (Some(first), Some(others)) => first == others && one == other,
        _ => one.iter().zip(other).all(|(byte, others)| byte == others),
    }
}

/// Places in a list of at most [`PLACES_MAX`], by the hashes of what stands there. Small, so that many of them fit
/// into a processor's cache.
#[derive(Debug, Default)]
pub(crate) struct Places {
    /// Half of each is the hash, the other half one more than the place; 0 where there is none. A power of two, at most
    /// half of it used until there are 2^16.
    slots: Vec<u32>,
    used: u16,
}

impl Places {
    /// The place of what has this hash and is wanted.
    pub(crate) fn find(&self, hash: u16, mut is_wanted: impl FnMut(usize) -> bool) -> Option<usize> {
        let mask = self.slots.len().wrapping_sub(1);
        let mut at = usize::from(hash) & mask;
        loop {
            let slot = *self.slots.get(at)?;
            let place = usize::from((slot as u16).checked_sub(1)?);
            if slot >> 16 == u32::from(hash) && is_wanted(place) {
                return Some(place);
            }
            at = (at + 1) & mask;
        }
    }

    /// Adds the next place of the list: one for each call, from 0. What is past the last is not found again.
    pub(crate) fn add(&mut self, hash: u16) {
        if self.used >= PLACES_MAX {
            return;
        }
        self.used += 1;
        if self.slots.len() < SLOTS_MAX && self.slots.len() < usize::from(self.used) * 2 {
            let slots = vec![0; (self.slots.len() * 2).max(SLOTS_MIN)];
            for slot in std::mem::replace(&mut self.slots, slots) {
                self.put(slot);
            }
        }
        self.put(u32::from(hash) << 16 | u32::from(self.used));
    }

    /// Forgets all of them and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.slots.fill(0);
        self.used = 0;
    }

    fn put(&mut self, content: u32) {
        let mask = self.slots.len().wrapping_sub(1);
        let mut at = (content >> 16) as usize & mask;
        while content != 0 && self.slots.get(at).is_some_and(|slot| *slot != 0) {
            at = (at + 1) & mask;
        }
        if let Some(slot) = self.slots.get_mut(at).filter(|_| content != 0) {
            *slot = content;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_the_same_if_every_byte_is() {
        let text: Vec<u8> = (0..40).collect();
        for length in 0..=text.len() {
            let one = &text[..length];
            assert!(same(one, one));
            assert!(length == 0 || !same(one, &text[..length - 1]));
            for at in 0..length {
                let mut other = one.to_vec();
                other[at] ^= 0x80;
                assert!(!same(one, &other), "byte {at} of {length}");
            }
        }
    }

    #[test]
    fn what_was_added_is_found_where_it_stands_also_after_growing_and_clearing() {
        let mut places = Places::default();
        for _ in 0..2 {
            // Every hash comes four times.
            let hashes: Vec<u16> = (0..4000).map(|at: u32| hash(0, &(at / 4).to_be_bytes())).collect();
            hashes.iter().for_each(|hash| places.add(*hash));
            for (at, hash) in hashes.iter().enumerate() {
                assert_eq!(places.find(*hash, |place| place == at), Some(at));
            }
            assert_eq!(places.find(hash(1, b"absent"), |_| false), None);
            places.clear();
            assert_eq!(places.find(hashes[0], |_| true), None);
        }
    }
}

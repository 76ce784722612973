//! Keys of many small groups with their counts, in few allocations: a busy store opens and seals a lot of them.

use crate::places::{Places, hash, same};

/// Counted keys of groups that are told apart by number.
#[derive(Debug, Default)]
pub(super) struct Keys {
    places: Places,
    /// In the order in which they came.
    all: Vec<Counted>,
    /// One key after the other.
    bytes: Vec<u8>,
}

/// Sixteen bytes, so that many are found in a processor's cache.
#[derive(Debug)]
struct Counted {
    count: u64,
    start: u32,
    length: u16,
    group: u16,
}

/// A key, its hash made once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key<'k> {
    group: u16,
    key: &'k [u8],
    hash: u16,
}

impl<'k> Key<'k> {
    pub(super) fn of(group: u16, key: &'k [u8]) -> Self {
        Self { group, key, hash: hash(group.into(), key) }
    }
}

impl Keys {
    pub(super) fn count_mut(&mut self, key: &Key<'_>) -> Option<&mut u64> {
        let is_key =
            |place: usize| self.all.get(place).is_some_and(|it| it.group == key.group && same(self.key(it), key.key));
        let place = self.places.find(key.hash, is_key)?;
        self.all.get_mut(place).map(|counted| &mut counted.count)
    }

    /// Adds a key that is not there. One that is too long is not: only a damaged disk has such.
    pub(super) fn insert(&mut self, key: &Key<'_>, count: u64) {
        if let (Ok(start), Ok(length)) = (u32::try_from(self.bytes.len()), u16::try_from(key.key.len())) {
            self.places.add(key.hash);
            self.all.push(Counted { count, start, length, group: key.group });
            self.bytes.extend_from_slice(key.key);
        }
    }

    /// Every key with its count, by group; those of one group as they came.
    pub(super) fn by_group(&self) -> Vec<(u16, &[u8], u64)> {
        let mut all: Vec<_> = self.all.iter().map(|it| (it.group, self.key(it), it.count)).collect();
        all.sort_by_key(|(group, ..)| *group);
        all
    }

    /// Forgets all of them and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.places.clear();
        self.all.clear();
        self.bytes.clear();
    }

    fn key(&self, counted: &Counted) -> &[u8] {
        let start = counted.start as usize;
        self.bytes.get(start..start + usize::from(counted.length)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn keys_are_counted_by_group() {
        let (mut keys, mut expected) = (Keys::default(), BTreeMap::new());
        // So many groups that some have the same hash for the same name.
        for at in 0..20_000_u16 {
            let (group, name) = (at % 700, (at % 9).to_string());
            *expected.entry((group, name.clone())).or_insert(0) += 1;
            let key = Key::of(group, name.as_bytes());
            match keys.count_mut(&key) {
                Some(count) => *count += 1,
                None => keys.insert(&key, 1),
            }
        }
        let found = keys.by_group();
        assert!(found.is_sorted_by_key(|(group, ..)| *group));
        let text = |key: &[u8]| String::from_utf8(key.to_vec()).unwrap();
        let found: BTreeMap<_, u64> =
            found.into_iter().map(|(group, key, count)| ((group, text(key)), count)).collect();
        assert_eq!(found, expected);
    }
}

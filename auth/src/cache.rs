//! What was asked for lately, in memory and bounded.
//!
//! A look costs a hash and the lock of eight neighbours: requests look on every turn, so that there is no queue of
//! looks to be sorted later and no thread for it.

use std::hash::{BuildHasher, Hash, RandomState};

use parking_lot::Mutex;

/// Values that share a lock and compete for room.
const NEIGHBOURS: usize = 8;

/// Remembers values by key. What is not asked for gives way to what is new.
pub(crate) struct Cache<K, V> {
    groups: Box<[Mutex<Group<K, V>>]>,
    hasher: RandomState,
}

type Group<K, V> = Vec<Place<K, V>>;

struct Place<K, V> {
    key: K,
    value: V,
    /// Since the last time that room was looked for.
    was_used: bool,
}

impl<K: Hash + Eq, V: Clone> Cache<K, V> {
    /// For at most this many values, rounded up to a multiple of eight. A group of eight may be full before all are.
    pub(crate) fn new(most: usize) -> Self {
        let groups = (0..most.div_ceil(NEIGHBOURS).max(1)).map(|_| Mutex::default()).collect();
        Self { groups, hasher: RandomState::new() }
    }

    pub(crate) fn get(&self, key: &K) -> Option<V> {
        let mut group = self.group(key).lock();
        let place = group.iter_mut().find(|place| place.key == *key)?;
        place.was_used = true;
        Some(place.value.clone())
    }

    pub(crate) fn insert(&self, key: K, value: V) {
        let mut group = self.group(&key).lock();
        let new = Place { key, value, was_used: true };
        if let Some(place) = group.iter_mut().find(|place| place.key == new.key) {
            *place = new;
        } else if group.len() < NEIGHBOURS {
            group.push(new);
        } else if let Some(place) = group.iter_mut().find(|place| !place.was_used) {
            *place = new;
        } else {
            group.iter_mut().for_each(|place| place.was_used = false);
            group.swap_remove(0);
            group.push(new);
        }
    }

    pub(crate) fn remove(&self, key: &K) {
        self.group(key).lock().retain(|place| place.key != *key);
    }

    pub(crate) fn len(&self) -> usize {
        self.groups.iter().map(|group| group.lock().len()).sum()
    }

    /// Shows every value, eight at a time: others are not held up.
    pub(crate) fn each(&self, mut look: impl FnMut(&K, &V)) {
        for group in &self.groups {
            group.lock().iter().for_each(|place| look(&place.key, &place.value));
        }
    }

    fn group(&self, key: &K) -> &Mutex<Group<K, V>> {
        let at = self.hasher.hash_one(key) as usize % self.groups.len();
        self.groups.get(at).expect("the remainder is below the number of groups")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(cache: &Cache<u32, u32>) -> Vec<u32> {
        let mut keys = Vec::new();
        cache.each(|key, _| keys.push(*key));
        keys.sort_unstable();
        keys
    }

    #[test]
    fn what_was_put_in_is_found_until_it_is_removed() {
        let cache = Cache::new(1000);
        for key in 0..100 {
            cache.insert(key, key * 2);
        }
        cache.insert(7, 70);
        assert_eq!((cache.get(&7), cache.get(&8), cache.get(&1000)), (Some(70), Some(16), None));
        cache.remove(&7);
        assert_eq!((cache.get(&7), cache.len()), (None, 99));
    }

    #[test]
    fn room_is_made_by_what_nobody_asks_for() {
        let cache = Cache::new(NEIGHBOURS);
        for key in 0..8 {
            cache.insert(key, key);
        }
        // All are new, so that one of them goes and the others have to be asked for again.
        cache.insert(8, 8);
        assert_eq!(cache.len(), NEIGHBOURS);
        for kept in [3, 4, 5] {
            assert_eq!(cache.get(&kept), Some(kept));
        }
        for key in 9..13 {
            cache.insert(key, key);
        }
        assert_eq!(keys(&cache), [3, 4, 5, 8, 9, 10, 11, 12]);
    }

    #[test]
    fn it_never_grows_past_its_bound() {
        let cache = Cache::new(100);
        for key in 0..100_000 {
            cache.insert(key, key);
        }
        assert!(cache.len() <= 104, "{}", cache.len());
    }
}

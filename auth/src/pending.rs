//! What waits for a browser to come back: bounded, for a time, for one use.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;
use std::time::Duration;

use parking_lot::Mutex;

use crate::keyed::sha256;
use crate::limit::Key;

/// How much waits, and for how long. One more ends the oldest of those that there are too many of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// From then on it is over.
    pub(crate) ttl: Duration,
    /// Of one browser.
    pub(crate) per_browser: usize,
    /// Of one address, IPv6 by /64.
    pub(crate) per_address: usize,
    pub(crate) in_all: usize,
}

/// One that waits.
pub(crate) struct Waiting<T> {
    /// SHA-256 of what names it.
    pub(crate) key: [u8; 32],
    /// SHA-256 of the browser's cookie.
    pub(crate) browser: [u8; 32],
    pub(crate) address: Key,
    pub(crate) at: Duration,
    pub(crate) what: T,
}

/// All of a kind. A flood of beginnings must cost little each, so that each is found by what it is looked for.
pub(crate) struct Pending<T> {
    bounds: Bounds,
    held: Mutex<Held<T>>,
}

struct Held<T> {
    /// Numbers go up with time.
    next: u64,
    waiting: BTreeMap<u64, Waiting<T>>,
    of_key: HashMap<[u8; 32], u64>,
    of_browser: HashMap<[u8; 32], BTreeSet<u64>>,
    of_address: HashMap<Key, BTreeSet<u64>>,
}

impl<T> Pending<T> {
    pub(crate) fn new(bounds: Bounds) -> Self {
        let held = Held {
            next: 0,
            waiting: BTreeMap::new(),
            of_key: HashMap::new(),
            of_browser: HashMap::new(),
            of_address: HashMap::new(),
        };
        Self { bounds, held: Mutex::new(held) }
    }

    /// Remembers one; what is over or too much is forgotten.
    pub(crate) fn put(&self, waiting: Waiting<T>) {
        let Bounds { ttl, per_browser, per_address, in_all } = self.bounds;
        let mut held = self.held.lock();
        while let Some((number, oldest)) = held.waiting.first_key_value()
            && (!is_alive(oldest, waiting.at, ttl) || held.waiting.len() >= in_all)
        {
            let number = *number;
            held.remove(number);
        }
        let surplus = [
            oldest_over(held.of_browser.get(&waiting.browser), per_browser),
            oldest_over(held.of_address.get(&waiting.address), per_address),
        ];
        surplus.into_iter().flatten().for_each(|number| drop(held.remove(number)));
        held.put(waiting);
    }

    /// Shows the one that this name has while its time is not over.
    pub(crate) fn look<R>(&self, name: &str, now: Duration, look: impl FnOnce(&Waiting<T>) -> R) -> Option<R> {
        let held = self.held.lock();
        let number = held.of_key.get(&sha256(name.as_bytes()))?;
        held.waiting.get(number).filter(|waiting| is_alive(waiting, now, self.bounds.ttl)).map(look)
    }

    /// The one that this name has, once, if it is for whom it is taken for. Others take nothing away.
    pub(crate) fn take_if(
        &self,
        name: &str,
        now: Duration,
        is_for: impl FnOnce(&Waiting<T>) -> bool,
    ) -> Option<Waiting<T>> {
        self.take(name, is_for).filter(|waiting| is_alive(waiting, now, self.bounds.ttl))
    }

    /// As [`Self::take_if`], whether its time is over or not.
    pub(crate) fn take(&self, name: &str, is_for: impl FnOnce(&Waiting<T>) -> bool) -> Option<Waiting<T>> {
        let mut held = self.held.lock();
        let number = *held.of_key.get(&sha256(name.as_bytes()))?;
        held.waiting.get(&number).filter(|waiting| is_for(waiting))?;
        held.remove(number)
    }

    /// Remembered now, those that are over too.
    pub(crate) fn count(&self) -> u64 {
        self.held.lock().waiting.len() as u64
    }
}

impl<T> Held<T> {
    fn put(&mut self, waiting: Waiting<T>) {
        let number = self.next;
        self.next += 1;
        self.of_key.insert(waiting.key, number);
        self.of_browser.entry(waiting.browser).or_default().insert(number);
        self.of_address.entry(waiting.address.clone()).or_default().insert(number);
        self.waiting.insert(number, waiting);
    }

    fn remove(&mut self, number: u64) -> Option<Waiting<T>> {
        let waiting = self.waiting.remove(&number)?;
        self.of_key.remove(&waiting.key);
        forget(&mut self.of_browser, &waiting.browser, number);
        forget(&mut self.of_address, &waiting.address, number);
        Some(waiting)
    }
}

fn is_alive<T>(waiting: &Waiting<T>, now: Duration, ttl: Duration) -> bool {
    now.saturating_sub(waiting.at) < ttl
}

/// The one that must go so that one more fits.
fn oldest_over(numbers: Option<&BTreeSet<u64>>, most: usize) -> Option<u64> {
    numbers.filter(|numbers| numbers.len() >= most)?.first().copied()
}

fn forget<K: Eq + Hash>(index: &mut HashMap<K, BTreeSet<u64>>, key: &K, number: u64) {
    if let Some(numbers) = index.get_mut(key) {
        numbers.remove(&number);
        if numbers.is_empty() {
            index.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { ttl: Duration::from_secs(600), per_browser: 8, per_address: 200, in_all: 20_000 };

    fn put(pending: &Pending<()>, number: usize, browser: &str, address: [u8; 4], at: u64) {
        pending.put(Waiting {
            key: sha256(number.to_string().as_bytes()),
            browser: sha256(browser.as_bytes()),
            address: Key::address(address.into()),
            at: Duration::from_secs(at),
            what: (),
        });
    }

    fn take(pending: &Pending<()>, number: usize, browser: &str, at: u64) -> bool {
        let is_for = |waiting: &Waiting<()>| waiting.browser == sha256(browser.as_bytes());
        pending.take_if(&number.to_string(), Duration::from_secs(at), is_for).is_some()
    }

    #[test]
    fn one_is_taken_once_within_its_time_by_whom_it_is_for() {
        let pending = Pending::new(BOUNDS);
        put(&pending, 1, "b", [192, 0, 2, 1], 0);
        assert!(!take(&pending, 1, "other", 0) && !take(&pending, 2, "b", 0));
        let look = |at| pending.look("1", Duration::from_secs(at), |_| ()).is_some();
        assert!(look(599) && look(0) && !look(600), "looking takes nothing away");
        assert!(take(&pending, 1, "b", 599) && !take(&pending, 1, "b", 599));
        put(&pending, 2, "b", [192, 0, 2, 1], 0);
        assert!(!take(&pending, 2, "b", 600), "its time is over");
    }

    #[test]
    fn a_flood_stays_within_its_bounds_and_leaves_nothing_behind() {
        let pending = Pending::new(BOUNDS);
        let first = |count: usize, browser: fn(usize) -> String, address: fn(usize) -> [u8; 4]| {
            (0..count).for_each(|number| put(&pending, number, &browser(number), address(number), 0));
            let mut left = (0..count).filter(|number| take(&pending, *number, &browser(*number), 0));
            (left.next(), left.count())
        };
        let spread = |number: usize| u32::try_from(number).unwrap().to_be_bytes();
        let Bounds { ttl: _, per_browser, per_address, in_all } = BOUNDS;
        assert_eq!(first(per_browser + 3, |_| "b".to_owned(), spread), (Some(3), per_browser - 1));
        let one = |_| [192, 0, 2, 1];
        assert_eq!(first(per_address + 5, |number| number.to_string(), one), (Some(5), per_address - 1));
        assert_eq!(first(in_all + 7, |number| number.to_string(), spread), (Some(7), in_all - 1));
        let Held { next: _, waiting, of_key, of_browser, of_address } = &*pending.held.lock();
        assert_eq!((waiting.len(), of_key.len(), of_browser.len(), of_address.len()), (0, 0, 0, 0));
    }

    #[test]
    fn what_is_over_is_forgotten() {
        let pending = Pending::new(BOUNDS);
        (0..50).for_each(|number| put(&pending, number, &number.to_string(), [192, 0, 2, 1], 0));
        put(&pending, 50, "b", [192, 0, 2, 1], 600);
        assert_eq!(pending.count(), 1);
    }
}

//! Sign-ins that were started and not finished.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use zeroize::Zeroizing;

use crate::keyed::sha256;
use crate::limit::Key;

/// A started sign-in is good for this long.
pub const TTL: Duration = Duration::from_secs(600);

/// Started sign-ins of one browser; one more ends its oldest.
const PER_BROWSER: usize = 8;
/// Of one address, IPv6 by /64; one more ends its oldest.
const PER_ADDRESS: usize = 200;
/// In all; one more ends the oldest. About a kilobyte each.
const IN_ALL: usize = 20_000;

/// One started sign-in.
pub struct Started {
    /// SHA-256 of the state.
    pub(super) state: [u8; 32],
    /// SHA-256 of the browser's cookie.
    pub(super) browser: [u8; 32],
    pub(super) address: Key,
    pub(super) at: Duration,
    pub(super) circuit: Arc<str>,
    pub(super) provider: Arc<str>,
    pub(super) nonce: Zeroizing<String>,
    /// The proof key.
    pub(super) verifier: Zeroizing<String>,
    pub(super) redirect_uri: String,
    pub(super) back: String,
    pub(super) attempt: String,
}

impl Started {
    /// Where the person wants to be in the end, as it was given.
    pub fn back(&self) -> &str {
        &self.back
    }

    /// The attempt's id, as it was given.
    pub fn attempt(&self) -> &str {
        &self.attempt
    }

    /// Of the configuration.
    pub fn provider(&self) -> &Arc<str> {
        &self.provider
    }
}

/// All of them. A flood of beginnings must cost little each, so that each is found by what it is looked for.
#[derive(Default)]
pub(crate) struct Starts(Mutex<Held>);

#[derive(Default)]
struct Held {
    /// Numbers go up with time.
    next: u64,
    started: BTreeMap<u64, Started>,
    of_state: HashMap<[u8; 32], u64>,
    of_browser: HashMap<[u8; 32], BTreeSet<u64>>,
    of_address: HashMap<Key, BTreeSet<u64>>,
}

impl Starts {
    /// Remembers one; what is over or too much is forgotten.
    pub(super) fn put(&self, started: Started) {
        let mut held = self.0.lock();
        while let Some((number, oldest)) = held.started.first_key_value()
            && (!is_alive(oldest, started.at) || held.started.len() >= IN_ALL)
        {
            let number = *number;
            held.remove(number);
        }
        let surplus = [
            oldest_over(held.of_browser.get(&started.browser), PER_BROWSER),
            oldest_over(held.of_address.get(&started.address), PER_ADDRESS),
        ];
        surplus.into_iter().flatten().for_each(|number| drop(held.remove(number)));
        held.put(started);
    }

    /// The one that this state names, once, and only for the circuit and the browser that it was started in. Others
    /// take nothing away.
    pub(super) fn take(&self, state: &str, browser: &str, circuit: &str, now: Duration) -> Option<Started> {
        let (state, browser) = (sha256(state.as_bytes()), sha256(browser.as_bytes()));
        let mut held = self.0.lock();
        let number = *held.of_state.get(&state)?;
        held.started.get(&number).filter(|started| started.browser == browser && *started.circuit == *circuit)?;
        held.remove(number).filter(|started| is_alive(started, now))
    }

    /// Remembered now, those that are over too.
    pub(crate) fn count(&self) -> u64 {
        self.0.lock().started.len() as u64
    }
}

impl Held {
    fn put(&mut self, started: Started) {
        let number = self.next;
        self.next += 1;
        self.of_state.insert(started.state, number);
        self.of_browser.entry(started.browser).or_default().insert(number);
        self.of_address.entry(started.address.clone()).or_default().insert(number);
        self.started.insert(number, started);
    }

    fn remove(&mut self, number: u64) -> Option<Started> {
        let started = self.started.remove(&number)?;
        self.of_state.remove(&started.state);
        forget(&mut self.of_browser, &started.browser, number);
        forget(&mut self.of_address, &started.address, number);
        Some(started)
    }
}

/// The limit's own kind of key: IPv6 by /64.
pub(super) fn address_key(address: IpAddr) -> Key {
    Key::address(address)
}

fn is_alive(started: &Started, now: Duration) -> bool {
    now.saturating_sub(started.at) < TTL
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

    fn started(number: usize, browser: &str, address: [u8; 4], at: u64) -> Started {
        Started {
            state: sha256(number.to_string().as_bytes()),
            browser: sha256(browser.as_bytes()),
            address: address_key(address.into()),
            at: Duration::from_secs(at),
            circuit: "wiki".into(),
            provider: "corp".into(),
            nonce: Zeroizing::default(),
            verifier: Zeroizing::default(),
            redirect_uri: String::new(),
            back: "/".to_owned(),
            attempt: number.to_string(),
        }
    }

    fn take(starts: &Starts, number: usize, browser: &str, at: u64) -> bool {
        starts.take(&number.to_string(), browser, "wiki", Duration::from_secs(at)).is_some()
    }

    #[test]
    fn one_is_taken_once_within_its_time_by_whom_it_is_for() {
        let starts = Starts::default();
        starts.put(started(1, "b", [192, 0, 2, 1], 0));
        assert!(starts.take("1", "b", "other", Duration::ZERO).is_none() && !take(&starts, 1, "other", 0));
        assert!(take(&starts, 1, "b", 599) && !take(&starts, 1, "b", 599));
        starts.put(started(2, "b", [192, 0, 2, 1], 0));
        assert!(!take(&starts, 2, "b", 600), "its time is over");
    }

    #[test]
    fn a_flood_stays_within_its_bounds_and_leaves_nothing_behind() {
        let starts = Starts::default();
        let first = |count: usize, browser: fn(usize) -> String, address: fn(usize) -> [u8; 4]| {
            (0..count).for_each(|number| starts.put(started(number, &browser(number), address(number), 0)));
            let mut left = (0..count).filter(|number| take(&starts, *number, &browser(*number), 0));
            (left.next(), left.count())
        };
        let spread = |number: usize| u32::try_from(number).unwrap().to_be_bytes();
        assert_eq!(first(PER_BROWSER + 3, |_| "b".to_owned(), spread), (Some(3), PER_BROWSER - 1));
        assert_eq!(first(PER_ADDRESS + 5, |number| number.to_string(), |_| [192, 0, 2, 1]), (Some(5), PER_ADDRESS - 1));
        assert_eq!(first(IN_ALL + 7, |number| number.to_string(), spread), (Some(7), IN_ALL - 1));
        let Held { next: _, started, of_state, of_browser, of_address } = &*starts.0.lock();
        assert_eq!((started.len(), of_state.len(), of_browser.len(), of_address.len()), (0, 0, 0, 0));
    }

    #[test]
    fn what_is_over_is_forgotten() {
        let starts = Starts::default();
        (0..50).for_each(|number| starts.put(started(number, &number.to_string(), [192, 0, 2, 1], 0)));
        starts.put(started(50, "b", [192, 0, 2, 1], 600));
        assert_eq!(starts.count(), 1);
    }
}

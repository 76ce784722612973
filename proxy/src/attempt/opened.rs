//! Attempts that began: a sign-in page was shown, or a browser was sent to a provider.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use moka::sync::Cache;
use vestibule_auth::sso;

use crate::exceeded::network;

/// Attempts that a shown page began and that are remembered, each for as long as it can be finished. Past it the one
/// longest unused is forgotten: what follows is then an attempt of its own.
const REMEMBERED: u64 = 100_000;
/// Beginnings that are recorded for one address in a minute; the rest is counted.
const RECORDED: u64 = 30;
const MINUTE: Duration = Duration::from_secs(60);
/// Addresses whose beginnings are counted.
const ADDRESSES: u64 = 100_000;

/// Attempts of browsers whose next step is awaited.
pub(crate) struct Opened {
    pages: Cache<Page, Arc<str>>,
    recorded: Cache<String, Arc<AtomicU64>>,
    unrecorded: AtomicU64,
}

/// The browser's cookie, and the circuit.
type Page = (String, Arc<str>);

impl Default for Opened {
    fn default() -> Self {
        Self {
            pages: Cache::builder().max_capacity(REMEMBERED).time_to_live(sso::TTL).build(),
            recorded: Cache::builder().max_capacity(ADDRESSES).time_to_live(MINUTE).build(),
            unrecorded: AtomicU64::new(0),
        }
    }
}

impl Opened {
    /// The attempt that this browser began at a circuit and did not go on with.
    pub(crate) fn of(&self, browser: &str, circuit: &Arc<str>) -> Option<Arc<str>> {
        self.pages.get(&(browser.to_owned(), circuit.clone()))
    }

    /// It goes on now.
    pub(crate) fn take(&self, browser: &str, circuit: &Arc<str>) -> Option<Arc<str>> {
        self.pages.remove(&(browser.to_owned(), circuit.clone()))
    }

    pub(crate) fn put(&self, browser: &str, circuit: &Arc<str>, attempt: &str) {
        self.pages.insert((browser.to_owned(), circuit.clone()), attempt.into());
    }

    /// False where an address begins so often that only the number is kept.
    pub(crate) fn is_recorded(&self, address: IpAddr) -> bool {
        let count = self.recorded.get_with(network(address), Arc::default);
        let recorded = count.fetch_add(1, Ordering::Relaxed) < RECORDED;
        self.unrecorded.fetch_add(u64::from(!recorded), Ordering::Relaxed);
        recorded
    }

    /// Since the start.
    pub(crate) fn unrecorded(&self) -> u64 {
        self.unrecorded.load(Ordering::Relaxed)
    }

    /// Remembered now.
    pub(crate) fn count(&self) -> u64 {
        self.pages.entry_count()
    }
}

//! Sign-ins that were started and not finished.

use std::collections::VecDeque;
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

/// All of them, oldest first.
#[derive(Default)]
pub(crate) struct Starts(Mutex<VecDeque<Started>>);

impl Starts {
    /// Remembers one; what is over or too much is forgotten.
    pub(super) fn put(&self, started: Started) {
        let mut list = self.0.lock();
        list.retain(|other| is_alive(other, started.at));
        make_room(&mut list, PER_BROWSER, |other| other.browser == started.browser);
        make_room(&mut list, PER_ADDRESS, |other| other.address == started.address);
        make_room(&mut list, IN_ALL, |_| true);
        list.push_back(started);
    }

    /// The one that this state names, once, and only for the circuit and the browser that it was started in. Others
    /// take nothing away.
    pub(super) fn take(&self, state: &str, browser: &str, circuit: &str, now: Duration) -> Option<Started> {
        let (state, browser) = (sha256(state.as_bytes()), sha256(browser.as_bytes()));
        let is_meant =
            |started: &Started| started.state == state && started.browser == browser && *started.circuit == *circuit;
        let mut list = self.0.lock();
        let at = list.iter().position(is_meant)?;
        list.remove(at).filter(|started| is_alive(started, now))
    }

    /// Remembered now, those that are over too.
    pub(crate) fn count(&self) -> u64 {
        self.0.lock().len() as u64
    }
}

/// The limit's own kind of key: IPv6 by /64.
pub(super) fn address_key(address: IpAddr) -> Key {
    Key::address(address)
}

fn is_alive(started: &Started, now: Duration) -> bool {
    now.saturating_sub(started.at) < TTL
}

/// Takes the oldest of a kind away until one more fits.
fn make_room(list: &mut VecDeque<Started>, most: usize, is_of_kind: impl Fn(&Started) -> bool) {
    let mut surplus = (list.iter().filter(|started| is_of_kind(started)).count() + 1).saturating_sub(most);
    list.retain(|started| {
        let goes = surplus > 0 && is_of_kind(started);
        surplus -= usize::from(goes);
        !goes
    });
}

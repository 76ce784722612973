//! Sign-ins that were started and not finished.

use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::keyed::sha256;
use crate::pending::{Bounds, Pending, Waiting};

/// A started sign-in is good for this long.
pub const TTL: Duration = Duration::from_secs(600);

/// About a kilobyte each.
const BOUNDS: Bounds = Bounds { ttl: TTL, per_browser: 8, per_address: 200, in_all: 20_000 };

/// One started sign-in.
pub struct Started {
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

/// All of them, by their state.
pub(crate) struct Starts(Pending<Started>);

impl Default for Starts {
    fn default() -> Self {
        Self(Pending::new(BOUNDS))
    }
}

impl Starts {
    /// Remembers one; what is over or too much is forgotten.
    pub(super) fn put(&self, started: Waiting<Started>) {
        self.0.put(started);
    }

    /// The one that this state names, once, and only for the circuit and the browser that it was started in. Others
    /// take nothing away.
    pub(super) fn take(&self, state: &str, browser: &str, circuit: &str, now: Duration) -> Option<Started> {
        let browser = sha256(browser.as_bytes());
        let is_for = |started: &Waiting<Started>| started.browser == browser && *started.what.circuit == *circuit;
        self.0.take_if(state, now, is_for).map(|started| started.what)
    }

    /// The circuit in which it was started.
    pub(crate) fn circuit(&self, state: &str, now: Duration) -> Option<Arc<str>> {
        self.0.look(state, now, |started| started.what.circuit.clone())
    }

    /// Remembered now, those that are over too.
    pub(crate) fn count(&self) -> u64 {
        self.0.count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limit::Key;

    #[test]
    fn a_sign_in_belongs_to_its_browser_and_its_circuit() {
        let starts = Starts::default();
        let what = Started {
            circuit: "wiki".into(),
            provider: "corp".into(),
            nonce: Zeroizing::default(),
            verifier: Zeroizing::default(),
            redirect_uri: String::new(),
            back: "/".to_owned(),
            attempt: "1".to_owned(),
        };
        let (key, browser, address) = (sha256(b"state"), sha256(b"b"), Key::address([192, 0, 2, 1].into()));
        starts.put(Waiting { key, browser, address, at: Duration::ZERO, what });
        assert!(starts.take("state", "b", "other", Duration::ZERO).is_none());
        assert!(starts.take("state", "other", "wiki", Duration::ZERO).is_none());
        assert_eq!(starts.circuit("state", Duration::ZERO).as_deref(), Some("wiki"));
        assert!(starts.take("state", "b", "wiki", Duration::ZERO).is_some_and(|started| started.back() == "/"));
        assert!(starts.take("state", "b", "wiki", Duration::ZERO).is_none());
    }
}

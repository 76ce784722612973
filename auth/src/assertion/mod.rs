//! What the upstream can verify of who was let in: a JSON Web Token, signed with a key whose public half everybody may
//! fetch.
//!
//! A signature costs as much as a whole request: a signed token serves its identity for half of its life.

mod claims;
mod keys;

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use http::HeaderValue;
use jiff::Timestamp;
use parking_lot::Mutex;

use crate::cache::Cache;
use crate::caller::Identity;
use crate::error::Error;
use crate::gate::Gate;
use crate::geo::Location;
use crate::state::State;
use claims::Claims;
use keys::Ring;

/// Signed assertions in memory; more cost a signature each time.
const MAX_CACHED: usize = 8192;

/// A token is made anew when it is this old, so that an upstream has this long at least to look at one.
const RENEW_AFTER_SECONDS: i64 = 135;

/// One signed token.
#[derive(Debug)]
pub struct Assertion {
    /// For the header of the circuit's `identity.jwt`.
    pub value: HeaderValue,
    /// Seconds since 1970.
    issued: i64,
}

impl Assertion {
    /// Whether it may still be sent at this moment, in microseconds since 1970. A clock that was set back makes it
    /// stale as well: it would be of the future.
    pub fn serves_at(&self, time_us: i64) -> bool {
        let age = time_us.div_euclid(1_000_000).saturating_sub(self.issued);
        (0..RENEW_AFTER_SECONDS).contains(&age)
    }
}

/// A change of the keys; each is named by the thumbprint that is its `kid`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rotated {
    /// A key was made and is published; it does not sign yet.
    Published(String),
    /// The key that was published signs from now on.
    Signs(String),
}

/// Keys, and what was signed with them lately.
pub(crate) struct Assertions {
    state: Arc<State>,
    ring: ArcSwap<Ring>,
    /// One change at a time.
    changes: Mutex<()>,
    cache: Cache<Whose, Arc<Assertion>>,
    signed: AtomicU64,
}

/// Everything that a token says, but for its times: an identity belongs to one configuration and one session, token or
/// circuit, a gate to one configuration and one circuit.
struct Whose {
    identity: Arc<Identity>,
    gate: u64,
    country: Option<Arc<str>>,
}

impl Whose {
    /// Held by the entry, so that no other identity has this address meanwhile.
    fn address(&self) -> *const Identity {
        Arc::as_ptr(&self.identity)
    }
}

impl PartialEq for Whose {
    fn eq(&self, other: &Self) -> bool {
        self.address() == other.address() && self.gate == other.gate && self.country == other.country
    }
}

impl Eq for Whose {}

impl Hash for Whose {
    fn hash<H: Hasher>(&self, to: &mut H) {
        self.address().hash(to);
        self.gate.hash(to);
        self.country.hash(to);
    }
}

impl Assertions {
    /// Makes the first key where there is none.
    pub(crate) fn open(state: Arc<State>, now: Timestamp) -> Result<Self, Error> {
        let ring = ArcSwap::from_pointee(Ring::open(&state, now)?);
        let (changes, cache) = (Mutex::default(), Cache::new(MAX_CACHED));
        Ok(Self { state, ring, changes, cache, signed: AtomicU64::new(0) })
    }

    /// Public keys as a JSON Web Key Set.
    pub(crate) fn key_set(&self) -> Arc<str> {
        self.ring.load().key_set()
    }

    /// Makes the next key, or puts it in force, where it is time; on disk before it counts.
    pub(crate) fn rotate(&self, now: Timestamp, age: Duration) -> Result<Option<Rotated>, Error> {
        let _changes = self.changes.lock();
        let Some(next) = self.ring.load().turned(now, age)? else { return Ok(None) };
        next.store(&self.state)?;
        let rotated = match next.next_key_id() {
            Some(published) => Rotated::Published(published.to_owned()),
            None => Rotated::Signs(next.key_id().to_owned()),
        };
        tracing::info!(?rotated, "keys of the identity assertion changed");
        self.ring.store(Arc::new(next));
        Ok(Some(rotated))
    }

    pub(crate) fn cached(&self) -> u64 {
        self.cache.len() as u64
    }

    pub(crate) fn signed(&self) -> u64 {
        self.signed.load(Ordering::Relaxed)
    }

    fn sign(&self, claims: &Claims<'_>, issued: i64) -> Arc<Assertion> {
        self.signed.fetch_add(1, Ordering::Relaxed);
        let token = self.ring.load().sign(claims);
        let mut value = HeaderValue::from_str(&token).expect("base64url and dots are visible ASCII");
        value.set_sensitive(true);
        Arc::new(Assertion { value, issued })
    }
}

impl Gate {
    /// What this circuit's upstream is told of who was let in, in a form that it can verify.
    pub fn assertion(&self, identity: &Arc<Identity>, location: &Location) -> Arc<Assertion> {
        let assertions = &self.core.assertions;
        let now = self.core.clock.now();
        let whose = Whose { identity: identity.clone(), gate: self.serial, country: location.country.clone() };
        let known = assertions.cache.get(&whose).filter(|known| known.serves_at(now.as_microsecond()));
        known.unwrap_or_else(|| {
            let (login_host, country) = (self.login_host.as_deref(), whose.country.as_deref());
            let claims = Claims::new(&self.circuit, login_host, identity, country, now.as_second());
            let made = assertions.sign(&claims, now.as_second());
            assertions.cache.insert(whose, made.clone());
            made
        })
    }
}

//! Sessions on disk, with a cache in front.
//!
//! Rows change only under `changes`, and rows enter the cache only under it, so that no request can bring an ended
//! session back into the cache. A request whose session is cached does not take `changes`.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use parking_lot::Mutex;
use vestibule_config::session::SessionLimits;
use zeroize::Zeroizing;

use super::State;
use super::live::{Live, Root};
use super::row::Row;
use crate::cache::Cache;
use crate::caller::Method;
use crate::clock::Clock;
use crate::error::Error;
use crate::keyed::{Keyed, Purpose, hex, sha256, token};
use crate::state::{State as Database, Table};

/// Sessions in the cache; the others cost a read of the database.
const MAX_CACHED: usize = 100_000;

/// Live sessions in all; one more is refused unless its owner has an older one to end.
pub(crate) const MAX_LIVE: u64 = 1_000_000;

/// Length of a cookie's value: 32 bytes as base64url without padding.
const COOKIE_CHARS: usize = 43;

/// SHA-256 of a cookie's value.
pub(crate) type CookieHash = [u8; 32];

pub(crate) struct Store {
    pub(super) database: Arc<Database>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) keyed: Arc<Keyed>,
    pub(super) cache: Cache<CookieHash, Arc<Live>>,
    pub(super) changes: Mutex<()>,
    /// Last uses that wait for the disk; at most one entry a session.
    pub(super) used: Mutex<HashMap<CookieHash, i64>>,
    /// Found to be over by a request; their rows are marked by the next flush.
    pub(super) over: Mutex<Vec<CookieHash>>,
    pub(super) live: AtomicU64,
    /// Where the next sweep goes on.
    pub(super) cursor: Mutex<CookieHash>,
}

/// What a cookie names.
pub(crate) enum Found {
    Live(Arc<Live>),
    /// Never made here, forgotten, or of another circuit.
    Missing,
    Ended(State),
    /// The database refuses to say.
    Unreadable,
}

/// A session that is not open yet.
pub(crate) struct Draft {
    pub(crate) cookie: Zeroizing<String>,
    pub(crate) id: super::SessionId,
    pub(crate) circuit: Arc<str>,
    pub(crate) email: Option<Arc<str>>,
    pub(crate) user_id: Arc<str>,
    pub(crate) method: Method,
    pub(crate) limits: SessionLimits,
    pub(crate) source_ip: IpAddr,
    pub(crate) user_agent: String,
    pub(crate) fingerprint: String,
    pub(crate) provided: Option<super::Provided>,
    pub(crate) passed: super::Passed,
    /// Present where it comes from a sign-in at the login host, with the end of that.
    pub(crate) parent: Option<(super::Parent, Timestamp)>,
}

impl Store {
    pub(crate) fn open(database: Arc<Database>, clock: Arc<dyn Clock>, keyed: Arc<Keyed>) -> Result<Self, Error> {
        let store = Self {
            database,
            clock,
            keyed,
            cache: Cache::new(MAX_CACHED),
            changes: Mutex::default(),
            used: Mutex::default(),
            over: Mutex::default(),
            live: AtomicU64::new(0),
            cursor: Mutex::new([0; 32]),
        };
        let mut live = 0;
        store.each_row(|_, row| live += u64::from(row.state == State::Active))?;
        store.live.store(live, Ordering::Relaxed);
        Ok(store)
    }

    /// A new random value and the id that its session will have.
    pub(crate) fn new_cookie(&self) -> (Zeroizing<String>, super::SessionId) {
        let cookie = Zeroizing::new(token());
        let id = hex(&self.keyed.hash(Purpose::SessionId, cookie.as_bytes()));
        (cookie, super::SessionId(id.into()))
    }

    /// The session that a request's cookie names, if it is good for `circuit` now; notes its use.
    pub(crate) fn find(&self, cookie: &str, circuit: &str, limits: &SessionLimits) -> Found {
        self.look(cookie, circuit, limits, |hash, live, now| self.touch(hash, live, now))
    }

    /// The same without a use of it.
    pub(crate) fn peek(&self, cookie: &str, circuit: &str, limits: &SessionLimits) -> Found {
        self.look(cookie, circuit, limits, |_, _, _| ())
    }

    /// `note` is told of a good session and, before it, of the sign-in behind it.
    fn look(
        &self,
        cookie: &str,
        circuit: &str,
        limits: &SessionLimits,
        note: impl Fn(CookieHash, &Live, Timestamp),
    ) -> Found {
        if cookie.len() != COOKIE_CHARS {
            return Found::Missing;
        }
        if self.database.whole().is_err() {
            return Found::Unreadable;
        }
        let hash = sha256(cookie.as_bytes());
        let live = match self.live(&hash) {
            Ok(Some(live)) if *live.session.circuit == *circuit => live,
            Ok(Some(_) | None) => return Found::Missing,
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "session cannot be read");
                return Found::Unreadable;
            }
        };
        let now = self.clock.now();
        match self.followed(&hash, &live, live.state_at(now, limits)) {
            State::Active => {}
            state @ (State::Expired | State::Revoked | State::Logout) => return Found::Ended(state),
        }
        match self.root_of(&live) {
            Ok(Some((root_hash, root))) => match self.followed(&root_hash, &root, root.own_state_at(now)) {
                // Who uses a circuit uses the sign-in behind it.
                State::Active => note(root_hash, &root, now),
                state @ (State::Expired | State::Revoked | State::Logout) => return Found::Ended(state),
            },
            Ok(None) if live.root.is_some() => return Found::Ended(State::Revoked),
            Ok(None) => {}
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "session cannot be read");
                return Found::Unreadable;
            }
        }
        note(hash, &live, now);
        Found::Live(live)
    }

    /// The state, and where its time has just been found to be over, its end noted.
    fn followed(&self, hash: &CookieHash, live: &Live, state: State) -> State {
        if state == State::Expired && live.end(State::Expired) == State::Active {
            self.over.lock().push(*hash);
        }
        state
    }

    fn touch(&self, hash: CookieHash, live: &Live, now: Timestamp) {
        if live.touch(now) {
            self.used.lock().insert(hash, live.last_used_ms());
        }
    }

    /// The sign-in at the login host that a session came from, whatever its state is.
    pub(crate) fn root_of(&self, live: &Live) -> Result<Option<(CookieHash, Arc<Live>)>, Error> {
        let Some(hash) = live.root.as_ref().and_then(|root| root.hash) else { return Ok(None) };
        Ok(self.live(&hash)?.map(|root| (hash, root)))
    }

    fn live(&self, hash: &CookieHash) -> Result<Option<Arc<Live>>, Error> {
        if let Some(live) = self.cache.get(hash) {
            return Ok(Some(live));
        }
        // A made-up cookie costs one look into the database's filters, and no lock.
        if self.database.get(Table::Session, hash)?.is_none() {
            return Ok(None);
        }
        let _changes = self.changes.lock();
        if let Some(live) = self.cache.get(hash) {
            return Ok(Some(live));
        }
        let Some(row) = self.row(hash)? else { return Ok(None) };
        let hash_of = |parent: &super::Parent| self.hash_of(&parent.id);
        let root = match &row.parent {
            Some(parent) => Some(Root { hash: hash_of(parent)?, sealed: parent.sealed.clone() }),
            None => None,
        };
        let live = Arc::new(Live::new(&row, self.last_used(hash, &row)?, root));
        if row.state == State::Active {
            self.cache.insert(*hash, live.clone());
        }
        Ok(Some(live))
    }

    pub(crate) fn live_count(&self) -> u64 {
        self.live.load(Ordering::Relaxed)
    }

    pub(crate) fn cached_count(&self) -> u64 {
        self.cache.len() as u64
    }

    /// A row that cannot be read is passed over: its cookie opens nothing either.
    pub(super) fn each_row(&self, mut take: impl FnMut(&CookieHash, Row)) -> Result<(), Error> {
        self.database.scan(Table::Session, &[], &[], |key, value| {
            if let (Some(hash), Ok(row)) = (key.first_chunk::<32>(), serde_json::from_slice(value)) {
                take(hash, row);
            }
            true
        })
    }

    pub(super) fn row(&self, hash: &CookieHash) -> Result<Option<Row>, Error> {
        let value = self.database.get(Table::Session, hash)?;
        Ok(value.map(|value| serde_json::from_slice(&value)).transpose()?)
    }

    pub(super) fn hash_of(&self, id: &str) -> Result<Option<CookieHash>, Error> {
        let value = self.database.get(Table::ById, id.as_bytes())?;
        Ok(value.and_then(|value| value.try_into().ok()))
    }

    /// Memory, else disk, else the start.
    pub(super) fn last_used(&self, hash: &CookieHash, row: &Row) -> Result<Timestamp, Error> {
        if let Some(live) = self.cache.get(hash) {
            return Ok(Timestamp::from_millisecond(live.last_used_ms()).unwrap_or(row.created));
        }
        if let Some(used) = self.used.lock().get(hash) {
            return Ok(Timestamp::from_millisecond(*used).unwrap_or(row.created));
        }
        let stored = self.database.get(Table::Used, hash)?.and_then(|value| value.try_into().ok());
        let used = stored.and_then(|bytes| Timestamp::from_millisecond(i64::from_be_bytes(bytes)).ok());
        Ok(used.unwrap_or(row.created))
    }
}

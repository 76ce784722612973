//! Sessions on disk, with a cache in front.
//!
//! Rows change only under `changes`, and rows enter the cache only under it, so that no request can bring an ended
//! session back into the cache. A request whose session is cached takes no lock of ours.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::{SignedDuration, Timestamp};
use moka::sync::Cache;
use parking_lot::Mutex;
use rocksdb::WriteBatch;
use vestibule_config::session::SessionLimits;
use zeroize::Zeroizing;

use super::live::Live;
use super::row::Row;
use super::{Listed, Session, SessionCookie, SessionFilter, State};
use crate::caller::Method;
use crate::clock::Clock;
use crate::error::Error;
use crate::keyed::{Keyed, Purpose, hex, random, sha256};
use crate::state::{State as Database, Table};

/// Sessions in the cache; the others cost a read of the database.
const MAX_CACHED: u64 = 100_000;

/// Live sessions in all; one more is refused unless its owner has an older one to end.
pub(crate) const MAX_LIVE: u64 = 1_000_000;

/// Rows that one sweep looks at.
const SWEPT_ROWS: usize = 20_000;

/// Ended sessions stay in lists for this long.
const KEEP_ENDED: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Length of a cookie's value: 32 bytes as base64url without padding.
const COOKIE_CHARS: usize = 43;

/// SHA-256 of a cookie's value.
type CookieHash = [u8; 32];

pub(crate) struct Store {
    database: Arc<Database>,
    clock: Arc<dyn Clock>,
    keyed: Arc<Keyed>,
    cache: Cache<CookieHash, Arc<Live>>,
    changes: Mutex<()>,
    /// Last uses that wait for the disk; at most one entry a session.
    used: Mutex<HashMap<CookieHash, i64>>,
    /// Found to be over by a request; their rows are marked by the next flush.
    over: Mutex<Vec<CookieHash>>,
    live: AtomicU64,
    /// Where the next sweep goes on.
    cursor: Mutex<CookieHash>,
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
        use base64::Engine;
        let bytes = Zeroizing::new(random());
        let cookie = Zeroizing::new(base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(bytes.as_slice()));
        let id = hex(&self.keyed.hash(Purpose::SessionId, cookie.as_bytes()));
        (cookie, super::SessionId(id.into()))
    }

    /// The session that a request's cookie names, if it is good for `circuit` now; notes its use.
    pub(crate) fn find(&self, cookie: &str, circuit: &str, limits: &SessionLimits) -> Found {
        if cookie.len() != COOKIE_CHARS {
            return Found::Missing;
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
        match live.state_at(now, limits) {
            State::Active => {
                if live.touch(now) {
                    self.used.lock().insert(hash, live.last_used_ms());
                }
                Found::Live(live)
            }
            State::Expired => {
                if live.end(State::Expired) == State::Active {
                    self.over.lock().push(hash);
                }
                Found::Ended(State::Expired)
            }
            state @ (State::Revoked | State::Logout) => Found::Ended(state),
        }
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
        let live = Arc::new(Live::new(&row, self.last_used(hash, &row)?));
        if row.state == State::Active {
            self.cache.insert(*hash, live.clone());
        }
        Ok(Some(live))
    }

    /// On disk when this returns.
    pub(crate) fn create(&self, draft: Draft, replaces: Option<&Session>) -> Result<SessionCookie, Error> {
        let row = self.new_row(&draft);
        let hash = sha256(draft.cookie.as_bytes());
        let mut batch = WriteBatch::default();
        let changes = self.changes.lock();
        let mut ending = self.to_make_room(&draft)?;
        if let Some(old) = replaces.map(|session| self.hash_of(session.id.as_str())).transpose()?.flatten() {
            ending.push(old);
        }
        ending.sort_unstable();
        ending.dedup();
        let ended = self.put_ended(&mut batch, &ending, State::Revoked)?;
        if self.live.load(Ordering::Relaxed).saturating_sub(ended.len() as u64) >= MAX_LIVE {
            return Err(Error::TooManySessions);
        }
        batch.put(Table::Session.key(&hash), serde_json::to_vec(&row)?);
        batch.put(Table::ById.key(row.id.as_bytes()), hash);
        batch.put(Table::ByPerson.key(&person_key(&row, &hash)), []);
        self.database.write(batch)?;
        self.forget(&ended);
        self.live.fetch_add(1, Ordering::Relaxed);
        drop(changes);
        self.database.sync()?;
        Ok(SessionCookie { value: draft.cookie, session: Arc::new(row.session()) })
    }

    fn new_row(&self, draft: &Draft) -> Row {
        let created = self.clock.now();
        Row {
            id: draft.id.as_str().to_owned(),
            circuit: draft.circuit.to_string(),
            email: draft.email.as_deref().map(str::to_owned),
            user_id: draft.user_id.to_string(),
            method: draft.method,
            created,
            expires: created.checked_add(draft.limits.max_age).unwrap_or(Timestamp::MAX),
            idle_seconds: draft.limits.idle.as_secs(),
            source_ip: draft.source_ip,
            user_agent: draft.user_agent.clone(),
            state: State::Active,
            ended: None,
            fingerprint: draft.fingerprint.clone(),
        }
    }

    /// The oldest sessions of this person that must end so that one more fits. A shared secret is nobody: its
    /// sessions are counted in all only.
    fn to_make_room(&self, draft: &Draft) -> Result<Vec<CookieHash>, Error> {
        let mut own = Vec::new();
        if draft.email.is_none() {
            return Ok(own);
        }
        let prefix = [draft.user_id.as_bytes(), &[0]].concat();
        self.database.scan(Table::ByPerson, &prefix, &prefix, |key, _| {
            own.extend(key.last_chunk::<32>().copied());
            true
        })?;
        let most = draft.limits.per_person.unwrap_or(usize::MAX).max(1);
        let mut surplus = (own.len() + 1).saturating_sub(most);
        if self.live.load(Ordering::Relaxed) >= MAX_LIVE {
            surplus = surplus.max(1);
        }
        own.truncate(surplus);
        Ok(own)
    }

    pub(crate) fn end(&self, filter: &SessionFilter, state: State) -> Result<Vec<Listed>, Error> {
        let state = if state == State::Active { State::Revoked } else { state };
        let mut batch = WriteBatch::default();
        let changes = self.changes.lock();
        let hashes = self.matching(filter)?;
        let ended = self.put_ended(&mut batch, &hashes, state)?;
        if ended.is_empty() {
            return Ok(Vec::new());
        }
        self.database.write(batch)?;
        self.forget(&ended);
        drop(changes);
        self.database.sync()?;
        Ok(ended.into_iter().map(|(_, listed)| listed).filter(|listed| listed.state == state).collect())
    }

    fn matching(&self, filter: &SessionFilter) -> Result<Vec<CookieHash>, Error> {
        if let Some(id) = &filter.id {
            let found = self.hash_of(id)?;
            let row = found.map(|hash| self.row(&hash)).transpose()?.flatten();
            return Ok(found.filter(|_| row.is_some_and(|row| row.matches(filter))).into_iter().collect());
        }
        let mut hashes = Vec::new();
        self.each_row(|hash, row| {
            if row.state == State::Active && row.matches(filter) {
                hashes.push(*hash);
            }
        })?;
        Ok(hashes)
    }

    /// Those of `hashes` that are live, marked as ended in the batch. One whose time was over becomes
    /// expired.
    fn put_ended(
        &self,
        batch: &mut WriteBatch,
        hashes: &[CookieHash],
        state: State,
    ) -> Result<Vec<(CookieHash, Listed)>, Error> {
        let now = self.clock.now();
        let mut ended = Vec::new();
        for hash in hashes {
            let Some(mut row) = self.row(hash)?.filter(|row| row.state == State::Active) else { continue };
            let last_used = self.last_used(hash, &row)?;
            batch.delete(Table::ByPerson.key(&person_key(&row, hash)));
            row.state = if row.state_at(now, last_used) == State::Active { state } else { State::Expired };
            row.ended = Some(now);
            batch.put(Table::Session.key(hash), serde_json::to_vec(&row)?);
            let state = row.state;
            ended.push((*hash, row.listed(state, last_used)));
        }
        Ok(ended)
    }

    /// The cache forgets what has ended; requests that hold the session see it too.
    fn forget(&self, ended: &[(CookieHash, Listed)]) {
        for (hash, listed) in ended {
            if let Some(live) = self.cache.get(hash) {
                live.end(listed.state);
            }
            self.cache.invalidate(hash);
        }
        self.live.fetch_sub(ended.len() as u64, Ordering::Relaxed);
    }

    pub(crate) fn list(&self, filter: &SessionFilter, limit: usize) -> Result<Vec<Listed>, Error> {
        if let Some(id) = &filter.id {
            let found = self.find_by_id(id)?.filter(|listed| {
                filter.email.as_ref().is_none_or(|email| Some(email) == listed.email.as_ref())
                    && filter.circuit.as_ref().is_none_or(|circuit| *circuit == listed.circuit)
            });
            return Ok(found.into_iter().take(limit).collect());
        }
        let mut newest: BTreeMap<(Timestamp, CookieHash), Row> = BTreeMap::new();
        self.each_row(|hash, row| {
            if row.matches(filter) {
                newest.insert((row.created, *hash), row);
                if newest.len() > limit {
                    newest.pop_first();
                }
            }
        })?;
        newest.into_iter().rev().map(|((_, hash), row)| self.listed(&hash, row)).collect()
    }

    pub(crate) fn find_by_id(&self, id: &str) -> Result<Option<Listed>, Error> {
        let Some(hash) = self.hash_of(id)? else { return Ok(None) };
        self.row(&hash)?.map(|row| self.listed(&hash, row)).transpose()
    }

    fn listed(&self, hash: &CookieHash, row: Row) -> Result<Listed, Error> {
        let last_used = self.last_used(hash, &row)?;
        let state = row.state_at(self.clock.now(), last_used);
        Ok(row.listed(state, last_used))
    }

    /// Writes what is only in memory: last uses that are due (`all`: every one) and sessions found to be over.
    pub(crate) fn flush(&self, all: bool) -> Result<(), Error> {
        let mut used = std::mem::take(&mut *self.used.lock());
        if all {
            let unwritten = self.cache.iter().filter(|(_, live)| live.unwritten());
            used.extend(unwritten.map(|(hash, live)| (*hash, live.last_used_ms())));
        }
        let over = std::mem::take(&mut *self.over.lock());
        if used.is_empty() && over.is_empty() {
            return Ok(());
        }
        let mut batch = WriteBatch::default();
        for (hash, used) in used {
            batch.put(Table::Used.key(&hash), used.to_be_bytes());
        }
        let _changes = self.changes.lock();
        let ended = self.put_ended(&mut batch, &over, State::Expired)?;
        self.database.write(batch)?;
        self.forget(&ended);
        Ok(())
    }

    /// Marks what is over and drops what ended 30 days ago, [`SWEPT_ROWS`] rows a call.
    pub(crate) fn sweep(&self) -> Result<(), Error> {
        let now = self.clock.now();
        let mut cursor = self.cursor.lock();
        let (mut seen, mut over, mut old) = (0, Vec::new(), Vec::new());
        let mut next = [0; 32];
        self.database.scan(Table::Session, &[], cursor.as_slice(), |key, value| {
            let Some(hash) = key.first_chunk::<32>() else { return true };
            if seen == SWEPT_ROWS {
                next = *hash;
                return false;
            }
            seen += 1;
            let Ok(row) = serde_json::from_slice::<Row>(value) else { return true };
            match row.ended {
                Some(ended) if now.duration_since(ended) >= KEEP_ENDED => old.push((*hash, row)),
                Some(_) => (),
                None => over.push((*hash, row)),
            }
            true
        })?;
        *cursor = next;
        drop(cursor);
        self.drop_rows(&old)?;
        let mut ending = Vec::new();
        for (hash, row) in over {
            if row.state_at(now, self.last_used(&hash, &row)?) == State::Expired {
                ending.push(hash);
            }
        }
        self.over.lock().extend(ending);
        self.flush(false)
    }

    fn drop_rows(&self, old: &[(CookieHash, Row)]) -> Result<(), Error> {
        let mut batch = WriteBatch::default();
        for (hash, row) in old {
            batch.delete(Table::Session.key(hash));
            batch.delete(Table::Used.key(hash));
            batch.delete(Table::ById.key(row.id.as_bytes()));
        }
        self.database.write(batch)
    }

    pub(crate) fn live_count(&self) -> u64 {
        self.live.load(Ordering::Relaxed)
    }

    /// Circuit and address of every session of a shared secret that is still known.
    pub(crate) fn shared_addresses(&self, mut take: impl FnMut(&str, IpAddr)) -> Result<(), Error> {
        self.each_row(|_, row| {
            if row.email.is_none() {
                take(&row.circuit, row.source_ip);
            }
        })
    }

    /// A row that cannot be read is passed over: its cookie opens nothing either.
    fn each_row(&self, mut take: impl FnMut(&CookieHash, Row)) -> Result<(), Error> {
        self.database.scan(Table::Session, &[], &[], |key, value| {
            if let (Some(hash), Ok(row)) = (key.first_chunk::<32>(), serde_json::from_slice(value)) {
                take(hash, row);
            }
            true
        })
    }

    fn row(&self, hash: &CookieHash) -> Result<Option<Row>, Error> {
        let value = self.database.get(Table::Session, hash)?;
        Ok(value.map(|value| serde_json::from_slice(&value)).transpose()?)
    }

    fn hash_of(&self, id: &str) -> Result<Option<CookieHash>, Error> {
        let value = self.database.get(Table::ById, id.as_bytes())?;
        Ok(value.and_then(|value| value.try_into().ok()))
    }

    /// Memory, else disk, else the start.
    fn last_used(&self, hash: &CookieHash, row: &Row) -> Result<Timestamp, Error> {
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

fn person_key(row: &Row, hash: &CookieHash) -> Vec<u8> {
    let created = row.created.as_microsecond().to_be_bytes();
    [row.user_id.as_bytes(), &[0], &created, hash].concat()
}

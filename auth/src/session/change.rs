//! Sessions begin and end; all under one lock, so that what is counted is what is there.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use jiff::Timestamp;
use rocksdb::WriteBatch;

use super::row::Row;
use super::store::{CookieHash, Draft, MAX_LIVE, Store};
use super::{Listed, Session, SessionCookie, SessionFilter, State};
use crate::error::Error;
use crate::keyed::sha256;
use crate::state::Table;

impl Store {
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
            provided: draft.provided.clone(),
            passed: draft.passed.clone(),
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

    /// Ends the sessions that began at a provider, of a subject, of one of its own sessions, or of both.
    pub(crate) fn end_provided(
        &self,
        provider: &str,
        subject: Option<&str>,
        sid: Option<&str>,
    ) -> Result<Vec<Listed>, Error> {
        let user_id = subject.map(|subject| format!("{provider}:{subject}"));
        let names = |row: &Row| {
            row.provided.as_ref().is_some_and(|provided| {
                provided.provider == provider
                    && user_id.as_ref().is_none_or(|user_id| *user_id == row.user_id)
                    && sid.is_none_or(|sid| provided.sid.as_deref() == Some(sid))
            })
        };
        self.end_where(names, State::Logout)
    }

    fn end_where(&self, names: impl Fn(&Row) -> bool, state: State) -> Result<Vec<Listed>, Error> {
        let mut batch = WriteBatch::default();
        let changes = self.changes.lock();
        let mut hashes = Vec::new();
        self.each_row(|hash, row| hashes.extend((row.state == State::Active && names(&row)).then_some(*hash)))?;
        let ended = self.put_ended(&mut batch, &hashes, state)?;
        self.database.write(batch)?;
        self.forget(&ended);
        drop(changes);
        self.database.sync()?;
        Ok(ended.into_iter().map(|(_, listed)| listed).filter(|listed| listed.state == state).collect())
    }

    /// Notes that a provider was asked and what it said; the next request sees it. Not synced: a provider that is
    /// asked once more says the same.
    pub(crate) fn checked(
        &self,
        id: &super::SessionId,
        groups: BTreeSet<String>,
        sealed: Option<String>,
        now: Timestamp,
    ) -> Result<(), Error> {
        let _changes = self.changes.lock();
        let Some(hash) = self.hash_of(id.as_str())? else { return Ok(()) };
        let Some(mut row) = self.row(&hash)?.filter(|row| row.state == State::Active) else { return Ok(()) };
        let Some(provided) = &mut row.provided else { return Ok(()) };
        (provided.groups, provided.sealed, provided.checked) = (groups, sealed, now);
        let mut batch = WriteBatch::default();
        batch.put(Table::Session.key(&hash), serde_json::to_vec(&row)?);
        self.database.write(batch)?;
        if let Some(live) = self.cache.get(&hash) {
            self.used.lock().insert(hash, live.last_used_ms());
            self.cache.remove(&hash);
        }
        Ok(())
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
    pub(super) fn put_ended(
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
    pub(super) fn forget(&self, ended: &[(CookieHash, Listed)]) {
        for (hash, listed) in ended {
            if let Some(live) = self.cache.get(hash) {
                live.end(listed.state);
            }
            self.cache.remove(hash);
        }
        self.live.fetch_sub(ended.len() as u64, Ordering::Relaxed);
    }
}

fn person_key(row: &Row, hash: &CookieHash) -> Vec<u8> {
    let created = row.created.as_microsecond().to_be_bytes();
    [row.user_id.as_bytes(), &[0], &created, hash].concat()
}

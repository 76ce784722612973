//! Sessions begin and end; all under one lock, so that what is counted is what is there.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use jiff::Timestamp;
use rocksdb::WriteBatch;

use super::row::Row;
use super::store::{CookieHash, Draft, MAX_LIVE, Store};
use super::{LOGIN, Listed, Session, SessionCookie, SessionFilter, State};
use crate::error::Error;
use crate::keyed::sha256;
use crate::state::Table;

/// Sessions of one circuit that may come from one sign-in at the login host, as tabs ask for them at the same time; one
/// more ends the oldest.
const CHILDREN_OF_A_CIRCUIT: usize = 8;

/// Values in [`Table::ByPerson`]: somebody signed in for it, or it came from a sign-in at the login host.
const ROOT: &[u8] = &[];
const CHILD: &[u8] = b"c";

impl Store {
    /// On disk when this returns.
    pub(crate) fn create(&self, draft: Draft, replaces: Option<&Session>) -> Result<SessionCookie, Error> {
        self.database.whole()?;
        let row = self.new_row(&draft);
        let hash = sha256(draft.cookie.as_bytes());
        let mut batch = WriteBatch::default();
        let changes = self.changes.lock();
        let mut ending = self.to_make_room(&draft)?;
        if let Some(old) = replaces.map(|session| self.hash_of(session.id.as_str())).transpose()?.flatten() {
            ending.push(old);
        }
        let ended = self.put_ended(&mut batch, &ending, State::Revoked)?;
        if self.live.load(Ordering::Relaxed).saturating_sub(ended.len() as u64) >= MAX_LIVE {
            return Err(Error::TooManySessions);
        }
        batch.put(Table::Session.key(&hash), serde_json::to_vec(&row)?);
        batch.put(Table::ById.key(row.id.as_bytes()), hash);
        let kind = if row.parent.is_some() { CHILD } else { ROOT };
        batch.put(Table::ByPerson.key(&person_key(&row, &hash)), kind);
        self.database.write(batch)?;
        self.forget(&ended);
        self.live.fetch_add(1, Ordering::Relaxed);
        drop(changes);
        self.database.sync()?;
        Ok(SessionCookie { value: draft.cookie, session: Arc::new(row.session()) })
    }

    fn new_row(&self, draft: &Draft) -> Row {
        let created = self.clock.now();
        let expires = created.checked_add(draft.limits.max_age).unwrap_or(Timestamp::MAX);
        Row {
            id: draft.id.as_str().to_owned(),
            circuit: draft.circuit.to_string(),
            email: draft.email.as_deref().map(str::to_owned),
            user_id: draft.user_id.to_string(),
            method: draft.method,
            created,
            expires: draft.parent.as_ref().map_or(expires, |(_, end)| expires.min(*end)),
            idle_seconds: draft.limits.idle.as_secs(),
            source_ip: draft.source_ip,
            user_agent: draft.user_agent.clone(),
            state: State::Active,
            ended: None,
            fingerprint: draft.fingerprint.clone(),
            provided: draft.provided.clone(),
            passed: draft.passed.clone(),
            parent: draft.parent.as_ref().map(|(parent, _)| parent.clone()),
        }
    }

    /// The oldest sessions of this person that must end so that one more fits: a person has so many sign-ins, and each
    /// of them so many sessions of one circuit. A shared secret is nobody: its sessions are counted in all only.
    fn to_make_room(&self, draft: &Draft) -> Result<Vec<CookieHash>, Error> {
        let (mut own, most) = match &draft.parent {
            _ if draft.email.is_none() => return Ok(Vec::new()),
            Some((parent, _)) => {
                let all = self.children(&draft.user_id, &parent.id)?;
                let here = all.into_iter().filter(|(_, row)| row.circuit == *draft.circuit).map(|(hash, _)| hash);
                (here.collect::<Vec<_>>(), CHILDREN_OF_A_CIRCUIT)
            }
            None => {
                let roots = self.of_person(&draft.user_id, ROOT)?;
                (roots, draft.limits.per_person.unwrap_or(usize::MAX).max(1))
            }
        };
        let mut surplus = (own.len() + 1).saturating_sub(most);
        if self.live.load(Ordering::Relaxed) >= MAX_LIVE {
            surplus = surplus.max(1);
        }
        own.truncate(surplus);
        Ok(own)
    }

    /// Live sessions of a person that are of a kind, the oldest first.
    fn of_person(&self, user_id: &str, kind: &[u8]) -> Result<Vec<CookieHash>, Error> {
        let prefix = [user_id.as_bytes(), &[0]].concat();
        let mut own = Vec::new();
        self.database.scan(Table::ByPerson, &prefix, &prefix, |key, value| {
            own.extend(key.last_chunk::<32>().filter(|_| value == kind).copied());
            true
        })?;
        Ok(own)
    }

    /// Live sessions that came from a sign-in at the login host, the oldest first.
    fn children(&self, user_id: &str, root: &str) -> Result<Vec<(CookieHash, Row)>, Error> {
        let mut children = Vec::new();
        for hash in self.of_person(user_id, CHILD)? {
            children.extend(self.row(&hash)?.filter(|row| row.is_child_of(root)).map(|row| (hash, row)));
        }
        Ok(children)
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
        (provided.groups, provided.sealed, provided.checked) = (groups.clone(), sealed, now);
        let mut changed = self.children(&row.user_id, &row.id)?;
        for provided in changed.iter_mut().filter_map(|(_, child)| child.provided.as_mut()) {
            (provided.groups, provided.checked) = (groups.clone(), now);
        }
        changed.push((hash, row));
        let mut batch = WriteBatch::default();
        for (hash, row) in &changed {
            batch.put(Table::Session.key(hash), serde_json::to_vec(row)?);
        }
        self.database.write(batch)?;
        changed.iter().for_each(|(hash, _)| self.read_anew(hash));
        Ok(())
    }

    /// The next request reads the row.
    fn read_anew(&self, hash: &CookieHash) {
        if let Some(live) = self.cache.get(hash) {
            self.used.lock().insert(*hash, live.last_used_ms());
            self.cache.remove(hash);
        }
    }

    fn matching(&self, filter: &SessionFilter) -> Result<Vec<CookieHash>, Error> {
        if let Some(id) = &filter.id {
            let found = self.hash_of(id)?;
            let row = found.map(|hash| self.row(&hash)).transpose()?.flatten();
            let Some(row) = row.filter(|row| row.matches(filter) && row.state == State::Active) else {
                return Ok(Vec::new());
            };
            // With the sign-in that it came from: else its browser would be given another session.
            let root = row.parent.map(|parent| self.hash_of(&parent.id)).transpose()?.flatten();
            return Ok(found.into_iter().chain(root).collect());
        }
        let mut hashes = Vec::new();
        self.each_row(|hash, row| {
            if row.state == State::Active && row.matches(filter) {
                hashes.push(*hash);
            }
        })?;
        Ok(hashes)
    }

    /// Those of `hashes` that are live and those that came from them, marked as ended in the batch. One whose time was
    /// over becomes expired.
    pub(super) fn put_ended(
        &self,
        batch: &mut WriteBatch,
        hashes: &[CookieHash],
        state: State,
    ) -> Result<Vec<(CookieHash, Listed)>, Error> {
        let now = self.clock.now();
        let mut ended = Vec::new();
        for hash in &self.with_children(hashes)? {
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

    fn with_children(&self, hashes: &[CookieHash]) -> Result<BTreeSet<CookieHash>, Error> {
        let mut all: BTreeSet<_> = hashes.iter().copied().collect();
        for hash in hashes {
            let Some(row) = self.row(hash)?.filter(|row| row.circuit == LOGIN) else { continue };
            all.extend(self.children(&row.user_id, &row.id)?.into_iter().map(|(hash, _)| hash));
        }
        Ok(all)
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

//! Temporary access: a person whom a circuit's policy refuses is let in until an instant.
//!
//! A grant stands in for `members` and `allow` and for nothing else: not for the state of the account, not for the rules
//! about addresses, not for the ways of signing in.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use vestibule_config::{Email, Name};

use crate::clock::Clock;
use crate::error::Error;
use crate::kept::{Index, Kept, Row, new_id};
use crate::state::{State, Table};

/// Grants at the same time. Those that are over make room for new ones.
pub const GRANTS_MAX: usize = 1_000;

/// The longest time of one.
pub const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// So long its person is told that a grant is over; then nobody knows of it any more.
const REMEMBERED: Duration = Duration::from_secs(30 * 24 * 3600);

/// One person, let in to one circuit for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// 16 hex digits.
    pub id: String,
    /// Lower-cased.
    pub email: String,
    /// Its name.
    pub circuit: String,
    /// When it began.
    pub since: Timestamp,
    /// From this instant on it is over.
    pub until: Timestamp,
    /// Who gave it.
    pub by: String,
}

/// Why a grant was not given.
#[derive(Debug, thiserror::Error)]
pub enum NotGranted {
    /// [`GRANTS_MAX`] are in force.
    #[error("there are {GRANTS_MAX} grants already")]
    Full,
    /// The state database refuses.
    #[error(transparent)]
    State(#[from] Error),
}

/// All of them, in memory and on disk.
pub struct Grants {
    clock: Arc<dyn Clock>,
    kept: Kept<Vec<Grant>>,
    changes: AtomicU64,
}

impl Row for Grant {
    const TABLE: Table = Table::Grant;

    fn id(&self) -> &str {
        &self.id
    }
}

/// Looked through only when somebody is judged anew.
impl Index for Vec<Grant> {
    type Row = Grant;

    fn rows(&self) -> &[Grant] {
        self
    }
}

impl Grant {
    /// What decided, as entries name it.
    pub fn rule(&self) -> String {
        format!("grants.{}", self.id)
    }

    pub(crate) fn is_in_force(&self, now: Timestamp) -> bool {
        now < self.until
    }

    fn is_told_of(&self, now: Timestamp) -> bool {
        Duration::try_from(now.duration_since(self.until)).is_ok_and(|over| over < REMEMBERED) || self.is_in_force(now)
    }
}

impl Grants {
    pub(crate) fn open(state: Arc<State>, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        Ok(Self { clock, kept: Kept::open(state)?, changes: AtomicU64::new(0) })
    }

    /// In force now, the latest first.
    pub fn list(&self) -> Vec<Grant> {
        let now = self.clock.now();
        let mut grants: Vec<_> = self.kept.load().iter().filter(|grant| grant.is_in_force(now)).cloned().collect();
        grants.sort_by(|one, other| other.since.cmp(&one.since).then_with(|| one.id.cmp(&other.id)));
        grants
    }

    /// Lets a person in, from the next request on; on disk when this returns (one sync: call it where blocking is
    /// allowed). `period` is cut to [`LONGEST`].
    ///
    /// # Errors
    /// When there are too many, or the state database refuses; then nothing changes.
    pub fn add(&self, email: &Email, circuit: &Name, period: Duration, by: &str) -> Result<Grant, NotGranted> {
        let now = self.clock.now();
        let grant = Grant {
            id: new_id(),
            email: email.to_string(),
            circuit: circuit.to_string(),
            since: now,
            // Beyond the end of time nothing is granted.
            until: now.checked_add(period.min(LONGEST)).unwrap_or(now),
            by: by.to_owned(),
        };
        let added = self.kept.add(grant.clone(), |rows| make_room(rows, now))?;
        self.changes.fetch_add(1, Ordering::Release);
        if added { Ok(grant) } else { Err(NotGranted::Full) }
    }

    /// Takes it away, from the next request on. Absent: there is no such grant. As [`Self::add`].
    ///
    /// # Errors
    /// When the state database refuses; then the grant stays.
    pub fn remove(&self, id: &str) -> Result<Option<Grant>, Error> {
        let removed = self.kept.remove(id)?;
        self.changes.fetch_add(1, Ordering::Release);
        Ok(removed)
    }

    /// Takes all of a person away, those too that are over. How many.
    pub(crate) fn erase(&self, email: &str) -> Result<usize, Error> {
        let theirs: Vec<Grant> = self.kept.load().iter().filter(|grant| grant.email == email).cloned().collect();
        for grant in &theirs {
            self.kept.remove(&grant.id)?;
        }
        self.changes.fetch_add(1, Ordering::Release);
        Ok(theirs.len())
    }

    /// Another number after each change: what was judged before is to be judged again.
    pub(crate) fn version(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// The one that ends last, one that is over too.
    pub(crate) fn of(&self, email: &str, circuit: &str, now: Timestamp) -> Option<Grant> {
        let held = self.kept.load();
        let theirs = held.iter().filter(|grant| grant.email == email && grant.circuit == circuit);
        theirs.filter(|grant| grant.is_told_of(now)).max_by_key(|grant| grant.until).cloned()
    }

    /// In force now.
    pub(crate) fn count(&self) -> u64 {
        let now = self.clock.now();
        self.kept.load().iter().filter(|grant| grant.is_in_force(now)).count() as u64
    }
}

/// Those in force, and of those that are over the ones that ended last.
fn make_room(rows: &[Grant], now: Timestamp) -> Option<Vec<Grant>> {
    let mut stays: Vec<_> = rows.iter().filter(|grant| grant.is_told_of(now)).cloned().collect();
    stays.sort_by_key(|grant| std::cmp::Reverse(grant.until));
    stays.truncate(GRANTS_MAX - 1);
    let in_force = rows.iter().filter(|grant| grant.is_in_force(now)).count();
    (in_force < GRANTS_MAX).then_some(stays)
}

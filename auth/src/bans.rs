//! Networks that an administrator keeps out, and accounts that failed too often: what both have in common is that
//! somebody may want to let them in again.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::error::Error;
use crate::kept::{Index, Kept, Row, new_id};
use crate::rules::Set;
use crate::state::{State, Table};

/// Bans at the same time.
pub const BANS_MAX: usize = 1_000;

/// One network that is kept out of every circuit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ban {
    /// 16 hex digits.
    pub id: String,
    /// Canonical.
    pub network: IpNet,
    /// When it began.
    pub since: Timestamp,
    /// From this instant on it is over; never where absent.
    pub until: Option<Timestamp>,
    /// Who made it.
    pub by: String,
    /// Why, in that person's words.
    pub note: Option<String>,
}

/// Why a ban was not made.
#[derive(Debug, thiserror::Error)]
pub enum NotBanned {
    /// There are [`BANS_MAX`].
    #[error("there are {BANS_MAX} bans already")]
    Full,
    /// The state database refuses.
    #[error(transparent)]
    State(#[from] Error),
}

/// All of them, in memory and on disk.
pub struct Bans {
    clock: Arc<dyn Clock>,
    kept: Kept<Held>,
}

struct Held {
    rows: Vec<Ban>,
    /// The networks of the rows, those of bans that are over too.
    networks: Set,
}

impl From<Vec<Ban>> for Held {
    fn from(rows: Vec<Ban>) -> Self {
        let networks: Vec<_> = rows.iter().map(|ban| ban.network).collect();
        Self { networks: Set::new(&networks), rows }
    }
}

impl Index for Held {
    type Row = Ban;

    fn rows(&self) -> &[Ban] {
        &self.rows
    }
}

impl Row for Ban {
    const TABLE: Table = Table::Ban;

    fn id(&self) -> &str {
        &self.id
    }
}

impl Ban {
    fn is_in_force(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

impl Bans {
    pub(crate) fn open(state: Arc<State>, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        Ok(Self { clock, kept: Kept::open(state)? })
    }

    /// In force now, the latest first.
    pub fn list(&self) -> Vec<Ban> {
        let now = self.clock.now();
        let mut bans: Vec<_> = self.kept.load().rows.iter().filter(|ban| ban.is_in_force(now)).cloned().collect();
        bans.sort_by(|one, other| other.since.cmp(&one.since).then_with(|| one.id.cmp(&other.id)));
        bans
    }

    /// Keeps a network out, from the next request on; on disk when this returns (one sync: call it where blocking is
    /// allowed).
    ///
    /// # Errors
    /// When there are too many, or the state database refuses; then nothing changes.
    pub fn add(
        &self,
        network: IpNet,
        until: Option<Timestamp>,
        by: &str,
        note: Option<String>,
    ) -> Result<Ban, NotBanned> {
        let now = self.clock.now();
        let ban = Ban { id: new_id(), network: network.trunc(), since: now, until, by: by.to_owned(), note };
        let added = self.kept.add(ban.clone(), |rows| {
            let stays: Vec<_> = rows.iter().filter(|ban| ban.is_in_force(now)).cloned().collect();
            (stays.len() < BANS_MAX).then_some(stays)
        })?;
        if added { Ok(ban) } else { Err(NotBanned::Full) }
    }

    /// Lets a network in again. Absent: there is no such ban. As [`Self::add`].
    ///
    /// # Errors
    /// When the state database refuses; then the ban stays.
    pub fn remove(&self, id: &str) -> Result<Option<Ban>, Error> {
        self.kept.remove(id)
    }

    /// Whether an address is kept out at this moment.
    pub(crate) fn hold(&self, address: IpAddr, now: impl FnOnce() -> Timestamp) -> bool {
        let held = self.kept.load();
        if held.rows.is_empty() || !held.networks.contains(address) {
            return false;
        }
        let (now, address) = (now(), address.to_canonical());
        held.rows.iter().any(|ban| ban.is_in_force(now) && ban.network.contains(&address))
    }
}

//! Networks that an administrator keeps out, and accounts that failed too often: what both have in common is that
//! somebody may want to let them in again.

use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use ipnet::IpNet;
use jiff::Timestamp;
use parking_lot::Mutex;
use rocksdb::WriteBatch;
use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::error::Error;
use crate::keyed::{hex, random};
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
    state: Arc<State>,
    held: ArcSwap<Held>,
    /// Held over a whole change.
    changing: Mutex<()>,
}

struct Held {
    rows: Vec<Ban>,
    /// The networks of the rows, those of bans that are over too.
    networks: Set,
}

impl Held {
    fn new(rows: Vec<Ban>) -> Self {
        let networks: Vec<_> = rows.iter().map(|ban| ban.network).collect();
        Self { networks: Set::new(&networks), rows }
    }
}

impl Ban {
    fn is_in_force(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

impl Bans {
    pub(crate) fn open(state: Arc<State>, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let mut rows = Vec::new();
        state.scan(Table::Ban, &[], &[], |_, value| {
            // A row that cannot be read would keep nobody out; what can be read still does.
            match serde_json::from_slice(value) {
                Ok(ban) => rows.push(ban),
                Err(error) => tracing::error!(%error, "a ban cannot be read"),
            }
            true
        })?;
        Ok(Self { clock, state, held: ArcSwap::from_pointee(Held::new(rows)), changing: Mutex::default() })
    }

    /// In force now, the latest first.
    pub fn list(&self) -> Vec<Ban> {
        let now = self.clock.now();
        let mut bans: Vec<_> = self.held.load().rows.iter().filter(|ban| ban.is_in_force(now)).cloned().collect();
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
        let _turn = self.changing.lock();
        let (now, held) = (self.clock.now(), self.held.load());
        let mut rows: Vec<_> = held.rows.iter().filter(|ban| ban.is_in_force(now)).cloned().collect();
        if rows.len() >= BANS_MAX {
            return Err(NotBanned::Full);
        }
        let id = hex(random().first_chunk::<8>().unwrap_or(&[0; 8]));
        let ban = Ban { id, network: network.trunc(), since: now, until, by: by.to_owned(), note };
        let mut batch = over(&held.rows, now);
        batch.put(Table::Ban.key(ban.id.as_bytes()), serde_json::to_vec(&ban).map_err(Error::from)?);
        self.write(batch)?;
        rows.push(ban.clone());
        self.held.store(Arc::new(Held::new(rows)));
        Ok(ban)
    }

    /// Lets a network in again. Absent: there is no such ban. As [`Self::add`].
    ///
    /// # Errors
    /// When the state database refuses; then the ban stays.
    pub fn remove(&self, id: &str) -> Result<Option<Ban>, Error> {
        let _turn = self.changing.lock();
        let held = self.held.load();
        let Some(ban) = held.rows.iter().find(|ban| ban.id == id).cloned() else { return Ok(None) };
        let mut batch = WriteBatch::default();
        batch.delete(Table::Ban.key(id.as_bytes()));
        self.write(batch)?;
        let rows = held.rows.iter().filter(|ban| ban.id != id).cloned().collect();
        self.held.store(Arc::new(Held::new(rows)));
        Ok(Some(ban))
    }

    /// Whether an address is kept out.
    pub(crate) fn hold(&self, address: IpAddr) -> bool {
        let held = self.held.load();
        if held.rows.is_empty() || !held.networks.contains(address) {
            return false;
        }
        let (now, address) = (self.clock.now(), address.to_canonical());
        held.rows.iter().any(|ban| ban.is_in_force(now) && ban.network.contains(&address))
    }

    fn write(&self, batch: WriteBatch) -> Result<(), Error> {
        self.state.write(batch)?;
        self.state.sync()
    }
}

/// Removes what is over.
fn over(rows: &[Ban], now: Timestamp) -> WriteBatch {
    let mut batch = WriteBatch::default();
    for ban in rows.iter().filter(|ban| !ban.is_in_force(now)) {
        batch.delete(Table::Ban.key(ban.id.as_bytes()));
    }
    batch
}

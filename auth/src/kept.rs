//! What administrators add and take away while the program runs: few rows, all in memory, each on disk.

use std::collections::HashSet;
use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use parking_lot::Mutex;
use rocksdb::WriteBatch;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Error;
use crate::keyed::{hex, random};
use crate::state::{State, Table};

/// One of them. Its key on disk is its id, its value is JSON.
pub(crate) trait Row: Clone + Serialize + DeserializeOwned {
    /// Where it is kept.
    const TABLE: Table;

    /// Tells it from all others.
    fn id(&self) -> &str;
}

/// Rows, and what requests look them up by.
pub(crate) trait Index: From<Vec<<Self as Index>::Row>> {
    type Row: Row;

    /// In no order.
    fn rows(&self) -> &[Self::Row];
}

/// The rows of one table. A request reads them without a lock.
pub(crate) struct Kept<I> {
    state: Arc<State>,
    held: ArcSwap<I>,
    /// Held over a whole change.
    changing: Mutex<()>,
}

impl<I: Index> Kept<I> {
    /// A row that cannot be read is left out, and said to be.
    pub(crate) fn open(state: Arc<State>) -> Result<Self, Error> {
        let mut rows = Vec::new();
        state.scan(I::Row::TABLE, &[], &[], |_, value| {
            match serde_json::from_slice(value) {
                Ok(row) => rows.push(row),
                Err(error) => tracing::error!(%error, table = ?I::Row::TABLE, "a row cannot be read"),
            }
            true
        })?;
        Ok(Self { state, held: ArcSwap::from_pointee(I::from(rows)), changing: Mutex::default() })
    }

    pub(crate) fn load(&self) -> Guard<Arc<I>> {
        self.held.load()
    }

    /// Adds a row beside those that `stays` leaves; the others are forgotten. False, and nothing is changed, where it
    /// says that there is no room. On disk when this returns, with one sync.
    pub(crate) fn add(&self, row: I::Row, stays: impl FnOnce(&[I::Row]) -> Option<Vec<I::Row>>) -> Result<bool, Error> {
        let _turn = self.changing.lock();
        let held = self.held.load();
        let Some(mut rows) = stays(held.rows()) else { return Ok(false) };
        let ids: HashSet<&str> = rows.iter().map(Row::id).collect();
        let mut batch = WriteBatch::default();
        for gone in held.rows().iter().filter(|row| !ids.contains(row.id())) {
            batch.delete(I::Row::TABLE.key(gone.id().as_bytes()));
        }
        batch.put(I::Row::TABLE.key(row.id().as_bytes()), serde_json::to_vec(&row)?);
        self.write(batch)?;
        rows.push(row);
        self.held.store(Arc::new(I::from(rows)));
        Ok(true)
    }

    /// Takes one away; absent: there is none. As [`Self::add`].
    pub(crate) fn remove(&self, id: &str) -> Result<Option<I::Row>, Error> {
        let _turn = self.changing.lock();
        let held = self.held.load();
        let Some(row) = held.rows().iter().find(|row| row.id() == id).cloned() else { return Ok(None) };
        let mut batch = WriteBatch::default();
        batch.delete(I::Row::TABLE.key(id.as_bytes()));
        self.write(batch)?;
        let rows = held.rows().iter().filter(|row| row.id() != id).cloned().collect::<Vec<_>>();
        self.held.store(Arc::new(I::from(rows)));
        Ok(Some(row))
    }

    fn write(&self, batch: WriteBatch) -> Result<(), Error> {
        self.state.write(batch)?;
        self.state.sync()
    }
}

/// 16 hex digits.
pub(crate) fn new_id() -> String {
    hex(random().first_chunk::<8>().unwrap_or(&[0; 8]))
}

//! What is written late, and what is forgotten.

use jiff::SignedDuration;
use rocksdb::WriteBatch;

use super::row::Row;
use super::store::{CookieHash, Store};
use super::{SessionFilter, State};
use crate::error::Error;
use crate::state::Table;

/// Rows that one sweep looks at.
const SWEPT_ROWS: usize = 20_000;

/// Ended sessions stay in lists for this long.
const KEEP_ENDED: SignedDuration = SignedDuration::from_hours(30 * 24);

impl Store {
    /// Writes what is only in memory: last uses that are due (`all`: every one) and sessions found to be over.
    pub(crate) fn flush(&self, all: bool) -> Result<(), Error> {
        let mut used = std::mem::take(&mut *self.used.lock());
        if all {
            self.cache.each(|hash, live| {
                if live.unwritten() {
                    used.insert(*hash, live.last_used_ms());
                }
            });
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

    /// Ends the sessions of a person and takes all of them out of the database, those too that were over. How many.
    pub(crate) fn erase(&self, email: &str) -> Result<usize, Error> {
        let filter = SessionFilter { id: None, email: Some(email.to_owned()), circuit: None };
        self.end(&filter, State::Revoked)?;
        let mut rows = Vec::new();
        self.each_row(|hash, row| {
            if row.email.as_deref() == Some(email) {
                rows.push((*hash, row));
            }
        })?;
        self.drop_rows(&rows)?;
        Ok(rows.len())
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
}

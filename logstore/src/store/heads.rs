//! For those who prove what the logs hold: signed heads, anchors of them, proofs, and copies of the whole store.

use std::path::Path;

use jiff::Timestamp;
use rocksdb::checkpoint::Checkpoint;

use super::Store;
use crate::anchor;
use crate::checkpoint::{self, Signed};
use crate::database;
use crate::error::{Error, QueryError};
use crate::note::Signer;
use crate::prove;
use crate::row::Row;

/// Ids of requests that a restored store leaves out: more than it gave out since its backup.
const LEFT_OUT: u64 = 1 << 36;

impl Store {
    /// Signs the heads of the logs that have grown since the last time. Blocks for an fsync; to be called every minute
    /// and before [`Self::close`].
    ///
    /// # Errors
    /// When the disk refuses; the next call signs what is there then.
    pub fn sign(&self, signer: &Signer, now: Timestamp) -> Result<(), Error> {
        checkpoint::sign(&self.handle.shared, signer, now)
    }

    /// The latest signed head of each log, by the order of [`crate::Log::ALL`]; none if there is none yet.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn heads(&self) -> Result<[Option<Signed>; 3], Error> {
        checkpoint::heads(&self.handle.shared)
    }

    /// Signs the heads, and makes the next anchor of them; none while the store is being opened again.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn anchor(&self, signer: &Signer, now: Timestamp, cause: &str) -> Result<Option<anchor::Kept>, Error> {
        self.sign(signer, now)?;
        anchor::make(&self.handle.shared, now, cause, None)
    }

    /// As [`Self::anchor`], of a store that was restored with so many entries of each log: heads with more that were
    /// anchored before are lost, and this says so.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn anchor_restored(
        &self,
        signer: &Signer,
        now: Timestamp,
        kept: [u64; 3],
    ) -> Result<Option<anchor::Kept>, Error> {
        self.sign(signer, now)?;
        anchor::make(&self.handle.shared, now, "restore", Some((signer, kept)))
    }

    /// The latest anchor.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn last_anchor(&self) -> Result<Option<anchor::Kept>, Error> {
        let slot = self.handle.shared.db.read();
        slot.as_ref().map_or(Ok(None), |db| Ok(anchor::last(db)?))
    }

    /// Anchors from a number on, at most [`anchor::AT_ONCE`].
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn anchors(&self, from: u64) -> Result<Vec<anchor::Kept>, Error> {
        anchor::from(&self.handle.shared, from)
    }

    /// The number of the first anchor that a place does not have yet.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn next_anchor_of(&self, place: &str) -> Result<u64, Error> {
        anchor::next_of(&self.handle.shared, place)
    }

    /// A place has all anchors before this number.
    ///
    /// # Errors
    /// When the disk refuses; the place is told again then.
    pub fn set_next_anchor_of(&self, place: &str, next: u64) -> Result<(), Error> {
        anchor::set_next_of(&self.handle.shared, place, next)
    }

    /// After a store was restored from a backup: takes the anchors that were made since, so that the next one follows
    /// them, and leaves out request ids that may have been given out since. Nothing else may be written yet.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn adopt(&self, younger: &[anchor::Kept]) -> Result<(), Error> {
        let shared = &self.handle.shared;
        anchor::adopt(shared, younger)?;
        let slot = shared.db.read();
        slot.as_ref().map_or(Ok(()), |db| {
            Ok(database::reserve_requests(db, shared.request_ids.counter().saturating_add(LEFT_OUT))?)
        })
    }

    /// A file that proves to whoever has the key that this entry is in its log, see [`prove::check`]; none if no head
    /// was signed since it was written.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn prove(&self, row: &Row) -> Result<Option<String>, QueryError> {
        prove::prove(&self.handle.shared, row)
    }

    /// A copy of what is stored now, in a folder that is not there yet: files that never change are shared with it where
    /// the file system can. Blocks for as long as it takes to write out what is in memory.
    ///
    /// # Errors
    /// When the disk refuses, or the store is being opened again.
    pub fn copy_to(&self, dir: &Path) -> Result<(), Error> {
        let slot = self.handle.shared.db.read();
        let db = slot.as_ref().ok_or(Error::Damaged { what: "the log store is not open" })?;
        db.flush_wal(true)?;
        Ok(Checkpoint::new(db)?.create_checkpoint(dir)?)
    }
}

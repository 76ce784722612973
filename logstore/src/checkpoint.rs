//! Signed heads of the logs: what each of them held at a moment.

use std::sync::Arc;

use jiff::Timestamp;
use rocksdb::{DB, WriteBatch};
use uuid::Uuid;

use crate::column::{Column, hot_key, hot_seq};
use crate::database::column;
use crate::entry::Log;
use crate::error::Error;
use crate::hot;
use crate::note::{Checkpoint, PublicKey, Signer};
use crate::shared::Shared;

/// Of the checkpoints of an hour only the last one is kept, in microseconds.
const HOUR: i64 = 3_600_000_000;

/// A checkpoint as it was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// Entries under it.
    pub size: u64,
    /// When, in microseconds since 1970.
    pub time: i64,
    /// A signed note.
    pub note: String,
}

/// The name under which a store's heads are signed.
pub fn name(store: Uuid) -> String {
    format!("vestibule/{store}")
}

/// Names one log of a store: the origin of its checkpoints.
pub fn origin(store: Uuid, log: Log) -> String {
    format!("{}/{}", name(store), log.name())
}

/// The key under the name of one log, as tools that read checkpoints take it.
pub fn log_key(key: &PublicKey, store: Uuid, log: Log) -> String {
    key.print(&origin(store, log))
}

/// Signs the head of every log that has grown since the last time.
pub(crate) fn sign(shared: &Shared, signer: &Signer, now: Timestamp) -> Result<(), Error> {
    let trees = Log::ALL.map(|log| shared.contents(log).read().tree.clone());
    let slot = shared.db.read();
    let Some(db) = slot.as_ref() else { return Ok(()) };
    // Only what a power cut cannot take away is signed.
    db.flush_wal(true)?;
    let mut batch = WriteBatch::default();
    for (log, tree) in Log::ALL.into_iter().zip(trees) {
        let last = last(db, log)?;
        if last.as_ref().is_some_and(|last| last.size == tree.size()) {
            continue;
        }
        let checkpoint = Checkpoint { origin: origin(shared.store, log), size: tree.size(), root: tree.edge().root() };
        let signed = Signed { size: checkpoint.size, time: now.as_microsecond(), note: signer.sign(&checkpoint) };
        if let Some(last) = last.filter(|last| last.time.div_euclid(HOUR) == signed.time.div_euclid(HOUR)) {
            batch.delete_cf(&column(db, Column::Note), hot_key(log, last.size));
        }
        put(db, log, &signed, &mut batch);
    }
    db.write(batch)?;
    Ok(db.flush_wal(true)?)
}

/// Stores one, instead of one of the same size.
pub(crate) fn put(db: &DB, log: Log, signed: &Signed, batch: &mut WriteBatch) {
    let value = [&signed.time.to_be_bytes(), signed.note.as_bytes()].concat();
    batch.put_cf(&column(db, Column::Note), hot_key(log, signed.size), value);
}

fn decode(log: Log, key: &[u8], value: &[u8]) -> Option<Signed> {
    let (time, note) = value.split_first_chunk()?;
    // One that is no text must be found wrong, not left out.
    let note = String::from_utf8_lossy(note).into_owned();
    Some(Signed { size: hot_seq(log, key)?, time: i64::from_be_bytes(*time), note })
}

/// The latest of a log.
pub(crate) fn last(db: &DB, log: Log) -> Result<Option<Signed>, rocksdb::Error> {
    let mut notes = db.raw_iterator_cf_opt(&column(db, Column::Note), hot::bounds(log));
    notes.seek_to_last();
    let last = notes.item().and_then(|(key, value)| decode(log, key, value));
    notes.status().map(|()| last)
}

/// The latest of each log, by [`Log::index`]; none where a log has none.
pub(crate) fn latest(db: &DB) -> Result<Option<[Signed; 3]>, rocksdb::Error> {
    let [access, requests, audit] = Log::ALL.map(|log| last(db, log));
    let (Some(access), Some(requests), Some(audit)) = (access?, requests?, audit?) else { return Ok(None) };
    Ok(Some([access, requests, audit]))
}

/// All of a log that are kept, in the order of their sizes.
pub(crate) fn all(db: &DB, log: Log) -> Result<Vec<Signed>, rocksdb::Error> {
    let mut notes = db.raw_iterator_cf_opt(&column(db, Column::Note), hot::bounds(log));
    let mut all = Vec::new();
    notes.seek_to_first();
    while let Some((key, value)) = notes.item() {
        all.extend(decode(log, key, value));
        notes.next();
    }
    notes.status().map(|()| all)
}

/// What [`last`] gives for each log of an open store.
pub(crate) fn heads(shared: &Arc<Shared>) -> Result<[Option<Signed>; 3], Error> {
    let slot = shared.db.read();
    let Some(db) = slot.as_ref() else { return Ok([None, None, None]) };
    let [access, requests, audit] = Log::ALL.map(|log| last(db, log));
    Ok([access?, requests?, audit?])
}

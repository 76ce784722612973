//! Anchors as they are kept, until every place that they go to has them.

use rocksdb::{DB, WriteBatch};

use super::Kept;
use crate::column::Column;
use crate::database::column;
use crate::error::Error;
use crate::shared::Shared;

/// Before the names of anchors in the notes; no log has this byte.
const PREFIX: u8 = 0xff;

/// Of so many at a time a place is told.
pub const AT_ONCE: usize = 100;

/// Takes anchors that are younger than the store, which was restored from before them; they follow its own.
pub(crate) fn adopt(shared: &Shared, anchors: &[Kept]) -> Result<(), Error> {
    let slot = shared.db.read();
    let Some(db) = slot.as_ref() else { return Ok(()) };
    let mut batch = WriteBatch::default();
    anchors.iter().for_each(|kept| put(db, kept, &mut batch));
    db.write(batch)?;
    Ok(db.flush_wal(true)?)
}

pub(crate) fn put(db: &DB, kept: &Kept, batch: &mut WriteBatch) {
    batch.put_cf(&column(db, Column::Note), name(kept.number), &kept.text);
}

fn name(number: u64) -> [u8; 9] {
    let [a, b, c, d, e, f, g, h] = number.to_be_bytes();
    [PREFIX, a, b, c, d, e, f, g, h]
}

fn decode(key: &[u8], text: &[u8]) -> Option<Kept> {
    let number = u64::from_be_bytes(key.strip_prefix(&[PREFIX])?.try_into().ok()?);
    Some(Kept { number, text: String::from_utf8(text.into()).ok()? })
}

/// The latest.
pub(crate) fn last(db: &DB) -> Result<Option<Kept>, rocksdb::Error> {
    let mut notes = db.raw_iterator_cf(&column(db, Column::Note));
    notes.seek_to_last();
    let last = notes.item().and_then(|(key, text)| decode(key, text));
    notes.status().map(|()| last)
}

/// From a number on, at most [`AT_ONCE`].
pub(crate) fn from(shared: &Shared, number: u64) -> Result<Vec<Kept>, Error> {
    let slot = shared.db.read();
    let Some(db) = slot.as_ref() else { return Ok(Vec::new()) };
    let mut notes = db.raw_iterator_cf(&column(db, Column::Note));
    let mut kept = Vec::new();
    notes.seek(name(number));
    while let Some((key, text)) = notes.item()
        && kept.len() < AT_ONCE
    {
        kept.extend(decode(key, text));
        notes.next();
    }
    notes.status()?;
    Ok(kept)
}

/// The number of the first that a place does not have yet.
pub(crate) fn next_of(shared: &Shared, place: &str) -> Result<u64, Error> {
    let slot = shared.db.read();
    let Some(db) = slot.as_ref() else { return Ok(0) };
    let stored = db.get_cf(&column(db, Column::Meta), place_key(place))?;
    Ok(stored.and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_be_bytes))
}

/// A place has all before this number.
pub(crate) fn set_next_of(shared: &Shared, place: &str, next: u64) -> Result<(), Error> {
    let slot = shared.db.read();
    let Some(db) = slot.as_ref() else { return Ok(()) };
    let mut batch = WriteBatch::default();
    batch.put_cf(&column(db, Column::Meta), place_key(place), next.to_be_bytes());
    Ok(db.write(batch)?)
}

fn place_key(place: &str) -> String {
    format!("anchored:{place}")
}

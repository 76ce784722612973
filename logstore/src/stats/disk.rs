//! The counters on disk.

use std::collections::BTreeMap;

use rocksdb::{DB, ReadOptions, WriteBatch};

use super::ring::{Change, Ring};
use crate::column::{Column, hot_key, hot_seq, minute_key, minute_of_key};
use crate::database::column;
use crate::entry::Log;
use crate::error::Error;
use crate::timeline::Timeline;

/// Name of the position up to which the counters count.
const COUNTED: &str = "counted";

/// A day, in microseconds.
const DAY_US: i64 = 24 * 3600 * 1_000_000;

/// Minutes and position belong together: all of it, or nothing.
pub(super) fn write(db: &DB, change: &Change) -> Result<(), rocksdb::Error> {
    let meta = column(db, Column::Meta);
    let mut batch = WriteBatch::default();
    for (minute, bytes) in &change.minutes {
        batch.put_cf(&meta, minute_key(*minute), bytes);
    }
    for minute in &change.dropped {
        batch.delete_cf(&meta, minute_key(*minute));
    }
    batch.put_cf(&meta, COUNTED, change.counted.to_be_bytes());
    db.write(batch)
}

/// As saved, and with the entries that came after.
pub(super) fn load(db: &DB, requests: &Timeline) -> Result<Ring, Error> {
    let stored = db.get_cf(&column(db, Column::Meta), COUNTED)?;
    let counted = stored.and_then(|bytes| bytes.try_into().ok()).map(u64::from_be_bytes);
    let minutes = minutes(db)?;
    let mut ring = match counted.filter(|counted| *counted <= requests.end()) {
        // What is sealed or pruned was counted before.
        Some(counted) => Ring::restored(minutes, counted.max(requests.first())),
        // Never saved, or saved with entries that are gone.
        None => Ring::anew(minutes.into_keys().collect(), first_of_last_day(requests)),
    };
    replay(db, requests.end(), &mut ring)?;
    Ok(ring)
}

fn minutes(db: &DB) -> Result<BTreeMap<i64, Box<[u8]>>, Error> {
    let meta = column(db, Column::Meta);
    let mut options = ReadOptions::default();
    options.set_iterate_upper_bound([minute_key(i64::MAX).as_slice(), &[0]].concat());
    let mut stored = db.raw_iterator_cf_opt(&meta, options);
    stored.seek(minute_key(i64::MIN));
    let mut minutes = BTreeMap::new();
    while let Some((key, bytes)) = stored.item() {
        minutes.extend(minute_of_key(key).map(|minute| (minute, bytes.into())));
        stored.next();
    }
    stored.status()?;
    Ok(minutes)
}

/// The position from which on every entry is that belongs to the day before the latest one.
fn first_of_last_day(requests: &Timeline) -> u64 {
    let units = requests.units(i64::MIN, i64::MAX);
    let latest = units.iter().map(|unit| unit.max).max().unwrap_or(i64::MAX);
    let within = units.iter().filter(|unit| unit.max >= latest.saturating_sub(DAY_US));
    within.map(|unit| unit.first).min().unwrap_or(requests.first())
}

/// Counts the entries from the counted ones on.
fn replay(db: &DB, rows: u64, ring: &mut Ring) -> Result<(), Error> {
    let hot = column(db, Column::Hot);
    let mut options = ReadOptions::default();
    options.set_iterate_upper_bound(hot_key(Log::Requests, rows));
    let mut entries = db.raw_iterator_cf_opt(&hot, options);
    entries.seek(hot_key(Log::Requests, ring.counted()));
    while let Some((key, bytes)) = entries.item() {
        if hot_seq(Log::Requests, key) != Some(ring.counted()) {
            return Err(Error::Damaged { what: "a sequence of entries has a gap" });
        }
        ring.count(bytes);
        entries.next();
    }
    Ok(entries.status()?)
}

//! The counters on disk.

use std::collections::BTreeMap;

use rocksdb::{DB, ReadOptions, WriteBatch};

use super::minute::Minute;
use super::ring::{Change, Ring};
use crate::column::{Column, minute_key, minute_of_key};
use crate::database::column;
use crate::entry::Log;
use crate::error::Error;
use crate::hot;
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
    let are_readable = minutes.values().all(|bytes| Minute::decode(bytes).is_some());
    let mut ring = match counted.filter(|counted| *counted <= requests.end() && are_readable) {
        // What is sealed or pruned was counted before.
        Some(counted) => Ring::restored(minutes, counted.max(requests.first())),
        // Never saved, saved with entries that are gone, or by another version.
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
fn replay(db: &DB, end: u64, ring: &mut Ring) -> Result<(), Error> {
    let mut rows = hot::rows(db, Log::Requests);
    rows.seek(ring.counted());
    while let Some((seq, bytes)) = rows.row()
        && seq < end
    {
        if seq != ring.counted() {
            return Err(Error::Damaged { what: "a sequence of entries has a gap" });
        }
        ring.count(bytes);
        rows.advance();
    }
    Ok(rows.status()?)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::codec::put_number;
    use crate::column::hot_key;
    use crate::database::{self, Opened};
    use crate::shared::Contents;
    use crate::stats::Range;
    use crate::stats::sum::sum;

    /// A log of three entries of the first minute of 1970, counters for it, and what is made of them.
    fn check(counted: Option<u64>, minute: Option<&[u8]>, expected: u64) {
        let dir = tempfile::tempdir().unwrap();
        let Opened { db, .. } = database::open(dir.path()).unwrap();
        let mut entry = Vec::new();
        put_number(1, 5, &mut entry);
        let mut record = Vec::new();
        for first in [0, 1] {
            let ends = (1..=first + 1).map(|row| row * entry.len());
            hot::encode(ends.collect::<Vec<_>>().into_iter(), 0, &entry.repeat(first + 1), &mut record);
            db.put_cf(&column(&db, Column::Hot), hot_key(Log::Requests, first as u64), &record).unwrap();
        }
        if let Some(counted) = counted {
            db.put_cf(&column(&db, Column::Meta), COUNTED, counted.to_be_bytes()).unwrap();
        }
        if let Some(minute) = minute {
            db.put_cf(&column(&db, Column::Meta), minute_key(-7), minute).unwrap();
        }
        drop(db);
        let Opened { db, contents: [_, Contents { timeline: requests, .. }, _], .. } =
            database::open(dir.path()).unwrap();

        let mut ring = load(&db, &requests).unwrap();

        let minutes = ring.between(-60, 0);
        assert_eq!(sum(&minutes, Range::Hour, None, Timestamp::UNIX_EPOCH).totals.count(), expected);
        assert_eq!(ring.counted(), 3);
        write(&db, &ring.take_change()).unwrap();
        assert_eq!(super::minutes(&db).unwrap().len(), minutes.len(), "nothing stale is left on disk");
    }

    #[test]
    fn counters_are_taken_up_where_they_end_or_made_anew_where_they_cannot_be_trusted() {
        let empty = Minute::default().encode();
        check(None, None, 3);
        check(Some(2), Some(&empty), 1);
        // More than there is.
        check(Some(4), Some(&empty), 3);
        check(Some(2), Some(b"\xff of another version"), 3);
        check(None, Some(&empty), 3);
    }
}

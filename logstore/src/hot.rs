//! Rows that are not in a segment, as they are on disk: records of rows that follow each other.
//!
//! Value of a record: the number of its rows as u32, of each where it ends as u32, then their canonical bytes one after
//! the other. A record of its own for each row would cost RocksDB more than all else that is done with it.

use rocksdb::{DB, DBAccess, DBRawIteratorWithThreadMode, ReadOptions, WriteBatch};

use crate::column::{Column, hot_key, hot_seq};
use crate::database::column;
use crate::entry::Log;
use crate::segment::Fault;

/// Bytes of a number in a record.
const NUMBER: usize = size_of::<u32>();

/// Makes the value of a record of rows: of each where it ends in `bytes`, counted from `start`, where the first begins.
pub(crate) fn encode(ends: impl ExactSizeIterator<Item = usize>, start: usize, bytes: &[u8], out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(&(ends.len() as u32).to_be_bytes());
    for end in ends {
        out.extend_from_slice(&((end - start) as u32).to_be_bytes());
    }
    out.extend_from_slice(bytes);
}

/// Some rows at consecutive positions.
#[derive(Debug, Clone, Copy)]
struct Record<'a> {
    ends: &'a [[u8; NUMBER]],
    bytes: &'a [u8],
}

impl<'a> Record<'a> {
    fn decode(value: &'a [u8]) -> Option<Self> {
        let (rows, rest) = value.split_first_chunk()?;
        let (ends, bytes) = rest.split_at_checked(u32::from_be_bytes(*rows) as usize * NUMBER)?;
        Some(Self { ends: ends.as_chunks().0, bytes })
    }

    fn end(&self, at: usize) -> Option<usize> {
        self.ends.get(at).map(|end| u32::from_be_bytes(*end) as usize)
    }

    fn row(&self, at: usize) -> Option<&'a [u8]> {
        let start = at.checked_sub(1).map_or(Some(0), |before| self.end(before))?;
        self.bytes.get(start..self.end(at)?)
    }

    /// The value of a record of the rows from one on.
    fn tail(&self, at: usize) -> Option<Vec<u8>> {
        let start = at.checked_sub(1).map_or(Some(0), |before| self.end(before))?;
        let ends = self.ends.get(at..)?.iter().map(|end| u32::from_be_bytes(*end) as usize);
        let mut tail = Vec::new();
        encode(ends, start, self.bytes.get(start..)?, &mut tail);
        Some(tail)
    }
}

/// Walks over the rows of one log, in their order.
pub(crate) struct Rows<'a, D: DBAccess> {
    log: Log,
    records: DBRawIteratorWithThreadMode<'a, D>,
    /// Place in the record at which the walk is.
    at: usize,
}

/// Of what is in the database now.
pub(crate) fn rows(db: &DB, log: Log) -> Rows<'_, DB> {
    Rows::over(log, db.raw_iterator_cf_opt(&column(db, Column::Hot), bounds(log)))
}

/// For an iterator over the rows of one log.
pub(crate) fn bounds(log: Log) -> ReadOptions {
    let mut options = ReadOptions::default();
    options.set_iterate_lower_bound(hot_key(log, 0));
    options.set_iterate_upper_bound(hot_key(log, u64::MAX));
    options
}

impl<'a, D: DBAccess> Rows<'a, D> {
    /// `records` was made with [`bounds`].
    pub(crate) const fn over(log: Log, records: DBRawIteratorWithThreadMode<'a, D>) -> Self {
        Self { log, records, at: 0 }
    }

    /// To the row at a position, or to the next one that there is.
    pub(crate) fn seek(&mut self, seq: u64) {
        if self.first().is_some_and(|first| first <= seq) && self.go_within(seq) {
            return;
        }
        self.records.seek_for_prev(hot_key(self.log, seq));
        if !self.go_within(seq) {
            self.records.seek(hot_key(self.log, seq));
            self.at = 0;
        }
    }

    /// To the row at a position, if the record in which the walk is has it.
    fn go_within(&mut self, seq: u64) -> bool {
        let (Some(first), Some(record)) = (self.first(), self.record()) else { return false };
        let at = seq.saturating_sub(first) as usize;
        let is_here = first <= seq && at < record.ends.len();
        if is_here {
            self.at = at;
        }
        is_here
    }

    /// Calls `see` with position and bytes of the rows from one position up to but without another, until one is missing
    /// or cannot be read. Returns the position that it came to. Asks RocksDB once for each record, not for each row.
    ///
    /// # Errors
    /// Those of `see`.
    pub(crate) fn each<E>(
        &mut self,
        from: u64,
        to: u64,
        mut see: impl FnMut(u64, &[u8]) -> Result<(), E>,
    ) -> Result<u64, E> {
        self.seek(from);
        let mut seq = from;
        while seq < to
            && let Some(first) = self.first()
            && let Some(record) = self.record()
            && let Some(at) = seq.checked_sub(first)
        {
            let rows = (record.ends.len() as u64).saturating_sub(at).min(to - seq);
            for at in at..at + rows {
                let Some(row) = record.row(at as usize) else { return Ok(seq) };
                see(seq, row)?;
                seq += 1;
            }
            if rows == 0 || seq == to {
                break;
            }
            self.records.next();
            self.at = 0;
        }
        Ok(seq)
    }

    /// To the next row.
    pub(crate) fn advance(&mut self) {
        self.at += 1;
        if self.record().is_some_and(|record| self.at >= record.ends.len()) {
            self.records.next();
            self.at = 0;
        }
    }

    /// Position and bytes of the row at which the walk is; none behind the last one, and where rows cannot be read.
    #[inline]
    pub(crate) fn row(&self) -> Option<(u64, &[u8])> {
        Some((self.first()? + self.at as u64, self.record()?.row(self.at)?))
    }

    /// Why there is no row, if that has a reason.
    pub(crate) fn status(&self) -> Result<(), Fault> {
        self.records.status()?;
        let is_damaged = self.records.valid() && self.row().is_none();
        if is_damaged { Err(Fault::Damaged("a record of rows contradicts itself")) } else { Ok(()) }
    }

    fn first(&self) -> Option<u64> {
        self.records.key().and_then(|key| hot_seq(self.log, key))
    }

    fn record(&self) -> Option<Record<'_>> {
        self.records.value().and_then(Record::decode)
    }
}

/// Takes the rows of a log before a position away, and from the record that it lies in what comes before it.
pub(crate) fn drop_before(db: &DB, log: Log, seq: u64, batch: &mut WriteBatch) -> Result<(), Fault> {
    let hot = column(db, Column::Hot);
    batch.delete_range_cf(&hot, hot_key(log, 0), hot_key(log, seq));
    let mut rows = rows(db, log);
    rows.seek(seq);
    if rows.at > 0 && rows.first().is_some_and(|first| first < seq) {
        let tail = rows.record().and_then(|record| record.tail(rows.at));
        batch.put_cf(&hot, hot_key(log, seq), tail.ok_or(Fault::Damaged("a record of rows contradicts itself"))?);
    }
    rows.status()
}

/// Replaces rows of a log by what `replaced` gives for their position and bytes.
pub(crate) fn replace(
    db: &DB,
    log: Log,
    replaced: impl Fn(u64, &[u8]) -> Option<Vec<u8>>,
    batch: &mut WriteBatch,
) -> Result<(), Fault> {
    let hot = column(db, Column::Hot);
    let mut rows = rows(db, log);
    rows.records.seek_to_first();
    while let (Some(first), Some(record)) = (rows.first(), rows.record()) {
        let (mut ends, mut bytes, mut is_changed) = (Vec::new(), Vec::new(), false);
        for (at, seq) in (0..record.ends.len()).zip(first..) {
            let row = record.row(at).ok_or(Fault::Damaged("a record of rows contradicts itself"))?;
            let new = replaced(seq, row);
            is_changed |= new.is_some();
            bytes.extend_from_slice(new.as_deref().unwrap_or(row));
            ends.push(bytes.len());
        }
        if is_changed {
            let mut value = Vec::new();
            encode(ends.into_iter(), 0, &bytes, &mut value);
            batch.put_cf(&hot, hot_key(log, first), value);
        }
        rows.records.next();
    }
    rows.status()
}

/// Rows that were written one by one, as records.
pub(crate) fn regroup(db: &DB, log: Log, batch: &mut WriteBatch) -> Result<(), rocksdb::Error> {
    /// Rows of a record.
    const GROUP: usize = 256;
    let hot = column(db, Column::Hot);
    let mut rows = db.raw_iterator_cf_opt(&hot, bounds(log));
    rows.seek_to_first();
    let (mut ends, mut bytes, mut first, mut record) = (Vec::new(), Vec::new(), 0, Vec::new());
    loop {
        let row = rows.item().and_then(|(key, row)| Some((hot_seq(log, key)?, row)));
        let follows = row.is_some_and(|(seq, _)| seq == first + ends.len() as u64);
        if !ends.is_empty() && (!follows || ends.len() == GROUP) {
            encode(ends.iter().copied(), 0, &bytes, &mut record);
            batch.put_cf(&hot, hot_key(log, first), &record);
            ends.clear();
            bytes.clear();
        }
        let Some((seq, row)) = row else { break };
        if ends.is_empty() {
            first = seq;
        } else {
            batch.delete_cf(&hot, hot_key(log, seq));
        }
        bytes.extend_from_slice(row);
        ends.push(bytes.len());
        rows.next();
    }
    rows.status()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database;

    fn put(db: &DB, log: Log, first: u64, rows: &[&str]) {
        let mut ends = Vec::new();
        for row in rows {
            ends.push(ends.last().unwrap_or(&0) + row.len());
        }
        let mut value = Vec::new();
        encode(ends.into_iter(), 0, rows.concat().as_bytes(), &mut value);
        db.put_cf(&column(db, Column::Hot), hot_key(log, first), value).unwrap();
    }

    fn from(db: &DB, log: Log, seq: u64) -> Vec<(u64, String)> {
        let (mut rows, mut found) = (rows(db, log), Vec::new());
        rows.seek(seq);
        while let Some((seq, row)) = rows.row() {
            found.push((seq, String::from_utf8(row.into()).unwrap()));
            rows.advance();
        }
        rows.status().unwrap();
        found
    }

    fn some() -> (tempfile::TempDir, DB) {
        let dir = tempfile::tempdir().unwrap();
        let db = database::open(dir.path()).unwrap().db;
        put(&db, Log::Access, 0, &["x", "y"]);
        put(&db, Log::Requests, 5, &["a", "", "bc"]);
        put(&db, Log::Requests, 8, &["def"]);
        put(&db, Log::Audit, 3, &["z"]);
        (dir, db)
    }

    fn named(rows: &[(u64, &str)]) -> Vec<(u64, String)> {
        rows.iter().map(|(seq, row)| (*seq, (*row).to_owned())).collect()
    }

    #[test]
    fn a_walk_begins_anywhere_and_stays_in_its_log() {
        let (_dir, db) = some();
        let all = named(&[(5, "a"), (6, ""), (7, "bc"), (8, "def")]);
        for (seq, skip) in [(0, 0), (5, 0), (6, 1), (7, 2), (8, 3), (9, 4)] {
            assert_eq!(from(&db, Log::Requests, seq), all[skip..], "from {seq}");
        }
        assert_eq!(from(&db, Log::Audit, 0), named(&[(3, "z")]));
        let mut walk = rows(&db, Log::Requests);
        for (seq, row) in [(7, "bc"), (8, "def"), (5, "a"), (6, "")] {
            walk.seek(seq);
            assert_eq!(walk.row(), Some((seq, row.as_bytes())));
        }
    }

    #[test]
    fn rows_between_positions_are_seen_up_to_the_first_that_is_missing() {
        let (_dir, db) = some();
        put(&db, Log::Requests, 10, &["z"]);
        let mut walk = rows(&db, Log::Requests);
        for (from, to, come_to, expected) in [
            (5, 9, 9, "5a 6 7bc 8def"),
            (6, 8, 8, "6 7bc"),
            (8, 12, 9, "8def"),
            (7, 7, 7, ""),
            (0, 9, 0, ""),
            (10, 11, 11, "10z"),
            (11, 12, 11, ""),
        ] {
            let mut seen = Vec::new();
            let came_to = walk.each(from, to, |seq, row| {
                seen.push(format!("{seq}{}", str::from_utf8(row).unwrap()));
                Ok::<(), ()>(())
            });
            assert_eq!((came_to, seen.join(" ")), (Ok(come_to), expected.to_owned()), "{from} to {to}");
        }
        assert_eq!(walk.each(5, 9, |seq, _| if seq == 7 { Err(seq) } else { Ok(()) }), Err(7));
    }

    #[test]
    fn rows_before_a_position_are_dropped_inside_a_record_too() {
        for seq in 4..=9 {
            let (_dir, db) = some();
            let mut batch = WriteBatch::default();
            drop_before(&db, Log::Requests, seq, &mut batch).unwrap();
            db.write(batch).unwrap();
            let all = named(&[(5, "a"), (6, ""), (7, "bc"), (8, "def")]);
            assert_eq!(from(&db, Log::Requests, 0), all[seq.saturating_sub(5) as usize..], "before {seq}");
            assert_eq!((from(&db, Log::Access, 0).len(), from(&db, Log::Audit, 0).len()), (2, 1));
        }
    }

    #[test]
    fn rows_written_one_by_one_become_records() {
        let dir = tempfile::tempdir().unwrap();
        let db = database::open(dir.path()).unwrap().db;
        let expected: Vec<_> = (7..907).filter(|seq| *seq != 700).map(|seq: u64| (seq, seq.to_string())).collect();
        let hot = column(&db, Column::Hot);
        for (seq, row) in &expected {
            db.put_cf(&hot, hot_key(Log::Audit, *seq), row).unwrap();
        }
        let mut batch = WriteBatch::default();
        regroup(&db, Log::Audit, &mut batch).unwrap();
        db.write(batch).unwrap();
        assert_eq!(from(&db, Log::Audit, 0), expected);
        let mut records = db.raw_iterator_cf_opt(&hot, bounds(Log::Audit));
        records.seek_to_first();
        let mut count = 0;
        while records.valid() {
            count += 1;
            records.next();
        }
        assert_eq!(count, 4, "256, 256, up to the gap, and the rest");
    }

    #[test]
    fn a_record_that_contradicts_itself_is_no_end_of_the_log() {
        let (_dir, db) = some();
        for value in [&[0, 0, 0, 2, 0, 0, 0, 1][..], &[0, 0, 0, 1, 0, 0, 0, 9, 1], &[1], &[0, 0, 0, 0]] {
            db.put_cf(&column(&db, Column::Hot), hot_key(Log::Requests, 8), value).unwrap();
            let mut walk = rows(&db, Log::Requests);
            walk.seek(8);
            assert!(walk.row().is_none() && walk.status().is_err(), "{value:?}");
        }
    }
}

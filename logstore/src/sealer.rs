//! The thread that turns full groups of rows into segments.
//!
//! It reads the rows of a group, makes the parts, and commits them in one batch with the removal of the rows: after a
//! crash at any moment a row is in exactly one of the two places. A group that could not be sealed is tried again.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use rocksdb::{DB, FlushOptions, WriteBatch};

use crate::column::Column;
use crate::database::column;
use crate::entry::Log;
use crate::hot;
use crate::leaves::subtrees;
use crate::piece::Piece;
use crate::recent::Found;
use crate::segment::{Header, Made, Part, ROWS, Stored, encode, part_key};
use crate::shared::Shared;
use crate::timeline::Timeline;
use crate::tree;

/// Between two looks when nothing wakes it, and before a group is tried again.
const PAUSE: Duration = Duration::from_secs(10);

/// Rows of a slow log are sealed when the oldest is this old, in microseconds, so that they can be pruned by the day.
const AGE: i64 = 6 * 3_600_000_000;

/// Fewer rows are not sealed by age: small segments cost more than they save.
const ROWS_MIN: u64 = 256;

/// Rows in memory that are written out after sealing, in bytes.
const HOT_BYTES: u64 = 96 << 20;

/// Until the store is closed.
pub(crate) fn run(shared: &Arc<Shared>) {
    while !shared.closing() {
        for log in Log::ALL {
            while !shared.closing() {
                match seal_next(shared, log) {
                    Ok(true) => (),
                    Ok(false) => break,
                    Err(error) => {
                        tracing::warn!(log = log.name(), error, "rows cannot be sealed yet");
                        thread::park_timeout(PAUSE);
                        break;
                    }
                }
            }
        }
        if !shared.closing() {
            thread::park_timeout(PAUSE);
        }
    }
}

/// Whether a full group waits.
pub(crate) fn is_due(timeline: &Timeline) -> bool {
    timeline.times().len() as u64 >= ROWS
}

/// Rows of the next segment: a power of two, of which its position is a multiple.
fn size(timeline: &Timeline) -> u64 {
    1 << timeline.first().trailing_zeros().min(ROWS.trailing_zeros())
}

/// Rows to be sealed now.
fn due(shared: &Shared, log: Log) -> Option<u64> {
    let contents = shared.contents(log).read();
    let timeline = &contents.timeline;
    if is_due(timeline) {
        return Some(size(timeline));
    }
    let limit = shared.now.load(Ordering::Relaxed).saturating_sub(AGE);
    let old = timeline.times().iter().take_while(|time| **time <= limit).count() as u64;
    let rows = size(timeline).min(1 << old.checked_ilog2()?);
    (old >= ROWS_MIN).then_some(rows)
}

/// False when no rows wait. They stay where they are meanwhile: nobody else moves the oldest ones.
fn seal_next(shared: &Shared, log: Log) -> Result<bool, String> {
    let _alone = shared.moving.lock();
    let Some(rows) = due(shared, log) else { return Ok(false) };
    seal(shared, log, rows).map(|()| true)
}

fn seal(shared: &Shared, log: Log, rows: u64) -> Result<(), String> {
    let slot = shared.db.read();
    let db = slot.as_ref().ok_or("the log store is not open")?;
    let (first, leaves) = {
        let contents = shared.contents(log).read();
        (contents.timeline.first(), contents.tree.of_first(rows))
    };
    let parts = parts(shared, db, log, first, rows)?;
    let piece = Arc::new(piece_of(first, &parts)?);
    let seg = column(db, Column::Seg);
    let mut batch = WriteBatch::default();
    for (number, part, body) in &parts {
        batch.put_cf(&seg, part_key(log, first, *number, *part), body);
    }
    let subtrees = subtrees(first, &leaves);
    subtrees.iter().for_each(|subtree| tree::put(db, log, subtree, &mut batch));
    hot::drop_before(db, log, first + rows, &mut batch).map_err(|fault| fault.to_string())?;
    // So that what is not in the saved counters is never in a segment, see `stats::disk`.
    shared.counters.save(db).map_err(|error| error.to_string())?;
    let mut contents = shared.contents(log).write();
    db.write(batch).map_err(|error| error.to_string())?;
    Arc::make_mut(&mut contents.pieces).push(piece);
    contents.timeline.drop_first(rows);
    contents.tree.drop_first(&subtrees);
    drop(contents);
    write_out(db);
    if log == Log::Requests {
        shared.recent.drop_before(first + rows).into_iter().for_each(|free| shared.requests.recycle(free));
    }
    Ok(())
}

/// What is known of the segment of these parts.
pub(crate) fn piece_of(first: u64, parts: &[Made]) -> Result<Piece, String> {
    let header = parts.iter().find(|(column, part, _)| (*column, *part) == (0, Part::Header));
    let header = header.map(|(_, _, body)| Stored::Owned(body.clone()).checked());
    let header = header.ok_or("a segment has no header")?.and_then(|header| Header::decode(first, &header));
    Ok(Piece::new(header.map_err(|fault| fault.to_string())?))
}

/// Writing a table of rows costs least right after sealing: rows that are sealed are left out of it.
fn write_out(db: &DB) {
    let hot = column(db, Column::Hot);
    let bytes = db.property_int_value_cf(&hot, "rocksdb.cur-size-active-mem-table").ok().flatten().unwrap_or(0);
    if bytes >= HOT_BYTES {
        let mut options = FlushOptions::default();
        options.set_wait(false);
        if let Err(error) = db.flush_cf_opt(&hot, &options) {
            tracing::warn!(%error, "rows are not written out yet");
        }
    }
}

/// Of rows in memory, or else of the same rows in the database.
fn parts(shared: &Shared, db: &DB, log: Log, first: u64, rows: u64) -> Result<Vec<Made>, String> {
    let recent = if log == Log::Requests { shared.recent.rows(first, rows) } else { None };
    let stored = if recent.is_none() { read(db, log, first, rows)? } else { Vec::new() };
    let recent = recent.iter().flat_map(Found::rows);
    let bytes: Vec<&[u8]> = recent.chain(stored.iter().map(|row| &**row)).collect();
    Ok(encode(log, first, &bytes, &shared.ids))
}

fn read(db: &DB, log: Log, first: u64, rows: u64) -> Result<Vec<Box<[u8]>>, String> {
    let mut found = hot::rows(db, log);
    let mut bytes = Vec::with_capacity(rows as usize);
    let Ok(_) = found.each(first, first + rows, |_, row| {
        bytes.push(row.into());
        Ok::<(), std::convert::Infallible>(())
    });
    found.status().map_err(|fault| fault.to_string())?;
    if bytes.len() as u64 == rows { Ok(bytes) } else { Err("rows to be sealed are missing".into()) }
}

//! Entries replaced by their leaves, on disk and in memory.

use std::collections::BTreeSet;
use std::sync::Arc;

use rocksdb::{DB, WriteBatch};

use super::who::Who;
use super::{NOT_OPEN, failed};
use crate::column::Column;
use crate::database::{self, column};
use crate::entry::Log;
use crate::erased::{in_place_of, is_erased};
use crate::error::Error;
use crate::hot;
use crate::piece::Piece;
use crate::retention::WAIT_FOR_READERS;
use crate::sealer;
use crate::segment::{encode, part_key, segment_range};
use crate::shared::Shared;
use crate::view::View;

/// Replaces the entries of a log at these positions. Those that are gone meanwhile are left out.
pub(super) fn log(shared: &Shared, log: Log, positions: &BTreeSet<u64>) -> Result<(), Error> {
    if positions.is_empty() {
        return Ok(());
    }
    // Nobody seals or removes rows meanwhile.
    let _alone = shared.moving.lock();
    let slot = shared.db.read();
    let db = slot.as_ref().ok_or(NOT_OPEN)?;
    let pieces = Arc::clone(&shared.contents(log).read().pieces);
    for piece in pieces.iter().filter(|piece| positions.range(piece.positions()).next().is_some()) {
        segment(shared, db, log, piece, positions)?;
    }
    rows(shared, db, log, positions)
}

/// Makes a segment anew.
fn segment(shared: &Shared, db: &DB, log: Log, piece: &Arc<Piece>, positions: &BTreeSet<u64>) -> Result<(), Error> {
    let mut rows = Vec::with_capacity(piece.rows as usize);
    {
        let view = View::of(shared, db, log);
        let read = view.segment(piece, |segment| {
            segment.each_row(view.ids, |row, bytes| {
                let goes = positions.contains(&(piece.first + row as u64)) && !is_erased(bytes);
                rows.push(if goes { in_place_of(bytes) } else { bytes.to_vec() });
            })
        });
        if read.map_err(failed)?.is_none() {
            return Ok(());
        }
    }
    let rows: Vec<&[u8]> = rows.iter().map(Vec::as_slice).collect();
    let parts = encode(log, piece.first, &rows, &shared.ids);
    let made = sealer::piece_of(piece.first, &parts).map_err(|cause| Error::Unwritten { cause })?;
    let mut batch = WriteBatch::default();
    let (from, to) = segment_range(log, piece.first, piece.end());
    batch.delete_range_cf(&column(db, Column::Seg), from, to);
    for (number, part, body) in &parts {
        batch.put_cf(&column(db, Column::Seg), part_key(log, piece.first, *number, *part), body);
    }
    let mut contents = shared.contents(log).write();
    db.write(batch)?;
    let known = Arc::make_mut(&mut contents.pieces).iter_mut().find(|known| known.first == piece.first);
    if let Some(known) = known {
        *known = Arc::new(made);
    }
    shared.cache.forget();
    Ok(())
}

/// Rows that are not sealed, in the database and beside it.
fn rows(shared: &Shared, db: &DB, log: Log, positions: &BTreeSet<u64>) -> Result<(), Error> {
    let replaced = |seq: u64, bytes: &[u8]| (positions.contains(&seq) && !is_erased(bytes)).then(|| in_place_of(bytes));
    let mut batch = WriteBatch::default();
    hot::replace(db, log, replaced, &mut batch).map_err(|fault| Error::Unwritten { cause: fault.to_string() })?;
    let contents = shared.contents(log).write();
    db.write(batch)?;
    if log == Log::Requests {
        shared.recent.clear();
    }
    shared.cache.forget();
    drop(contents);
    Ok(db.flush_wal(true)?)
}

/// What statistics name of the person is counted without a name from now on.
pub(super) fn counters(shared: &Shared, who: &Who, addresses: &BTreeSet<Vec<u8>>) -> Result<(), Error> {
    shared.counters.forget(|user| who.is_named_in(user), |address| addresses.contains(address));
    let slot = shared.db.read();
    shared.counters.save(slot.as_ref().ok_or(NOT_OPEN)?)
}

/// Writes the files anew that hold what was erased.
pub(super) fn free(shared: &Shared, positions: &[BTreeSet<u64>; 3]) -> Result<(), Error> {
    // A question that began before keeps what it sees.
    drop(shared.readers.try_write_for(WAIT_FOR_READERS));
    let slot = shared.db.read();
    let db = slot.as_ref().ok_or(NOT_OPEN)?;
    // With this the write-ahead log begins anew.
    database::write_out(db)?;
    for (log, positions) in Log::ALL.into_iter().zip(positions) {
        if let (Some(first), Some(last)) = (positions.first(), positions.last()) {
            let pieces = Arc::clone(&shared.contents(log).read().pieces);
            let holds = pieces.iter().find(|piece| piece.positions().contains(first));
            let (from, to) = segment_range(log, holds.map_or(*first, |piece| piece.first), last + 1);
            database::merge(db, Column::Seg, Some(from), Some(to))?;
        }
    }
    database::merge(db, Column::Meta, None::<&[u8]>, None)
}

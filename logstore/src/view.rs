//! What one question sees of a log: nothing that comes or goes meanwhile changes it.

use std::sync::Arc;

use parking_lot::Mutex;
use rocksdb::{BoundColumnFamily, DB, ReadOptions, SnapshotWithThreadMode};
use uuid::Uuid;

use crate::cache::{Cache, Decoded, Kind};
use crate::column::Column;
use crate::database::column;
use crate::entry::Log;
use crate::error::QueryError;
use crate::hidden::Hidden;
use crate::hot;
use crate::id::Ids;
use crate::piece::{Piece, Pieces};
use crate::row::{Row, Stored as StoredRow};
use crate::segment::{Fault, Part, Parts, Segment, Stored, part_key, segment_range};
use crate::shared::{Contents, Shared};
use crate::timeline::Unit;
use crate::warm::{self, WARM_ROWS};

/// Most entries fit.
const ROW_BYTES: usize = 512;

/// A log at one moment.
pub(crate) struct View<'a> {
    pub(crate) log: Log,
    /// Absent of contents that nobody changes.
    shared: Option<&'a Shared>,
    cache: &'a Cache,
    /// Of the cache when the looking began; none if it looks at what is on disk alone.
    age: Option<u64>,
    pub(crate) ids: &'a Ids,
    /// Sealed segments, by position.
    pub(crate) pieces: Pieces,
    /// Rows after them, in chunks with their times.
    pub(crate) hot: Vec<Unit>,
    /// Rows that a later one stands for.
    pub(crate) hidden: Arc<Hidden>,
    snapshot: SnapshotWithThreadMode<'a, DB>,
    hot_rows: Arc<BoundColumnFamily<'a>>,
    segments: Arc<BoundColumnFamily<'a>>,
    /// Segments that could not be read.
    broken: Mutex<Vec<Arc<Piece>>>,
}

impl<'a> View<'a> {
    pub(crate) fn of(shared: &'a Shared, db: &'a DB, log: Log) -> Self {
        // The lock makes list and snapshot of one moment: a segment takes the place of its rows under it.
        let contents = shared.contents(log).read();
        Self { shared: Some(shared), ..Self::over(&contents, db, log, &shared.cache, &shared.ids) }
    }

    /// Of what is on disk, and nothing that was decoded of it before.
    pub(crate) fn anew(self) -> Self {
        Self { age: None, ..self }
    }

    /// Of contents that nobody changes meanwhile.
    pub(crate) fn over(contents: &Contents, db: &'a DB, log: Log, cache: &'a Cache, ids: &'a Ids) -> Self {
        Self {
            log,
            shared: None,
            cache,
            age: Some(cache.age()),
            ids,
            pieces: Arc::clone(&contents.pieces),
            hot: contents.timeline.units(i64::MIN, i64::MAX),
            hidden: Arc::clone(&contents.hidden),
            snapshot: db.snapshot(),
            hot_rows: column(db, Column::Hot),
            segments: column(db, Column::Seg),
            broken: Mutex::default(),
        }
    }

    /// Reads a segment. None if it cannot be read: it is in quarantine then, and the answer says so.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) fn segment<T>(
        &self,
        piece: &Arc<Piece>,
        read: impl FnOnce(&Segment<'_>) -> Result<T, Fault>,
    ) -> Result<Option<T>, QueryError> {
        let Some(header) = piece.header() else {
            self.note_broken(piece);
            return Ok(None);
        };
        let stored = PiecesParts { view: self, first: piece.first };
        let parts: &dyn Parts = match piece.memory() {
            Some(memory) => memory,
            None => &stored,
        };
        match read(&Segment::new(Arc::clone(header), parts)) {
            Ok(read) => Ok(Some(read)),
            Err(fault) if fault.is_lasting() => {
                piece.quarantine(self.log, &fault);
                self.note_broken(piece);
                Ok(None)
            }
            Err(Fault::Store(error)) => Err(error.into()),
            Err(Fault::Damaged(_)) => Ok(None),
        }
    }

    /// Whether every part of a segment is as it was written, those too that no entry is made of.
    pub(crate) fn is_whole(&self, piece: &Piece) -> Result<bool, rocksdb::Error> {
        let (from, to) = segment_range(self.log, piece.first, piece.end());
        let mut options = ReadOptions::default();
        options.set_iterate_upper_bound(to);
        let mut parts = self.snapshot.raw_iterator_cf_opt(&self.segments, options);
        parts.seek(from);
        while let Some(part) = parts.value() {
            if Stored::Borrowed(part).checked().is_err() {
                return Ok(false);
            }
            parts.next();
        }
        parts.status().map(|()| true)
    }

    fn note_broken(&self, piece: &Arc<Piece>) {
        let mut broken = self.broken.lock();
        if !broken.iter().any(|known| known.first == piece.first) {
            broken.push(Arc::clone(piece));
        }
    }

    /// The segments that could not be read, as first and last position.
    pub(crate) fn broken(&self) -> Vec<(u64, u64)> {
        let mut broken: Vec<_> = self.broken.lock().iter().map(|it| (it.first, it.first + it.rows - 1)).collect();
        broken.sort_unstable();
        broken
    }

    /// The times of rows of a unit as they are known without reading them; none if they were sealed meanwhile.
    pub(crate) fn times(&self, unit: &Unit) -> Option<Vec<i64>> {
        self.shared?.contents(self.log).read().timeline.times_of(unit.first, unit.rows).map(<[i64]>::to_vec)
    }

    /// The rows that are not sealed, for a question that looks at all of them.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) fn unsealed(&self) -> Result<Unsealed, QueryError> {
        let mut unsealed = Unsealed { pieces: Vec::new(), units: self.hot.clone() };
        let Some(first) = self.hot.first().map(|unit| unit.first.next_multiple_of(WARM_ROWS)) else {
            return Ok(unsealed);
        };
        let end = self.hot.iter().map(|unit| unit.first + unit.rows).max().unwrap_or(first);
        for first in (first..end).step_by(WARM_ROWS as usize).filter(|first| first + WARM_ROWS <= end) {
            let Some(age) = self.age else { continue };
            if let Some(piece) = self.cache.warm(age, self.log, first, || self.warm(first))? {
                unsealed.units.retain(|unit| !piece.positions().contains(&unit.first));
                unsealed.pieces.push(piece);
            }
        }
        Ok(unsealed)
    }

    /// Makes a segment of rows that are not sealed.
    fn warm(&self, first: u64) -> Result<Piece, QueryError> {
        let mut rows = Vec::with_capacity(WARM_ROWS as usize);
        let all = Unit { min: i64::MIN, max: i64::MAX, first, rows: WARM_ROWS, strays: 0 };
        self.hot_rows().each(&all, |_, _, bytes| {
            rows.push(bytes.into());
            Ok(())
        })?;
        let missing = QueryError::Damaged { log: self.log.name(), seq: first + rows.len() as u64 };
        if rows.len() as u64 != WARM_ROWS {
            return Err(missing);
        }
        warm::piece(self.log, first, &rows, self.ids).map_err(|_| missing)
    }

    /// The rows that are not sealed.
    pub(crate) fn hot_rows(&self) -> HotRows<'_> {
        let records = self.snapshot.raw_iterator_cf_opt(&self.hot_rows, hot::bounds(self.log));
        HotRows { log: self.log, rows: hot::Rows::over(self.log, records) }
    }

    /// The entries at these positions, in their order. Those in segments that cannot be read are left out.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) fn rows(&self, positions: &[u64]) -> Result<Vec<Row>, QueryError> {
        let mut found: Vec<Option<Box<[u8]>>> = vec![None; positions.len()];
        let places = positions.iter().copied().enumerate();
        let end = self.pieces.last().map_or(0, |piece| piece.end());
        let (mut sealed, mut hot): (Vec<_>, Vec<_>) =
            places.partition(|(_, seq)| *seq < end && self.piece_of(*seq).is_some());
        self.get_hot(&mut hot, &mut found)?;
        sealed.sort_unstable_by_key(|(_, seq)| *seq);
        for group in sealed.chunk_by(|(_, one), (_, other)| self.place_of(*one) == self.place_of(*other)) {
            self.rebuild(group, &mut found)?;
        }
        let ids = self.ids.ids(self.log, positions.iter().copied());
        let rows = positions.iter().zip(found).zip(ids).filter_map(|((seq, bytes), id)| Some((*seq, bytes?, id)));
        rows.map(|(seq, bytes, id)| self.row(seq, bytes, id)).collect()
    }

    /// Rows that are not sealed.
    fn get_hot(&self, places: &mut [(usize, u64)], found: &mut [Option<Box<[u8]>>]) -> Result<(), QueryError> {
        if places.is_empty() {
            return Ok(());
        }
        places.sort_unstable_by_key(|(_, seq)| *seq);
        let mut rows = self.hot_rows().rows;
        for (at, seq) in places {
            rows.seek(*seq);
            let row = rows.row().filter(|(known, _)| known == seq);
            if let Some(found) = found.get_mut(*at) {
                *found = row.map(|(_, bytes)| bytes.into());
            }
            rows.status().map_err(|fault| fault.at(self.log, *seq))?;
        }
        Ok(())
    }

    /// Rows of one segment.
    fn rebuild(&self, group: &[(usize, u64)], found: &mut [Option<Box<[u8]>>]) -> Result<(), QueryError> {
        let Some(piece) = group.first().and_then(|(_, seq)| self.piece_of(*seq)) else {
            return Ok(());
        };
        let rebuilt = self.segment(piece, |segment| {
            let rows: Vec<usize> = group.iter().map(|(_, seq)| (seq - piece.first) as usize).collect();
            let mut rebuilt = vec![Vec::with_capacity(ROW_BYTES); rows.len()];
            segment.rebuild(&rows, self.ids, &mut rebuilt)?;
            Ok(rebuilt)
        })?;
        for ((at, _), bytes) in group.iter().zip(rebuilt.into_iter().flatten()) {
            if let Some(found) = found.get_mut(*at) {
                *found = Some(bytes.into());
            }
        }
        Ok(())
    }

    fn row(&self, seq: u64, bytes: Box<[u8]>, id: Uuid) -> Result<Row, QueryError> {
        StoredRow::of(&bytes).check().map_err(|_| QueryError::Damaged { log: self.log.name(), seq })?;
        Ok(Row::new(self.log, seq, id, bytes))
    }

    fn place_of(&self, seq: u64) -> usize {
        self.pieces.partition_point(|piece| piece.positions().end <= seq)
    }

    pub(crate) fn piece_of(&self, seq: u64) -> Option<&Arc<Piece>> {
        self.pieces.get(self.place_of(seq)).filter(|piece| piece.positions().contains(&seq))
    }
}

/// Rows that are not sealed.
pub(crate) struct Unsealed {
    /// Those that are segments in memory.
    pub(crate) pieces: Vec<Arc<Piece>>,
    /// The others.
    pub(crate) units: Vec<Unit>,
}

/// Reads rows that are not sealed, one chunk after the other.
pub(crate) struct HotRows<'v> {
    log: Log,
    rows: hot::Rows<'v, DB>,
}

impl<'v> HotRows<'v> {
    /// One after the other.
    pub(crate) fn rows(self) -> hot::Rows<'v, DB> {
        self.rows
    }

    /// Calls `see` with position, time and bytes of the rows of a unit, those apart that are in units of their own.
    ///
    /// # Errors
    /// When the disk refuses, or a row is missing.
    pub(crate) fn each(
        &mut self,
        unit: &Unit,
        mut see: impl FnMut(u64, i64, &[u8]) -> Result<(), QueryError>,
    ) -> Result<(), QueryError> {
        let end = unit.first + unit.rows;
        let seq = self.rows.each(unit.first, end, |seq, bytes| {
            let time = crate::codec::time_of(bytes);
            if time >= unit.min { see(seq, time, bytes) } else { Ok(()) }
        })?;
        if seq == end {
            return Ok(());
        }
        let damaged = QueryError::Damaged { log: self.log.name(), seq };
        Err(self.rows.status().err().map_or(damaged, |fault| fault.at(self.log, seq)))
    }
}

/// Parts of one segment in the view's moment.
struct PiecesParts<'v, 'a> {
    view: &'v View<'a>,
    first: u64,
}

impl Parts for PiecesParts<'_, '_> {
    fn part(&self, column: u32, part: Part) -> Result<Stored<'_>, Fault> {
        let key = part_key(self.view.log, self.first, column, part);
        match self.view.snapshot.get_pinned_cf(&self.view.segments, key)? {
            Some(bytes) => Stored::Pinned(bytes).checked(),
            None => Err(Fault::Damaged("a part of a segment is missing")),
        }
    }

    fn decoded(
        &self,
        column: u32,
        kind: Kind,
        at: usize,
        make: &mut dyn FnMut() -> Result<Decoded, Fault>,
    ) -> Result<Decoded, Fault> {
        match self.view.age {
            Some(age) => self.view.cache.get(age, (self.view.log, self.first, column, kind, at), make),
            None => make(),
        }
    }
}

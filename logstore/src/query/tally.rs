//! Counts matches by time and by the values of fields.

mod counts;
mod group;
mod whole;

use std::borrow::Cow;

use rustc_hash::FxHashMap;

use super::aggregate::Sink;
use super::bits::Bits;
use crate::entry::{Field, Kind, Log, TIME};
use crate::error::QueryError;
use crate::id::Ids;
use crate::piece::time;
use crate::row::{Stored, Value};
use crate::segment::{Fault, Segment};

pub(super) use self::counts::Counts;
pub(super) use self::group::name;

use self::counts::Cell;
use self::group::Group;

/// Different values that are counted at once, and bytes that they take. Past either the rarest are given up, and the
/// answer is not exact.
const CELLS_MAX: usize = 1 << 20;
const BYTES_MAX: usize = 128 << 20;

/// Counts of one question.
pub(super) struct Tally<'q> {
    pub(super) log: Log,
    pub(super) ids: &'q Ids,
    /// None: matches as such.
    pub(super) fields: Vec<Option<Field>>,
    /// Microseconds; none: all times together.
    pub(super) step: Option<i64>,
    /// By the place of the field.
    pub(super) counts: Vec<Counts>,
    /// By the place of the field: first positions of segments whose dictionaries are not counted yet. None: none is put
    /// off.
    pub(super) put_off: Option<Vec<Vec<u64>>>,
    /// First positions of the segments that can be, ascending: one of rows that are not sealed is not found again.
    sealed: Vec<u64>,
    pub(super) is_exact: bool,
    /// Of the segment at hand.
    open: Vec<Cell>,
}

impl<'q> Tally<'q> {
    pub(super) fn new(log: Log, ids: &'q Ids, fields: Vec<Option<Field>>, step: Option<i64>) -> Self {
        let counts = fields.iter().map(|_| Counts::default()).collect();
        Self { log, ids, fields, step, counts, put_off: None, sealed: Vec::new(), is_exact: true, open: Vec::new() }
    }

    /// Puts off values of large dictionaries of these segments, where all of a segment matches.
    pub(super) fn put_off(&mut self, sealed: impl Iterator<Item = u64>) {
        self.put_off = Some(vec![Vec::new(); self.fields.len()]);
        self.sealed = sealed.collect();
    }

    fn bucket(&self, time: i64) -> i64 {
        self.step.map_or(0, |step| time.div_euclid(step).saturating_mul(step))
    }

    /// The time step of all rows of a page, where they have the same: long steps hold whole pages, whose times need not be
    /// read.
    fn only_bucket(&self, segment: &Segment<'_>, page: usize) -> Option<i64> {
        if self.step.is_none() {
            return Some(0);
        }
        let (least, most, _) = segment.span_of_page(TIME, page)?;
        let bucket = self.bucket(time(least));
        (bucket == self.bucket(time(most))).then_some(bucket)
    }

    fn place(&mut self, field: usize, name: &str) -> u32 {
        self.counts.get_mut(field).map_or(0, |counts| counts.place(name))
    }

    fn add(&mut self, field: usize, bucket: i64, place: u32, rows: u64) {
        if rows > 0 {
            self.open.push(Cell { field, bucket, place, rows });
        }
    }

    fn add_named(&mut self, field: usize, bucket: i64, name: &str, rows: u64) {
        if rows > 0 {
            let place = self.place(field, name);
            self.add(field, bucket, place, rows);
        }
    }

    /// Rows of a page, one by one.
    fn rows(
        &mut self,
        segment: &Segment<'_>,
        page: usize,
        rows: &Bits,
        at: usize,
        field: Option<Field>,
    ) -> Result<(), Fault> {
        let group = Group::new(segment, field, page)?;
        let mut places: FxHashMap<usize, u32> = FxHashMap::default();
        for ((bucket, code), rows) in self.by_code(segment, page, rows, &group)? {
            let place = match places.get(&code) {
                Some(place) => *place,
                None => {
                    let place = self.place(at, &group.name(self.log, self.ids, code)?);
                    places.insert(code, place);
                    place
                }
            };
            self.add(at, bucket, place, rows);
        }
        Ok(())
    }

    /// Rows by time step and code.
    fn by_code(
        &self,
        segment: &Segment<'_>,
        page: usize,
        rows: &Bits,
        group: &Group<'_, '_>,
    ) -> Result<FxHashMap<(i64, usize), u64>, Fault> {
        let only = self.only_bucket(segment, page);
        let times = if only.is_some() { &[] } else { segment.numbers(TIME, page)? };
        // One lookup for each run of rows that are counted together.
        let (mut run, mut length) = (None, 0);
        let mut counts = FxHashMap::default();
        for row in rows.rows() {
            let bucket = times.get(row).map_or(only.unwrap_or(0), |stored| self.bucket(time(*stored)));
            let cell = (bucket, group.code(row));
            if run != Some(cell) {
                run.into_iter().for_each(|cell| *counts.entry(cell).or_default() += length);
                (run, length) = (Some(cell), 0);
            }
            length += 1;
        }
        run.into_iter().for_each(|cell| *counts.entry(cell).or_default() += length);
        Ok(counts)
    }
}

/// How much there is.
impl Tally<'_> {
    fn cells(&self) -> usize {
        self.counts.iter().map(|counts| counts.filled).sum()
    }

    fn bytes(&self) -> usize {
        self.counts.iter().map(|counts| counts.bytes).sum()
    }
}

impl Sink for Tally<'_> {
    fn segment(&mut self, segment: &Segment<'_>) -> Result<bool, Fault> {
        for at in 0..self.fields.len() {
            let field = self.fields.get(at).copied().flatten();
            let done = match self.step {
                None => self.values(segment, at, field)?,
                Some(_) => self.hours(segment, at, field)?,
            };
            if !done {
                for page in 0..segment.header.pages() {
                    self.rows(segment, page, &Bits::first(segment.header.rows_of(page)), at, field)?;
                }
            }
        }
        Ok(true)
    }

    fn page(&mut self, segment: &Segment<'_>, page: usize, rows: &Bits) -> Result<(), Fault> {
        for at in 0..self.fields.len() {
            self.rows(segment, page, rows, at, self.fields.get(at).copied().flatten())?;
        }
        Ok(())
    }

    fn row(&mut self, seq: u64, time: i64, bytes: &[u8]) -> Result<(), QueryError> {
        for at in 0..self.fields.len() {
            let value = match self.fields.get(at).copied().flatten() {
                None => Cow::Borrowed(""),
                Some(field) => match field.kind {
                    Kind::Id => name(Some(Value::Id(self.ids.id(self.log, seq)))),
                    Kind::Position => name(Some(Value::Number(seq))),
                    Kind::Time
                    | Kind::Text
                    | Kind::Word(_)
                    | Kind::Number
                    | Kind::Count
                    | Kind::Address
                    | Kind::Json => name(Stored::of(bytes).value(&field)),
                },
            };
            self.add_named(at, self.bucket(time), &value, 1);
        }
        Ok(())
    }

    fn settle(&mut self) -> Result<(), QueryError> {
        for cells in self.open.chunk_by(|one, other| (one.field, one.bucket) == (other.field, other.bucket)) {
            if let Some(first) = cells.first()
                && let Some(counts) = self.counts.get_mut(first.field)
            {
                counts.add(first.bucket, cells);
            }
        }
        self.open.clear();
        let mut least = 1;
        while self.cells() > CELLS_MAX || self.bytes() > BYTES_MAX {
            if self.step.is_some() {
                return Err(QueryError::TooMany);
            }
            self.is_exact = false;
            least *= 2;
            self.counts.iter_mut().for_each(|counts| counts.give_up(least));
        }
        Ok(())
    }

    fn forget(&mut self) {
        self.open.clear();
    }
}

#[cfg(test)]
mod tests;

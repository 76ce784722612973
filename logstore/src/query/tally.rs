//! Counts matches by time and by the values of fields.

use std::borrow::Cow;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::aggregate::Sink;
use super::bits::Bits;
use crate::codec::Raw;
use crate::entry::{Field, Kind, Log, TIME};
use crate::error::QueryError;
use crate::id::Ids;
use crate::json;
use crate::piece::time;
use crate::row::{Stored, Value, value_of};
use crate::segment::{Fault, HOUR, PAGE, Segment, Shape, Word};

/// Different values that are counted at once, and bytes that they take. Past either the rarest are given up, and the
/// answer is not exact.
const CELLS_MAX: usize = 1 << 20;
const BYTES_MAX: usize = 128 << 20;

/// Rows by the beginning of the time step and by value.
#[derive(Default)]
pub(super) struct Counts {
    places: FxHashMap<Arc<str>, u32>,
    /// By their places.
    names: Vec<Arc<str>>,
    /// By time step, the rows of names with places next to each other.
    cells: FxHashMap<(i64, u32), [u64; TOGETHER as usize]>,
    /// Cells that have rows.
    filled: usize,
    /// What the names take.
    bytes: usize,
}

/// Names whose rows are found together, so that those of a step with few names are found at once.
const TOGETHER: u32 = 8;

impl Counts {
    fn place(&mut self, name: &str) -> u32 {
        if let Some(place) = self.places.get(name) {
            return *place;
        }
        let (place, name) = (self.names.len() as u32, Arc::<str>::from(name));
        self.bytes += cost(&name);
        self.names.push(Arc::clone(&name));
        self.places.insert(name, place);
        place
    }

    /// Leaves out what has fewer rows.
    fn give_up(&mut self, least: u64) {
        let before = std::mem::take(self);
        for (bucket, name, rows) in before.each().filter(|(.., rows)| *rows >= least) {
            let place = self.place(name);
            self.add(bucket, &[Cell { field: 0, bucket, place, rows }]);
        }
    }

    /// Adds rows of one time step.
    fn add(&mut self, bucket: i64, cells: &[Cell]) {
        for cells in cells.chunk_by(|one, other| one.place / TOGETHER == other.place / TOGETHER) {
            let Some(first) = cells.first() else { continue };
            let known = self.cells.entry((bucket, first.place / TOGETHER)).or_default();
            for cell in cells {
                if let Some(rows) = known.get_mut((cell.place % TOGETHER) as usize) {
                    self.filled += usize::from(*rows == 0);
                    *rows += cell.rows;
                }
            }
        }
    }

    /// By time step, then by name.
    pub(super) fn sorted(&self) -> Vec<(i64, &Arc<str>, u64)> {
        let mut names: Vec<(&Arc<str>, usize)> = self.names.iter().zip(0..).collect();
        names.sort_unstable();
        let mut ranks = vec![0; names.len()];
        for (rank, (_, place)) in names.iter().enumerate() {
            ranks.iter_mut().skip(*place).take(1).for_each(|known| *known = rank);
        }
        let rank = |place: u32| ranks.get(place as usize).copied().unwrap_or_default();
        let mut found: Vec<_> = self.cells.iter().collect();
        found.sort_unstable_by_key(|(at, _)| **at);
        let mut cells: Vec<(i64, usize, u64)> = Vec::with_capacity(self.filled);
        // Steps have few names each: sorting these costs less than sorting all cells.
        for step in found.chunk_by(|((one, _), _), ((other, _), _)| one == other) {
            let before = cells.len();
            cells.extend(step.iter().flat_map(|at| each_of(*at)).map(|(step, place, rows)| (step, rank(place), rows)));
            cells.get_mut(before..).unwrap_or_default().sort_unstable_by_key(|(_, rank, _)| *rank);
        }
        cells.iter().filter_map(|(bucket, rank, rows)| Some((*bucket, names.get(*rank)?.0, *rows))).collect()
    }

    /// In any order.
    pub(super) fn each(&self) -> impl Iterator<Item = (i64, &Arc<str>, u64)> {
        let cells = self.cells.iter().flat_map(each_of);
        cells.filter_map(|(bucket, place, rows)| Some((bucket, self.names.get(place as usize)?, rows)))
    }
}

/// Time step, place of the name, and rows of cells that are found together.
fn each_of<'c>(
    (&(bucket, at), rows): (&'c (i64, u32), &'c [u64; TOGETHER as usize]),
) -> impl Iterator<Item = (i64, u32, u64)> + use<'c> {
    (at * TOGETHER..).zip(rows).filter(|(_, rows)| **rows > 0).map(move |(place, rows)| (bucket, place, *rows))
}

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

/// Rows of a field's value in a time step.
struct Cell {
    field: usize,
    bucket: i64,
    /// Of the name.
    place: u32,
    rows: u64,
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

    /// A whole segment without time steps: the dictionaries know their counts.
    fn values(&mut self, segment: &Segment<'_>, at: usize, field: Option<Field>) -> Result<bool, Fault> {
        let rows = segment.header.rows;
        let Some(field) = field else {
            self.add_named(at, 0, "", rows);
            return Ok(true);
        };
        if matches!(field.kind, Kind::Id | Kind::Position) {
            return Ok(false);
        }
        let named = |raw| name(value_of(&field, raw));
        let Some(column) = segment.header.column(field.number) else {
            self.add_named(at, 0, &named(None), rows);
            return Ok(true);
        };
        match &column.shape {
            Shape::Constant(word) => self.add_named(at, 0, &named(Some(word.raw())), rows),
            Shape::Small { values, absent } => {
                self.add_named(at, 0, &named(None), *absent);
                for (word, rows) in values {
                    self.add_named(at, 0, &named(Some(word.raw())), *rows);
                }
            }
            Shape::Large { absent, .. } => {
                self.add_named(at, 0, &named(None), *absent);
                let is_sealed = self.sealed.binary_search(&segment.header.first).is_ok();
                match self.put_off.as_mut().filter(|_| is_sealed).and_then(|put_off| put_off.get_mut(at)) {
                    Some(put_off) => put_off.push(segment.header.first),
                    None => self.dictionary(segment, at, &field)?,
                }
            }
            Shape::Numbers(_) | Shape::Ids { .. } | Shape::Raw { .. } => return Ok(false),
        }
        Ok(true)
    }

    /// All values of a large dictionary.
    pub(super) fn dictionary(&mut self, segment: &Segment<'_>, at: usize, field: &Field) -> Result<(), Fault> {
        let counts = segment.counts(field.number)?;
        segment.dictionary(field.number)?.each(|code, value| {
            let rows = counts.get(code).copied().unwrap_or_default();
            self.add_named(at, 0, &name(value_of(field, Some(Raw::Bytes(value)))), rows);
        })
    }

    /// A whole segment in steps of hours: the hours are counted already.
    fn hours(&mut self, segment: &Segment<'_>, at: usize, field: Option<Field>) -> Result<bool, Fault> {
        let column = field.map(|field| (field, segment.header.column(field.number)));
        let shape = column.and_then(|(_, column)| column).map(|column| &column.shape);
        let is_counted = field.is_none() || matches!(shape, None | Some(Shape::Constant(_) | Shape::Small { .. }));
        let is_stored = !field.is_some_and(|field| matches!(field.kind, Kind::Id | Kind::Position));
        if !segment.header.has_hours || self.step.is_none_or(|step| step % HOUR != 0) || !is_counted || !is_stored {
            return Ok(false);
        }
        let hours = segment.hours()?;
        let named = |raw| field.map_or(Cow::Borrowed(""), |field| name(value_of(&field, raw)));
        let Some(Shape::Small { values, absent }) = shape else {
            let only = shape.and_then(|shape| shape.words().next()).map(Word::raw);
            let place = self.place(at, &named(only));
            for hour in &hours.hours {
                self.add(at, self.bucket(hour.hour.saturating_mul(HOUR)), place, hour.rows);
            }
            return Ok(true);
        };
        let number = field.map_or(0, |field| field.number);
        if !hours.has(number) {
            return Ok(false);
        }
        let absent = (*absent > 0).then_some(None);
        let raws = absent.into_iter().chain(values.iter().map(|(word, _)| Some(word.raw())));
        let places: Vec<u32> = raws.map(|raw| self.place(at, &named(raw))).collect();
        for (hour, counts) in hours.of(number) {
            let bucket = self.bucket(hour.hour.saturating_mul(HOUR));
            for (place, rows) in places.iter().zip(counts) {
                self.add(at, bucket, *place, u64::from(*rows));
            }
        }
        Ok(true)
    }

    fn rows(
        &mut self,
        segment: &Segment<'_>,
        page: usize,
        rows: &Bits,
        at: usize,
        field: Option<Field>,
    ) -> Result<(), Fault> {
        let only = self.only_bucket(segment, page);
        let times = if only.is_some() { &[] } else { segment.numbers(TIME, page)? };
        let group = Group::new(segment, field, page)?;
        // One lookup for each run of rows that are counted together.
        let (mut run, mut length) = (None, 0);
        let mut local: FxHashMap<(i64, usize), u64> = FxHashMap::default();
        for row in rows.rows() {
            let bucket = times.get(row).map_or(only.unwrap_or(0), |stored| self.bucket(time(*stored)));
            let cell = (bucket, group.code(row));
            if run != Some(cell) {
                run.into_iter().for_each(|cell| *local.entry(cell).or_default() += length);
                (run, length) = (Some(cell), 0);
            }
            length += 1;
        }
        run.into_iter().for_each(|cell| *local.entry(cell).or_default() += length);
        let mut places: FxHashMap<usize, u32> = FxHashMap::default();
        for ((bucket, code), rows) in local {
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
}

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

/// The rows of a page by the value of a field.
struct Group<'s, 'a> {
    segment: &'s Segment<'a>,
    field: Option<Field>,
    page: usize,
    way: Way<'s>,
}

enum Way<'s> {
    /// All rows have the same.
    One,
    Codes(&'s crate::segment::Codes),
    /// Every row for itself.
    Rows,
}

impl<'s, 'a> Group<'s, 'a> {
    fn new(segment: &'s Segment<'a>, field: Option<Field>, page: usize) -> Result<Self, Fault> {
        let shape = field.and_then(|field| segment.header.column(field.number)).map(|column| &column.shape);
        let is_stored = !field.is_some_and(|field| matches!(field.kind, Kind::Id | Kind::Position));
        let way = match (field, shape) {
            (Some(field), Some(Shape::Small { .. } | Shape::Large { .. })) => {
                Way::Codes(segment.codes(field.number, page)?)
            }
            (Some(_), Some(Shape::Numbers(_) | Shape::Ids { .. })) => Way::Rows,
            (Some(_), _) if !is_stored => Way::Rows,
            (None, _) | (_, None | Some(Shape::Constant(_) | Shape::Raw { .. })) => Way::One,
        };
        Ok(Self { segment, field, page, way })
    }

    fn code(&self, row: usize) -> usize {
        match &self.way {
            Way::One => 0,
            Way::Codes(codes) => codes.get(row).unwrap_or_default(),
            Way::Rows => row,
        }
    }

    fn name(&self, log: Log, ids: &Ids, code: usize) -> Result<String, Fault> {
        let Some(field) = self.field else { return Ok(String::new()) };
        let seq = self.segment.header.first + (self.page * PAGE + code) as u64;
        let mut made = String::new();
        let value = match (field.kind, &self.way) {
            (Kind::Id, _) => Some(Value::Id(ids.id(log, seq))),
            (Kind::Position, _) => Some(Value::Number(seq)),
            (_, Way::Codes(_)) => value_of(&field, self.segment.raw_of_code(field.number, code)?),
            (_, Way::One | Way::Rows) => {
                value_of(&field, self.segment.raw(field.number, self.page * PAGE + code, ids, &mut made)?)
            }
        };
        Ok(name(value).into_owned())
    }
}

/// A value as the name of a count; absence has an empty one.
pub(super) fn name(value: Option<Value<'_>>) -> Cow<'_, str> {
    match value {
        None => Cow::Borrowed(""),
        Some(Value::Id(id)) => Cow::Owned(id.to_string()),
        Some(Value::Number(number)) => Cow::Owned(number.to_string()),
        Some(Value::Time(time)) => Cow::Owned(json::time(time)),
        Some(Value::Text(text) | Value::Json(text)) => Cow::Borrowed(text),
        Some(Value::Address(address)) => Cow::Owned(address.to_string()),
    }
}

/// What a value takes in memory, about.
fn cost(value: &str) -> usize {
    value.len() + 64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::put_bytes;
    use crate::id::KEY_LEN;

    /// What becomes of so many different paths of a length, of which one comes three times, as rows of chunks do.
    fn counted(paths: usize, length: usize, step: Option<i64>) -> Result<(bool, usize, Option<u64>), QueryError> {
        let ids = Ids::new(&[7; KEY_LEN]).unwrap();
        let field = *Log::Requests.field("path").unwrap();
        let mut tally = Tally::new(Log::Requests, &ids, vec![Some(field)], step);
        let path = |number: usize| format!("/{number:0>width$}", width = length - 1);
        for chunk in [0, 0, 0].into_iter().chain(1..paths).collect::<Vec<_>>().chunks(1024) {
            for number in chunk {
                let mut bytes = Vec::new();
                put_bytes(field.number, path(*number).as_bytes(), &mut bytes);
                tally.row(*number as u64, 0, &bytes)?;
            }
            tally.settle()?;
        }
        let values: Vec<_> = tally.counts.first().unwrap().each().collect();
        assert_eq!(tally.bytes(), values.iter().map(|(_, value, _)| cost(value)).sum::<usize>());
        assert!(tally.cells() <= CELLS_MAX && tally.bytes() <= BYTES_MAX, "{} values", values.len());
        let first = values.iter().find(|(_, value, _)| ***value == *path(0)).map(|(_, _, rows)| *rows);
        Ok((tally.is_exact, values.len(), first))
    }

    #[test]
    fn as_many_values_as_fit_are_counted_exactly_and_of_more_the_rarest_are_given_up() {
        let fit = BYTES_MAX / (2048 + 64);
        assert_eq!(counted(fit, 2048, None).unwrap(), (true, fit, Some(3)));
        let (exact, left, most_frequent) = counted(fit + 1, 2048, None).unwrap();
        assert!(!exact && left <= 1024 && most_frequent == Some(3), "{exact} {left} {most_frequent:?}");
        assert_eq!(counted(CELLS_MAX, 9, None).unwrap(), (true, CELLS_MAX, Some(3)));
        let (exact, left, most_frequent) = counted(CELLS_MAX + 1, 9, None).unwrap();
        assert!(!exact && left <= 1024 && most_frequent == Some(3), "{exact} {left} {most_frequent:?}");
    }

    #[test]
    fn counts_over_time_that_do_not_fit_are_refused() {
        let fit = BYTES_MAX / (2048 + 64);
        assert!(matches!(counted(fit, 2048, Some(HOUR)), Ok((true, _, _))));
        assert!(matches!(counted(fit + 1, 2048, Some(HOUR)), Err(QueryError::TooMany)));
        assert!(matches!(counted(CELLS_MAX + 1, 9, Some(HOUR)), Err(QueryError::TooMany)));
    }
}

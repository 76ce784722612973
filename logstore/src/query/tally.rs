//! Counts matches by time and by the values of fields.

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
use crate::segment::{Fault, HOUR, PAGE, Segment, Shape};

/// Different cells that are counted at once. Past it the rarest are given up, and the answer is not exact.
const CELLS_MAX: usize = 1 << 20;

/// What is counted apart: which of the fields, the beginning of the time step, the value.
pub(super) type Cell = (usize, i64, Box<str>);

/// Counts of one question.
pub(super) struct Tally<'q> {
    pub(super) log: Log,
    pub(super) ids: &'q Ids,
    /// None: matches as such.
    pub(super) fields: Vec<Option<Field>>,
    /// Microseconds; none: all times together.
    pub(super) step: Option<i64>,
    pub(super) counts: FxHashMap<Cell, u64>,
    pub(super) is_exact: bool,
    open: FxHashMap<Cell, u64>,
}

impl<'q> Tally<'q> {
    pub(super) fn new(log: Log, ids: &'q Ids, fields: Vec<Option<Field>>, step: Option<i64>) -> Self {
        Self { log, ids, fields, step, counts: FxHashMap::default(), is_exact: true, open: FxHashMap::default() }
    }

    fn bucket(&self, time: i64) -> i64 {
        self.step.map_or(0, |step| time.div_euclid(step).saturating_mul(step))
    }

    fn add(&mut self, at: usize, bucket: i64, value: Box<str>, rows: u64) {
        if rows > 0 {
            *self.open.entry((at, bucket, value)).or_default() += rows;
        }
    }

    /// A whole segment without time steps: the dictionaries know their counts.
    fn values(&mut self, segment: &Segment<'_>, at: usize, field: Option<Field>) -> Result<bool, Fault> {
        let rows = segment.header.rows;
        let Some(field) = field else {
            self.add(at, 0, "".into(), rows);
            return Ok(true);
        };
        if matches!(field.kind, Kind::Id | Kind::Position) {
            return Ok(false);
        }
        let named = |raw: Option<Raw<'_>>| name(value_of(&field, raw));
        let Some(column) = segment.header.column(field.number) else {
            self.add(at, 0, named(None), rows);
            return Ok(true);
        };
        match &column.shape {
            Shape::Constant(word) => self.add(at, 0, named(Some(word.raw())), rows),
            Shape::Small { values, absent } => {
                self.add(at, 0, named(None), *absent);
                for (word, rows) in values {
                    self.add(at, 0, named(Some(word.raw())), *rows);
                }
            }
            Shape::Large { absent, .. } => {
                self.add(at, 0, named(None), *absent);
                let counts = segment.counts(field.number)?;
                segment.dictionary(field.number)?.each(|code, value| {
                    let rows = counts.get(code).copied().unwrap_or_default();
                    self.add(at, 0, named(Some(Raw::Bytes(value))), rows);
                })?;
            }
            Shape::Numbers(_) | Shape::Ids { .. } | Shape::Raw { .. } => return Ok(false),
        }
        Ok(true)
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
        for (place, hour) in hours.hours.iter().enumerate() {
            let bucket = self.bucket(hour.hour.saturating_mul(HOUR));
            match (field, shape) {
                (None, _) => self.add(at, bucket, "".into(), hour.rows),
                (Some(field), Some(Shape::Small { values, absent })) => {
                    let Some(counts) = hours.of(field.number, place) else { return Ok(false) };
                    let absent = (*absent > 0).then_some(None);
                    let raws = absent.into_iter().chain(values.iter().map(|(word, _)| Some(word.raw())));
                    for (raw, rows) in raws.zip(counts) {
                        self.add(at, bucket, name(value_of(&field, raw)), *rows);
                    }
                }
                (Some(field), shape) => {
                    let raw = if let Some(Shape::Constant(word)) = shape { Some(word.raw()) } else { None };
                    self.add(at, bucket, name(value_of(&field, raw)), hour.rows);
                }
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
        let times = match self.step {
            Some(_) => segment.numbers(TIME, page)?,
            None => &[],
        };
        let group = Group::new(segment, field, page)?;
        // One lookup for each run of rows that are counted together.
        let (mut run, mut length) = (None, 0);
        let mut local: FxHashMap<(i64, usize), u64> = FxHashMap::default();
        for row in rows.rows() {
            let bucket = times.get(row).map_or(0, |stored| self.bucket(time(*stored)));
            let cell = (bucket, group.code(row));
            if run != Some(cell) {
                run.into_iter().for_each(|cell| *local.entry(cell).or_default() += length);
                (run, length) = (Some(cell), 0);
            }
            length += 1;
        }
        run.into_iter().for_each(|cell| *local.entry(cell).or_default() += length);
        for ((bucket, code), rows) in local {
            let value = group.name(self.log, self.ids, code)?;
            self.add(at, bucket, value, rows);
        }
        Ok(())
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
                None => "".into(),
                Some(field) => match field.kind {
                    Kind::Id => name(Some(Value::Id(self.ids.id(self.log, seq)))),
                    Kind::Position => name(Some(Value::Number(seq))),
                    _ => name(Stored::of(bytes).value(&field)),
                },
            };
            self.add(at, self.bucket(time), value, 1);
        }
        Ok(())
    }

    fn settle(&mut self) -> Result<(), QueryError> {
        for (cell, rows) in self.open.drain() {
            *self.counts.entry(cell).or_default() += rows;
        }
        let mut least = 1;
        while self.counts.len() > CELLS_MAX {
            if self.step.is_some() {
                return Err(QueryError::TooMany);
            }
            self.is_exact = false;
            least *= 2;
            self.counts.retain(|_, rows| *rows >= least);
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
            (Some(field), Some(Shape::Small { .. } | Shape::Large { .. })) => Way::Codes(segment.codes(field.number, page)?),
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

    fn name(&self, log: Log, ids: &Ids, code: usize) -> Result<Box<str>, Fault> {
        let Some(field) = self.field else { return Ok("".into()) };
        let seq = self.segment.header.first + (self.page * PAGE + code) as u64;
        let mut made = String::new();
        Ok(name(match (field.kind, &self.way) {
            (Kind::Id, _) => Some(Value::Id(ids.id(log, seq))),
            (Kind::Position, _) => Some(Value::Number(seq)),
            (_, Way::Codes(_)) => value_of(&field, self.segment.raw_of_code(field.number, code)?),
            (_, Way::One | Way::Rows) => {
                value_of(&field, self.segment.raw(field.number, self.page * PAGE + code, ids, &mut made)?)
            }
        }))
    }
}

/// A value as the name of a count; absence has an empty one.
fn name(value: Option<Value<'_>>) -> Box<str> {
    match value {
        None => "".into(),
        Some(Value::Id(id)) => id.to_string().into(),
        Some(Value::Number(number)) => number.to_string().into(),
        Some(Value::Time(time)) => json::time(time).into(),
        Some(Value::Text(text) | Value::Json(text)) => text.into(),
        Some(Value::Address(address)) => address.to_string().into(),
    }
}

//! Entries of one segment as lines, column by column: each distinct value is written once and copied from then on, and
//! no entry is put together. Neighbours whose values go together are written and copied as one.

use rustc_hash::{FxHashMap, FxHashSet};
use uuid::Uuid;

use super::text::{Padded, Text};
use super::{Format, put_before};
use crate::codec::Raw;
use crate::entry::{Field, Kind, Log};
use crate::id::Ids;
use crate::piece::time;
use crate::row::{Value, value_of};
use crate::segment::{Column, Fault, PAGE, STRAY, Segment, Shape};

/// What has been written of a segment's columns, for its next lines. Holds each distinct value that any line had.
pub(super) struct Cells {
    /// What differs between lines, each with what stands before it in all of them.
    cells: Vec<Cell>,
    /// After the last of them.
    end: Padded,
    /// Whether neighbours were joined: done when the first lines show which of them go together.
    are_joined: bool,
}

/// One column, or several.
struct Cell {
    field: Field,
    /// What stands before each: of the line, and of the cells that are the same in all lines.
    before: Padded,
    way: Way,
}

enum Way {
    /// Texts by code, with what stands before them.
    Coded(Known),
    /// Neighbours as one.
    Joined(Joined),
    /// What is written where there is none.
    Numbers {
        absent: Option<u64>,
        none: Padded,
    },
    Times,
    Positions,
    Ids,
    Requests {
        strays: u64,
    },
}

/// Beginning and length of a text that has been written.
type Place = (u32, u32);

/// What has been written already.
struct Known {
    /// By code; [`UNKNOWN`] for those that no line had so far.
    places: Vec<Place>,
    text: Padded,
}

const UNKNOWN: Place = (u32::MAX, 0);

/// Columns next to each other, whose codes make one number.
struct Joined {
    members: Vec<Cell>,
    places: FxHashMap<u64, Place>,
    text: Padded,
}

/// Lines that show which neighbours go together.
const SAMPLE: usize = 1024;

/// Neighbours are joined if so many lines of a sample have so few combinations of their values, or hardly more than
/// the values of one of them.
const COMBINATIONS_MAX: usize = SAMPLE / 8;

const NO_CELL: Fault = Fault::Damaged("a row of a segment has no value");

/// What of a page the cells of its lines are made from.
enum Page<'p> {
    /// What has been written already, by the place of the line.
    Written(Vec<Place>),
    Numbers(&'p [u64]),
    Ids(Vec<Uuid>),
    Requests(&'p [u64], Vec<Uuid>),
    Positions,
}

/// Writes lines of a segment.
pub(super) struct Lines<'s, 'a> {
    pub(super) segment: &'s Segment<'a>,
    pub(super) ids: &'s Ids,
    pub(super) log: Log,
    pub(super) format: Format,
    pub(super) cells: &'s mut Cells,
}

impl std::fmt::Debug for Cells {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Cells").field("bytes", &self.bytes()).finish_non_exhaustive()
    }
}

impl Cells {
    /// None for a segment with fields of changing type or rows that cannot be read: their entries are put together.
    pub(super) fn of(segment: &Segment<'_>, format: Format, fields: &[Field]) -> Option<Self> {
        if segment.header.columns.iter().any(|column| matches!(column.shape, Shape::Raw { .. })) {
            return None;
        }
        let (mut cells, mut before) = (Vec::with_capacity(fields.len()), String::new());
        for (at, field) in fields.iter().enumerate() {
            put_before(format, at, field, &mut before);
            match way(segment.header.column(field.number), field, format) {
                Ok(way) => {
                    cells.push(Cell { field: *field, before: Padded::of(&before), way });
                    before.clear();
                }
                Err(only) => format.cell(only, &mut before),
            }
        }
        before.push_str(format.end());
        Some(Self { cells, end: Padded::of(&before), are_joined: false })
    }

    /// Memory that the texts take.
    pub(super) fn bytes(&self) -> usize {
        self.cells.iter().map(Cell::bytes).sum()
    }
}

impl<'s> Lines<'s, '_> {
    /// Writes lines of rows, in their order; after each `is_done` is asked whether to stop. Gives the lines written.
    pub(super) fn write(
        &mut self,
        rows: &[usize],
        text: &mut Text,
        mut is_done: impl FnMut(&mut Text) -> bool,
    ) -> Result<usize, Fault> {
        self.join(rows)?;
        let mut written = 0;
        for rows in rows.chunk_by(|one, other| one / PAGE == other / PAGE) {
            let (segment, ids, log, format) = (self.segment, self.ids, self.log, self.format);
            let page = |cell| page(segment, ids, log, format, cell, rows);
            let pages = self.cells.cells.iter_mut().map(page).collect::<Result<Vec<_>, _>>()?;
            for (at, row) in rows.iter().enumerate() {
                for (cell, page) in self.cells.cells.iter().zip(&pages) {
                    put(segment, format, cell, page, (at, *row), text)?;
                }
                text.push(&self.cells.end);
                written += 1;
                if is_done(text) {
                    return Ok(written);
                }
            }
        }
        Ok(written)
    }

    /// Joins neighbours whose values go together in the first lines.
    fn join(&mut self, rows: &[usize]) -> Result<(), Fault> {
        if self.cells.are_joined {
            return Ok(());
        }
        self.cells.are_joined = true;
        let page = rows.first().map_or(0, |row| row / PAGE);
        let sample: Vec<usize> = rows.iter().take_while(|row| **row / PAGE == page).take(SAMPLE).copied().collect();
        let mut joining = Joining { segment: self.segment, sample, done: Vec::new(), open: None };
        for cell in std::mem::take(&mut self.cells.cells) {
            joining.take(cell)?;
        }
        self.cells.cells = joining.end();
        Ok(())
    }
}

/// What of a page cells of its lines are made from. Texts are looked up before the lines are put together, many at a
/// time: the next one need not wait for the last.
fn page<'s>(
    segment: &'s Segment<'_>,
    ids: &Ids,
    log: Log,
    format: Format,
    cell: &mut Cell,
    rows: &[usize],
) -> Result<Page<'s>, Fault> {
    let Cell { field, before, way } = cell;
    let (number, page) = (field.number, rows.first().map_or(0, |row| row / PAGE));
    Ok(match way {
        Way::Coded(known) => {
            let codes = segment.codes(number, page)?;
            let place = |row: &usize| {
                let code = codes.get(row % PAGE).ok_or(NO_CELL)?;
                match known.places.get(code).copied().ok_or(NO_CELL)? {
                    UNKNOWN => known.add(segment, format, field, before, code),
                    place => Ok(place),
                }
            };
            Page::Written(rows.iter().map(place).collect::<Result<_, _>>()?)
        }
        Way::Joined(joined) => {
            let mut keys = vec![0; rows.len()];
            for member in &joined.members {
                add_codes(segment, member, rows, &mut keys)?;
            }
            let place = |key| match joined.places.get(&key) {
                Some(place) => Ok(*place),
                None => joined.add(segment, format, key),
            };
            Page::Written(keys.into_iter().map(place).collect::<Result<_, _>>()?)
        }
        Way::Numbers { .. } | Way::Times => Page::Numbers(segment.numbers(number, page)?),
        Way::Positions => Page::Positions,
        Way::Ids => Page::Ids(ids.ids(log, rows.iter().map(|row| segment.header.first + *row as u64))),
        Way::Requests { .. } => {
            let numbers = segment.numbers(number, page)?;
            let counters = rows.iter().map(|row| numbers.get(row % PAGE).copied().unwrap_or_default());
            Page::Requests(numbers, ids.requests(counters))
        }
    })
}

/// Finds neighbours that go together.
struct Joining<'s, 'a> {
    segment: &'s Segment<'a>,
    sample: Vec<usize>,
    done: Vec<Cell>,
    open: Option<Open>,
}

/// Neighbours that more may be joined to.
struct Open {
    members: Vec<Cell>,
    /// Of the sample.
    keys: Vec<u64>,
    /// How many differ.
    combinations: usize,
    /// Keys are below this.
    width: u64,
}

impl Joining<'_, '_> {
    fn take(&mut self, cell: Cell) -> Result<(), Fault> {
        if !matches!(cell.way, Way::Coded(_)) {
            self.close();
            self.done.push(cell);
            return Ok(());
        }
        let width = cell.width();
        let mut own = vec![0; self.sample.len()];
        add_codes(self.segment, &cell, &self.sample, &mut own)?;
        let combinations = distinct(&own);
        if let Some(open) = &mut self.open
            && let Some(both) = open.width.checked_mul(width)
        {
            let mut keys = open.keys.clone();
            add_codes(self.segment, &cell, &self.sample, &mut keys)?;
            let joined = distinct(&keys);
            let most = open.combinations.max(combinations);
            if joined <= COMBINATIONS_MAX.max(most + most / 16) {
                open.members.push(cell);
                (open.keys, open.combinations, open.width) = (keys, joined, both);
                return Ok(());
            }
        }
        self.close();
        self.open = Some(Open { members: vec![cell], keys: own, combinations, width });
        Ok(())
    }

    fn close(&mut self) {
        let Some(Open { mut members, .. }) = self.open.take() else { return };
        if members.len() == 1 {
            return self.done.append(&mut members);
        }
        let field = members.first().map(|first| first.field);
        self.done.extend(field.map(|field| Cell {
            field,
            before: Padded::of(""),
            way: Way::Joined(Joined { members, places: FxHashMap::default(), text: Padded::of("") }),
        }));
    }

    fn end(mut self) -> Vec<Cell> {
        self.close();
        self.done
    }
}

fn distinct(keys: &[u64]) -> usize {
    keys.iter().collect::<FxHashSet<_>>().len()
}

impl Cell {
    /// Memory that its texts take.
    fn bytes(&self) -> usize {
        match &self.way {
            Way::Coded(known) => known.text.len(),
            Way::Joined(joined) => joined.text.len() + joined.members.iter().map(Self::bytes).sum::<usize>(),
            Way::Numbers { .. } | Way::Times | Way::Positions | Way::Ids | Way::Requests { .. } => 0,
        }
    }

    /// How many codes a column with a dictionary has.
    fn width(&self) -> u64 {
        match &self.way {
            Way::Coded(known) => known.places.len() as u64,
            Way::Joined(_) | Way::Numbers { .. } | Way::Times | Way::Positions | Way::Ids | Way::Requests { .. } => 1,
        }
    }
}

/// Makes keys of rows of a page those with one more column.
fn add_codes(segment: &Segment<'_>, cell: &Cell, rows: &[usize], keys: &mut [u64]) -> Result<(), Fault> {
    let width = cell.width();
    let codes = segment.codes(cell.field.number, rows.first().map_or(0, |row| row / PAGE))?;
    for (row, key) in rows.iter().zip(keys) {
        *key = *key * width + codes.get(row % PAGE).ok_or(NO_CELL)? as u64;
    }
    Ok(())
}

/// How a column's cells are made; the value, if it is the same in all rows.
fn way<'c>(column: Option<&'c Column>, field: &Field, format: Format) -> Result<Way, Option<Value<'c>>> {
    match field.kind {
        Kind::Id => return Ok(Way::Ids),
        Kind::Position => return Ok(Way::Positions),
        Kind::Time | Kind::Text | Kind::Word(_) | Kind::Number | Kind::Count | Kind::Address | Kind::Json => (),
    }
    let none = || value_of(field, None);
    match column.map(|column| &column.shape) {
        None | Some(Shape::Raw { .. }) => Err(none()),
        Some(Shape::Constant(word)) => Err(value_of(field, Some(word.raw()))),
        Some(Shape::Small { values, absent }) => Ok(Way::Coded(Known::of(values.len(), *absent))),
        Some(Shape::Large { values, absent, .. }) => Ok(Way::Coded(Known::of(*values as usize, *absent))),
        Some(Shape::Numbers(_)) if matches!(field.kind, Kind::Time) => Ok(Way::Times),
        Some(Shape::Numbers(numbers)) if matches!(field.kind, Kind::Number | Kind::Count) => {
            let mut text = String::new();
            format.cell(none(), &mut text);
            Ok(Way::Numbers { absent: numbers.absent, none: Padded::of(&text) })
        }
        Some(Shape::Ids { strays, .. }) if matches!(field.kind, Kind::Text) => Ok(Way::Requests { strays: *strays }),
        // Of another type than the field's.
        Some(Shape::Numbers(_) | Shape::Ids { .. }) => Err(none()),
    }
}

#[inline]
fn put(
    segment: &Segment<'_>,
    format: Format,
    cell: &Cell,
    page: &Page<'_>,
    (at, row): (usize, usize),
    text: &mut Text,
) -> Result<(), Fault> {
    let Cell { field, before, way } = cell;
    match (way, page) {
        (
            Way::Coded(Known { text: written, .. }) | Way::Joined(Joined { text: written, .. }),
            Page::Written(places),
        ) => {
            text.push_part(written, *places.get(at).ok_or(NO_CELL)?);
        }
        (Way::Numbers { absent, none }, Page::Numbers(numbers)) => {
            text.push(before);
            let number = *numbers.get(row % PAGE).ok_or(NO_CELL)?;
            if *absent == Some(number) { text.push(none) } else { text.push_number(number) }
        }
        (Way::Times, Page::Numbers(numbers)) => {
            text.push(before);
            text.push_time(time(*numbers.get(row % PAGE).ok_or(NO_CELL)?), format);
        }
        (Way::Positions, Page::Positions) => {
            text.push(before);
            text.push_number(segment.header.first + row as u64);
        }
        (Way::Ids, Page::Ids(ids)) => {
            text.push(before);
            text.push_id(ids.get(at).ok_or(NO_CELL)?, format);
        }
        (Way::Requests { strays }, Page::Requests(numbers, ids)) => {
            text.push(before);
            let number = *numbers.get(row % PAGE).ok_or(NO_CELL)?;
            match STRAY.checked_sub(number) {
                Some(stray) if stray >= *strays => text.push_id(ids.get(at).ok_or(NO_CELL)?, format),
                stray => {
                    let mut cell = String::new();
                    let raw = match stray {
                        Some(stray) => Some(Raw::Bytes(segment.strays(field.number)?.value(stray as usize)?)),
                        None => None,
                    };
                    format.cell(value_of(field, raw), &mut cell);
                    text.push(&Padded::of(&cell));
                }
            }
        }
        (
            Way::Coded(_)
            | Way::Joined(_)
            | Way::Numbers { .. }
            | Way::Times
            | Way::Positions
            | Way::Ids
            | Way::Requests { .. },
            Page::Written(_) | Page::Numbers(_) | Page::Ids(_) | Page::Requests(..) | Page::Positions,
        ) => return Err(NO_CELL),
    }
    Ok(())
}

impl Known {
    fn of(values: usize, absent: u64) -> Self {
        Self { places: vec![UNKNOWN; values + usize::from(absent > 0)], text: Padded::of("") }
    }

    fn add(
        &mut self,
        segment: &Segment<'_>,
        format: Format,
        field: &Field,
        before: &Padded,
        code: usize,
    ) -> Result<Place, Fault> {
        let start = self.text.len();
        self.text.extend(before);
        write(segment, format, field, code, &mut self.text)?;
        let place = self.text.since(start);
        self.places.iter_mut().skip(code).take(1).for_each(|known| *known = place);
        Ok(place)
    }
}

impl Joined {
    /// A combination that no line had so far.
    fn add(&mut self, segment: &Segment<'_>, format: Format, key: u64) -> Result<Place, Fault> {
        let (start, mut rest) = (self.text.len(), key);
        let mut below: u64 = self.members.iter().map(Cell::width).product();
        for cell in &mut self.members {
            // As `add_codes` put it in.
            below /= cell.width().max(1);
            let code = (rest / below.max(1)) as usize;
            rest %= below.max(1);
            // Many combinations have the same value of one column.
            let Cell { field, before, way: Way::Coded(known) } = cell else { return Err(NO_CELL) };
            let place = match known.places.get(code).copied().ok_or(NO_CELL)? {
                UNKNOWN => known.add(segment, format, field, before, code)?,
                place => place,
            };
            self.text.extend_part(&known.text, place);
        }
        let place = self.text.since(start);
        self.places.insert(key, place);
        Ok(place)
    }
}

fn write(segment: &Segment<'_>, format: Format, field: &Field, code: usize, out: &mut Padded) -> Result<(), Fault> {
    let value = value_of(field, segment.raw_of_code(field.number, code)?);
    out.write(|out| format.cell(value, out));
    Ok(())
}

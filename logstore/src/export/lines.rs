//! Entries of one segment as lines, column by column: each distinct value is written once and copied from then on, and
//! no entry is put together. Neighbours whose values go together are written and copied as one.

mod joining;
mod known;

use uuid::Uuid;

use super::text::{Padded, Text};
use super::{Format, put_before};
use crate::codec::Raw;
use crate::entry::{Field, Kind, Log};
use crate::id::Ids;
use crate::piece::time;
use crate::row::{Value, value_of};
use crate::segment::{Column, Fault, PAGE, STRAY, Segment, Shape};

use joining::Joining;
use known::{Joined, Known, Place, UNKNOWN, add_codes};

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
        let mut joining = Joining::by(self.segment, rows);
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

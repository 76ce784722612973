//! The texts of columns with a dictionary: each is written once.

use rustc_hash::FxHashMap;

use super::{Cell, NO_CELL, Way};
use crate::entry::Field;
use crate::export::Format;
use crate::export::text::Padded;
use crate::row::value_of;
use crate::segment::{Fault, PAGE, Segment};

/// Beginning and length of a text that has been written.
pub(super) type Place = (u32, u32);

/// What has been written already.
pub(super) struct Known {
    /// By code; [`UNKNOWN`] for those that no line had so far.
    pub(super) places: Vec<Place>,
    pub(super) text: Padded,
}

pub(super) const UNKNOWN: Place = (u32::MAX, 0);

/// Columns next to each other, whose codes make one number.
pub(super) struct Joined {
    pub(super) members: Vec<Cell>,
    pub(super) places: FxHashMap<u64, Place>,
    pub(super) text: Padded,
}

/// Makes keys of rows of a page those with one more column.
pub(super) fn add_codes(segment: &Segment<'_>, cell: &Cell, rows: &[usize], keys: &mut [u64]) -> Result<(), Fault> {
    let width = cell.width();
    let codes = segment.codes(cell.field.number, rows.first().map_or(0, |row| row / PAGE))?;
    codes
        .each(rows.iter().map(|row| row % PAGE).zip(keys), |code, key| *key = *key * width + code as u64)
        .ok_or(NO_CELL)?;
    Ok(())
}

impl Known {
    pub(super) fn of(values: usize, absent: u64) -> Self {
        Self { places: vec![UNKNOWN; values + usize::from(absent > 0)], text: Padded::of("") }
    }

    pub(super) fn add(
        &mut self,
        segment: &Segment<'_>,
        format: Format,
        field: &Field,
        before: &Padded,
        code: usize,
    ) -> Result<Place, Fault> {
        let start = self.text.len();
        let value = value_of(field, segment.raw_of_code(field.number, code)?);
        self.text.write(|out| {
            out.push_str(before.text());
            format.cell(value, out);
        });
        let place = self.text.since(start);
        self.places.iter_mut().skip(code).take(1).for_each(|known| *known = place);
        Ok(place)
    }
}

impl Joined {
    pub(super) fn of(members: Vec<Cell>) -> Self {
        Self { members, places: FxHashMap::default(), text: Padded::of("") }
    }

    /// A combination that no line had so far.
    pub(super) fn add(&mut self, segment: &Segment<'_>, format: Format, key: u64) -> Result<Place, Fault> {
        let (start, mut rest) = (self.text.len(), key);
        let mut below: u64 = self.members.iter().map(Cell::width).product();
        let members = &mut self.members;
        self.text.try_write(|out| {
            for cell in members {
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
                out.push_str(known.text.part(place));
            }
            Ok(())
        })?;
        let place = self.text.since(start);
        self.places.insert(key, place);
        Ok(place)
    }
}

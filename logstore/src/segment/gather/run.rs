//! Fields that repeat together are looked up together.

use std::ops::RangeInclusive;

use super::gathered::Gathered;
use super::words::Words;
use super::{Zero, gather};

/// Room that is set aside for the distinct ones of each row.
const RUN_BYTES: usize = 64;

/// Fields that repeat together: per row the place of their bytes among the distinct ones.
pub(super) struct Run {
    pub(super) fields: RangeInclusive<u32>,
    rows: Vec<u16>,
    distinct: Words,
}

impl Run {
    pub(super) fn of(fields: RangeInclusive<u32>, rows: usize) -> Self {
        Self { fields, rows: Vec::with_capacity(rows), distinct: Words::with_room(rows, RUN_BYTES) }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        let place = self.distinct.place(bytes);
        self.rows.push(place);
    }

    /// The columns of its fields: those of the distinct ones, spread over the rows.
    pub(super) fn columns<'a>(self) -> Vec<(u32, Gathered<'a>)> {
        let distinct: Vec<&[u8]> = (0..self.distinct.len()).filter_map(|at| self.distinct.get(at)).collect();
        let columns = gather(&distinct, &[], Zero::Column, |_| false);
        columns.into_iter().map(|(number, gathered)| (number, gathered.spread(&self.rows))).collect()
    }
}

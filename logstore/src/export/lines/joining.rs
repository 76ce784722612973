//! Finds columns next to each other that go together: where they do, cells of both are looked up and copied as one.

use rustc_hash::FxHashSet;

use super::known::{Joined, add_codes};
use super::{Cell, Way};
use crate::export::text::Padded;
use crate::segment::{Fault, PAGE, Segment};

/// Lines that show which neighbours go together.
const SAMPLE: usize = 1024;

/// Neighbours are joined if so many lines of a sample have so few combinations of their values, or hardly more than
/// the values of one of them.
const COMBINATIONS_MAX: usize = SAMPLE / 8;

/// Finds neighbours that go together.
pub(super) struct Joining<'s, 'a> {
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

impl<'s, 'a> Joining<'s, 'a> {
    /// By a sample of rows of one page.
    pub(super) fn by(segment: &'s Segment<'a>, rows: &[usize]) -> Self {
        let page = rows.first().map_or(0, |row| row / PAGE);
        let sample = rows.iter().take_while(|row| **row / PAGE == page).take(SAMPLE).copied().collect();
        Self { segment, sample, done: Vec::new(), open: None }
    }

    /// The next column.
    pub(super) fn take(&mut self, cell: Cell) -> Result<(), Fault> {
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
            way: Way::Joined(Joined::of(members)),
        }));
    }

    /// All columns, those that go together as one.
    pub(super) fn end(mut self) -> Vec<Cell> {
        self.close();
        self.done
    }
}

fn distinct(keys: &[u64]) -> usize {
    keys.iter().collect::<FxHashSet<_>>().len()
}

//! Rows of values in time steps, in as little memory as there are different ones.

use std::sync::Arc;

use rustc_hash::FxHashMap;

/// Rows by the beginning of the time step and by value.
#[derive(Default)]
pub(in crate::query) struct Counts {
    places: FxHashMap<Arc<str>, u32>,
    /// By their places.
    names: Vec<Arc<str>>,
    /// By time step, the rows of names with places next to each other.
    cells: FxHashMap<(i64, u32), [u64; TOGETHER as usize]>,
    /// Cells that have rows.
    pub(super) filled: usize,
    /// What the names take.
    pub(super) bytes: usize,
}

/// Names whose rows are found together, so that those of a step with few names are found at once.
const TOGETHER: u32 = 8;

/// Rows of a field's value in a time step.
pub(super) struct Cell {
    /// By its place in the question.
    pub(super) field: usize,
    /// The beginning of the time step.
    pub(super) bucket: i64,
    /// Of the name.
    pub(super) place: u32,
    pub(super) rows: u64,
}

impl Counts {
    /// The place of a name, which has one from now on.
    pub(super) fn place(&mut self, name: &str) -> u32 {
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
    pub(super) fn give_up(&mut self, least: u64) {
        let before = std::mem::take(self);
        for (bucket, name, rows) in before.each().filter(|(.., rows)| *rows >= least) {
            let place = self.place(name);
            self.add(bucket, &[Cell { field: 0, bucket, place, rows }]);
        }
    }

    /// Adds rows of one time step.
    pub(super) fn add(&mut self, bucket: i64, cells: &[Cell]) {
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
    pub(in crate::query) fn sorted(&self) -> Vec<(i64, &Arc<str>, u64)> {
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
    pub(in crate::query) fn each(&self) -> impl Iterator<Item = (i64, &Arc<str>, u64)> {
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

/// What a value takes in memory, about.
pub(super) fn cost(value: &str) -> usize {
    value.len() + 64
}

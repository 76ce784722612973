//! Finds rows by time, although they stand in the order of their arrival.
//!
//! An entry arrives when its request ends and carries the time at which it began, so that positions and times run
//! together but for the length of a request. Rows are therefore grouped into chunks by position, and of each chunk
//! the span of its times is known. The few oldest rows of a chunk, those of long requests, are listed apart: one
//! WebSocket of an hour would otherwise stretch its chunk over that hour.

/// Rows of a chunk.
pub(crate) const CHUNK: u64 = 1024;

/// Rows of a chunk that are listed apart.
const STRAYS: usize = 8;

/// The times of a whole chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Span {
    /// The earliest time of the rows that are no strays.
    pub(crate) min: i64,
    /// The latest time.
    pub(crate) max: i64,
    /// Rows earlier than `min`, at most [`STRAYS`]: time and place in the chunk.
    pub(crate) strays: Box<[(i64, u16)]>,
}

impl Span {
    fn of(times: &[i64]) -> Self {
        let mut sorted = times.to_vec();
        sorted.sort_unstable();
        let min = sorted.get(STRAYS).or(sorted.first()).copied().unwrap_or(0);
        let max = sorted.last().copied().unwrap_or(0);
        let strays = times.iter().zip(0..).filter(|(time, _)| **time < min).map(|(time, at)| (*time, at)).collect();
        Self { min, max, strays }
    }
}

/// Rows to look at together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unit {
    /// No row of the unit is earlier.
    pub(crate) min: i64,
    /// No row of the unit is later.
    pub(crate) max: i64,
    /// The first position.
    pub(crate) first: u64,
    /// Positions from the first. Rows among them that are earlier than `min` are in units of their own.
    pub(crate) rows: u64,
    /// How many of them that are.
    pub(crate) strays: u64,
}

/// The times of the rows of one log that are not sealed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Timeline {
    /// Position of the first of them.
    first: u64,
    times: Vec<i64>,
    /// Of the whole chunks among them.
    spans: Vec<Span>,
}

impl Timeline {
    /// Of rows from a position on.
    pub(crate) const fn new(first: u64) -> Self {
        Self { first, times: Vec::new(), spans: Vec::new() }
    }

    /// Position of the first row that is not sealed.
    pub(crate) const fn first(&self) -> u64 {
        self.first
    }

    /// Position of the next row.
    pub(crate) fn end(&self) -> u64 {
        self.first + self.times.len() as u64
    }

    pub(crate) fn times(&self) -> &[i64] {
        &self.times
    }

    /// The times of rows from a position on; none if some of them are gone from here.
    pub(crate) fn times_of(&self, first: u64, rows: u64) -> Option<&[i64]> {
        let from = usize::try_from(first.checked_sub(self.first)?).ok()?;
        self.times.get(from..from + rows as usize)
    }

    pub(crate) fn extend(&mut self, times: impl IntoIterator<Item = i64>) {
        self.times.extend(times);
        self.measure();
    }

    /// The first rows are gone from here: sealed or pruned.
    pub(crate) fn drop_first(&mut self, rows: u64) {
        self.first += rows;
        self.times.drain(..self.times.len().min(rows as usize));
        if rows.is_multiple_of(CHUNK) {
            self.spans.drain(..self.spans.len().min((rows / CHUNK) as usize));
        } else {
            self.spans.clear();
        }
        self.measure();
    }

    fn measure(&mut self) {
        let known = self.spans.len() * CHUNK as usize;
        let chunks = self.times.get(known..).unwrap_or_default().as_chunks::<{ CHUNK as usize }>().0;
        self.spans.extend(chunks.iter().map(|times| Span::of(times)));
    }

    /// The earliest and the latest time of the rows from a position on; none if there are no such rows.
    pub(crate) fn times_from(&self, first: u64) -> Option<(i64, i64)> {
        let rows = self.times.iter().skip(first.saturating_sub(self.first) as usize);
        rows.map(|time| (*time, *time)).reduce(|(min, max), (from, to)| (min.min(from), max.max(to)))
    }

    /// Everything that may hold rows of this time, ends included.
    pub(crate) fn units(&self, since: i64, until: i64) -> Vec<Unit> {
        let mut units = Vec::new();
        let mut add = |unit: Unit| {
            if unit.min <= until && unit.max >= since {
                units.push(unit);
            }
        };
        for (span, first) in self.spans.iter().zip((self.first..).step_by(CHUNK as usize)) {
            add(Unit { min: span.min, max: span.max, first, rows: CHUNK, strays: span.strays.len() as u64 });
            for (time, at) in &span.strays {
                add(Unit { min: *time, max: *time, first: first + u64::from(*at), rows: 1, strays: 0 });
            }
        }
        let whole = self.spans.len() * CHUNK as usize;
        let open = self.times.get(whole..).unwrap_or_default();
        if let (Some(min), Some(max)) = (open.iter().min(), open.iter().max()) {
            add(Unit { min: *min, max: *max, first: self.first + whole as u64, rows: open.len() as u64, strays: 0 });
        }
        units
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_request_does_not_stretch_its_chunk() {
        let mut times: Vec<i64> = (10_000..10_000 + CHUNK as i64).collect();
        times[500] = 3;
        let mut timeline = Timeline::default();
        timeline.extend(times);
        assert_eq!(timeline.end(), CHUNK);
        // Eight rows are listed apart: the long one and the seven first.
        assert_eq!(timeline.units(0, 3), [Unit { min: 3, max: 3, first: 500, rows: 1, strays: 0 }]);
        assert_eq!(timeline.units(4, 9_999), []);
        assert_eq!(
            timeline.units(10_007, 10_007),
            [Unit { min: 10_007, max: 11_023, first: 0, rows: CHUNK, strays: 8 }]
        );
    }

    #[test]
    fn a_chunk_of_equal_times_has_no_strays() {
        let span = Span::of(&[5; CHUNK as usize]);
        assert_eq!(span, Span { min: 5, max: 5, strays: Box::default() });
    }

    #[test]
    fn every_row_is_in_exactly_one_unit_of_its_time() {
        let times: Vec<i64> = (0..3000).map(|at: i64| at * 10 - (at % 97) * (at % 31)).collect();
        for dropped in [0, 1, 1024, 1500, 2048] {
            let mut timeline = Timeline::new(0);
            for batch in times.chunks(777) {
                timeline.extend(batch.iter().copied());
            }
            timeline.drop_first(dropped);
            assert_eq!((timeline.first(), timeline.end()), (dropped, 3000));
            let mut found = vec![0; times.len()];
            for unit in timeline.units(i64::MIN, i64::MAX) {
                for seq in unit.first..unit.first + unit.rows {
                    let time = times[seq as usize];
                    assert!(time <= unit.max);
                    found[seq as usize] += usize::from(time >= unit.min);
                }
            }
            assert!(found.iter().enumerate().all(|(seq, found)| *found == usize::from(seq as u64 >= dropped)));
        }
    }
}

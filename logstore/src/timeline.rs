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

    /// Value on disk: min i64, max i64, then for each stray its time i64 and place u16.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(16 + self.strays.len() * 10);
        out.extend_from_slice(&self.min.to_be_bytes());
        out.extend_from_slice(&self.max.to_be_bytes());
        for (time, at) in &self.strays {
            out.extend_from_slice(&time.to_be_bytes());
            out.extend_from_slice(&at.to_be_bytes());
        }
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (min, rest) = bytes.split_first_chunk()?;
        let (max, mut rest) = rest.split_first_chunk()?;
        let mut strays = Vec::new();
        while let Some((time, after)) = rest.split_first_chunk() {
            let (at, after) = after.split_first_chunk()?;
            strays.push((i64::from_be_bytes(*time), u16::from_be_bytes(*at)));
            rest = after;
        }
        rest.is_empty().then_some(())?;
        Some(Self { min: i64::from_be_bytes(*min), max: i64::from_be_bytes(*max), strays: strays.into() })
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

/// The times of one log.
#[derive(Debug, Clone, Default)]
pub(crate) struct Timeline {
    /// Whole chunks from position 0.
    spans: Vec<Span>,
    /// The times of the rows after them.
    open: Vec<i64>,
}

/// What new rows add to a timeline.
#[derive(Debug)]
pub(crate) struct Extension {
    /// Chunks that became whole, each with its index.
    pub(crate) spans: Vec<(u64, Span)>,
    open: Vec<i64>,
}

impl Timeline {
    pub(crate) const fn new(spans: Vec<Span>) -> Self {
        Self { spans, open: Vec::new() }
    }

    /// Rows, which is also the next position.
    pub(crate) fn rows(&self) -> u64 {
        self.spans.len() as u64 * CHUNK + self.open.len() as u64
    }

    /// What rows of these times would add. Nothing changes until [`Self::extend`].
    pub(crate) fn extension(&self, times: impl IntoIterator<Item = i64>) -> Extension {
        let mut extension = Extension { spans: Vec::new(), open: self.open.clone() };
        for time in times {
            extension.open.push(time);
            if extension.open.len() as u64 == CHUNK {
                let index = self.spans.len() + extension.spans.len();
                extension.spans.push((index as u64, Span::of(&extension.open)));
                extension.open.clear();
            }
        }
        extension
    }

    pub(crate) fn extend(&mut self, extension: Extension) {
        self.spans.extend(extension.spans.into_iter().map(|(_, span)| span));
        self.open = extension.open;
    }

    /// The earliest and the latest time of the rows from a position on, as far as known by chunk; none if there are
    /// no such rows.
    pub(crate) fn times_from(&self, first: u64) -> Option<(i64, i64)> {
        let units = self.units(i64::MIN, i64::MAX).into_iter().filter(|unit| unit.first + unit.rows > first);
        units.map(|unit| (unit.min, unit.max)).reduce(|(min, max), (from, to)| (min.min(from), max.max(to)))
    }

    /// Everything that may hold rows of this time, ends included.
    pub(crate) fn units(&self, since: i64, until: i64) -> Vec<Unit> {
        let mut units = Vec::new();
        let mut add = |unit: Unit| {
            if unit.min <= until && unit.max >= since {
                units.push(unit);
            }
        };
        for (span, first) in self.spans.iter().zip((0..).step_by(CHUNK as usize)) {
            add(Unit { min: span.min, max: span.max, first, rows: CHUNK, strays: span.strays.len() as u64 });
            for (time, at) in &span.strays {
                add(Unit { min: *time, max: *time, first: first + u64::from(*at), rows: 1, strays: 0 });
            }
        }
        if let (Some(min), Some(max)) = (self.open.iter().min(), self.open.iter().max()) {
            let (first, rows) = (self.spans.len() as u64 * CHUNK, self.open.len() as u64);
            add(Unit { min: *min, max: *max, first, rows, strays: 0 });
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
        let extension = timeline.extension(times);
        timeline.extend(extension);
        assert_eq!(timeline.rows(), CHUNK);
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
    fn spans_come_back_from_disk() {
        let times: Vec<i64> = (0..CHUNK as i64).map(|at| (at * 7919) % 1009 - 500).collect();
        let span = Span::of(&times);
        assert_eq!(Span::decode(&span.encode()), Some(span.clone()));
        assert_eq!(Span::decode(&span.encode()[..17]), None);
        assert!(span.strays.iter().all(|(time, at)| times[usize::from(*at)] == *time && *time < span.min));
    }

    #[test]
    fn every_row_is_in_exactly_one_unit_of_its_time() {
        let mut timeline = Timeline::default();
        let times: Vec<i64> = (0..3000).map(|at: i64| at * 10 - (at % 97) * (at % 31)).collect();
        for batch in times.chunks(777) {
            let extension = timeline.extension(batch.iter().copied());
            timeline.extend(extension);
        }
        assert_eq!(timeline.rows(), 3000);
        let mut found = vec![0; times.len()];
        for unit in timeline.units(i64::MIN, i64::MAX) {
            for seq in unit.first..unit.first + unit.rows {
                let time = times[seq as usize];
                assert!(time <= unit.max);
                found[seq as usize] += usize::from(time >= unit.min);
            }
        }
        assert_eq!(found, vec![1; times.len()]);
    }
}

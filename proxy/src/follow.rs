//! Entries of a log in the order of their arrival, for readers that stay.
//!
//! They are read by position: an entry carries the time at which its request began, so that a long request comes behind
//! entries that are younger.

use vestibule_logstore::{Log, QueryError, Row, Store};

/// Entries that are read at a time.
const BATCH: u64 = 256;

/// A reader that is further behind loses half of it, and is told what.
const BEHIND_MAX: u64 = 100_000;

/// How far a reader has come.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Follow {
    log: Log,
    /// The next position to read.
    next: u64,
    /// From here on entries were skipped, and nobody was told yet.
    lost_from: Option<u64>,
}

/// What comes next.
pub(crate) enum News {
    /// An entry.
    Entry(Row),
    /// Positions that were passed over: too far behind, or not to be read.
    Gap {
        /// The first.
        from: u64,
        /// The last.
        to: u64,
    },
}

impl Follow {
    /// From a position on, which may be the end.
    pub(crate) fn from(log: Log, next: u64) -> Self {
        Self { log, next, lost_from: None }
    }

    /// The position behind what was read.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// Whether nothing is there to be read.
    pub(crate) fn is_at_end(&self, store: &Store) -> bool {
        self.next >= store.end(self.log)
    }

    /// A batch of what is there; blocks while it is read.
    pub(crate) fn read(&mut self, store: &Store) -> Result<Vec<News>, QueryError> {
        let end = store.end(self.log);
        self.skip(end);
        let to = end.min(self.next + BATCH);
        let mut news = Vec::new();
        for row in store.rows(self.log, self.next, to)? {
            if row.seq > self.next {
                self.lost_from.get_or_insert(self.next);
            }
            news.extend(self.gap(row.seq));
            self.next = row.seq + 1;
            news.push(News::Entry(row));
        }
        if self.next < to {
            self.lost_from.get_or_insert(self.next);
            self.next = to;
        }
        // What was skipped last has no entry behind it that would bring the news.
        if self.next == end {
            news.extend(self.gap(end));
        }
        Ok(news)
    }

    /// Keeps a reader that cannot follow within sight of the end.
    fn skip(&mut self, end: u64) {
        if end.saturating_sub(self.next) > BEHIND_MAX {
            self.lost_from.get_or_insert(self.next);
            self.next = end - BEHIND_MAX / 2;
        }
    }

    /// What was skipped before a position, if anything was.
    fn gap(&mut self, next: u64) -> Option<News> {
        self.lost_from.take().map(|from| News::Gap { from, to: next - 1 })
    }
}

//! For those who read.

use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use uuid::Uuid;

use super::Store;
use crate::entry::{Field, Log};
use crate::error::QueryError;
use crate::query::{self, Facets, Histogram, Page, Query};
use crate::row::Row;
use crate::seen::{self, Seen, SeenQuery};
use crate::stats::{self, Stats};

impl Store {
    /// Entries that match, in order, one page. Blocks; bounded by `query.deadline`.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn query(&self, query: &Query) -> Result<Page, QueryError> {
        query::run(&self.handle.shared, query)
    }

    /// Matches of a question over time, by the values of a field if one is named. Blocks; bounded by `query.deadline`.
    ///
    /// # Errors
    /// When the disk refuses, or the answer has more than 10,000 steps or too many values.
    pub fn histogram(&self, query: &Query, step: Duration, by: Option<&Field>) -> Result<Histogram, QueryError> {
        query::histogram(&self.handle.shared, query, step, by)
    }

    /// The `top` most frequent values of each field among the matches of a question. Blocks; bounded by
    /// `query.deadline`.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn facets(&self, query: &Query, fields: &[Field], top: usize) -> Result<Facets, QueryError> {
        query::facets(&self.handle.shared, query, fields, top)
    }

    /// One entry by its id. None too for an id that was not made here.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn entry(&self, log: Log, id: &Uuid) -> Result<Option<Row>, QueryError> {
        match self.handle.shared.ids.place(id) {
            Some((of, seq)) if of == log => Ok(query::rows_at(&self.handle.shared, log, &[seq])?.pop()),
            Some(_) | None => Ok(None),
        }
    }

    /// Entries at positions from `from` up to but without `to`, in the order of their arrival. Those that are no longer
    /// kept are left out. Blocks; reads each of them.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn rows(&self, log: Log, from: u64, to: u64) -> Result<Vec<Row>, QueryError> {
        query::rows_at(&self.handle.shared, log, &(from..to).collect::<Vec<_>>())
    }

    /// Everybody with a successful sign-in in a time. Blocks; bounded by `query.deadline`.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn seen(&self, query: &SeenQuery) -> Result<Seen, QueryError> {
        seen::run(self, query)
    }

    /// Requests of a time until `now`, of all circuits or of one; an empty name means requests that found no circuit.
    /// Reads no entry.
    pub fn stats(&self, range: stats::Range, circuit: Option<&str>, now: Timestamp) -> Stats {
        self.handle.shared.counters.stats(range, circuit, now)
    }

    /// The position that the next entry of this log gets. Cheap.
    pub fn end(&self, log: Log) -> u64 {
        self.handle.shared.contents(log).read().timeline.end()
    }

    /// The latest time of any entry that is kept; none while there are none.
    pub fn latest(&self) -> Option<Timestamp> {
        let of = |log: Log| {
            let contents = self.handle.shared.contents(log).read();
            let sealed = contents.pieces.iter().map(|piece| piece.times.1).max();
            sealed.max(contents.timeline.times_from(0).map(|(_, last)| last))
        };
        let latest = Log::ALL.into_iter().filter_map(of).max()?;
        Timestamp::from_microsecond(latest).ok()
    }

    /// Changes whenever entries became readable. The value is their number since the start, all logs together.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.handle.shared.news.subscribe()
    }
}

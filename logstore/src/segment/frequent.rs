//! The values of a dictionary that most rows have, so that those of a whole log are found without reading all of it.

use std::cmp::Reverse;

use super::Fault;
use super::dictionary::Dictionary;

/// Values of a list.
pub(crate) const LISTED: usize = 128;

/// Of one column of one segment.
pub(crate) struct Frequent {
    /// As they stand in entries, each with its rows.
    pub(crate) values: Vec<(Box<[u8]>, u64)>,
    /// No value that is not listed has more rows; 0 if all are listed.
    pub(crate) least: u64,
}

impl Frequent {
    pub(super) fn of(dictionary: &Dictionary<'_>, counts: &[u64]) -> Result<Self, Fault> {
        let mut order: Vec<(Reverse<u64>, usize)> = counts.iter().map(|rows| Reverse(*rows)).zip(0..).collect();
        if order.len() > LISTED {
            order.select_nth_unstable(LISTED);
            order.truncate(LISTED);
        }
        let least = order.iter().map(|(Reverse(rows), _)| *rows).min().filter(|_| counts.len() > LISTED);
        let values = order.into_iter().map(|(Reverse(rows), code)| Ok((dictionary.value(code)?.into(), rows)));
        Ok(Self { values: values.collect::<Result<_, Fault>>()?, least: least.unwrap_or(0) })
    }

    /// Memory that it takes.
    pub(crate) fn bytes(&self) -> usize {
        self.values.iter().map(|(value, _)| value.len() + size_of::<(Box<[u8]>, u64)>() + 16).sum()
    }
}

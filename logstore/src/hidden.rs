//! Rows of the access log that a later row stands for: an attempt is shown in its latest state.
//!
//! Nothing of a row is changed by this; it is left out of views that show attempts, and every event stays readable.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::codec::{Fields, Raw};
use crate::entry::Log;
use crate::error::QueryError;
use crate::query::bits::Bits;
use crate::query::{self, Query};
use crate::segment::PAGE;
use crate::view::View;

/// Attempts that may still change. Past it the oldest stays as it stands.
const OPEN_MAX: usize = 65_536;

/// Hours before the last sealed row in which attempts may have begun that change after a start; they last minutes.
const RECALLED: SignedDuration = SignedDuration::from_hours(24);

/// Which rows are stood for, by page.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hidden {
    pages: BTreeMap<u64, Arc<Bits>>,
}

impl Hidden {
    pub(crate) fn has(&self, seq: u64) -> bool {
        self.pages.get(&(seq / PAGE as u64)).is_some_and(|page| page.has((seq % PAGE as u64) as usize))
    }

    /// Of the rows from a position on, at most a page of them.
    pub(crate) fn rows_from(&self, first: u64, rows: usize) -> Option<Bits> {
        let (page, within) = (first / PAGE as u64, (first % PAGE as u64) as usize);
        let bits = self.pages.get(&page)?;
        let mut shifted = Bits::NONE;
        bits.rows().filter(|row| (within..within + rows).contains(row)).for_each(|row| shifted.set(row - within));
        Some(shifted)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pages.is_empty()
    }

    /// Adds rows; gives the pages that changed with all their rows.
    pub(crate) fn add(&mut self, rows: &[u64]) -> Vec<(u64, Arc<Bits>)> {
        let mut changed: Vec<u64> = rows.iter().map(|seq| seq / PAGE as u64).collect();
        changed.dedup();
        for seq in rows {
            let page = self.pages.entry(seq / PAGE as u64).or_insert_with(|| Arc::new(Bits::NONE));
            Arc::make_mut(page).set((seq % PAGE as u64) as usize);
        }
        changed.into_iter().filter_map(|page| Some((page, Arc::clone(self.pages.get(&page)?)))).collect()
    }

    /// Pages before this one are gone.
    pub(crate) fn drop_before(&mut self, page: u64) {
        self.pages = self.pages.split_off(&page);
    }

    pub(crate) fn load(&mut self, page: u64, bits: Bits) {
        self.pages.insert(page, Arc::new(bits));
    }
}

/// Attempts that may still change, with the row that tells their latest state.
#[derive(Debug, Default)]
pub(crate) struct OpenAttempts {
    latest: HashMap<Box<[u8]>, u64>,
    oldest: VecDeque<Box<[u8]>>,
}

impl OpenAttempts {
    /// Takes the attempts that were open when their rows were sealed, for a store that is opened.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) fn recall(&mut self, sealed: &View<'_>) -> Result<(), QueryError> {
        let Some(latest) = sealed.pieces.iter().map(|piece| piece.times.1).max() else { return Ok(()) };
        let latest = Timestamp::from_microsecond(latest).unwrap_or(Timestamp::MAX);
        let since = latest.checked_sub(RECALLED).unwrap_or(Timestamp::MIN).to_string();
        let parameters = [("status", "initiated,pending"), ("since", &since)];
        let parameters = parameters.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let open = Query::parse(Log::Access, &parameters, latest).expect("words of the list and a time");
        for row in query::newest(&open, sealed, OPEN_MAX)? {
            self.see(row.seq, row.bytes());
        }
        Ok(())
    }

    /// Takes the next row of the access log; gives the row that it stands for from now on.
    pub(crate) fn see(&mut self, seq: u64, bytes: &[u8]) -> Option<u64> {
        let (attempt, is_open) = attempt_of(bytes)?;
        if !is_open {
            return self.latest.remove(attempt);
        }
        let before = self.latest.insert(attempt.into(), seq);
        if before.is_none() {
            self.oldest.push_back(attempt.into());
        }
        while self.oldest.len() > OPEN_MAX
            && let Some(oldest) = self.oldest.pop_front()
        {
            self.latest.remove(&oldest);
        }
        before
    }
}

/// The attempt that a row tells of, and whether more may follow.
fn attempt_of(bytes: &[u8]) -> Option<(&[u8], bool)> {
    let number = |name| Log::Access.field(name).map(|field| field.number);
    let (id, status) = (number("attempt_id")?, number("status")?);
    let mut attempt = None;
    for (number, raw) in Fields::of(bytes).map_while(Result::ok) {
        match raw {
            Raw::Bytes(text) if number == id => attempt = Some(text),
            Raw::Bytes(text) if number == status => return Some((attempt?, matches!(text, b"initiated" | b"pending"))),
            Raw::Bytes(_) | Raw::Number(_) => (),
        }
    }
    None
}

//! Takes what the logs hold of one person out of them, and leaves the trees as they were signed.
//!
//! In place of an entry stands its leaf, see [`crate::erased`]. First the audit log says which positions that will be:
//! an entry that is gone without such a statement was not erased by us, and a verification says so. Then segments with
//! such entries are made anew, one in one step that a crash cannot divide, and at last the files with what was are
//! written anew. An erasure that breaks off is finished by asking for it again.

mod rewrite;
mod who;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use jiff::Timestamp;

use self::who::Who;
use crate::entry::own::Happening;
use crate::entry::{AuditEntry, Log};
use crate::erased;
use crate::error::{Error, QueryError, Unavailable};
use crate::row::{Row, Value};
use crate::shared::Shared;
use crate::view::View;

/// Bytes of the positions in one statement, so that an entry takes it whole.
const POSITIONS_BYTES: usize = 7000;

/// What was erased.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Erased {
    /// Entries, by the order of [`Log::ALL`].
    pub entries: [u64; 3],
    /// Segments that could not be read: what they hold of the person stays, and is in no answer either.
    pub unread: u64,
}

/// What is to be erased.
#[derive(Default)]
struct Found {
    /// By [`Log::index`].
    positions: [BTreeSet<u64>; 3],
    /// From which the person's requests came, as stored.
    addresses: BTreeSet<Vec<u8>>,
    unread: u64,
}

/// Erases the entries about whoever has these names. One call at a time; `say` returns when the audit log has the entry
/// on disk.
pub(crate) fn run(
    shared: &Shared,
    names: &[String],
    now: Timestamp,
    say: impl Fn(&AuditEntry<'_>) -> Result<(), Unavailable>,
) -> Result<Erased, Error> {
    let mut who = Who::of(names);
    for log in [Log::Access, Log::Requests] {
        each(shared, log, |_, bytes| who.learn(log, bytes))?;
    }
    let found = find(shared, &who)?;
    for (log, positions) in Log::ALL.into_iter().zip(&found.positions) {
        for positions in texts_of(positions) {
            state(log, &positions, now.as_microsecond(), &say)?;
        }
    }
    for (log, positions) in Log::ALL.into_iter().zip(&found.positions) {
        rewrite::log(shared, log, positions)?;
    }
    rewrite::counters(shared, &who, &found.addresses)?;
    rewrite::free(shared, &found.positions)?;
    Ok(Erased { entries: found.positions.map(|positions| positions.len() as u64), unread: found.unread })
}

/// Says in the audit log that entries at these positions are erased.
pub(crate) fn state(
    log: Log,
    positions: &str,
    time: i64,
    say: impl Fn(&AuditEntry<'_>) -> Result<(), Unavailable>,
) -> Result<(), Error> {
    let details = format!(r#"{{"log":"{}","positions":"{positions}"}}"#, log.name());
    let (action_type, action) = ("admin", STATED);
    let happening = Happening { time, log, action_type, action, status: "success", details: &details };
    say(&happening.entry()).map_err(|error| Error::Unwritten { cause: error.cause })
}

/// What a statement says: in which log, and where.
pub(crate) fn stated_in(row: &Row) -> Option<(Log, String)> {
    let Some(Value::Json(details)) = row.value("details") else { return None };
    let details: serde_json::Value = serde_json::from_str(details).ok()?;
    let name = details.get("log")?.as_str()?;
    let log = Log::ALL.into_iter().find(|log| log.name() == name)?;
    Some((log, details.get("positions")?.as_str()?.to_owned()))
}

/// The action of a statement.
pub(crate) const STATED: &str = "log.erase";

fn find(shared: &Shared, who: &Who) -> Result<Found, Error> {
    let source_ip = Log::Requests.field("source_ip").map(|field| field.number);
    let mut found = Found::default();
    for log in Log::ALL {
        let (mut positions, mut addresses) = (BTreeSet::new(), BTreeSet::new());
        found.unread += each(shared, log, |seq, bytes| {
            if !erased::is_erased(bytes) && who.has(log, bytes) {
                positions.insert(seq);
                addresses.extend(who::value_in(bytes, source_ip).filter(|_| log == Log::Requests).map(<[u8]>::to_vec));
            }
        })?;
        if let Some(known) = found.positions.get_mut(log.index()) {
            *known = positions;
        }
        found.addresses.extend(addresses);
    }
    Ok(found)
}

/// Shows every entry of a log. Gives the segments that could not be read.
fn each(shared: &Shared, log: Log, mut see: impl FnMut(u64, &[u8])) -> Result<u64, Error> {
    let _pin = shared.readers.read();
    let slot = shared.db.read();
    let db = slot.as_ref().ok_or(NOT_OPEN)?;
    let view = View::of(shared, db, log);
    let mut unread = 0;
    for piece in view.pieces.iter() {
        // Whoever has to open the database again waits for us.
        if shared.closing() || !shared.writable() {
            return Err(Error::Stopped);
        }
        let seen = view
            .segment(piece, |segment| segment.each_row(view.ids, |row, bytes| see(piece.first + row as u64, bytes)));
        unread += u64::from(seen.map_err(failed)?.is_none());
    }
    let mut rows = view.hot_rows().rows();
    rows.seek(view.pieces.last().map_or(0, |piece| piece.end()));
    while let Some((seq, bytes)) = rows.row() {
        see(seq, bytes);
        rows.advance();
    }
    rows.status().map_err(|_| Error::Damaged { what: "rows cannot be read" })?;
    Ok(unread)
}

const NOT_OPEN: Error = Error::Damaged { what: "the log store is not open" };

fn failed(error: QueryError) -> Error {
    Error::Unwritten { cause: error.to_string() }
}

/// Runs of positions, `12-14 20 33`, as many to a text as a statement takes.
fn texts_of(positions: &BTreeSet<u64>) -> Vec<String> {
    let mut texts: Vec<String> = Vec::new();
    for (first, last) in runs(positions.iter().copied()) {
        if texts.last().is_none_or(|text| text.len() > POSITIONS_BYTES) {
            texts.push(String::new());
        }
        let Some(text) = texts.last_mut() else { continue };
        let space = if text.is_empty() { "" } else { " " };
        let written =
            if first == last { write!(text, "{space}{first}") } else { write!(text, "{space}{first}-{last}") };
        written.expect("a text takes what is written to it");
    }
    texts
}

/// Of positions that ascend, those that follow each other together: the first and the last of each run.
pub(crate) fn runs(positions: impl Iterator<Item = u64>) -> Vec<(u64, u64)> {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for seq in positions {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == seq => *last = seq,
            Some(_) | None => runs.push((seq, seq)),
        }
    }
    runs
}

/// What [`texts_of`] wrote. Anything else is left out.
pub(crate) fn runs_in(text: &str) -> impl Iterator<Item = (u64, u64)> {
    text.split(' ').filter_map(|run| {
        let (first, last) = run.split_once('-').unwrap_or((run, run));
        Some((first.parse().ok()?, last.parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_written_as_runs_and_read_again() {
        let positions: BTreeSet<u64> = [0, 1, 2, 7, 9, 10].into();
        let texts = texts_of(&positions);
        assert_eq!(texts, ["0-2 7 9-10"]);
        assert_eq!(runs_in(&texts[0]).collect::<Vec<_>>(), [(0, 2), (7, 7), (9, 10)]);
        assert_eq!(texts_of(&BTreeSet::new()), [""; 0]);
        assert_eq!(runs_in("x 3-y 5").collect::<Vec<_>>(), [(5, 5)]);
    }

    #[test]
    fn many_positions_are_many_statements_each_of_which_fits() {
        let positions: BTreeSet<u64> = (0..20_000).map(|at| 1_000_000_000 + 2 * at).collect();
        let texts = texts_of(&positions);
        assert!(texts.len() > 20 && texts.iter().all(|text| text.len() < crate::codec::JSON_MAX - 200));
        let read: BTreeSet<u64> = texts.iter().flat_map(|text| runs_in(text)).map(|(first, _)| first).collect();
        assert_eq!(read, positions);
    }
}

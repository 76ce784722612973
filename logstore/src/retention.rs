//! How long entries are kept.
//!
//! The oldest go first. Sealed entries go by whole segments: by age when the latest entry of a segment is strictly
//! older than the log keeps, by bytes while the segments of the log take more than they may. Entries that are not
//! sealed yet go one by one. What goes is said in the audit log first.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rocksdb::WriteBatch;

use crate::column::{Column, first_key, hot_key};
use crate::database::{self, column};
use crate::entry::own::Happening;
use crate::entry::{AuditEntry, Log};
use crate::erase;
use crate::error::{Error, Unavailable};
use crate::hot;
use crate::json;
use crate::leaves::subtrees;
use crate::piece::Piece;
use crate::query::{self, Query};
use crate::segment::{PAGE, segment_range};
use crate::shared::{Contents, Shared};
use crate::tree::{self, Subtree};

/// How long removing files waits for questions that still read them. After that the compaction removes them.
pub(crate) const WAIT_FOR_READERS: Duration = Duration::from_secs(1);

/// How long one log is kept; what is absent sets no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Keep {
    /// Entries that are older go.
    pub age: Option<Duration>,
    /// The oldest entries go while the segments of the log have more bytes on disk.
    pub bytes: Option<u64>,
}

/// Entries that go: the oldest, up to a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Prune {
    log: Log,
    from: u64,
    /// The first that stays.
    to: u64,
    /// The latest time among them, as far as known.
    last_time: i64,
    cause: &'static str,
    /// The first position that each log keeps from then on, by [`Log::index`]: when this statement is the last that is
    /// kept, it is one about all of them.
    kept_from: [u64; 3],
}

/// The action of a statement.
pub(crate) const PRUNED: &str = "log.prune";

impl Prune {
    /// Calls `write` with the audit entry that says so.
    pub(crate) fn mark<T>(&self, now: Timestamp, write: impl FnOnce(&AuditEntry<'_>) -> T) -> T {
        let Self { log, from, to, last_time, cause, kept_from } = self;
        let [access, requests, audit] = kept_from;
        let details = format!(
            r#"{{"log":"{}","first":{from},"last":{},"entries":{},"last_time":"{}","cause":"{cause}","kept_from":{{"access":{access},"requests":{requests},"audit":{audit}}}}}"#,
            log.name(),
            to - 1,
            to - from,
            json::time(*last_time),
        );
        let (time, details) = (now.as_microsecond(), details.as_str());
        let happening = Happening { time, log: *log, action_type: "admin", action: PRUNED, status: "success", details };
        write(&happening.entry())
    }
}

/// Removes what need not be kept any more. Called by one thread at a time; `say` returns when the audit log has the
/// entry on disk.
pub(crate) fn prune(
    shared: &Shared,
    now: Timestamp,
    say: impl Fn(&AuditEntry<'_>) -> Result<(), Unavailable>,
) -> Result<(), Error> {
    let keep = *shared.keep.lock();
    for (log, keep) in Log::ALL.into_iter().zip(&keep) {
        if let Some(prune) = prune_log(shared, log, keep, now, &say)? {
            tracing::info!(log = log.name(), first = prune.from, last = prune.to - 1, cause = prune.cause, "pruned");
            free(shared, &prune)?;
        }
    }
    Ok(())
}

/// What is due stays so until it is gone: nobody else moves the oldest rows.
fn prune_log(
    shared: &Shared,
    log: Log,
    keep: &Keep,
    now: Timestamp,
    say: impl Fn(&AuditEntry<'_>) -> Result<(), Unavailable>,
) -> Result<Option<Prune>, Error> {
    let _alone = shared.moving.lock();
    // A statement of its own, so that the lock ends with it.
    let due = due(&shared.contents(log).read(), log, keep, now);
    let Some(mut prune) = due else { return Ok(None) };
    prune.kept_from = Log::ALL.map(|known| if known == log { prune.to } else { shared.contents(known).read().first });
    if log == Log::Audit {
        restate(shared, &prune, now, &say)?;
    }
    prune.mark(now, |entry| say(entry)).map_err(|error| Error::Unwritten { cause: error.cause })?;
    remove(shared, &prune)?;
    Ok(Some(prune))
}

/// Says again which entries were erased, where the entry that said so goes and what it tells of stays.
fn restate(
    shared: &Shared,
    prune: &Prune,
    now: Timestamp,
    say: impl Fn(&AuditEntry<'_>) -> Result<(), Unavailable>,
) -> Result<(), Error> {
    let before = prune.to.saturating_sub(1).to_string();
    let parameters = [("action", erase::STATED), ("seq.max", &before), ("order", "asc")];
    let parameters = parameters.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut query = Query::parse(Log::Audit, &parameters, now).expect("a field, a position and an order");
    query.deadline = RESTATING;
    let said = query::view_of(shared, Log::Audit, |view| query::newest(&query, view, STATEMENTS_MAX));
    let said = said.map_err(|error| Error::Unwritten { cause: error.to_string() })?;
    for (log, positions) in said.iter().filter_map(erase::stated_in) {
        let first = shared.contents(log).read().first;
        if erase::runs_in(&positions).any(|(_, last)| last >= first) {
            erase::state(log, &positions, now.as_microsecond(), &say)?;
        }
    }
    Ok(())
}

/// A statement that is not found in this time is not said again, and a verification says so.
const RESTATING: Duration = Duration::from_secs(60);

/// Statements of erased entries that are said again. A thousand people are erased with as many.
const STATEMENTS_MAX: usize = 65_536;

fn due(contents: &Contents, log: Log, keep: &Keep, now: Timestamp) -> Option<Prune> {
    let cutoff = keep.age.map(|age| now.as_microsecond().saturating_sub_unsigned(age.as_micros() as u64));
    let by_age = cutoff.map_or(0, |cutoff| old(&contents.pieces, cutoff));
    let by_bytes = keep.bytes.map_or(0, |bytes| above(&contents.pieces, bytes));
    let gone = contents.pieces.get(..by_age.max(by_bytes)).unwrap_or_default();
    let cause = if by_bytes > by_age { "bytes" } else { "age" };
    let times = contents.timeline.times();
    let hot = match cutoff {
        Some(cutoff) if gone.len() == contents.pieces.len() => times.iter().take_while(|time| **time < cutoff).count(),
        Some(_) | None => 0,
    };
    let to = if hot > 0 { contents.timeline.first() + hot as u64 } else { gone.last()?.end() };
    let sealed = gone.iter().filter(|piece| piece.fault().is_none()).map(|piece| piece.times.1);
    let last_time = sealed.chain(times.iter().take(hot).copied()).max().unwrap_or_default();
    Some(Prune { log, from: contents.first, to, last_time, cause, kept_from: [0; 3] })
}

/// Segments before the last one that is old. One that cannot be read goes with those after it.
fn old(pieces: &[Arc<Piece>], cutoff: i64) -> usize {
    let is_old = |piece: &Arc<Piece>| piece.fault().is_none() && piece.times.1 < cutoff;
    let stays = |piece: &&Arc<Piece>| piece.fault().is_none() && !is_old(piece);
    let run = pieces.iter().position(|piece| stays(&piece)).unwrap_or(pieces.len());
    pieces.get(..run).unwrap_or_default().iter().rposition(is_old).map_or(0, |last| last + 1)
}

fn above(pieces: &[Arc<Piece>], bytes: u64) -> usize {
    let mut total: u64 = pieces.iter().map(|piece| piece.bytes()).sum();
    let go = pieces.iter().take_while(|piece| {
        let goes = total > bytes;
        total = total.saturating_sub(piece.bytes());
        goes
    });
    go.count()
}

fn remove(shared: &Shared, prune: &Prune) -> Result<(), Error> {
    let slot = shared.db.read();
    let Some(db) = slot.as_ref() else { return Ok(()) };
    shared.counters.save(db)?;
    let (seg_from, seg_to) = segment_range(prune.log, prune.from, prune.to);
    let mut batch = WriteBatch::default();
    batch.delete_range_cf(&column(db, Column::Seg), seg_from, seg_to);
    hot::drop_before(db, prune.log, prune.to, &mut batch)?;
    tree::drop_before(db, prune.log, prune.from, prune.to, &mut batch)?;
    let (first, leaves) = {
        let contents = shared.contents(prune.log).read();
        let first = contents.tree.first();
        (first, contents.tree.of_first(prune.to.saturating_sub(first)))
    };
    let subtrees = subtrees(first, &leaves);
    let roots = subtrees.iter().map(|subtree| Subtree { tiles: Vec::new(), ..subtree.clone() });
    roots.for_each(|subtree| tree::put(db, prune.log, &subtree, &mut batch));
    let pages = prune.to / PAGE as u64;
    batch.delete_range_cf(&column(db, Column::Over), hot_key(prune.log, 0), hot_key(prune.log, pages));
    batch.put_cf(&column(db, Column::Meta), first_key(prune.log), prune.to.to_be_bytes());
    {
        let mut contents = shared.contents(prune.log).write();
        db.write(batch)?;
        contents.first = prune.to;
        Arc::make_mut(&mut contents.pieces).retain(|piece| piece.end() > prune.to);
        let hot = prune.to.saturating_sub(contents.timeline.first());
        contents.timeline.drop_first(hot);
        contents.tree.drop_first(&subtrees);
        Arc::make_mut(&mut contents.hidden).drop_before(pages);
    }
    Ok(db.flush_wal(true)?)
}

/// Gives the room back. Removing files leaves those at the edges, and the compaction rewrites them.
fn free(shared: &Shared, prune: &Prune) -> Result<(), Error> {
    let slot = shared.db.read();
    let Some(db) = slot.as_ref() else { return Ok(()) };
    let seg = column(db, Column::Seg);
    let (from, to) = segment_range(prune.log, prune.from, prune.to);
    if let Some(_alone) = shared.readers.try_write_for(WAIT_FOR_READERS) {
        db.delete_file_in_range_cf(&seg, from, to)?;
    }
    database::merge(db, Column::Seg, Some(from), Some(to))?;
    // Rows that became segments would stay in the write-ahead log until it is full.
    Ok(db.flush_cf(&column(db, Column::Hot))?)
}

//! Verification: every hash of the logs made again from what is stored, and compared with what was signed.
//!
//! Three things are compared. What the entries hash to, with the tiles that were kept when they were sealed: that says
//! which 256 entries changed. Those tiles, with the roots of the checkpoints: whoever changes both still has no key. And
//! the sizes: a log that is shorter than what was signed was cut.

mod finding;
mod piece;
mod scrub;
mod source;
mod statement;
mod walk;

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use jiff::Timestamp;
use uuid::Uuid;

pub use self::finding::{Finding, Kind};
pub use self::scrub::{Place, Scrubbed, scrub, scrubbed, set_scrubbed};
use self::source::Source;
use self::statement::Statements;
use crate::anchor::Chain;
use crate::checkpoint;
use crate::database::read_anew;
use crate::entry::Log;
use crate::error::Error;
use crate::note::PublicKey;
use crate::store::Store;
use crate::succession::{self, KeyFinding, Keys};
use crate::tree::Hash;

/// What was found in the logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Whose logs they are.
    pub store: Uuid,
    /// By [`Log::index`].
    pub logs: Vec<LogReport>,
    /// How often the key was changed.
    pub successions: u64,
    /// What is wrong with these changes; empty if nothing is.
    pub keys: Vec<KeyFinding>,
}

/// What was found in one log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogReport {
    /// Which.
    pub log: Log,
    /// Position of the first entry that is kept.
    pub first: u64,
    /// Position after the last entry.
    pub end: u64,
    /// The earliest and the latest time, in microseconds since 1970; none if there are no entries.
    pub times: Option<(i64, i64)>,
    /// Of the tree over all entries that ever were.
    pub root: Hash,
    /// Checkpoints whose signature and root were right.
    pub checkpoints: u64,
    /// Entries under the last of them.
    pub signed: u64,
    /// Entries that were taken as they were hashed before, see [`Extent::since`].
    pub unread: u64,
    /// Entries whose content was erased, and that are said to be or are among the findings.
    pub erased: u64,
    /// What is wrong, the first position first; empty if nothing is.
    pub findings: Vec<Finding>,
}

/// How much a verification reads, and with what.
#[derive(Debug, Clone, Copy)]
pub struct Extent {
    /// That read segments at the same time.
    pub threads: usize,
    /// Segments of which every entry is earlier are taken as they were hashed when they were sealed; what these hashes
    /// come to is compared with what was signed. The audit log is read whole.
    pub since: Option<Timestamp>,
}

/// All of it, on so many threads.
impl From<usize> for Extent {
    fn from(threads: usize) -> Self {
        Self { threads, since: None }
    }
}

/// Told while a verification goes on, and asked whether it still should.
#[derive(Debug, Default)]
pub struct Progress {
    entries: AtomicU64,
    stopped: AtomicBool,
}

impl Report {
    /// Whether nothing is wrong.
    pub fn is_valid(&self) -> bool {
        self.keys.is_empty() && self.logs.iter().all(|log| log.findings.is_empty())
    }
}

impl Progress {
    /// Entries that were hashed.
    pub fn entries(&self) -> u64 {
        self.entries.load(Ordering::Relaxed)
    }

    /// The verification ends soon, with an error.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    fn add(&self, entries: u64) {
        self.entries.fetch_add(entries, Ordering::Relaxed);
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }
}

/// Verifies the logs of an open store, also against heads in anchors that [`crate::anchor::check`]
/// found sound. `key` is the one that somebody kept; what it leads to is believed. Blocks; the store works on meanwhile.
///
/// # Errors
/// When the disk refuses, the store is closed or cannot be written any more, or the verification was stopped.
pub fn store(
    store: &Store,
    key: &PublicKey,
    anchors: Option<&Chain>,
    extent: impl Into<Extent>,
    progress: &Progress,
) -> Result<Report, Error> {
    let shared = store.shared();
    // No file is removed under the readers.
    let _reads = shared.readers.read();
    let slot = shared.db.read();
    let db = slot.as_ref().ok_or(Error::Damaged { what: "the log store is not open" })?;
    // What is in memory may be better than what is on disk.
    read_anew(&mut shared.blocks.lock());
    // The audit log comes last: it says what was done to the others before it is done.
    let extent = extent.into();
    let [access, requests, audit] = Log::ALL.map(|log| Source::of_store(shared, db, log, extent));
    let sources = [access?.and(anchors), requests?.and(anchors), audit?.and(anchors)];
    let signed = Signed { store: shared.store, key, successions: succession::all(db)?, anchors };
    logs(&sources, &signed, progress)
}

/// Verifies the logs in a folder to which nothing is written: a copy, that of a server that is stopped, or as much of a
/// running server's as has reached the disk.
///
/// # Errors
/// When the folder holds no logs of this version, the disk refuses, or the verification was stopped.
pub fn folder(
    dir: &Path,
    key: &PublicKey,
    anchors: Option<&Chain>,
    extent: impl Into<Extent>,
    progress: &Progress,
) -> Result<Report, Error> {
    let opened = crate::database::open_to_read(dir)?;
    let extent = extent.into();
    let [access, requests, audit] = Log::ALL.map(|log| Source::of_folder(&opened, log, extent));
    let sources = [access?.and(anchors), requests?.and(anchors), audit?.and(anchors)];
    let signed = Signed { store: opened.store, key, successions: succession::all(&opened.db)?, anchors };
    logs(&sources, &signed, progress)
}

/// By whom the heads are signed.
struct Signed<'a> {
    store: Uuid,
    /// The key that somebody kept.
    key: &'a PublicKey,
    successions: Vec<String>,
    anchors: Option<&'a Chain>,
}

/// What is gone from a log must be said in the audit log, which is one of them.
fn logs(sources: &[Source<'_>; 3], signed: &Signed<'_>, progress: &Progress) -> Result<Report, Error> {
    let keys = Keys::follow(signed.key, &checkpoint::name(signed.store), &signed.successions);
    let (mut reports, mut erased, mut statements) = (Vec::new(), Vec::new(), Statements::default());
    for source in sources {
        let (report, told) = walk::log(source, &keys, progress)?;
        reports.push(report);
        erased.push(told.erased);
        // Of the last one, which is the audit log.
        statements = told.statements;
    }
    reports.iter_mut().zip(&erased).for_each(|(report, erased)| statements.attest(report, erased));
    let anchored = signed.anchors.map_or(&[][..], |chain| &chain.successions);
    let findings = keys.findings(&signed.successions, anchored, statements.successions());
    Ok(Report { store: signed.store, logs: reports, successions: signed.successions.len() as u64, keys: findings })
}

/// What is known of the logs in a folder without reading them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// The name of the store.
    pub store: Uuid,
    /// How many entries it holds.
    pub entries: u64,
    /// Every change of the key, in their order, see [`crate::succession`].
    pub successions: Vec<String>,
}

/// The name of the store in a folder, and what is known of it.
///
/// # Errors
/// As [`folder`].
pub fn known(dir: &Path) -> Result<Known, Error> {
    let opened = crate::database::open_to_read(dir)?;
    let count = |log| Source::of_folder(&opened, log, Extent::from(1)).map(|source| source.entries());
    let entries: Result<u64, Error> = Log::ALL.into_iter().map(count).sum();
    Ok(Known { store: opened.store, entries: entries?, successions: succession::all(&opened.db)? })
}

//! Entries that were lost: counted for the metrics, and remembered until the log itself says so.

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::entry::own::Happening;
use crate::entry::{AuditEntry, Log};
use crate::json;

/// Why entries were lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// More came than could be written.
    QueueFull,
    /// The disk refused; whoever waited was told.
    WriteFailed,
    /// Written, but not on disk when the database had to be opened again.
    SyncFailed,
    /// There is too little room on the disk for entries that nobody waits for.
    NoRoom,
    /// The store was closed.
    Closed,
}

impl Cause {
    const fn word(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::WriteFailed => "write_failed",
            Self::SyncFailed => "sync_failed",
            Self::NoRoom => "no_room",
            Self::Closed => "closed",
        }
    }
}

/// Entries of one log that were lost one after another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gap {
    pub(crate) log: Log,
    pub(crate) dropped: u64,
    /// Of the earliest lost entry; microseconds since 1970.
    pub(crate) from: i64,
    /// Of the latest lost entry.
    pub(crate) to: i64,
    /// Of the first.
    pub(crate) cause: Cause,
}

impl Gap {
    /// Calls `write` with the audit entry that marks the gap.
    pub(crate) fn mark<T>(&self, write: impl FnOnce(&AuditEntry<'_>) -> T) -> T {
        let Self { log, dropped, from, to, cause } = self;
        let details = format!(
            r#"{{"log":"{}","dropped":{dropped},"from":"{}","to":"{}","cause":"{}"}}"#,
            log.name(),
            json::time(*from),
            json::time(*to),
            cause.word()
        );
        let (time, details) = (*to, details.as_str());
        let happening =
            Happening { time, log: *log, action_type: "security", action: "log.gap", status: "alert", details };
        write(&happening.entry())
    }
}

/// All losses since the start.
#[derive(Debug, Default)]
pub(crate) struct Losses {
    total: [AtomicU64; 3],
    unmarked: Mutex<[Option<Gap>; 3]>,
}

impl Losses {
    /// Counts one entry.
    pub(crate) fn lose(&self, log: Log, time: i64, cause: Cause) {
        self.add(Gap { log, dropped: 1, from: time, to: time, cause });
    }

    /// Counts a gap, together with what is not marked yet.
    pub(crate) fn add(&self, gap: Gap) {
        if let Some(total) = self.total.get(gap.log.index()) {
            total.fetch_add(gap.dropped, Ordering::Relaxed);
        }
        self.remember(gap);
    }

    /// Puts back a gap whose mark could not be written.
    pub(crate) fn remember(&self, gap: Gap) {
        if let Some(unmarked) = self.unmarked.lock().get_mut(gap.log.index()) {
            *unmarked = Some(unmarked.map_or(gap, |first| Gap {
                dropped: first.dropped + gap.dropped,
                from: first.from.min(gap.from),
                to: first.to.max(gap.to),
                ..first
            }));
        }
    }

    /// Lost entries that are not marked yet.
    pub(crate) fn unmarked(&self) -> u64 {
        self.unmarked.lock().iter().flatten().map(|gap| gap.dropped).sum()
    }

    /// What is to be marked now.
    pub(crate) fn take(&self) -> Vec<Gap> {
        self.unmarked.lock().iter_mut().filter_map(Option::take).collect()
    }

    /// Lost entries of a log since the start.
    pub(crate) fn total(&self, log: Log) -> u64 {
        self.total.get(log.index()).map_or(0, |total| total.load(Ordering::Relaxed))
    }
}

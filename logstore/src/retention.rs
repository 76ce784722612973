//! How long entries are kept.
//!
//! Whole segments go, the oldest first; what is left still verifies. By age: a segment goes when its latest entry is
//! strictly older than the log keeps. By bytes: the oldest segments go while the log takes more than it may.

use std::time::Duration;

use jiff::Timestamp;

use crate::entry::Log;
use crate::error::Error;
use crate::shared::Shared;

/// How long one log is kept; what is absent sets no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Keep {
    /// Entries that are older go.
    pub age: Option<Duration>,
    /// The oldest entries go while the log has more bytes on disk.
    pub bytes: Option<u64>,
}

/// Removes what need not be kept any more. Called by one thread at a time.
pub(crate) fn prune(shared: &Shared, now: Timestamp) -> Result<(), Error> {
    let keep = *shared.keep.lock();
    for log in Log::ALL {
        let Some(keep) = keep.get(log.index()) else { continue };
        prune_log(shared, log, keep, now)?;
    }
    Ok(())
}

// Segments are what can be removed, and there are none yet: from here to the end of the file nothing is done.

fn prune_log(_shared: &Shared, _log: Log, _keep: &Keep, _now: Timestamp) -> Result<(), Error> {
    Ok(())
}

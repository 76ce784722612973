//! For whoever watches the store.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Store;
use crate::entry::Log;
use crate::room::{BALLAST, Disk};
use crate::{Figures, Quarantined};

impl Store {
    /// Sealed segments of a log.
    pub fn segments(&self, log: Log) -> usize {
        self.handle.shared.contents(log).read().pieces.len()
    }

    /// Segments that cannot be read.
    pub fn quarantined(&self) -> Vec<Quarantined> {
        let of = |log: Log| {
            let pieces = Arc::clone(&self.handle.shared.contents(log).read().pieces);
            let broken = pieces.iter().filter_map(|piece| {
                let fault = piece.fault()?.to_owned();
                Some(Quarantined { log, first: piece.first, last: piece.end() - 1, fault })
            });
            broken.collect::<Vec<_>>()
        };
        Log::ALL.into_iter().flat_map(of).collect()
    }

    /// Entries waiting for the writer. Cheap.
    pub fn queue_depth(&self) -> u64 {
        (self.handle.shared.decisions.len() + self.handle.shared.requests.len()) as u64
    }

    /// The disk that the store is on, as it was within the last five seconds.
    pub fn disk(&self) -> Disk {
        self.handle.shared.room.disk()
    }

    /// Numbers for the metrics page and the status. Reads the folder.
    pub fn figures(&self) -> Figures {
        let shared = &self.handle.shared;
        Figures {
            queue_depth: self.queue_depth(),
            entries: Log::ALL.map(|log| (log.name(), shared.contents(log).read().timeline.end())),
            kept: Log::ALL.map(|log| {
                let contents = shared.contents(log).read();
                (log.name(), contents.timeline.end() - contents.first)
            }),
            quarantined: self.quarantined().len() as u64,
            dropped: Log::ALL.map(|log| (log.name(), shared.losses.total(log))),
            bytes: bytes_in(&shared.dir),
            disk: shared.room.disk(),
            stray_words: shared.stray_words.load(Ordering::Relaxed),
        }
    }
}

/// Bytes of the files of the folder but for the ballast; a file that vanishes meanwhile counts nothing.
fn bytes_in(dir: &Path) -> u64 {
    let files = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let files = files.filter(|file| file.file_name() != BALLAST);
    files.filter_map(|file| file.metadata().ok()).map(|file| file.len()).sum()
}

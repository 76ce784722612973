//! What can fail.

use std::path::PathBuf;

/// Start and stop. Display reads after "could not start: ".
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Another process holds the folder.
    #[error("log folder {dir:?} is in use by another process")]
    InUse {
        /// The folder.
        dir: PathBuf,
    },
    /// The folder cannot be written.
    #[error("log folder {dir:?} cannot be written")]
    Unwritable {
        /// The folder.
        dir: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// The store was written by another version.
    #[error("the log store has format {found:?}; this version reads format {known}")]
    Format {
        /// As stored.
        found: Vec<u8>,
        /// Of this version.
        known: u32,
    },
    /// A file of the store is not what was written into it, or is gone. RocksDB's text names the file.
    #[error(
        "a file of the log store is damaged: {0}; put that file back as it was and start again, or move the data folder \
         away and restore a backup into an empty one: vestibule backup restore FOLDER; without a backup move its folder \
         logs away and keep that: the next start begins empty logs"
    )]
    File(rocksdb::Error),
    /// What is stored contradicts itself.
    #[error("the log store is damaged: {what}")]
    Damaged {
        /// What was found.
        what: &'static str,
    },
    /// The system gave no random bytes.
    #[error("no random bytes for the key of the log store")]
    Random,
    /// The writer could not be started.
    #[error("starting the writer of the log store")]
    Thread(#[source] std::io::Error),
    /// Entries could not be written before the store was closed.
    #[error("the log store was closed with entries that could not be written: {cause}")]
    Unwritten {
        /// The last failure.
        cause: String,
    },
    /// Whoever asked for it does not want it any more.
    #[error("stopped")]
    Stopped,
    /// RocksDB refused.
    #[error("opening or writing the log store")]
    Store(#[source] rocksdb::Error),
}

impl From<rocksdb::Error> for Error {
    fn from(error: rocksdb::Error) -> Self {
        if error.kind() == rocksdb::ErrorKind::Corruption { Self::File(error) } else { Self::Store(error) }
    }
}

/// The entry is not on disk.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the log cannot be written: {cause}")]
pub struct Unavailable {
    /// For the operator, not for clients.
    pub cause: String,
}

/// A query parameter that is not of the API.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{parameter}: {message}")]
pub struct BadParameter {
    /// As sent.
    pub parameter: String,
    /// What is wrong and what to write.
    pub message: String,
}

/// A query that could not be answered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// The disk refused.
    #[error("reading the log store")]
    Store(#[from] rocksdb::Error),
    /// The store is closed, or is being opened again after a failure.
    #[error("the log store is not open")]
    Closed,
    /// The answer cannot be cut short, and would take much longer than a page may.
    #[error("the question takes too long; ask for a shorter time")]
    TooLong,
    /// The memory for the answer would be more than one may take.
    #[error("the answer has too many different values; ask for a shorter time or another field")]
    TooMany,
    /// An export is whole but for entries of a damaged segment.
    #[error("entries {first} to {last} of the {log} log cannot be read; all others were given")]
    Quarantined {
        /// Which log.
        log: &'static str,
        /// Position of the first.
        first: u64,
        /// Position of the last.
        last: u64,
    },
    /// An answer gave a cursor that cannot be read.
    #[error("the log store gave a cursor that it does not know")]
    Cursor,
    /// Stored bytes are not an entry.
    #[error("entry {seq} of the {log} log cannot be read")]
    Damaged {
        /// Which log.
        log: &'static str,
        /// Which entry.
        seq: u64,
    },
}

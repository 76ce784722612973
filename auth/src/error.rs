//! What can fail at start or on disk; refusals are not errors.

use std::path::PathBuf;

/// Display reads after "could not start: ".
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The folder of the state database cannot be made or closed to others.
    #[error("folder {dir:?} of the state database cannot be made private")]
    Folder {
        /// The folder.
        dir: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// The state database cannot be opened.
    #[error("state database {dir:?} cannot be opened; another vestibule may be using it")]
    Open {
        /// The folder.
        dir: PathBuf,
        /// RocksDB's word.
        source: rocksdb::Error,
    },
    /// The state database refused a read or a write.
    #[error("reading or writing the state database")]
    State(#[source] rocksdb::Error),
    /// A file of the state database is not what was written into it, or is gone. RocksDB's text names the file.
    #[error(
        "a file of the state database is damaged: {0}; put that file back as it was and start again, or move the data \
         folder away and restore a backup into an empty one: vestibule backup restore FOLDER; without a backup move its \
         folder state away: everybody signs in again, and bans and grants have to be made again"
    )]
    File(rocksdb::Error),
    /// A stored row is not what this version writes.
    #[error("a row of the state database cannot be read")]
    Row(#[from] serde_json::Error),
    /// [`crate::Auth::close`] was called.
    #[error("the state database is closed")]
    Closed,
    /// As many live sessions as are ever kept.
    #[error("there are too many live sessions")]
    TooManySessions,
    /// A key that signs assertions cannot be made, or the stored one is none.
    #[error("a signing key cannot be made or read")]
    SigningKey,
    /// The threads that check passwords cannot be started.
    #[error("threads cannot be started")]
    Threads(#[source] std::io::Error),
}

impl From<rocksdb::Error> for Error {
    fn from(error: rocksdb::Error) -> Self {
        if error.kind() == rocksdb::ErrorKind::Corruption { Self::File(error) } else { Self::State(error) }
    }
}

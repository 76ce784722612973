//! What can fail at start or on disk; refusals are not errors.

use std::path::PathBuf;

/// Display reads after "could not start: ".
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
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
    State(#[from] rocksdb::Error),
}

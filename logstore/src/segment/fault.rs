//! Why a segment could not be read.

use crate::entry::Log;
use crate::error::{Error, QueryError};

/// Why a segment or a row could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// The disk refused, or RocksDB found its own checksum wrong.
    #[error("{0}")]
    Store(#[from] rocksdb::Error),
    /// What is stored contradicts itself.
    #[error("{0}")]
    Damaged(&'static str),
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Store(error) => error.into(),
            Fault::Damaged(what) => Self::Damaged { what },
        }
    }
}

impl Fault {
    /// Of a row that was asked for.
    pub(crate) fn at(self, log: Log, seq: u64) -> QueryError {
        match self {
            Self::Store(error) => error.into(),
            Self::Damaged(_) => QueryError::Damaged { log: log.name(), seq },
        }
    }

    /// Whether reading again would give the same answer.
    pub(crate) fn is_lasting(&self) -> bool {
        match self {
            Self::Store(error) => error.kind() == rocksdb::ErrorKind::Corruption,
            Self::Damaged(_) => true,
        }
    }
}

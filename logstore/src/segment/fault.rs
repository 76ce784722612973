//! Why a segment could not be read.

/// Why a segment could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// The disk refused, or RocksDB found its own checksum wrong.
    #[error("{0}")]
    Store(#[from] rocksdb::Error),
    /// What is stored contradicts itself.
    #[error("{0}")]
    Damaged(&'static str),
}

impl Fault {
    /// Whether reading again would give the same answer.
    pub(crate) fn is_lasting(&self) -> bool {
        match self {
            Self::Store(error) => error.kind() == rocksdb::ErrorKind::Corruption,
            Self::Damaged(_) => true,
        }
    }
}

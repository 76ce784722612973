//! What can be wrong with a log.

/// Entries with which something is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Position of the first.
    pub first: u64,
    /// Position of the last: what is wrong is among these.
    pub last: u64,
    /// What is wrong.
    pub kind: Kind,
}

/// What is wrong with entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// They are not what was written.
    Changed,
    /// They are what was written, in another order.
    Reordered,
    /// They are gone, and no entry says that they were removed.
    Missing,
    /// They cannot be read.
    Unreadable,
    /// They are what was written; the hashes that were kept of their tiles are not.
    Hashes,
    /// They are what was written; the filters and counts by which they are found are not.
    Filters,
    /// Their content was erased, and no entry says so.
    Erased,
    /// They were signed, and the log ends before them.
    CutTail,
    /// Their checkpoint is signed by another key.
    WrongKey,
    /// Their checkpoint is not what was signed.
    Checkpoint,
}

impl Finding {
    /// Whether roots of trees that end after this position differ because of it.
    pub(super) const fn explains(&self, position: u64) -> bool {
        match self.kind {
            Kind::Changed | Kind::Reordered | Kind::Missing | Kind::Unreadable => self.first <= position,
            Kind::Hashes | Kind::Filters | Kind::Erased | Kind::CutTail | Kind::WrongKey | Kind::Checkpoint => false,
        }
    }
}

impl Kind {
    /// For output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Reordered => "reordered",
            Self::Missing => "missing",
            Self::Unreadable => "unreadable",
            Self::Hashes => "hashes changed",
            Self::Filters => "filters changed",
            Self::Erased => "erased",
            Self::CutTail => "cut tail",
            Self::WrongKey => "wrong key",
            Self::Checkpoint => "checkpoint changed",
        }
    }
}

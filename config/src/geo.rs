//! `[geo]`: where a client is.

use std::path::PathBuf;

/// `[geo]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Geo {
    /// MaxMind format.
    pub database: PathBuf,
    /// What country rules do without the database.
    pub when_unavailable: WhenUnavailable,
}

/// `when_unavailable`; only `deny` exists, so that country rules fail closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenUnavailable {
    /// Country rules refuse with `geo_unavailable`.
    Deny,
}

//! `[logs]`.

use std::collections::BTreeSet;
use std::time::Duration;

/// `[logs]`. Retention keys are not available yet.
#[derive(Debug, Clone)]
pub struct Logs {
    /// Group commit of request entries.
    pub sync: Duration,
    /// What happens to a request entry when the queue is full.
    pub on_full: OnFull,
    /// Names of query parameters whose values are never stored; lower-case.
    pub redact_query: BTreeSet<String>,
}

/// `on_full`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFull {
    /// The entry is counted and marked in the log.
    Drop,
    /// The request waits for room.
    Block,
}

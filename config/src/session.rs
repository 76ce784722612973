//! `[sessions]` and a circuit's `session`.

use std::time::Duration;

/// How long a session lives; a circuit's own values win only where they are stricter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionLimits {
    /// From sign-in, whatever happens. Zero: asked every time.
    pub max_age: Duration,
    /// From the last request.
    pub idle: Duration,
    /// Live sessions of one person; one more ends the oldest.
    pub per_person: usize,
}

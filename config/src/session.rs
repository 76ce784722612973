//! `[sessions]` and a circuit's `session`.

use std::num::NonZeroUsize;
use std::time::Duration;

use crate::shape::shape;
use crate::units::DurationOrZero;

/// How long a session lives; a circuit's own values win only where they are stricter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionLimits {
    /// From sign-in, whatever happens. Zero: asked every time.
    pub max_age: Duration,
    /// From the last request.
    pub idle: Duration,
    /// Live sessions of one person; one more ends the oldest. Absent: no limit.
    pub per_person: Option<usize>,
}

shape! {
    /// What `[sessions]` may say.
    pub(crate) struct RawSessions {
        max_age: DurationOrZero,
        idle: Duration,
        per_person: NonZeroUsize,
    }
}

shape! {
    /// What a circuit's `session` may say.
    pub(crate) struct RawSession {
        max_age: DurationOrZero,
        idle: Duration,
    }
}

impl Default for SessionLimits {
    fn default() -> Self {
        Self { max_age: Duration::from_secs(24 * 3600), idle: Duration::from_secs(8 * 3600), per_person: None }
    }
}

impl RawSessions {
    pub(crate) fn check(self) -> SessionLimits {
        let Self { table: _unused, max_age, idle, per_person } = self;
        let default = SessionLimits::default();
        SessionLimits {
            max_age: max_age.optional().map_or(default.max_age, |age| age.0),
            idle: idle.or(default.idle),
            per_person: per_person.optional().map(usize::from),
        }
    }
}

impl RawSession {
    /// The stricter of the circuit's and the general limits.
    pub(crate) fn check(self, general: SessionLimits) -> SessionLimits {
        let Self { table: _unused, max_age, idle } = self;
        SessionLimits {
            max_age: max_age.optional().map_or(general.max_age, |age| age.0.min(general.max_age)),
            idle: idle.optional().map_or(general.idle, |idle| idle.min(general.idle)),
            per_person: general.per_person,
        }
    }
}

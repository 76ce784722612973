//! `[failed_answers]`: who is answered 401, 403 or 404 too often.

use std::num::NonZeroU32;

use crate::shape::{Reading, shape};
use crate::units::Rate;

/// `[failed_answers]`; per address, IPv6 by /64.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FailedAnswers {
    /// How fast they are forgiven.
    pub rate: Rate,
    /// How many are answered before the address is refused; the rate's count unless said.
    pub burst: NonZeroU32,
    /// The upstreams' own count too.
    pub upstream: bool,
}

shape! {
    /// What `[failed_answers]` may say.
    pub(crate) struct RawFailedAnswers {
        rate: Rate,
        burst: NonZeroU32,
        upstream: bool,
    }
}

impl RawFailedAnswers {
    pub(crate) fn check(self, reading: &mut Reading<'_>) -> Option<FailedAnswers> {
        let Self { table, rate, burst, upstream } = self;
        let rate = rate.required("rate", "\"60/m\"", table, reading)?;
        Some(FailedAnswers { rate, burst: burst.or(rate.count), upstream: upstream.or(false) })
    }
}

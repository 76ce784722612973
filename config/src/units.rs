//! Durations, sizes and rates: strings with units.

use std::num::NonZeroU32;
use std::time::Duration;

/// Bytes; `"32KiB"` in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

/// `"N/period"`: N per period, burst N unless said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// N.
    pub count: NonZeroU32,
    /// `s`, `m`, `h`, `d`, or a number of them: `"5/15m"`.
    pub period: Duration,
}

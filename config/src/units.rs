//! Durations, sizes, rates and counts: values with a unit or a bound.

use std::fmt;
use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use crate::shape::{Reading, Shape};
use crate::tree::{Node, Value};
use crate::word::{Word, Wrong, words};

/// Bytes; `"32KiB"` in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

/// Bytes a second; `"1KiB/s"` in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteRate(pub u64);

/// `"N/period"`: N per period, burst N unless said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// N.
    pub count: NonZeroU32,
    /// `s`, `m`, `h`, `d`, or a number of them: `"5/15m"`.
    pub period: Duration,
}

/// A duration that may be zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DurationOrZero(pub(crate) Duration);

/// Units of time, longest first, so that each is written in its own. A year has 365 days.
const TIMES: &[(&str, u64)] = &[("y", 31_536_000_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)];
const MILLISECOND: (&str, u64) = ("ms", 1);
/// No duration is longer, so that no sum of two overflows.
const LONGEST_MS: u64 = 100 * 31_536_000_000;

/// Units of size, largest first.
const SIZES: &[(&str, u64)] = &[
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("KB", 1000),
    ("B", 1),
];

impl Word for Duration {
    const EXAMPLE: &str = "\"30s\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        let duration = duration(text, TIMES)?;
        if duration.is_zero() {
            return Err(Wrong::new(format!("{text:?} is no time at all")).help("write one above zero, such as \"30s\""));
        }
        Ok(duration)
    }
}

impl Word for DurationOrZero {
    const EXAMPLE: &str = "\"24h\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        duration(text, TIMES).map(Self)
    }
}

impl Word for ByteSize {
    const EXAMPLE: &str = "\"32KiB\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        let wrong = || {
            Wrong::new(format!("{text:?} is not a size"))
                .help("write a whole number and a unit of B, KiB, MiB, GiB, KB, MB or GB, such as \"32KiB\"")
        };
        let (count, unit) = split(text).ok_or_else(wrong)?;
        let (_, factor) = SIZES.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
        let bytes = count.checked_mul(*factor).filter(|bytes| i64::try_from(*bytes).is_ok()).ok_or_else(wrong)?;
        if bytes == 0 {
            return Err(
                Wrong::new(format!("{text:?} admits nothing")).help("write a size above zero, such as \"32KiB\"")
            );
        }
        Ok(Self(bytes))
    }
}

impl Word for ByteRate {
    const EXAMPLE: &str = "\"1KiB/s\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        let size = text.strip_suffix("/s").map(ByteSize::parse);
        let wrong = || Wrong::new(format!("{text:?} is not a number of bytes a second"));
        match size {
            Some(Ok(ByteSize(bytes))) => Ok(Self(bytes)),
            Some(Err(_)) | None => Err(wrong().help("write a size and \"/s\", such as \"1KiB/s\"")),
        }
    }
}

impl Word for Rate {
    const EXAMPLE: &str = "\"20/s\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        let wrong = || {
            Wrong::new(format!("{text:?} is not a rate"))
                .help("write a count and a period, such as \"10/s\", \"600/m\" or \"5/15m\"")
        };
        let (count, period) = text.split_once('/').ok_or_else(wrong)?;
        let count: u32 = digits(count).and_then(|count| count.try_into().ok()).ok_or_else(wrong)?;
        let count = NonZeroU32::new(count).ok_or_else(|| {
            Wrong::new(format!("{text:?} admits nothing")).help("write a count of at least 1, such as \"10/s\"")
        })?;
        let times = TIMES.iter().filter(|(name, _)| *name != "y").copied().collect::<Vec<_>>();
        let written = if period.starts_with(|c: char| c.is_ascii_digit()) { period } else { &format!("1{period}") };
        let period = duration(written, &times).map_err(|_| wrong())?;
        if period.is_zero() { Err(wrong()) } else { Ok(Self { count, period }) }
    }
}

words!(Duration, DurationOrZero, ByteSize, ByteRate, Rate);

impl Shape for NonZeroU32 {
    fn read(node: Node, reading: &mut Reading<'_>) -> Option<Self> {
        counted(&node, reading)
    }

    fn schema() -> serde_json::Value {
        serde_json::json!({ "type": "integer", "minimum": 1 })
    }
}

impl Shape for NonZeroUsize {
    fn read(node: Node, reading: &mut Reading<'_>) -> Option<Self> {
        counted::<NonZeroU32>(&node, reading).and_then(|count| Self::try_from(count).ok())
    }

    fn schema() -> serde_json::Value {
        serde_json::json!({ "type": "integer", "minimum": 1 })
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exact = SIZES.iter().find(|(_, factor)| self.0 >= *factor && self.0.is_multiple_of(*factor));
        let (unit, factor) = exact.unwrap_or(&("B", 1));
        write!(f, "{}{unit}", self.0 / factor)
    }
}

impl fmt::Display for ByteRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/s", ByteSize(self.0))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let period = display_duration(self.period);
        write!(f, "{}/{}", self.count, period.strip_prefix('1').filter(|unit| unit.len() == 1).unwrap_or(&period))
    }
}

/// As the file writes it, in the longest unit that is exact.
pub(crate) fn display_duration(duration: Duration) -> String {
    let ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let exact = TIMES.iter().find(|(_, factor)| ms >= *factor && ms.is_multiple_of(*factor));
    match exact {
        Some((unit, factor)) => format!("{}{unit}", ms / factor),
        None if ms == 0 => "0s".to_owned(),
        None => format!("{ms}ms"),
    }
}

/// Reads a duration as files write it: a whole number and a unit.
pub fn parse_duration(text: &str) -> Option<Duration> {
    duration(text, TIMES).ok()
}

/// A duration in seconds and longer units, or also in milliseconds.
pub(crate) fn duration_with_ms(text: &str) -> Result<Duration, Wrong> {
    let times: Vec<(&str, u64)> = std::iter::once(MILLISECOND).chain(TIMES.iter().copied()).collect();
    duration(text, &times)
}

fn duration(text: &str, times: &[(&str, u64)]) -> Result<Duration, Wrong> {
    let wrong = || {
        let names: Vec<&str> = times.iter().rev().map(|(name, _)| *name).collect();
        Wrong::new(format!("{text:?} is not a duration"))
            .help(format!("write a whole number and a unit of {}, such as \"30s\"", names.join(", ")))
    };
    let (count, unit) = split(text).ok_or_else(wrong)?;
    let (_, factor) = times.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
    let ms = count.checked_mul(*factor).filter(|ms| *ms <= LONGEST_MS);
    ms.map(Duration::from_millis)
        .ok_or_else(|| Wrong::new(format!("{text:?} is too long")).help("write at most \"100y\""))
}

fn counted<T: TryFrom<u32>>(node: &Node, reading: &mut Reading<'_>) -> Option<T> {
    let Value::Integer(value) = node.value else {
        reading.wrong_kind(node, "a whole number");
        return None;
    };
    let count = value.and_then(|value| u32::try_from(value).ok()).and_then(|value| T::try_from(value).ok());
    if count.is_none() {
        let message = "this count is out of range";
        reading.findings.error(node.span, message).help(format!("write a whole number from 1 to {}", u32::MAX));
    }
    count
}

fn split(text: &str) -> Option<(u64, &str)> {
    let unit = text.find(|c: char| !c.is_ascii_digit())?;
    let (count, unit) = text.split_at_checked(unit)?;
    Some((digits(count)?, unit))
}

/// Digits alone; a sign is none.
fn digits(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_written_alike() {
        for text in ["1s", "30s", "90s", "15m", "8h", "1d", "400d", "7y"] {
            assert_eq!(Duration::parse(text).map(display_duration).as_deref(), Ok(text));
        }
        for text in
            ["", "s", "30", "30 s", "-1s", "+1s", "1.5h", "1h30m", "50ms", "0s", "101y", "99999999999999999999s"]
        {
            assert!(Duration::parse(text).is_err(), "{text}");
        }
        assert_eq!(DurationOrZero::parse("0s"), Ok(DurationOrZero(Duration::ZERO)));
        assert_eq!(duration_with_ms("50ms"), Ok(Duration::from_millis(50)));
    }

    #[test]
    fn sizes_are_read_and_written_alike() {
        for (text, bytes) in [("1B", 1), ("32KiB", 32_768), ("5KB", 5000), ("20GiB", 20 << 30), ("3MB", 3_000_000)] {
            assert_eq!(ByteSize::parse(text), Ok(ByteSize(bytes)), "{text}");
            assert_eq!(ByteSize(bytes).to_string(), text);
        }
        for text in ["", "KiB", "12", "1kib", "1 KiB", "0B", "-1B", "99999999999GiB"] {
            assert!(ByteSize::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn rates_are_read_and_written_alike() {
        for (text, count, seconds) in [("20/s", 20, 1), ("600/m", 600, 60), ("5/15m", 5, 900), ("1/d", 1, 86_400)] {
            let rate = Rate { count: NonZeroU32::new(count).unwrap(), period: Duration::from_secs(seconds) };
            assert_eq!(Rate::parse(text), Ok(rate), "{text}");
            assert_eq!(rate.to_string(), text);
        }
        for text in ["", "20", "/s", "0/s", "20/0s", "20/y", "20/ms", "-1/s", "1.5/s", "20/", "4294967296/s"] {
            assert!(Rate::parse(text).is_err(), "{text}");
        }
    }
}

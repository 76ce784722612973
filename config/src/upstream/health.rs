//! `health`: upstreams are asked whether they work.

use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::shape::{At, Field, Reading, shape};
use crate::word::{Word, Wrong, words};

/// How each upstream is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthCheck {
    /// Path and query of the question; an answer of 200 to 399 is a good one.
    pub path: String,
    /// From one question to the next: 1 second to 1 hour; default 10 seconds.
    pub every: Duration,
    /// For the whole answer's head; default 5 seconds, or `every` where that is shorter.
    pub timeout: Duration,
    /// Good answers in a row after which it is in use again; default 2.
    pub healthy_after: u32,
    /// Bad ones after which it is not; default 3.
    pub unhealthy_after: u32,
}

shape! {
    /// What `health` may say.
    pub(crate) struct RawHealth {
        path: HealthPath,
        every: At<Duration>,
        timeout: At<Duration>,
        healthy_after: NonZeroU32,
        unhealthy_after: NonZeroU32,
    }
}

/// `"/healthz"`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HealthPath(String);

const EVERY: Duration = Duration::from_secs(10);
const PERIODS: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(3600);
const TIMEOUT: Duration = Duration::from_secs(5);
const HEALTHY_AFTER: u32 = 2;
const UNHEALTHY_AFTER: u32 = 3;

impl RawHealth {
    pub(super) fn check(self, reading: &mut Reading<'_>) -> Option<HealthCheck> {
        let Self { table, path, every, timeout, healthy_after, unhealthy_after } = self;
        let path = path.required("path", "\"/healthz\"", table, reading);
        let every = check_every(every, reading);
        let timeout = check_timeout(timeout, every, reading);
        Some(HealthCheck {
            path: path?.0,
            every,
            timeout,
            healthy_after: healthy_after.optional().map_or(HEALTHY_AFTER, NonZeroU32::get),
            unhealthy_after: unhealthy_after.optional().map_or(UNHEALTHY_AFTER, NonZeroU32::get),
        })
    }
}

fn check_every(every: Field<At<Duration>>, reading: &mut Reading<'_>) -> Duration {
    let Some(At { value, span }) = every.optional() else { return EVERY };
    if !PERIODS.contains(&value) {
        reading.findings.error(span, "\"every\" is out of range").help("write a time from \"1s\" to \"1h\"");
    }
    value
}

fn check_timeout(timeout: Field<At<Duration>>, every: Duration, reading: &mut Reading<'_>) -> Duration {
    let Some(At { value, span }) = timeout.optional() else { return TIMEOUT.min(every) };
    if value > every {
        let finding = reading.findings.error(span, "\"timeout\" is longer than the time to the next question");
        finding.help("write one that is not longer than \"every\"");
    }
    value
}

impl Word for HealthPath {
    const EXAMPLE: &str = "\"/healthz\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        let is_target = text.starts_with('/') && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
        if !is_target || text.parse::<http::uri::PathAndQuery>().is_err() {
            return Err(Wrong::new(format!("{text:?} is not a path")).help("write one such as \"/healthz\""));
        }
        Ok(Self(text.to_owned()))
    }
}

words!(HealthPath);

//! Matches over time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Query;
use super::aggregate::each_match;
use super::page::view_of;
use super::tally::{Counts, Tally};
use crate::entry::Field;
use crate::error::{BadParameter, QueryError};
use crate::json;
use crate::shared::Shared;

/// The shortest step.
pub const STEP_MIN: Duration = Duration::from_secs(1);

/// Steps of one answer; more are refused.
const BUCKETS_MAX: usize = 10_000;

/// Matches over time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Histogram {
    /// Length of a step.
    pub step: Duration,
    /// Steps that have matches, oldest first.
    pub buckets: Vec<Bucket>,
    /// False when the deadline cut it short, or a segment could not be read.
    pub complete: bool,
    /// As in [`super::Page`].
    pub quarantined: Vec<(u64, u64)>,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// Its beginning, microseconds since 1970; a multiple of the step.
    pub time: i64,
    /// Matches by value, ascending; an empty one is absence. Without a field there is one count, `total`.
    pub counts: Vec<(Arc<str>, u64)>,
}

/// Counts the matches of each step, of each value of a field if there is one.
pub(crate) fn histogram(
    shared: &Shared,
    query: &Query,
    step: Duration,
    by: Option<&Field>,
) -> Result<Histogram, QueryError> {
    let ends = Instant::now() + query.deadline;
    let step_us = i64::try_from(step.as_micros()).unwrap_or(i64::MAX).max(1);
    let mut tally = Tally::new(query.log, &shared.ids, vec![by.copied()], Some(step_us));
    let (complete, quarantined) =
        view_of(shared, query.log, |view| Ok((each_match(query, view, ends, &mut tally)?, view.broken())))?;
    let cells = tally.counts.first().map(Counts::sorted).unwrap_or_default();
    let total = Arc::<str>::from("total");
    let named = |value: &Arc<str>| Arc::clone(if by.is_none() { &total } else { value });
    let buckets: Vec<Bucket> = cells
        .chunk_by(|one, other| one.0 == other.0)
        .map(|cells| Bucket {
            time: cells.first().map_or(0, |(time, ..)| *time),
            counts: cells.iter().map(|(_, value, rows)| (named(value), *rows)).collect(),
        })
        .collect();
    if buckets.len() > BUCKETS_MAX {
        return Err(QueryError::TooMany);
    }
    Ok(Histogram { step, buckets, complete: complete && quarantined.is_empty(), quarantined })
}

impl Histogram {
    /// A step as it stands in a URL: `30s`, `5m`, `1h`, `1d`.
    ///
    /// # Errors
    /// When it is none, or shorter than a second.
    pub fn step(parameter: &str, value: &str) -> Result<Duration, BadParameter> {
        let (count, unit) = value.split_at_checked(value.len().saturating_sub(1)).unwrap_or_default();
        let seconds = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            "d" => 86_400,
            _ => 0,
        };
        let count = count.parse::<u64>().ok().filter(|_| !count.starts_with('+'));
        let step = count.and_then(|count| count.checked_mul(seconds)).map(Duration::from_secs);
        step.filter(|step| *step >= STEP_MIN).ok_or_else(|| BadParameter {
            parameter: parameter.to_owned(),
            message: format!("{value:?} is not a step; write 30s, 5m, 1h or 1d"),
        })
    }

    /// The answer's body.
    pub fn to_json(&self, step: &str, took: Duration) -> String {
        let mut out = String::from("{\"step\":");
        json::string(step, &mut out);
        out.push_str(",\"buckets\":[");
        for (at, bucket) in self.buckets.iter().enumerate() {
            let comma = if at > 0 { "," } else { "" };
            json::put(&mut out, format_args!("{comma}{{\"time\":\"{}\",\"counts\":{{", json::time(bucket.time)));
            for (at, (value, rows)) in bucket.counts.iter().enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                json::string(value, &mut out);
                json::put(&mut out, format_args!(":{rows}"));
            }
            out.push_str("}}");
        }
        out.push(']');
        if !self.complete {
            out.push_str(",\"complete\":false");
        }
        json::ranges("quarantined", &self.quarantined, &mut out);
        json::put(&mut out, format_args!(",\"took_ms\":{}}}", took.as_millis()));
        out
    }
}

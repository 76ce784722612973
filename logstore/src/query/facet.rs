//! The most frequent values of fields among the matches.

use std::cmp::Reverse;
use std::time::{Duration, Instant};

use super::Query;
use super::aggregate::each_match;
use super::page::view_of;
use super::tally::Tally;
use crate::entry::Field;
use crate::error::QueryError;
use crate::json;
use crate::shared::Shared;

/// The most frequent values of fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facets {
    /// In the order in which they were asked for.
    pub facets: Vec<Facet>,
    /// False when there were too many different values to count all of them, the deadline cut it short, or a segment
    /// could not be read.
    pub exact: bool,
    /// As in [`super::Page`].
    pub quarantined: Vec<(u64, u64)>,
}

/// Of one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facet {
    /// Its name.
    pub field: &'static str,
    /// Values with their matches, most frequent first; an empty one is absence.
    pub values: Vec<(String, u64)>,
}

pub(crate) fn facets(shared: &Shared, query: &Query, fields: &[Field], top: usize) -> Result<Facets, QueryError> {
    let ends = Instant::now() + query.deadline;
    let mut tally = Tally::new(query.log, &shared.ids, fields.iter().copied().map(Some).collect(), None);
    let (complete, quarantined) =
        view_of(shared, query.log, |view| Ok((each_match(query, view, ends, &mut tally)?, view.broken())))?;
    let values = tally.counts.into_iter().map(|counts| counts.into_values().flatten().collect::<Vec<_>>());
    let facets =
        fields.iter().zip(values).map(|(field, values)| Facet { field: field.name, values: best(values, top) });
    Ok(Facets { facets: facets.collect(), exact: tally.is_exact && complete && quarantined.is_empty(), quarantined })
}

/// Ties in the order of the values, so that equal questions get equal answers.
fn best(mut values: Vec<(Box<str>, u64)>, top: usize) -> Vec<(String, u64)> {
    values.sort_unstable_by(|one, other| (Reverse(one.1), &one.0).cmp(&(Reverse(other.1), &other.0)));
    values.into_iter().take(top).map(|(value, rows)| (value.into(), rows)).collect()
}

impl Facets {
    /// The answer's body.
    pub fn to_json(&self, took: Duration) -> String {
        let mut out = String::from("{\"facets\":{");
        for (at, facet) in self.facets.iter().enumerate() {
            out.push_str(if at > 0 { "," } else { "" });
            json::string(facet.field, &mut out);
            out.push_str(":[");
            for (at, (value, rows)) in facet.values.iter().enumerate() {
                out.push_str(if at > 0 { ",{\"value\":" } else { "{\"value\":" });
                if value.is_empty() {
                    out.push_str("null")
                } else {
                    json::string(value, &mut out)
                }
                json::put(&mut out, format_args!(",\"count\":{rows}}}"));
            }
            out.push(']');
        }
        json::put(&mut out, format_args!("}},\"exact\":{}", self.exact));
        json::ranges("quarantined", &self.quarantined, &mut out);
        json::put(&mut out, format_args!(",\"took_ms\":{}}}", took.as_millis()));
        out
    }
}

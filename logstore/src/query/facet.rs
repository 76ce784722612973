//! The most frequent values of fields among the matches.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Query;
use super::aggregate::each_match;
use super::page::view_of;
use super::tally::Tally;
use super::top;
use crate::entry::Field;
use crate::error::QueryError;
use crate::json;
use crate::segment::LISTED;
use crate::shared::Shared;

/// For more values than this all of them are counted: the lists of segments are too short to tell.
const TOP_LISTED: usize = LISTED / 2;

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
    view_of(shared, query.log, |view| {
        if top <= TOP_LISTED {
            tally.put_off(view.pieces.iter().map(|piece| piece.first));
        }
        let mut complete = each_match(query, view, ends, &mut tally)?;
        let mut facets = Vec::with_capacity(fields.len());
        for (at, field) in fields.iter().enumerate() {
            let mut values = Vec::new();
            complete &= top::values(view, ends, &mut tally, at, field, top, &mut values)?;
            facets.push(Facet { field: field.name, values: best(values, top) });
        }
        let quarantined = view.broken();
        Ok(Facets { facets, exact: tally.is_exact && complete && quarantined.is_empty(), quarantined })
    })
}

/// Ties in the order of the values, so that equal questions get equal answers.
fn best(mut values: Vec<(Arc<str>, u64)>, top: usize) -> Vec<(String, u64)> {
    let order =
        |one: &(Arc<str>, u64), other: &(Arc<str>, u64)| (Reverse(one.1), &one.0).cmp(&(Reverse(other.1), &other.0));
    if values.len() > top {
        values.select_nth_unstable_by(top, order);
        values.truncate(top);
    }
    values.sort_unstable_by(order);
    values.into_iter().map(|(value, rows)| (value.as_ref().into(), rows)).collect()
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

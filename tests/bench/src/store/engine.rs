//! All that the measurement uses of the store's reading side, in one place.

use std::fs::File;
use std::time::Duration;

use jiff::Timestamp;
use vestibule_bench::traffic;
use vestibule_logstore::row::Value;
use vestibule_logstore::{Log, Page, Query, Row, Store};

/// No question is cut short.
const DEADLINE: Duration = Duration::from_secs(600);

/// Ids of requests as the gateway makes them.
pub(crate) fn request_ids(_store: &Store, seed: u64) -> impl FnMut(i64, &mut String) + use<> {
    traffic::version_7(seed)
}

/// A query of the request log.
pub(crate) fn query(parameters: &[(&str, &str)]) -> Result<Query, String> {
    let parameters: Vec<_> = parameters.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    let mut query =
        Query::parse(Log::Requests, &parameters, Timestamp::UNIX_EPOCH).map_err(|error| error.to_string())?;
    query.deadline = DEADLINE;
    Ok(query)
}

pub(crate) fn page(store: &Store, query: &Query) -> Result<Page, String> {
    let page = store.query(query).map_err(|error| error.to_string())?;
    if page.complete { Ok(page) } else { Err("the answer was cut short".into()) }
}

/// The entry at a place that there is.
pub(crate) fn at(store: &Store, seq: u64) -> Row {
    let query = query(&[("seq", &seq.to_string()), ("limit", "1")]).unwrap();
    page(store, &query).unwrap().rows.pop().unwrap()
}

pub(crate) fn text(row: &Row, field: &str) -> String {
    match row.value(field) {
        Some(Value::Text(text)) => text.to_owned(),
        other => panic!("{field} is {other:?}, no text"),
    }
}

pub(crate) fn time(row: &Row) -> i64 {
    match row.value("time") {
        Some(Value::Time(time)) => time,
        other => panic!("time is {other:?}, no time"),
    }
}

/// Cells of the histogram of a field by the hour, and entries in all of them.
pub(crate) fn hours(_store: &Store, _query: &Query, _by: &str) -> Result<(usize, u64), String> {
    Err("the store has no histograms yet".into())
}

/// The most frequent values of a field that are there, with their counts.
pub(crate) fn top(_store: &Store, _query: &Query, _field: &str, _top: usize) -> Result<Vec<(String, u64)>, String> {
    Err("the store has no facets yet".into())
}

/// Writes all entries that match, and a header row.
pub(crate) fn export(_store: &Store, _query: &Query, _file: &mut File) -> Result<(), String> {
    Err("the store has no export yet".into())
}

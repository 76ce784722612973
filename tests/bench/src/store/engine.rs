//! All that the measurement uses of the store's reading side, in one place.

use std::io::Write;
use std::time::Duration;

use jiff::Timestamp;
use uuid::fmt::Hyphenated;
use vestibule_logstore::entry::Field;
use vestibule_logstore::export::{Export, Format};
use vestibule_logstore::row::Value;
use vestibule_logstore::{Log, Page, Query, Row, Store};

const HOUR: Duration = Duration::from_secs(3600);

/// No question is cut short.
const DEADLINE: Duration = Duration::from_secs(600);

/// Ids of requests as the gateway makes them.
pub(crate) fn request_ids(store: &Store) -> impl FnMut(i64, &mut String) + use<> {
    let ids = store.request_ids();
    move |_time, out| {
        let mut text = [0; Hyphenated::LENGTH];
        out.push_str(ids.next().hyphenated().encode_lower(&mut text));
    }
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
pub(crate) fn hours(store: &Store, query: &Query, by: &str) -> Result<(usize, u64), String> {
    let histogram = store.histogram(query, HOUR, Log::Requests.field(by)).map_err(|error| error.to_string())?;
    let counts = || histogram.buckets.iter().flat_map(|bucket| &bucket.counts).map(|(_, rows)| rows);
    Ok((counts().count(), counts().sum()))
}

/// The most frequent values of a field that are there, with their counts.
pub(crate) fn top(store: &Store, query: &Query, field: &str, top: usize) -> Result<Vec<(String, u64)>, String> {
    let fields: Vec<Field> = Log::Requests.field(field).into_iter().copied().collect();
    // Absence may be among the most frequent.
    let facets = store.facets(query, &fields, top + 1).map_err(|error| error.to_string())?;
    let values = facets.facets.into_iter().flat_map(|facet| facet.values);
    Ok(values.filter(|(value, _)| !value.is_empty()).take(top).collect())
}

/// Writes all entries that match, and a header row.
pub(crate) fn export(store: &Store, query: &Query, to: &mut impl Write) -> Result<(), String> {
    for piece in Export::new(store.clone(), query.clone(), Format::Csv, None) {
        let piece = piece.map_err(|error| error.to_string())?;
        to.write_all(piece.text.as_bytes()).map_err(|error| error.to_string())?;
    }
    Ok(())
}

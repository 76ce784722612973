//! Lists that are no pages of a log: whole, as JSON with what is to be said beside them, or for an auditor as lines.

use axum::body::Body;
use axum::response::Response;
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue};
use serde_json::{Map, Value};
use vestibule_logstore::export::Format;

use super::door::Call;
use super::form::{self, Form};
use super::lines;
use super::problem::Problem;
use super::status::json;
use crate::state::Live;

/// A list in the form that its client wants.
pub(super) struct List<'a> {
    /// Names of the members of each row, in the order of the columns of CSV.
    pub(super) columns: &'a [&'a str],
    /// Objects with these members.
    pub(super) rows: Vec<Value>,
    /// False where there are more rows than the list has.
    pub(super) complete: bool,
    /// Members of the JSON answer beside `data`.
    pub(super) beside: Map<String, Value>,
}

impl List<'_> {
    pub(super) fn answer(self, form: Form) -> Response {
        let Self { columns, rows, complete, mut beside } = self;
        let (text, format) = match form {
            Form::Json => {
                beside.insert("data".to_owned(), Value::Array(rows));
                return json(lines::json(&Value::Object(beside)));
            }
            Form::Lines(Format::Csv) => (csv(columns, &rows), Format::Csv),
            Form::Lines(Format::Ndjson) => (ndjson(&rows), Format::Ndjson),
        };
        as_lines(format, text, complete)
    }
}

/// A list of what the configuration in force has.
pub(super) fn of_the_configuration(
    call: &Call,
    columns: &[&str],
    rows: Vec<Value>,
    live: &Live,
) -> Result<Response, Problem> {
    let beside = Map::from_iter([("revision".to_owned(), (*live.settings.revision).into())]);
    Ok(List { columns, rows, complete: true, beside }.answer(Form::of(call)?))
}

/// Lines have no room for what a list says besides its rows.
pub(super) fn as_lines(format: Format, text: String, complete: bool) -> Response {
    let mut response = Response::new(Body::from(text));
    response.headers_mut().insert(CONTENT_TYPE, form::content_type(format));
    if !complete {
        response.headers_mut().insert(HeaderName::from_static("x-complete"), HeaderValue::from_static("false"));
    }
    response
}

fn csv(columns: &[&str], rows: &[Value]) -> String {
    let mut text = columns.join(",") + "\r\n";
    for row in rows {
        text += &lines::csv(columns.iter().map(|column| row.get(column).unwrap_or(&Value::Null)));
    }
    text
}

fn ndjson(rows: &[Value]) -> String {
    rows.iter().map(|row| lines::json(row) + "\n").collect()
}

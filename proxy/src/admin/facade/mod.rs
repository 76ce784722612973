//! Views of the three logs in the shape of four other products, for the programs that read those already.
//!
//! Each translates its parameters into our query language and writes its own answer from the entries that are found.
//! Their names, defaults and limits are the originals'; but a parameter that is unknown or wrong is a 400 that names it,
//! a filter that matches nobody finds nothing, and no answer is capped. `deploy/docs/compatible-views.md` says the rest.

pub(super) mod cloudflare;
pub(super) mod netbird;
mod parameters;
mod people;
mod question;
pub(super) mod rack_gateway;
pub(super) mod scalekit;
mod stream;

use jiff::Timestamp;
use serde_json::Value as Json;
use vestibule_logstore::Row;
use vestibule_logstore::row::Value;

use super::status::rfc3339;

/// A field as JSON; null where it is absent.
fn field(row: &Row, name: &str) -> Json {
    match row.value(name) {
        None => Json::Null,
        Some(Value::Id(id)) => id.to_string().into(),
        Some(Value::Number(number)) => number.into(),
        Some(Value::Time(micros)) => moment(micros),
        Some(Value::Text(text) | Value::Json(text)) => text.into(),
        Some(Value::Address(address)) => address.to_string().into(),
    }
}

/// Microseconds since 1970 as RFC 3339.
fn moment(micros: i64) -> Json {
    let nearest = if micros < 0 { Timestamp::MIN } else { Timestamp::MAX };
    rfc3339(Timestamp::from_microsecond(micros).unwrap_or(nearest)).into()
}

/// A field as text; empty where it is absent or no text.
fn text<'a>(row: &'a Row, name: &str) -> &'a str {
    match row.value(name) {
        Some(Value::Text(text) | Value::Json(text)) => text,
        Some(Value::Id(_) | Value::Number(_) | Value::Time(_) | Value::Address(_)) | None => "",
    }
}

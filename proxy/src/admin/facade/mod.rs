//! Views of the three logs in the shape of four other products, for the programs that read those already.
//!
//! Each translates its parameters into our query language and writes its own answer from the entries that are found.
//! Their names, defaults and limits are the originals'; but a parameter that is unknown or wrong is a 400 that names it,
//! a filter that matches nobody finds nothing, and no answer is capped. `deploy/docs/compatible-views.md` says the rest.

pub(super) mod cloudflare;
mod csv;
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

/// JSON on one line. Entries hold what strangers sent: what a terminal would obey is escaped as our own answers do.
fn line(json: &Json) -> String {
    let json = json.to_string();
    if json.is_ascii() && !json.contains('\x7f') {
        return json;
    }
    // JSON has such characters inside of strings only.
    let mut out = String::with_capacity(json.len() + 16);
    for character in json.chars() {
        match character {
            obeyed if is_obeyed(obeyed) => out.push_str(&format!("\\u{:04x}", u32::from(obeyed))),
            shown => out.push(shown),
        }
    }
    out
}

/// Control characters, separators of lines, and what turns the direction of writing.
fn is_obeyed(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_is_left_raw_and_nothing_is_changed() {
        let json = json!({ "a": "\u{1b}[2J \u{7f}\u{9b}31m \u{202e}gpj.exe\u{2028}", "b": "Zürich 東京" });
        let written = line(&json);
        assert_eq!(written, r#"{"a":"\u001b[2J \u007f\u009b31m \u202egpj.exe\u2028","b":"Zürich 東京"}"#);
        assert_eq!(serde_json::from_str::<Json>(&written).unwrap(), json);
    }
}

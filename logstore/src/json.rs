//! JSON as text. Entries are written in a fixed order of keys, and nothing that a terminal would obey is left raw.

use std::fmt::{Arguments, Write as _};

use jiff::Timestamp;
use serde::de::IgnoredAny;

use crate::row::Value;

/// Appends formatted text.
pub(crate) fn put(out: &mut String, text: Arguments<'_>) {
    out.write_fmt(text).expect("a string takes everything");
}

/// Writes a quoted string. Control characters (C0, DEL, C1), line separators and bidirectional controls are escaped.
pub(crate) fn string(text: &str, out: &mut String) {
    out.push('"');
    let mut plain = 0;
    for (at, character) in text.char_indices() {
        if !must_escape(character) {
            continue;
        }
        out.push_str(text.get(plain..at).unwrap_or_default());
        plain = at + character.len_utf8();
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // All of these are in the basic plane: one unit of UTF-16.
            other => put(out, format_args!("\\u{:04x}", u32::from(other))),
        }
    }
    out.push_str(text.get(plain..).unwrap_or_default());
    out.push('"');
}

fn must_escape(character: char) -> bool {
    matches!(character,
        '"' | '\\'
        | '\0'..='\x1f'
        | '\x7f'..='\u{9f}'
        | '\u{61c}'
        | '\u{200e}' | '\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}'
        | '\u{feff}')
}

/// A member with first and last positions, if there are any.
pub(crate) fn ranges(name: &str, ranges: &[(u64, u64)], out: &mut String) {
    if ranges.is_empty() {
        return;
    }
    put(out, format_args!(",\"{name}\":["));
    for (at, (first, last)) in ranges.iter().enumerate() {
        put(out, format_args!("{}{{\"first\":{first},\"last\":{last}}}", if at > 0 { "," } else { "" }));
    }
    out.push(']');
}

pub(crate) fn value(value: Option<Value<'_>>, out: &mut String) {
    match value {
        None => out.push_str("null"),
        Some(Value::Id(id)) => put(out, format_args!("\"{id}\"")),
        Some(Value::Number(number)) => put(out, format_args!("{number}")),
        Some(Value::Time(micros)) => put(out, format_args!("\"{}\"", time(micros))),
        Some(Value::Text(text)) => string(text, out),
        Some(Value::Address(address)) => put(out, format_args!("\"{address}\"")),
        Some(Value::Json(json)) => embedded(json, out),
    }
}

/// RFC 3339 in UTC with six digits; a time out of range is the nearest that can be written.
pub(crate) fn time(micros: i64) -> String {
    let nearest = if micros < 0 { Timestamp::MIN } else { Timestamp::MAX };
    format!("{:.6}", Timestamp::from_microsecond(micros).unwrap_or(nearest))
}

/// A stored JSON value on one line; what is not JSON becomes a string.
fn embedded(json: &str, out: &mut String) {
    if serde_json::from_str::<IgnoredAny>(json).is_err() {
        return string(json, out);
    }
    let mut inside_string = false;
    let mut escaped = false;
    for character in json.chars() {
        match character {
            // Outside of strings these can only be white space.
            '\n' | '\r' | '\t' => out.push(' '),
            '"' if !escaped => {
                inside_string = !inside_string;
                out.push('"');
            }
            // A backslash before a raw character that is escaped here would change its meaning, but no such pair is
            // valid JSON.
            other if inside_string && other != '\\' && other != '"' && must_escape(other) => {
                put(out, format_args!("\\u{:04x}", u32::from(other)));
            }
            other => out.push(other),
        }
        escaped = character == '\\' && !escaped;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(written: Option<Value<'_>>, expected: &str) {
        let mut out = String::new();
        value(written, &mut out);
        assert_eq!(out, expected);
        serde_json::from_str::<IgnoredAny>(&out).unwrap();
    }

    #[test]
    fn nothing_that_could_forge_a_line_or_move_a_cursor_is_left_raw() {
        check(Some(Value::Text("a\"b\\c\r\n\t\0")), r#""a\"b\\c\r\n\t\u0000""#);
        check(Some(Value::Text("\x1b[2J \x7f \u{9b}31m")), r#""\u001b[2J \u007f \u009b31m""#);
        check(Some(Value::Text("\u{202e}gpj.exe\u{2028}\u{feff}")), r#""\u202egpj.exe\u2028\ufeff""#);
        check(Some(Value::Text("Zürich 東京 …[+7 bytes]")), "\"Zürich 東京 …[+7 bytes]\"");
    }

    #[test]
    fn stored_json_is_embedded_on_one_line_and_text_that_is_none_is_quoted() {
        check(Some(Value::Json("{\"a\":\n [1,\t\"\\\"x\\\\\"]\r\n}")), r#"{"a":  [1, "\"x\\"]  }"#);
        check(Some(Value::Json("[\"\u{9b}\u{202e}\"]")), r#"["\u009b\u202e"]"#);
        check(Some(Value::Json("{\"half\":")), r#""{\"half\":""#);
        check(Some(Value::Json("{}{}")), r#""{}{}""#);
    }

    #[test]
    fn times_have_six_digits() {
        check(Some(Value::Time(1_700_000_000_000_000)), r#""2023-11-14T22:13:20.000000Z""#);
        check(Some(Value::Time(1_700_000_000_000_001)), r#""2023-11-14T22:13:20.000001Z""#);
        check(Some(Value::Time(i64::MAX)), r#""9999-12-30T22:00:00.999999Z""#);
        check(None, "null");
    }
}

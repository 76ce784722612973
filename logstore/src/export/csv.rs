//! CSV as RFC 4180 has it, safe to open in a spreadsheet.

use crate::entry::Field;
use crate::json::{self, Sight};
use crate::row::Value;

/// The names of the fields, which need no quotes.
pub(super) fn header(fields: &[Field], out: &mut String) {
    for (at, field) in fields.iter().enumerate() {
        out.push_str(if at > 0 { "," } else { "" });
        out.push_str(field.name);
    }
    out.push_str("\r\n");
}

/// One cell.
pub(super) fn cell(value: Option<Value<'_>>, out: &mut String) {
    match value {
        None => (),
        Some(Value::Text(text)) => self::text(text, out),
        Some(Value::Number(number)) => json::number(number, out),
        Some(Value::Time(micros)) => json::put_time(micros, out),
        Some(Value::Id(id)) => json::id(id, out),
        Some(Value::Address(address)) => json::address(address, out),
        Some(Value::Json(value)) => json_cell(value, out),
    }
}

/// A text that a spreadsheet would take for a formula begins with an apostrophe, and what it would obey is escaped: no
/// cell has a line break.
pub(super) fn text(text: &str, out: &mut String) {
    let (sight, formula) = (Sight::of(text), is_formula(text));
    // What is escaped holds no quotes and commas, so that this can be seen before.
    let quote = if sight.has(Sight::QUOTE | Sight::COMMA) { "\"" } else { "" };
    out.push_str(quote);
    out.push_str(if formula { "'" } else { "" });
    if sight.has(Sight::NOT_PLAIN | Sight::QUOTE) {
        for (at, part) in text.split('"').enumerate() {
            out.push_str(if at > 0 { "\"\"" } else { "" });
            json::escaped(part, json::is_obeyed, out);
        }
    } else {
        out.push_str(text);
    }
    out.push_str(quote);
}

/// Rare, and nearly always with quotes in it. Its line breaks and controls are escaped already, as JSON has them.
fn json_cell(value: &str, out: &mut String) {
    let mut line = String::with_capacity(value.len() + 16);
    json::embedded(value, &mut line);
    text(&line, out);
}

/// Also the wide forms, which spreadsheets of some languages take for the same.
fn is_formula(text: &str) -> bool {
    text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'])
}

#[cfg(test)]
mod tests;

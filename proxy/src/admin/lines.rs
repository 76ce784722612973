//! Lines of JSON and of CSV, safe as those of the log's own exports: nothing in them is obeyed by a terminal or executed
//! by a spreadsheet, whoever sent it.

use serde_json::Value as Json;
use vestibule_logstore::export::{put_cell, put_visible};

/// JSON on one line, without its end.
pub(crate) fn json(json: &Json) -> String {
    let mut out = String::new();
    // JSON has what is escaped inside of strings only.
    put_visible(&json.to_string(), &mut out);
    out
}

/// One line of CSV (RFC 4180) with its end.
pub(crate) fn csv<'a>(cells: impl Iterator<Item = &'a Json>) -> String {
    let mut out = String::new();
    for (at, value) in cells.enumerate() {
        out.push_str(if at > 0 { "," } else { "" });
        match value {
            Json::Null => (),
            Json::String(text) => put_cell(text, &mut out),
            Json::Bool(_) | Json::Number(_) => out.push_str(&value.to_string()),
            Json::Array(_) | Json::Object(_) => put_cell(&value.to_string(), &mut out),
        }
    }
    out.push_str("\r\n");
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_is_left_raw_and_nothing_is_changed() {
        let value = json!({ "a": "\u{1b}[2J \u{7f}\u{9b}31m \u{202e}gpj.exe\u{2028}", "b": "Zürich 東京" });
        let written = json(&value);
        assert_eq!(written, r#"{"a":"\u001b[2J \u007f\u009b31m \u202egpj.exe\u2028","b":"Zürich 東京"}"#);
        assert_eq!(serde_json::from_str::<Json>(&written).unwrap(), value);
    }

    #[test]
    fn no_cell_breaks_out_of_its_place_or_is_a_formula() {
        let cells = json!(["a,b", "say \"x\"", "=1+1", "-2", "two\nlines", "\u{1b}[2J", 7, null, true, "plain"]);
        let written = csv(cells.as_array().unwrap().iter());
        assert_eq!(written, "\"a,b\",\"say \"\"x\"\"\",'=1+1,'-2,two\\nlines,\\u001b[2J,7,,true,plain\r\n");
    }
}

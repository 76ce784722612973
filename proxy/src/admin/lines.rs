//! Lines of JSON and of CSV. They hold what strangers sent: nothing in them is obeyed by a terminal or executed by a
//! spreadsheet.

use serde_json::Value as Json;

/// JSON on one line, without its end; what a terminal would obey is escaped, as the log's own answers do.
pub(super) fn json(json: &Json) -> String {
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

/// One line of CSV (RFC 4180) with its end.
pub(super) fn csv<'a>(cells: impl Iterator<Item = &'a Json>) -> String {
    let mut out = String::new();
    for (at, value) in cells.enumerate() {
        if at > 0 {
            out.push(',');
        }
        match value {
            Json::Null => (),
            Json::String(text) => cell(text, &mut out),
            Json::Bool(_) | Json::Number(_) => out.push_str(&value.to_string()),
            Json::Array(_) | Json::Object(_) => cell(&value.to_string(), &mut out),
        }
    }
    out.push_str("\r\n");
    out
}

/// A text that begins as a formula gets an apostrophe before it; characters that a terminal obeys are escaped.
fn cell(text: &str, out: &mut String) {
    let quoted = text.contains([',', '"', '\r', '\n']);
    if quoted {
        out.push('"');
    }
    if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']) {
        out.push('\'');
    }
    for character in text.chars() {
        match character {
            '"' => out.push_str("\"\""),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            obeyed if is_obeyed(obeyed) => out.push_str(&format!("\\u{:04x}", u32::from(obeyed))),
            shown => out.push(shown),
        }
    }
    if quoted {
        out.push('"');
    }
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
        let value = json!({ "a": "\u{1b}[2J \u{7f}\u{9b}31m \u{202e}gpj.exe\u{2028}", "b": "Zürich 東京" });
        let written = json(&value);
        assert_eq!(written, r#"{"a":"\u001b[2J \u007f\u009b31m \u202egpj.exe\u2028","b":"Zürich 東京"}"#);
        assert_eq!(serde_json::from_str::<Json>(&written).unwrap(), value);
    }

    #[test]
    fn no_cell_breaks_out_of_its_place_or_is_a_formula() {
        let cells = json!(["a,b", "say \"x\"", "=1+1", "-2", "two\nlines", "\u{1b}[2J", 7, null, true, "plain"]);
        let written = csv(cells.as_array().unwrap().iter());
        assert_eq!(written, "\"a,b\",\"say \"\"x\"\"\",'=1+1,'-2,\"two\\nlines\",\\u001b[2J,7,,true,plain\r\n");
    }
}

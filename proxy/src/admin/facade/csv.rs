//! Lines of CSV (RFC 4180) that a spreadsheet does not execute.

use serde_json::Value as Json;

use super::is_obeyed;

/// One line with its end.
pub(super) fn line<'a>(cells: impl Iterator<Item = &'a Json>) -> String {
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
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn no_cell_breaks_out_of_its_place_or_is_a_formula() {
        let cells = json!(["a,b", "say \"x\"", "=1+1", "-2", "two\nlines", "\u{1b}[2J", 7, null, true, "plain"]);
        let written = line(cells.as_array().unwrap().iter());
        assert_eq!(written, "\"a,b\",\"say \"\"x\"\"\",'=1+1,'-2,\"two\\nlines\",\\u001b[2J,7,,true,plain\r\n");
    }
}

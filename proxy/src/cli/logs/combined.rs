//! Requests in the format that web servers call combined, for tools that read their logs.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde_json::Value;

/// `198.51.100.7 - maya@example.net [29/Nov/2026:12:04:31 +0000] "GET /p?q=1 HTTP/1.1" 200 512 "-" "curl/8.7"`
pub(super) fn line(entry: &Value) -> String {
    let text = |field| entry.get(field).and_then(Value::as_str).filter(|text| !text.is_empty());
    let number = |field| entry.get(field).and_then(Value::as_u64);
    let time = text("time").and_then(|time| time.parse::<Timestamp>().ok());
    let time = time.map_or_else(|| "-".to_owned(), |time| time.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string());
    let query = text("query").map(|query| format!("?{query}")).unwrap_or_default();
    let target = format!("{}{query}", text("path").unwrap_or("-"));
    format!(
        "{} - {} [{time}] \"{} {} {}\" {} {} \"{}\" \"{}\"",
        text("source_ip").unwrap_or("-"),
        word(text("email").or(text("user_id"))),
        quoted(text("method")),
        quoted(Some(&target)),
        quoted(text("protocol")),
        number("status_code").unwrap_or_default(),
        number("bytes_out").map_or_else(|| "-".to_owned(), |bytes| bytes.to_string()),
        quoted(text("referer")),
        quoted(text("user_agent")),
    )
}

/// Between two spaces.
fn word(text: Option<&str>) -> String {
    quoted(text).replace(' ', "\\x20")
}

/// Between quotation marks: nothing in it ends them, or is obeyed by a terminal.
fn quoted(text: Option<&str>) -> String {
    let mut out = String::new();
    for character in text.unwrap_or("-").chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            shown @ ' '..='~' => out.push(shown),
            other => other.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| {
                let _ = write!(out, "\\x{byte:02x}");
            }),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_request_is_one_line_whatever_is_in_it() {
        let entry = json!({
            "time": "2026-11-29T12:04:31.207551Z", "source_ip": "198.51.100.7", "email": "maya@example.net",
            "method": "GET", "path": "/p", "query": "q=1", "protocol": "HTTP/1.1", "status_code": 200,
            "bytes_out": 512, "user_agent": "a \"b\"\u{1b}[2J\n\u{e9}",
        });
        let expected = r#"198.51.100.7 - maya@example.net [29/Nov/2026:12:04:31 +0000] "GET /p?q=1 HTTP/1.1" 200 512 "-" "a \"b\"\x1b[2J\x0a\xc3\xa9""#;
        assert_eq!(line(&entry), expected);
        assert_eq!(line(&json!({ "user_id": "local:a b" })), r#"- - local:a\x20b [-] "- - -" 0 - "-" "-""#);
    }
}

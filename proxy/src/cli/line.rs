//! One entry as one line for people: `vestibule logs -o line`.

use std::borrow::Cow;
use std::fmt::Write;

use serde_json::Value;
use vestibule_logstore::Log;

/// How lines are written.
#[derive(Debug, Clone)]
pub(super) struct Style {
    /// UTC; entries of this day show the time of day only.
    pub(super) today: String,
    pub(super) colored: bool,
}

/// Colours of the decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tone {
    Good,
    Waiting,
    Bad,
}

/// The fields that a line says, in its words.
pub(super) fn said(log: Log) -> &'static [&'static str] {
    match log {
        Log::Requests => &[
            "time",
            "action",
            "origin",
            "circuit",
            "email",
            "source_ip",
            "country",
            "method",
            "path",
            "query",
            "status_code",
            "duration_ms",
            "bytes_out",
            "reason",
        ],
        Log::Access => {
            &["time", "status", "circuit", "email", "source_ip", "country", "action", "auth_method", "reason"]
        }
        Log::Audit => &["time", "status", "action", "actor", "source_ip", "resource", "details"],
    }
}

/// The request log: time, decision, circuit, who, address, country, method, path, status, duration, size, reason.
pub(super) fn request(entry: &Value, style: &Style) -> String {
    let (word, tone) = decision(entry);
    let mut line = head(entry, style, word, tone);
    let size = entry.get("bytes_out").and_then(Value::as_u64).map_or_else(dash, |bytes| size(bytes).into());
    let took = entry.get("duration_ms").and_then(Value::as_u64).map_or_else(dash, |ms| format!("{ms}ms").into());
    let _ = write!(
        line,
        "  {:<6} {:<28} {:>3} {took:>7} {size:>6}",
        text(entry, "method"),
        path(entry),
        text(entry, "status_code"),
    );
    end(line, entry, "reason")
}

/// The access log: time, result, circuit, who, address, country, action, method, reason.
pub(super) fn attempt(entry: &Value, style: &Style) -> String {
    let (word, tone) = match entry.get("status").and_then(Value::as_str) {
        Some("success") => ("IN", Tone::Good),
        Some("failure") => ("FAIL", Tone::Bad),
        Some("pending") => ("WAIT", Tone::Waiting),
        Some("initiated") => ("OPEN", Tone::Waiting),
        Some(_) | None => ("?", Tone::Bad),
    };
    let (word, tone) = match (entry.get("action").and_then(Value::as_str), word) {
        (Some("logout" | "revoke"), "IN") => ("OUT", Tone::Waiting),
        (_, word) => (word, tone),
    };
    let mut line = head(entry, style, word, tone);
    let _ = write!(line, "  {:<6} {:<8}", text(entry, "action"), text(entry, "auth_method"));
    end(line, entry, "reason")
}

/// The audit log: time, status, action, actor, address, resource, details.
pub(super) fn act(entry: &Value, style: &Style) -> String {
    let (word, tone) = match entry.get("status").and_then(Value::as_str) {
        Some("success") => ("OK", Tone::Good),
        Some("denied") => ("DENY", Tone::Bad),
        Some("alert") => ("ALERT", Tone::Bad),
        Some("failed") => ("FAIL", Tone::Bad),
        Some(_) | None => ("ERROR", Tone::Bad),
    };
    let mut line = start(entry, style, word, tone);
    let _ = write!(
        line,
        " {:<20} {:<12} {:<15} {}",
        text(entry, "action"),
        text(entry, "actor"),
        text(entry, "source_ip"),
        text(entry, "resource"),
    );
    match entry.get("details") {
        None | Some(Value::Null) => line,
        Some(details) => {
            let _ = write!(line, "  {}", plain(&details.to_string()));
            line
        }
    }
}

/// What happened to a request, in one word.
fn decision(entry: &Value) -> (&'static str, Tone) {
    let field = |name| entry.get(name).and_then(Value::as_str).unwrap_or_default();
    match (field("action"), field("origin"), field("reason")) {
        ("allowed", "backend", _) => ("ALLOW", Tone::Good),
        (_, _, reason) if reason.starts_with("rate_limited") => ("LIMIT", Tone::Waiting),
        (_, "auth", "no_credentials" | "missing_session" | "session_expired" | "session_revoked") => {
            ("LOGIN", Tone::Waiting)
        }
        (_, "proxy_error", _) => ("ERROR", Tone::Bad),
        ("allowed", _, _) => ("ALLOW", Tone::Good),
        (_, _, _) => ("DENY", Tone::Bad),
    }
}

fn head(entry: &Value, style: &Style, word: &str, tone: Tone) -> String {
    let mut line = start(entry, style, word, tone);
    let who = if entry.get("email").is_some_and(Value::is_string) { "email" } else { "user_id" };
    let _ = write!(
        line,
        " {:<10} {:<20} {:<15} {:<2}",
        text(entry, "circuit"),
        text(entry, who),
        text(entry, "source_ip"),
        text(entry, "country"),
    );
    line
}

fn start(entry: &Value, style: &Style, word: &str, tone: Tone) -> String {
    let time = time(entry.get("time").and_then(Value::as_str).unwrap_or("-"), &style.today);
    if !style.colored {
        return format!("{time} {word:<5}");
    }
    let color = match tone {
        Tone::Good => 32,
        Tone::Waiting => 33,
        Tone::Bad => 31,
    };
    format!("{time} \x1b[{color}m{word:<5}\x1b[0m")
}

fn end(mut line: String, entry: &Value, last: &str) -> String {
    if let Some(value) = entry.get(last).and_then(Value::as_str) {
        let _ = write!(line, "  {}", plain(value));
    }
    line.truncate(line.trim_end().len());
    line
}

/// `2026-11-23T12:04:31.207551Z` to the millisecond; the date only where it is not today's.
fn time(full: &str, today: &str) -> String {
    let Some((date, clock)) = full.split_once('T') else { return plain(full) };
    let clock = clock.get(.."12:04:31.207".len()).unwrap_or(clock);
    if date == today { plain(clock) } else { plain(&format!("{date} {clock}")) }
}

fn path(entry: &Value) -> String {
    let path = text(entry, "path").into_owned();
    match entry.get("query").and_then(Value::as_str) {
        Some(query) => format!("{path}?{}", plain(query)),
        None => path,
    }
}

fn text<'a>(entry: &'a Value, field: &str) -> Cow<'a, str> {
    match entry.get(field) {
        None | Some(Value::Null) => dash(),
        Some(Value::String(text)) if text.is_empty() => dash(),
        Some(Value::String(text)) => plain(text).into(),
        Some(other) => plain(&other.to_string()).into(),
    }
}

fn dash() -> Cow<'static, str> {
    Cow::Borrowed("-")
}

/// Four figures at most.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [(u64, char); 4] = [(1 << 40, 'T'), (1 << 30, 'G'), (1 << 20, 'M'), (1 << 10, 'k')];
    let Some((unit, letter)) = UNITS.into_iter().find(|(unit, _)| bytes >= *unit) else { return bytes.to_string() };
    let tenths = bytes / (unit / 10);
    if tenths < 100 { format!("{}.{}{letter}", tenths / 10, tenths % 10) } else { format!("{}{letter}", bytes / unit) }
}

/// What a terminal would obey instead of show is escaped: controls, and marks that turn the direction of writing.
pub(super) fn plain(text: &str) -> String {
    let obeyed = |c: char| {
        c.is_control()
            || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().fold(String::with_capacity(text.len()), |mut plain, c| {
        if obeyed(c) {
            plain.extend(c.escape_default());
        } else {
            plain.push(c);
        }
        plain
    })
}

#[cfg(test)]
#[path = "line_tests.rs"]
mod tests;

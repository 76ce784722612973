//! Paths in the one spelling that rules compare and that goes to upstreams.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use crate::word::{Word, Wrong, words};

/// The segment below which everything is the program's own.
const OWN: &str = "/.vestibule";

/// Brings a path into its one spelling (RFC 3986, 6.2.2): escapes of letters, digits, `-`, `.`, `_` and `~` are
/// resolved, hex digits of the others are capitals, and what is not ASCII is escaped. `path` has no query.
///
/// Absent where two servers could read two paths in it: an empty segment, one that is `.` or `..`, a backslash, a
/// semicolon, a control character or a slash that is escaped, an escape that is none or of another escape, bytes that
/// are no UTF-8.
pub fn canonical(path: &str) -> Option<Cow<'_, str>> {
    let spelled = if path.bytes().all(is_plain) { Cow::Borrowed(path) } else { Cow::Owned(respelled(path)?) };
    has_plain_segments(&spelled).then_some(spelled)
}

/// Means itself and nothing else.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'%' | b';' | b'\\' | b'?' | b'#')
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

fn respelled(path: &str) -> Option<String> {
    let mut spelled = String::with_capacity(path.len());
    let mut meant = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let (byte, escaped, after) = match first {
            b'%' => {
                let (digits, after) = after.split_at_checked(2)?;
                (unescaped(digits)?, true, after)
            }
            byte => (*byte, false, after),
        };
        match (byte, escaped) {
            (b'\\' | b';' | 0..=0x1f | 0x7f, _) | (b'/', true) | (b' ' | b'?' | b'#', false) => return None,
            (byte, _) if is_unreserved(byte) => spelled.push(char::from(byte)),
            (byte, false) if byte.is_ascii() => spelled.push(char::from(byte)),
            (byte, _) => spelled.push_str(&format!("%{byte:02X}")),
        }
        meant.push(byte);
        rest = after;
    }
    let is_text = std::str::from_utf8(&meant).is_ok();
    (is_text && !has_escapes(&meant)).then_some(spelled)
}

fn unescaped(digits: &[u8]) -> Option<u8> {
    let all_hex = digits.iter().all(u8::is_ascii_hexdigit);
    let digits = std::str::from_utf8(digits).ok().filter(|_| all_hex)?;
    u8::from_str_radix(digits, 16).ok()
}

/// What is escaped twice means one thing to who resolves once and another to who resolves again.
fn has_escapes(meant: &[u8]) -> bool {
    meant.windows(3).any(|part| matches!(part, [b'%', one, two] if one.is_ascii_hexdigit() && two.is_ascii_hexdigit()))
}

/// Begins with a slash; only the last segment may be empty, and none is `.` or `..`.
fn has_plain_segments(path: &str) -> bool {
    let Some(rest) = path.strip_prefix('/') else { return false };
    let (above, last) = rest.rsplit_once('/').map_or((None, rest), |(above, last)| (Some(above), last));
    let is_dots = |segment: &str| matches!(segment, "." | "..");
    let plain = |above: &str| above.split('/').all(|segment| !segment.is_empty() && !is_dots(segment));
    above.is_none_or(plain) && !is_dots(last)
}

/// The beginning of paths, on whole segments: `/api` stands for `/api` and for everything below `/api/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathPrefix {
    /// Canonical; empty for `/`, which begins every path.
    text: Arc<str>,
}

impl PathPrefix {
    /// As the file writes it.
    pub fn as_str(&self) -> &str {
        if self.text.is_empty() { "/" } else { &self.text }
    }

    /// What follows it in a canonical path: nothing, or something that begins with a slash. Absent where the path does
    /// not begin with it.
    pub fn rest_of<'a>(&self, path: &'a str) -> Option<&'a str> {
        path.strip_prefix(&*self.text).filter(|rest| ends_segment(rest))
    }

    /// Whether a server that does not tell capitals from small letters takes it for the beginning of the path.
    pub fn begins_in_any_case(&self, path: &str) -> bool {
        let parted = path.split_at_checked(self.text.len());
        parted.is_some_and(|(first, rest)| first.eq_ignore_ascii_case(&self.text) && ends_segment(rest))
    }

    /// In place of another prefix.
    pub(crate) fn with(&self, rest: &str) -> String {
        let path = format!("{}{rest}", self.text);
        if path.is_empty() { "/".to_owned() } else { path }
    }

    /// The longer one of two that begin the same path is the more exact one.
    pub(crate) fn length(&self) -> usize {
        self.text.len()
    }
}

fn ends_segment(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with('/')
}

impl fmt::Display for PathPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Word for PathPrefix {
    const EXAMPLE: &str = "\"/api\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        let wrong = |why: &str| Wrong::new(format!("{text:?} is not the beginning of a path: {why}"));
        if !text.starts_with('/') {
            let slash = format!("/{}", text.trim_end_matches('/'));
            return Err(wrong("it does not begin with a slash").help(format!("write {slash:?}")));
        }
        if text.len() > 1 && text.ends_with('/') {
            let without = text.trim_end_matches('/');
            return Err(wrong("it ends in a slash").help(format!(
                "write {:?}, which stands for itself and everything below it",
                if without.is_empty() { "/" } else { without }
            )));
        }
        let canonical = canonical(text).ok_or_else(|| {
            wrong("servers could read it in two ways")
                .help("write no empty segment, no \".\" or \"..\", no semicolon, backslash or query, no escaped slash")
        })?;
        // The escape of such a sign is not the sign itself, so that one of them would not be found.
        let named = |byte: u8| is_unreserved(byte) || byte == b'/';
        let escapes =
            canonical.split('%').skip(1).all(|escape| escape.bytes().next().is_some_and(|digit| digit >= b'8'));
        if !canonical.bytes().all(|byte| named(byte) || byte == b'%') || !escapes {
            return Err(wrong("it has a sign that can be written in two ways")
                .help("write letters, digits, hyphens, dots, underscores and tildes"));
        }
        if canonical.to_ascii_lowercase() == OWN || canonical.to_ascii_lowercase().starts_with(&format!("{OWN}/")) {
            return Err(wrong("everything below it is served by this program itself").help("write another one"));
        }
        Ok(Self { text: if text == "/" { "".into() } else { (&*canonical).into() } })
    }
}

words!(PathPrefix);

#[cfg(test)]
mod tests;

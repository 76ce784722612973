//! The syntax of a request's head, checked whole before anything else looks at it.
//!
//! What two readers could understand differently is refused: the request would mean one thing to a rule and another
//! to an upstream.

pub(super) mod h2;

use std::str;

use memchr::memchr;

use crate::host;
use crate::syntax::{self, TARGET, TOKEN, VALUE};

/// Longest method.
const METHOD_MAX_BYTES: usize = 32;
/// Longest target.
const TARGET_MAX_BYTES: usize = 8 * 1024;
/// Longest field, name and value.
const FIELD_MAX_BYTES: usize = 16 * 1024;
/// Most fields.
const FIELDS_MAX: usize = 100;

/// Methods that would turn a connection or a request's own head against somebody.
const METHODS_REFUSED: [&[u8]; 3] = [b"CONNECT", b"TRACE", b"TRACK"];

/// Why a head is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Not HTTP/1, or HTTP that can be read in two ways.
    Malformed,
    /// One of [`METHODS_REFUSED`].
    Method,
    /// Over [`TARGET_MAX_BYTES`].
    Target,
    /// Over [`FIELDS_MAX`] or [`FIELD_MAX_BYTES`].
    Fields,
}

/// What follows the head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    /// This many bytes.
    Length(u64),
    /// Until the last chunk.
    Chunked,
    /// None, and another protocol where that is asked for and granted.
    Upgrade,
}

/// `head` ends with the empty line.
pub(super) fn check(head: &[u8]) -> Result<Body, Fault> {
    let mut rest = head;
    let line = RequestLine::check(next_line(&mut rest)?)?;
    let mut fields = Fields::default();
    for count in 1.. {
        let field = next_line(&mut rest)?;
        if field.is_empty() {
            break;
        }
        if count > FIELDS_MAX || field.len() > FIELD_MAX_BYTES {
            return Err(Fault::Fields);
        }
        fields.take(field)?;
    }
    if rest.is_empty() { fields.check(&line) } else { Err(Fault::Malformed) }
}

/// Method and target of a head that need not be good or whole, for its entry.
pub(super) fn glance(head: &[u8]) -> Option<(&str, &str)> {
    let line = str::from_utf8(next_line(&mut &*head).ok()?).ok()?;
    let mut parts = line.split(' ');
    let (method, target) = (parts.next()?, parts.next()?);
    let is_plain = |text: &str| !text.is_empty() && text.chars().all(|char| !char.is_control());
    (parts.next()?.starts_with("HTTP/") && is_plain(method) && is_plain(target)).then_some((method, target))
}

/// Up to the next CRLF; a bare LF ends nothing.
fn next_line<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], Fault> {
    let end = memchr(b'\n', rest).ok_or(Fault::Malformed)?;
    let (line, after) = rest.split_at_checked(end + 1).ok_or(Fault::Malformed)?;
    *rest = after;
    line.strip_suffix(b"\r\n").ok_or(Fault::Malformed)
}

/// What stands before and after the first `byte`.
fn split_at(bytes: &[u8], byte: u8) -> Option<(&[u8], &[u8])> {
    let (before, rest) = bytes.split_at_checked(memchr(byte, bytes)?)?;
    Some((before, rest.get(1..)?))
}

struct RequestLine<'a> {
    /// Of a target in absolute form.
    authority: Option<&'a [u8]>,
    is_http_10: bool,
}

impl<'a> RequestLine<'a> {
    fn check(line: &'a [u8]) -> Result<Self, Fault> {
        let (method, rest) = split_at(line, b' ').ok_or(Fault::Malformed)?;
        let (target, version) = split_at(rest, b' ').ok_or(Fault::Malformed)?;
        let is_http_10 = match version {
            b"HTTP/1.1" => false,
            b"HTTP/1.0" => true,
            _ => return Err(Fault::Malformed),
        };
        if !(1..=METHOD_MAX_BYTES).contains(&method.len()) || !syntax::all(method, TOKEN) {
            return Err(Fault::Malformed);
        }
        if METHODS_REFUSED.iter().any(|refused| method.eq_ignore_ascii_case(refused)) {
            return Err(Fault::Method);
        }
        Ok(Self { authority: authority(target)?, is_http_10 })
    }
}

/// The authority of a target in absolute form; none in origin form; no other form is taken.
fn authority(target: &[u8]) -> Result<Option<&[u8]>, Fault> {
    if target.len() > TARGET_MAX_BYTES {
        return Err(Fault::Target);
    }
    if !syntax::all(target, TARGET) || str::from_utf8(target).is_err() {
        return Err(Fault::Malformed);
    }
    if target.starts_with(b"/") {
        return Ok(None);
    }
    let rest = target.strip_prefix(b"http://").or_else(|| target.strip_prefix(b"https://")).ok_or(Fault::Malformed)?;
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
    rest.get(..end).map(Some).ok_or(Fault::Malformed)
}

/// Fields that decide where a request goes and where it ends.
#[derive(Default)]
struct Fields<'a> {
    host: Option<&'a [u8]>,
    content_length: Option<u64>,
    is_chunked: bool,
    is_upgrade: bool,
}

impl<'a> Fields<'a> {
    fn take(&mut self, field: &'a [u8]) -> Result<(), Fault> {
        let (name, value) = split_at(field, b':').ok_or(Fault::Malformed)?;
        let value = value.trim_ascii();
        if name.is_empty() || !syntax::all(name, TOKEN) || !syntax::all(value, VALUE) {
            return Err(Fault::Malformed);
        }
        let is_first = match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => self.host.replace(value).is_none(),
            7 if name.eq_ignore_ascii_case(b"upgrade") => {
                self.is_upgrade = true;
                true
            }
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                self.content_length.replace(length(value).ok_or(Fault::Malformed)?).is_none()
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                let was_chunked = std::mem::replace(&mut self.is_chunked, true);
                !was_chunked && value.eq_ignore_ascii_case(b"chunked")
            }
            _ => true,
        };
        if is_first { Ok(()) } else { Err(Fault::Malformed) }
    }

    fn check(&self, line: &RequestLine<'_>) -> Result<Body, Fault> {
        let host = self.host.ok_or(Fault::Malformed)?;
        let is_host = str::from_utf8(host).is_ok_and(|host| host::parse(host).is_ok());
        let agrees = line.authority.is_none_or(|authority| authority == host);
        let length = self.content_length.unwrap_or(0);
        let two_bodies = self.is_chunked && (self.content_length.is_some() || line.is_http_10);
        let upgrade_with_body = self.is_upgrade && (self.is_chunked || length > 0);
        if !is_host || !agrees || two_bodies || upgrade_with_body {
            return Err(Fault::Malformed);
        }
        Ok(match (self.is_upgrade, self.is_chunked) {
            (true, _) => Body::Upgrade,
            (false, true) => Body::Chunked,
            (false, false) => Body::Length(length),
        })
    }
}

/// Digits only: no sign, no list, no space.
fn length(value: &[u8]) -> Option<u64> {
    let digits = value.iter().all(u8::is_ascii_digit);
    str::from_utf8(value).ok().filter(|_| digits && !value.is_empty())?.parse().ok()
}

#[cfg(test)]
mod tests;

//! HTTP/1.1 messages as both sides of the tests read them: a head kept byte for byte, and a body by its framing.

use std::io::{self, BufRead, Read};

/// Longest head read here; the gateway's own bound is lower.
const HEAD_BYTES_MAX: usize = 1 << 20;

/// Reads up to and with the empty line. Nothing at all is `None`.
///
/// # Errors
/// When the stream ends within a head.
pub fn read_head(stream: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut head = Vec::new();
    loop {
        let before = head.len();
        stream.read_until(b'\n', &mut head)?;
        let line = head.get(before..).unwrap_or_default();
        if line.is_empty() {
            return if head.is_empty() { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
        }
        if line == b"\r\n" || line == b"\n" {
            return Ok(Some(head));
        }
        if head.len() > HEAD_BYTES_MAX {
            return Err(io::Error::other("head too long"));
        }
    }
}

/// First line and header fields. Names keep their case, values lose the spaces around them.
pub fn parse_head(head: &[u8]) -> (String, Vec<(String, String)>) {
    let text = String::from_utf8_lossy(head);
    let mut lines = text.split("\r\n").flat_map(|line| line.split('\n')).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default().to_owned();
    let fields = lines.map(|line| {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        (name.to_owned(), value.trim().to_owned())
    });
    (first, fields.collect())
}

/// The first value of a header, whatever the case of its name.
pub fn header<'a>(fields: &'a [(String, String)], name: &str) -> Option<&'a str> {
    fields.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// The body that the header fields announce; `to_end` is what holds without any framing.
///
/// # Errors
/// When the stream ends early.
pub fn read_body(stream: &mut impl BufRead, fields: &[(String, String)], to_end: bool) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    if header(fields, "transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
        while read_chunk(stream, &mut body)? {}
    } else if let Some(length) = header(fields, "content-length") {
        let length: u64 = length.parse().map_err(io::Error::other)?;
        stream.take(length).read_to_end(&mut body)?;
        if (body.len() as u64) < length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    } else if to_end {
        stream.read_to_end(&mut body)?;
    }
    Ok(body)
}

/// One chunk; false after the last one and its trailers.
///
/// # Errors
/// When the stream ends early or the size is no number.
pub fn read_chunk(stream: &mut impl BufRead, body: &mut Vec<u8>) -> io::Result<bool> {
    let mut line = String::new();
    stream.read_line(&mut line)?;
    let digits = line.split(';').next().unwrap_or_default().trim();
    let size = u64::from_str_radix(digits, 16).map_err(io::Error::other)?;
    if size == 0 {
        while stream.read_line({
            line.clear();
            &mut line
        })? > 2
        {}
        return Ok(false);
    }
    let taken = stream.take(size).read_to_end(body)?;
    if (taken as u64) < size {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let mut end = [0; 2];
    stream.read_exact(&mut end)?;
    Ok(true)
}

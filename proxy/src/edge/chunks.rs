//! Where a chunked body ends, and whether it can be read in one way only (RFC 9112, 7.1).
//!
//! Who reads the body afterwards is more lenient: to it an empty line is the size of a last chunk, and a lone LF part of
//! an extension.

use thiserror::Error;

use crate::syntax::{self, TOKEN, VALUE};

/// Of an extension, in bytes.
const EXTENSION_MAX: u64 = 1024;
/// Of all extensions of a body beyond what it has of data, in bytes: so that chunks of a byte carry no burdens.
const EXTENSIONS_MAX: u64 = 16 * 1024;
/// Of what follows the last chunk, in bytes.
const TRAILERS_MAX: u64 = 8 * 1024;
/// Of a size, leading zeros counted.
const DIGITS_MAX: u8 = 16;

/// Chunks that two readers could understand differently, or that carry too much beside data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the chunks of the body are malformed")]
pub(crate) struct Malformed;

/// A body on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chunks {
    next: Next,
    /// Of the chunk whose line it is.
    size: u64,
    data: u64,
    extensions: u64,
    /// Of this line's extension, or of all trailers.
    beside: u64,
}

/// What has to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// After so many digits.
    Size(u8),
    Extension,
    SizeLf,
    /// So many bytes.
    Data(u64),
    DataCr,
    DataLf,
    /// A field, or the empty line.
    Trailer,
    TrailerName,
    TrailerValue,
    TrailerLf,
    LastLf,
    Nothing,
}

impl Chunks {
    pub(super) fn new() -> Self {
        Self { next: Next::Size(0), size: 0, data: 0, extensions: 0, beside: 0 }
    }

    /// The body is whole.
    pub(super) fn are_over(&self) -> bool {
        self.next == Next::Nothing
    }

    /// How many of these bytes are the body's: all, unless it ends among them.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<usize, Malformed> {
        let mut rest = bytes;
        while let Some((byte, after)) = rest.split_first()
            && !self.are_over()
        {
            if let Next::Data(left) = self.next {
                rest = self.take_data(left, rest);
            } else {
                self.next = self.after(*byte)?;
                rest = after;
            }
        }
        Ok(bytes.len() - rest.len())
    }

    fn take_data<'b>(&mut self, left: u64, bytes: &'b [u8]) -> &'b [u8] {
        let taken = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
        let left = left - taken as u64;
        self.data = self.data.saturating_add(taken as u64);
        self.next = if left == 0 { Next::DataCr } else { Next::Data(left) };
        bytes.get(taken..).unwrap_or_default()
    }

    fn after(&mut self, byte: u8) -> Result<Next, Malformed> {
        match (self.next, byte) {
            (Next::Size(digits), _) if byte.is_ascii_hexdigit() && digits < DIGITS_MAX => {
                self.size = self.size << 4 | u64::from(char::from(byte).to_digit(16).ok_or(Malformed)?);
                Ok(Next::Size(digits + 1))
            }
            (Next::Size(1..), b';') => Ok(Next::Extension),
            (Next::Size(1..) | Next::Extension, b'\r') => Ok(Next::SizeLf),
            (Next::Extension, _) if is_of(byte, VALUE) => self.extension(),
            (Next::SizeLf, b'\n') => Ok(self.chunk()),
            (Next::DataCr, b'\r') => Ok(Next::DataLf),
            (Next::DataLf, b'\n') => Ok(Next::Size(0)),
            (Next::Trailer, b'\r') => Ok(Next::LastLf),
            (Next::Trailer | Next::TrailerName, _) if is_of(byte, TOKEN) => self.trailer(Next::TrailerName),
            (Next::TrailerName, b':') => Ok(Next::TrailerValue),
            (Next::TrailerValue, b'\r') => Ok(Next::TrailerLf),
            (Next::TrailerValue, _) if is_of(byte, VALUE) => self.trailer(Next::TrailerValue),
            (Next::TrailerLf, b'\n') => Ok(Next::Trailer),
            (Next::LastLf, b'\n') => Ok(Next::Nothing),
            _ => Err(Malformed),
        }
    }

    /// After the line of its size.
    fn chunk(&mut self) -> Next {
        self.beside = 0;
        match std::mem::take(&mut self.size) {
            0 => Next::Trailer,
            size => Next::Data(size),
        }
    }

    fn extension(&mut self) -> Result<Next, Malformed> {
        self.beside += 1;
        self.extensions += 1;
        let is_small = self.beside <= EXTENSION_MAX && self.extensions <= EXTENSIONS_MAX.saturating_add(self.data);
        is_small.then_some(Next::Extension).ok_or(Malformed)
    }

    fn trailer(&mut self, next: Next) -> Result<Next, Malformed> {
        self.beside += 1;
        (self.beside <= TRAILERS_MAX).then_some(next).ok_or(Malformed)
    }
}

fn is_of(byte: u8, class: u8) -> bool {
    syntax::all(&[byte], class)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is the body's of these bytes, given whole and byte by byte.
    fn taken(bytes: &str) -> Result<usize, Malformed> {
        let (mut whole, mut parts, mut count) = (Chunks::new(), Chunks::new(), Ok(0));
        let at_once = whole.take(bytes.as_bytes());
        for byte in bytes.as_bytes().chunks(1) {
            count = count.and_then(|count| Ok(count + parts.take(byte)?));
        }
        assert_eq!(at_once, count, "{bytes:?}");
        assert!(at_once.is_err() || whole == parts);
        at_once
    }

    #[test]
    fn a_body_ends_after_its_last_chunk_and_what_follows_is_not_its() {
        for body in [
            "0\r\n\r\n",
            "5\r\nhello\r\n0\r\n\r\n",
            "00005\r\nhello\r\n000\r\n\r\n",
            "a\r\n0\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n",
            "5;a=b; c=\"d;e\"\r\nhello\r\n0;x\r\n\r\n",
            "5\r\nhello\r\n0\r\nX-A: b\r\nX-B:\r\n\r\n",
        ] {
            let next = format!("{body}GET / HTTP/1.1\r\n");
            assert_eq!(taken(&next), Ok(body.len()), "{body:?}");
        }
        assert_eq!(taken("5\r\nhel"), Ok(6));
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_malformed() {
        for bad in [
            "\r\nhello",
            ";x\r\nhello",
            "5\nhello",
            "5\rhello",
            "5 \r\nhello",
            " 5\r\nhello",
            "+5\r\nhello",
            "0x5\r\nhello",
            "5_0\r\nhello",
            "00000000000000005\r\nhello",
            "5;a\nb\r\nhello",
            "5;a\0b\r\nhello",
            "5;a\rb\r\nhello",
            "5\r\nhello0\r\n\r\n",
            "5\r\nhello\n0\r\n\r\n",
            "5\r\nhello\r0\r\n\r\n",
            "0\r\n\n",
            "0\r\n X: folded\r\n\r\n",
            "0\r\nX : y\r\n\r\n",
            "0\r\nX: y\n\r\n",
            "0\r\nX: a\0b\r\n\r\n",
            "0\r\n: y\r\n\r\n",
            "0\r\nno-colon\r\n\r\n",
        ] {
            assert_eq!(taken(bad), Err(Malformed), "{bad:?}");
        }
    }

    #[test]
    fn what_is_carried_beside_data_has_bounds() {
        let extended = |bytes: u64| format!("1;{}\r\nx\r\n", "e".repeat(usize::try_from(bytes).unwrap()));
        assert!(taken(&extended(EXTENSION_MAX)).is_ok());
        assert_eq!(taken(&extended(EXTENSION_MAX + 1)), Err(Malformed));
        let most = usize::try_from(EXTENSIONS_MAX / EXTENSION_MAX).unwrap();
        assert!(taken(&extended(EXTENSION_MAX).repeat(most)).is_ok());
        assert_eq!(taken(&extended(EXTENSION_MAX).repeat(most + 1)), Err(Malformed));
        // A signature on each chunk is no burden.
        let signed = format!("400;signature={}\r\n{}\r\n", "f".repeat(64), "x".repeat(0x400));
        assert!(taken(&signed.repeat(1000)).is_ok());
        let trailer = |bytes: u64| format!("0\r\nX:{}\r\n\r\n", "t".repeat(usize::try_from(bytes).unwrap() - 1));
        assert!(taken(&trailer(TRAILERS_MAX)).is_ok());
        assert_eq!(taken(&trailer(TRAILERS_MAX + 1)), Err(Malformed));
    }

    #[test]
    fn fuzz_a_chunked_body_ends_in_one_place() {
        let seeds: [&[u8]; 2] = [b"5;a=b\r\nhello\r\n0\r\nX-A: b\r\n\r\n", b"a\r\n0123456789\r\n0\r\n\r\n"];
        crate::fuzz::fuzz(&seeds, &[b"\r\n", b"\n", b"0", b";", b"\0", b"X: y\r\n"], |bytes| {
            let (mut whole, mut parts) = (Chunks::new(), Chunks::new());
            let at_once = whole.take(bytes);
            let in_parts = bytes.chunks(3).try_fold(0, |count, part| Ok(count + parts.take(part)?));
            assert_eq!(at_once, in_parts);
            let Ok(taken) = at_once else { return false };
            assert!(whole.are_over() || taken == bytes.len());
            // It is the one body that a plain reader finds, too.
            whole.are_over().then(|| assert!(bytes[..taken].ends_with(b"\r\n\r\n")));
            true
        });
    }
}

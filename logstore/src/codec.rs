//! Protobuf's wire format, by hand: variable-length numbers and length-delimited bytes.

use std::borrow::Cow;

/// Longest text that is kept whole, in bytes.
pub const TEXT_MAX: usize = 2048;

/// Longest JSON value that is kept, in bytes.
pub const JSON_MAX: usize = 8192;

const NUMBER: u64 = 0;
const BYTES: u64 = 2;

/// A field as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Raw<'a> {
    /// A number.
    Number(u64),
    /// Text, an address, JSON.
    Bytes(&'a [u8]),
}

#[inline(always)]
pub(crate) fn put_number(field: u32, number: u64, out: &mut Vec<u8>) {
    put_varint(u64::from(field) << 3 | NUMBER, out);
    put_varint(number, out);
}

#[inline(always)]
pub(crate) fn put_bytes(field: u32, bytes: &[u8], out: &mut Vec<u8>) {
    put_varint(u64::from(field) << 3 | BYTES, out);
    put_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

#[inline(always)]
pub(crate) fn put_varint(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// The text, or its first 2 KiB, cut between characters, and a mark that says how many bytes are missing.
#[inline(always)]
pub(crate) fn fit_text(text: &str) -> Cow<'_, str> {
    if text.len() <= TEXT_MAX {
        return Cow::Borrowed(text);
    }
    let (kept, rest) = text.split_at((0..=TEXT_MAX).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0));
    Cow::Owned(format!("{kept}…[+{} bytes]", rest.len()))
}

/// The value, or an object with its size where it is too long: half a value would be none.
pub(crate) fn fit_json(json: &str) -> Cow<'_, str> {
    if json.len() <= JSON_MAX {
        return Cow::Borrowed(json);
    }
    Cow::Owned(format!(r#"{{"cut_bytes":{}}}"#, json.len()))
}

/// The fields of canonical bytes, in order, unknown numbers too. Ends with an error where the bytes are not canonical.
#[derive(Debug, Clone)]
pub struct Fields<'a> {
    rest: &'a [u8],
    last: u64,
}

/// The bytes are not canonical.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotCanonical;

impl<'a> Fields<'a> {
    /// Of one entry.
    pub const fn of(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, last: 0 }
    }

    /// Bytes that were not read yet.
    pub(crate) const fn rest(&self) -> usize {
        self.rest.len()
    }

    #[inline(always)]
    fn read(&mut self) -> Option<(u32, Raw<'a>)> {
        let tag = self.varint()?;
        let (field, wire) = (tag >> 3, tag & 7);
        if field <= self.last {
            return None;
        }
        self.last = field;
        let value = self.varint()?;
        let raw = match wire {
            NUMBER => Raw::Number(value),
            BYTES => {
                let (bytes, rest) = self.rest.split_at_checked(usize::try_from(value).ok()?)?;
                self.rest = rest;
                Raw::Bytes(bytes)
            }
            _ => return None,
        };
        Some((u32::try_from(field).ok()?, raw))
    }

    /// Nearly all are one or two bytes long: tags, lengths of short texts, status codes.
    #[inline(always)]
    fn varint(&mut self) -> Option<u64> {
        match *self.rest {
            [byte, ref rest @ ..] if byte < 0x80 => {
                self.rest = rest;
                Some(byte.into())
            }
            [low, high, ref rest @ ..] if high < 0x80 && high != 0 => {
                self.rest = rest;
                Some(u64::from(low & 0x7f) | u64::from(high) << 7)
            }
            _ => self.long_varint(),
        }
    }

    #[inline(never)]
    fn long_varint(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            let bits = u64::from(byte & 0x7f);
            // Minimal: the last byte is not 0 unless it is the only one, and no bit is shifted out.
            if (byte == 0 && shift > 0) || (shift == 63 && bits > 1) {
                return None;
            }
            number |= bits << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u32, Raw<'a>), NotCanonical>;

    // Called for each field of each entry: handing its outcome back through memory would cost as much as reading it.
    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let read = self.read().ok_or(NotCanonical);
        if read.is_err() {
            self.rest = &[];
        }
        Some(read)
    }
}

/// The time of an entry: its first field. An entry without one is of 1970.
pub(crate) fn time_of(bytes: &[u8]) -> i64 {
    match Fields::of(bytes).next() {
        Some(Ok((1, Raw::Number(time)))) => time.cast_signed(),
        Some(Ok((_, Raw::Number(_) | Raw::Bytes(_))) | Err(NotCanonical)) | None => 0,
    }
}

#[cfg(test)]
mod tests;

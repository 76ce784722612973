//! What is known about a field, and how a struct's member of each type is stored.

use std::net::IpAddr;

use crate::codec::{self, put_bytes, put_number};

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The entry's name; not stored, it follows from the place.
    Id,
    /// Position in the log; not stored, it is the key.
    Position,
    /// Microseconds since 1970, UTC.
    Time,
    /// UTF-8, cut at 2 KiB.
    Text,
    /// One of a closed list.
    Word(&'static [&'static str]),
    /// An unsigned number.
    Number,
    /// A number that is 1 when nothing is stored.
    Count,
    /// IPv4 or IPv6; an IPv4 address in IPv6 form is stored as IPv4.
    Address,
    /// A JSON value, stored as its text; above 8 KiB only its size is kept.
    Json,
}

/// One field of a log.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Protobuf field number, never reused; 0 for what follows from the place of the entry.
    pub number: u32,
    /// In filters, JSON, columns.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// What a number is when nothing is stored. None: nothing stored means absent.
    pub implicit: Option<u64>,
    /// For people.
    pub doc: &'static str,
}

impl Field {
    /// Whether free text is looked for in it.
    pub(crate) const fn is_searched(&self) -> bool {
        match self.kind {
            Kind::Id | Kind::Text | Kind::Word(_) | Kind::Json | Kind::Address => true,
            Kind::Position | Kind::Time | Kind::Number | Kind::Count => false,
        }
    }

    /// Where nothing is stored, the number that is meant.
    pub(crate) const fn implicit_of(kind: Kind, by_type: Option<u64>) -> Option<u64> {
        if matches!(kind, Kind::Count) { Some(1) } else { by_type }
    }
}

/// A struct member's type, as stored.
pub(crate) trait Stored {
    /// What is meant when nothing is stored: a plain number's 0, as in proto3. An optional number has none, so that
    /// its 0 is stored and stays apart from absence.
    const IMPLICIT: Option<u64>;

    /// Appends the field unless it is absent or has its implicit value.
    fn put(&self, field: u32, kind: Kind, out: &mut Vec<u8>);

    /// The text, where it is one.
    fn word(&self) -> Option<&str> {
        None
    }
}

impl Stored for u64 {
    const IMPLICIT: Option<u64> = Some(0);

    #[inline(always)]
    fn put(&self, field: u32, kind: Kind, out: &mut Vec<u8>) {
        put_unless(Field::implicit_of(kind, Self::IMPLICIT), field, *self, out);
    }
}

impl Stored for Option<u64> {
    const IMPLICIT: Option<u64> = None;

    #[inline(always)]
    fn put(&self, field: u32, kind: Kind, out: &mut Vec<u8>) {
        if let Some(number) = self {
            put_unless(Field::implicit_of(kind, Self::IMPLICIT), field, *number, out);
        }
    }
}

impl Stored for i64 {
    const IMPLICIT: Option<u64> = Some(0);

    #[inline(always)]
    fn put(&self, field: u32, kind: Kind, out: &mut Vec<u8>) {
        put_unless(Field::implicit_of(kind, Self::IMPLICIT), field, self.cast_unsigned(), out);
    }
}

impl Stored for &str {
    const IMPLICIT: Option<u64> = None;

    /// An empty text is the same as none.
    #[inline(always)]
    fn put(&self, field: u32, kind: Kind, out: &mut Vec<u8>) {
        if self.is_empty() {
            return;
        }
        let fit = if matches!(kind, Kind::Json) { codec::fit_json(self) } else { codec::fit_text(self) };
        put_bytes(field, fit.as_bytes(), out);
    }

    fn word(&self) -> Option<&str> {
        Some(self)
    }
}

impl Stored for Option<&str> {
    const IMPLICIT: Option<u64> = None;

    #[inline(always)]
    fn put(&self, field: u32, kind: Kind, out: &mut Vec<u8>) {
        if let Some(text) = self {
            text.put(field, kind, out);
        }
    }

    fn word(&self) -> Option<&str> {
        *self
    }
}

impl Stored for Option<IpAddr> {
    const IMPLICIT: Option<u64> = None;

    #[inline(always)]
    fn put(&self, field: u32, _kind: Kind, out: &mut Vec<u8>) {
        match self.map(|address| address.to_canonical()) {
            Some(IpAddr::V4(address)) => put_bytes(field, &address.octets(), out),
            Some(IpAddr::V6(address)) => put_bytes(field, &address.octets(), out),
            None => (),
        }
    }
}

#[inline(always)]
fn put_unless(implicit: Option<u64>, field: u32, number: u64, out: &mut Vec<u8>) {
    if implicit != Some(number) {
        put_number(field, number, out);
    }
}

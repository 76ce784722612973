//! One stored entry, read back.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use uuid::Uuid;

use crate::codec::{Fields, NotCanonical, Raw};
use crate::entry::{Field, Kind, Log};
use crate::json;

/// One stored entry, read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its log.
    pub log: Log,
    /// Its position.
    pub seq: u64,
    /// Its name.
    pub id: Uuid,
    bytes: Box<[u8]>,
}

/// What a field of a row holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// The entry's name.
    Id(Uuid),
    /// A number or the position.
    Number(u64),
    /// Microseconds since 1970, UTC.
    Time(i64),
    /// A text or a word of a closed list.
    Text(&'a str),
    /// An address.
    Address(IpAddr),
    /// The text of a JSON value, as stored.
    Json(&'a str),
}

impl Row {
    pub(crate) const fn new(log: Log, seq: u64, id: Uuid, bytes: Box<[u8]>) -> Self {
        Self { log, seq, id, bytes }
    }

    /// The canonical bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether its content was erased: it has its place, its time and its hash, and nothing else.
    pub fn is_erased(&self) -> bool {
        crate::erased::is_erased(&self.bytes)
    }

    /// What a field holds; none if absent or not a field of this log.
    pub fn value(&self, name: &str) -> Option<Value<'_>> {
        let field = self.log.field(name)?;
        self.value_of(field)
    }

    /// Every field, absent ones null, on one line.
    pub fn to_json(&self) -> String {
        let mut out = String::with_capacity(1024);
        self.write_json(self.log.fields().iter(), &mut out);
        out
    }

    /// These fields, absent ones null, on one line. In the order of the contract.
    pub(crate) fn write_json<'a>(&self, fields: impl Iterator<Item = &'a Field>, out: &mut String) {
        out.push('{');
        let mut walk = Walk::over(self);
        for (at, field) in fields.enumerate() {
            // Names are words, in which nothing needs an escape.
            out.push_str(if at > 0 { ",\"" } else { "\"" });
            out.push_str(field.name);
            out.push_str("\":");
            json::value(walk.value(field), out);
        }
        out.push('}');
    }

    fn value_of(&self, field: &Field) -> Option<Value<'_>> {
        match field.kind {
            Kind::Id => Some(Value::Id(self.id)),
            Kind::Position => Some(Value::Number(self.seq)),
            Kind::Time | Kind::Text | Kind::Word(_) | Kind::Number | Kind::Count | Kind::Address | Kind::Json => {
                Stored::of(&self.bytes).value(field)
            }
        }
    }
}

/// The stored fields of one entry. Numbers that this version does not know are passed over.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stored<'a>(&'a [u8]);

impl<'a> Stored<'a> {
    pub(crate) const fn of(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Whether all of it can be read. What comes after unreadable bytes counts as absent.
    pub(crate) fn check(self) -> Result<(), NotCanonical> {
        Fields::of(self.0).try_for_each(|field| field.map(|_| ()))
    }

    /// Numbers ascend, so that the search ends early.
    fn raw(self, number: u32) -> Option<Raw<'a>> {
        Fields::of(self.0)
            .map_while(Result::ok)
            .find(|(at, _)| *at >= number)
            .filter(|(at, _)| *at == number)
            .map(|(_, raw)| raw)
    }

    /// What a stored field holds, or its implicit value.
    pub(crate) fn value(self, field: &Field) -> Option<Value<'a>> {
        value_of(field, self.raw(field.number))
    }
}

/// What is meant by what is stored, or by nothing being stored.
pub(crate) fn value_of<'a>(field: &Field, raw: Option<Raw<'a>>) -> Option<Value<'a>> {
    match (field.kind, raw) {
        (Kind::Number | Kind::Count, None) => field.implicit.map(Value::Number),
        (Kind::Number | Kind::Count, Some(Raw::Number(number))) => Some(Value::Number(number)),
        (Kind::Time, None) => Some(Value::Time(0)),
        (Kind::Time, Some(Raw::Number(time))) => Some(Value::Time(time.cast_signed())),
        (Kind::Text | Kind::Word(_), Some(Raw::Bytes(text))) => str::from_utf8(text).ok().map(Value::Text),
        (Kind::Json, Some(Raw::Bytes(text))) => str::from_utf8(text).ok().map(Value::Json),
        (Kind::Address, Some(Raw::Bytes(octets))) => address(octets).map(Value::Address),
        (
            Kind::Id
            | Kind::Position
            | Kind::Time
            | Kind::Text
            | Kind::Word(_)
            | Kind::Number
            | Kind::Count
            | Kind::Address
            | Kind::Json,
            None | Some(Raw::Number(_) | Raw::Bytes(_)),
        ) => None,
    }
}

/// Values of a row in one walk over its bytes: fields are asked for in the order of the contract, in which their numbers
/// ascend.
#[derive(Debug)]
pub(crate) struct Walk<'a> {
    row: &'a Row,
    rest: Fields<'a>,
    /// The stored field that was come to and not asked for yet.
    next: Option<(u32, Raw<'a>)>,
}

impl<'a> Walk<'a> {
    pub(crate) fn over(row: &'a Row) -> Self {
        let mut rest = Fields::of(&row.bytes);
        let next = rest.next().and_then(Result::ok);
        Self { row, rest, next }
    }

    /// What the row's field holds.
    #[inline]
    pub(crate) fn value(&mut self, field: &Field) -> Option<Value<'a>> {
        match field.kind {
            Kind::Id => Some(Value::Id(self.row.id)),
            Kind::Position => Some(Value::Number(self.row.seq)),
            Kind::Time | Kind::Text | Kind::Word(_) | Kind::Number | Kind::Count | Kind::Address | Kind::Json => {
                value_of(field, self.raw(field.number))
            }
        }
    }

    #[inline]
    fn raw(&mut self, number: u32) -> Option<Raw<'a>> {
        while self.next.is_some_and(|(at, _)| at < number) {
            self.next = self.rest.next().and_then(Result::ok);
        }
        self.next.filter(|(at, _)| *at == number).map(|(_, raw)| raw)
    }
}

/// Of four or sixteen octets.
pub(crate) fn address(octets: &[u8]) -> Option<IpAddr> {
    if let Ok(octets) = <[u8; 4]>::try_from(octets) {
        return Some(Ipv4Addr::from(octets).into());
    }
    <[u8; 16]>::try_from(octets).ok().map(|octets| Ipv6Addr::from(octets).into())
}

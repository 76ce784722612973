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

    /// These fields, absent ones null, on one line.
    pub(crate) fn write_json<'a>(&self, fields: impl Iterator<Item = &'a Field>, out: &mut String) {
        out.push('{');
        for (at, field) in fields.enumerate() {
            if at > 0 {
                out.push(',');
            }
            json::string(field.name, out);
            out.push(':');
            json::value(self.value_of(field), out);
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

/// Of four or sixteen octets.
pub(crate) fn address(octets: &[u8]) -> Option<IpAddr> {
    if let Ok(octets) = <[u8; 4]>::try_from(octets) {
        return Some(Ipv4Addr::from(octets).into());
    }
    <[u8; 16]>::try_from(octets).ok().map(|octets| Ipv6Addr::from(octets).into())
}

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
        let stored = Slots::read(&self.bytes).ok()?;
        self.value_of(field, &stored)
    }

    /// Every field, absent ones null, on one line.
    pub fn to_json(&self) -> String {
        let mut out = String::with_capacity(1024);
        self.write_json(self.log.fields().iter(), &mut out);
        out
    }

    /// These fields, absent ones null, on one line.
    pub(crate) fn write_json<'a>(&self, fields: impl Iterator<Item = &'a Field>, out: &mut String) {
        // Damaged bytes cannot get here: a row is read once before it is handed out.
        let stored = Slots::read(&self.bytes).unwrap_or_default();
        out.push('{');
        for (at, field) in fields.enumerate() {
            if at > 0 {
                out.push(',');
            }
            json::string(field.name, out);
            out.push(':');
            json::value(self.value_of(field, &stored), out);
        }
        out.push('}');
    }

    fn value_of<'a>(&self, field: &Field, stored: &Slots<'a>) -> Option<Value<'a>> {
        match field.kind {
            Kind::Id => Some(Value::Id(self.id)),
            Kind::Position => Some(Value::Number(self.seq)),
            Kind::Time | Kind::Text | Kind::Word(_) | Kind::Number | Kind::Count | Kind::Address | Kind::Json => {
                stored.value(field)
            }
        }
    }
}

const SLOTS: usize = 64;

/// The stored fields of one entry, by number. Numbers that this version does not know are passed over.
#[derive(Debug)]
pub(crate) struct Slots<'a>([Option<Raw<'a>>; SLOTS]);

impl Default for Slots<'_> {
    fn default() -> Self {
        Self([None; SLOTS])
    }
}

impl<'a> Slots<'a> {
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, NotCanonical> {
        let mut slots = Self::default();
        for field in Fields::of(bytes) {
            let (number, raw) = field?;
            if let Some(slot) = slots.0.get_mut(number as usize) {
                *slot = Some(raw);
            }
        }
        Ok(slots)
    }

    /// What a stored field holds, or its implicit value.
    pub(crate) fn value(&self, field: &Field) -> Option<Value<'a>> {
        let raw = self.0.get(field.number as usize).copied().flatten();
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
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    if let Ok(octets) = <[u8; 4]>::try_from(octets) {
        return Some(Ipv4Addr::from(octets).into());
    }
    <[u8; 16]>::try_from(octets).ok().map(|octets| Ipv6Addr::from(octets).into())
}

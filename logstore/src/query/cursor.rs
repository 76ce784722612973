//! A place between entries, as clients carry it from page to page.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::key::{Key, Order, Rank, Walk};
use crate::column::log_byte;
use crate::entry::Log;

/// Version of the bytes below; another one is refused.
const VERSION: u8 = 2;

/// Which entries come next: those from a place on, in one of the two directions of a query's order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub(crate) log: Log,
    /// Of the query that the cursor belongs to: the place of the field among those that can be sorted by.
    pub(crate) sort: u8,
    /// Of the query that the cursor belongs to.
    pub(crate) order: Order,
    /// Towards earlier pages.
    pub(crate) backwards: bool,
    /// Whether an entry at the very place is meant too.
    pub(crate) inclusive: bool,
    pub(crate) rank: Rank,
}

impl Cursor {
    /// The order in which entries are looked for, and where that begins.
    pub(crate) fn walk(&self) -> Walk {
        let order = if self.backwards { self.order.reversed() } else { self.order };
        Walk { order, start: Some(self.rank.clone()), inclusive: self.inclusive }
    }

    /// The way back: everything that this cursor leaves out.
    pub(crate) fn turned(self) -> Self {
        Self { backwards: !self.backwards, inclusive: !self.inclusive, ..self }
    }

    /// URL-safe base64 of: version u8, flags u8, log u8, field u8, seq u64, kind of key u8, key, check u8.
    pub(crate) fn encode(&self) -> String {
        let flags = u8::from(matches!(self.order, Order::Descending))
            | u8::from(self.backwards) << 1
            | u8::from(self.inclusive) << 2;
        let mut bytes = vec![VERSION, flags, log_byte(self.log), self.sort];
        bytes.extend(self.rank.seq.to_be_bytes());
        encode_key(&self.rank.key, &mut bytes);
        bytes.push(check(&bytes));
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// None for what [`Self::encode`] did not write.
    pub(crate) fn decode(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (last, body) = bytes.split_last()?;
        let (&[version, flags, log, sort], rest) = body.split_first_chunk()?;
        let (seq, key) = rest.split_first_chunk()?;
        if version != VERSION || flags > 7 || *last != check(body) {
            return None;
        }
        Some(Self {
            log: Log::ALL.into_iter().find(|known| log_byte(*known) == log)?,
            sort,
            order: if flags & 1 == 0 { Order::Ascending } else { Order::Descending },
            backwards: flags & 2 != 0,
            inclusive: flags & 4 != 0,
            rank: Rank { key: decode_key(key)?, seq: u64::from_be_bytes(*seq) },
        })
    }
}

fn encode_key(key: &Key, out: &mut Vec<u8>) {
    match key {
        Key::Absent => out.push(0),
        Key::Number(number) => {
            out.push(1);
            out.extend(number.to_be_bytes());
        }
        Key::Time(time) => {
            out.push(2);
            out.extend(time.to_be_bytes());
        }
        Key::Address(IpAddr::V4(address)) => {
            out.push(3);
            out.extend(address.octets());
        }
        Key::Address(IpAddr::V6(address)) => {
            out.push(3);
            out.extend(address.octets());
        }
        Key::Text(text) => {
            out.push(4);
            out.extend(text.as_bytes());
        }
        Key::Beyond => out.push(5),
    }
}

fn decode_key(bytes: &[u8]) -> Option<Key> {
    let (kind, bytes) = bytes.split_first()?;
    Some(match kind {
        0 if bytes.is_empty() => Key::Absent,
        1 => Key::Number(u64::from_be_bytes(bytes.try_into().ok()?)),
        2 => Key::Time(i64::from_be_bytes(bytes.try_into().ok()?)),
        3 => Key::Address(crate::row::address(bytes)?),
        4 => Key::Text(str::from_utf8(bytes).ok()?.into()),
        5 if bytes.is_empty() => Key::Beyond,
        _ => return None,
    })
}

/// Against slips of the hand, not against forgery: a cursor opens nothing that its bearer may not read.
fn check(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0x5a, |sum: u8, byte| sum.rotate_left(3) ^ byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_whole_and_a_changed_one_does_not() {
        let keys = [
            Key::Absent,
            Key::Number(7),
            Key::Time(-5),
            Key::Address("192.0.2.7".parse().unwrap()),
            Key::Address("2001:db8::1".parse().unwrap()),
            Key::Text("/Zürich".into()),
            Key::Beyond,
        ];
        for key in keys {
            for (order, backwards, inclusive) in
                [(Order::Ascending, false, true), (Order::Descending, true, false), (Order::Descending, true, true)]
            {
                let rank = Rank { key: key.clone(), seq: u64::MAX };
                let cursor = Cursor { log: Log::Audit, sort: 3, order, backwards, inclusive, rank };
                let text = cursor.encode();
                assert_eq!(Cursor::decode(&text), Some(cursor));
                assert_eq!(Cursor::decode(&text[1..]), None);
                assert_eq!(Cursor::decode(&text.replacen('A', "B", 1)), None);
            }
        }
        assert_eq!(Cursor::decode(""), None);
        assert_eq!(Cursor::decode("not a cursor"), None);
    }
}

//! A place between entries, as clients carry it from page to page.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::column::log_byte;
use crate::entry::Log;

/// Of an answer, by time and then by position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Oldest first.
    Ascending,
    /// Newest first.
    Descending,
}

impl Order {
    pub(crate) const fn reversed(self) -> Self {
        match self {
            Self::Ascending => Self::Descending,
            Self::Descending => Self::Ascending,
        }
    }
}

/// Where an entry stands in an order: the smaller, the earlier it comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank(u128);

impl Rank {
    pub(crate) const FIRST: Self = Self(0);

    pub(crate) fn of(order: Order, time: i64, seq: u64) -> Self {
        // The sign bit is turned so that times before 1970 come before those after.
        let key = u128::from(time.cast_unsigned() ^ 1 << 63) << 64 | u128::from(seq);
        match order {
            Order::Ascending => Self(key),
            Order::Descending => Self(!key),
        }
    }

    /// Time and position.
    pub(crate) fn place(self, order: Order) -> (i64, u64) {
        let key = match order {
            Order::Ascending => self.0,
            Order::Descending => !self.0,
        };
        ((((key >> 64) as u64) ^ 1 << 63).cast_signed(), key as u64)
    }

    pub(crate) const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// Version of the bytes below; another one is refused.
const VERSION: u8 = 1;

/// Which entries come next: those from a place on, in one of the two directions of a query's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub(crate) log: Log,
    /// Of the query that the cursor belongs to.
    pub(crate) order: Order,
    /// Towards earlier pages.
    pub(crate) backwards: bool,
    /// Whether an entry at the very place is meant too.
    pub(crate) inclusive: bool,
    pub(crate) time: i64,
    pub(crate) seq: u64,
}

impl Cursor {
    /// The order in which entries are looked for.
    pub(crate) const fn walk(&self) -> Order {
        if self.backwards { self.order.reversed() } else { self.order }
    }

    /// The first rank that is wanted.
    pub(crate) fn start(&self) -> Rank {
        let rank = Rank::of(self.walk(), self.time, self.seq);
        if self.inclusive { rank } else { rank.next() }
    }

    /// The way back: everything that this cursor leaves out.
    pub(crate) const fn turned(self) -> Self {
        Self { backwards: !self.backwards, inclusive: !self.inclusive, ..self }
    }

    /// URL-safe base64 of: version u8, flags u8, log u8, time i64, seq u64, check u8.
    pub(crate) fn encode(&self) -> String {
        let mut bytes = [0; 20];
        let flags = u8::from(matches!(self.order, Order::Descending))
            | u8::from(self.backwards) << 1
            | u8::from(self.inclusive) << 2;
        let parts = [VERSION, flags, log_byte(self.log)];
        let all = parts.into_iter().chain(self.time.to_be_bytes()).chain(self.seq.to_be_bytes());
        for (to, from) in bytes.iter_mut().zip(all) {
            *to = from;
        }
        let [body @ .., last] = &mut bytes;
        *last = check(body);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// None for what [`Self::encode`] did not write.
    pub(crate) fn decode(text: &str) -> Option<Self> {
        let bytes: [u8; 20] = URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?;
        let [body @ .., last] = &bytes;
        let (&[version, flags, log], rest) = body.split_first_chunk()?;
        let (time, rest) = rest.split_first_chunk()?;
        if version != VERSION || flags > 7 || *last != check(body) {
            return None;
        }
        Some(Self {
            log: Log::ALL.into_iter().find(|known| log_byte(*known) == log)?,
            order: if flags & 1 == 0 { Order::Ascending } else { Order::Descending },
            backwards: flags & 2 != 0,
            inclusive: flags & 4 != 0,
            time: i64::from_be_bytes(*time),
            seq: u64::from_be_bytes(rest.try_into().ok()?),
        })
    }
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
        for order in [Order::Ascending, Order::Descending] {
            for (backwards, inclusive) in [(false, false), (false, true), (true, false), (true, true)] {
                let cursor = Cursor { log: Log::Audit, order, backwards, inclusive, time: -5, seq: u64::MAX };
                let text = cursor.encode();
                assert_eq!(Cursor::decode(&text), Some(cursor));
                assert_eq!(Cursor::decode(&text[1..]), None);
                assert_eq!(Cursor::decode(&text.replacen('A', "B", 1)), None);
            }
        }
        assert_eq!(Cursor::decode(""), None);
        assert_eq!(Cursor::decode("not a cursor"), None);
    }

    #[test]
    fn ranks_order_by_time_then_position_and_turn_round() {
        let places = [(i64::MIN, 9), (-1, 3), (0, 0), (0, 1), (7, 0), (i64::MAX, u64::MAX)];
        for order in [Order::Ascending, Order::Descending] {
            let ranks: Vec<_> = places.iter().map(|(time, seq)| Rank::of(order, *time, *seq)).collect();
            assert_eq!(ranks.is_sorted(), order == Order::Ascending);
            assert_eq!(ranks.iter().rev().is_sorted(), order == Order::Descending);
            assert_eq!(ranks.iter().map(|rank| rank.place(order)).collect::<Vec<_>>(), places);
        }
    }
}

//! Where an entry stands in an order.

use std::cmp::Ordering;
use std::net::IpAddr;

use crate::row::Value;

/// Of an answer, by the values of a field and then by position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// The smallest first.
    Ascending,
    /// The largest first.
    Descending,
}

impl Order {
    pub(crate) const fn reversed(self) -> Self {
        match self {
            Self::Ascending => Self::Descending,
            Self::Descending => Self::Ascending,
        }
    }

    /// What comes first is less.
    pub(crate) fn compare<T: Ord>(self, one: &T, other: &T) -> Ordering {
        match self {
            Self::Ascending => one.cmp(other),
            Self::Descending => other.cmp(one),
        }
    }
}

/// What an entry is sorted by. Entries without the field come before all others, IPv4 before IPv6.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    Absent,
    Number(u64),
    Time(i64),
    Address(IpAddr),
    Text(Box<str>),
    /// After every value; no entry has it.
    Beyond,
}

impl Key {
    pub(crate) fn of(value: Option<Value<'_>>) -> Self {
        match value {
            None => Self::Absent,
            Some(Value::Id(id)) => Self::Text(id.to_string().into()),
            Some(Value::Number(number)) => Self::Number(number),
            Some(Value::Time(time)) => Self::Time(time),
            Some(Value::Text(text) | Value::Json(text)) => Self::Text(text.into()),
            Some(Value::Address(address)) => Self::Address(address),
        }
    }
}

/// Key and position: no two entries of a log have the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank {
    pub(crate) key: Key,
    pub(crate) seq: u64,
}

impl Rank {
    /// Before every entry whose key comes at or after this one's.
    pub(crate) fn before(order: Order, key: Key) -> Self {
        match order {
            Order::Ascending => Self { key, seq: 0 },
            Order::Descending => Self { key, seq: u64::MAX },
        }
    }
}

/// The part of an order from which a page is taken.
#[derive(Debug, Clone)]
pub(crate) struct Walk {
    pub(crate) order: Order,
    /// What comes before this is not wanted; none: everything is.
    pub(crate) start: Option<Rank>,
    /// Whether an entry at the very start is wanted.
    pub(crate) inclusive: bool,
}

impl Walk {
    pub(crate) fn takes(&self, rank: &Rank) -> bool {
        self.start.as_ref().is_none_or(|start| match self.order.compare(rank, start) {
            Ordering::Greater => true,
            Ordering::Equal => self.inclusive,
            Ordering::Less => false,
        })
    }

    /// Whether everything up to this key comes before the start.
    pub(crate) fn is_past(&self, last: &Key) -> bool {
        self.start.as_ref().is_some_and(|start| self.order.compare(last, &start.key) == Ordering::Less)
    }

    /// Whether one comes before the other.
    pub(crate) fn is_before(&self, one: &Rank, other: &Rank) -> bool {
        self.order.compare(one, other) == Ordering::Less
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absence_comes_first_and_addresses_sort_as_numbers() {
        let address = |text: &str| Key::Address(text.parse().unwrap());
        let keys =
            [Key::Absent, address("9.0.0.1"), address("10.0.0.1"), address("::1"), address("2001:db8::1"), Key::Beyond];
        assert!(keys.is_sorted());
        assert!([Key::Absent, Key::Number(0), Key::Number(9), Key::Number(10), Key::Beyond].is_sorted());
        assert!([Key::Time(-1), Key::Time(0), Key::Beyond].is_sorted());
    }

    #[test]
    fn a_walk_begins_after_its_start() {
        let rank = |number, seq| Rank { key: Key::Number(number), seq };
        let walk = Walk { order: Order::Descending, start: Some(rank(5, 3)), inclusive: false };
        assert!(!walk.takes(&rank(5, 3)) && !walk.takes(&rank(6, 0)) && !walk.takes(&rank(5, 4)));
        assert!(walk.takes(&rank(5, 2)) && walk.takes(&rank(4, 9)));
        assert!(Walk { inclusive: true, ..walk }.takes(&rank(5, 3)));
    }
}

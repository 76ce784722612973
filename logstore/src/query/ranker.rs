//! What the rows of a segment are sorted by. Most rows are turned away by comparing codes or numbers; only those that
//! may be wanted get a key.

use std::cmp::Ordering;

use super::Sort;
use super::key::{Key, Order, Rank, Walk};
use crate::codec::Raw;
use crate::entry::{Field, Kind, Log, TIME};
use crate::id::Ids;
use crate::piece::time;
use crate::row::value_of;
use crate::segment::{Dictionary, Fault, Header, Segment, Shape};

/// The rows of one segment by the field that a query sorts by.
pub(crate) struct Ranker<'s, 'a> {
    segment: &'s Segment<'a>,
    log: Log,
    ids: &'s Ids,
    sort: Sort,
    way: Way<'s, 'a>,
}

enum Way<'s, 'a> {
    /// Every row has this key.
    Constant(Key),
    /// A key for each code.
    Keys {
        number: u32,
        keys: Vec<Key>,
    },
    /// Sorted texts: codes compare as their texts do.
    Texts {
        number: u32,
        dictionary: &'s Dictionary<'a>,
        shift: usize,
    },
    Numbers {
        number: u32,
        absent: Option<(u64, Key)>,
    },
    Positions,
    /// The value is made for each row.
    Slow,
}

impl<'s, 'a> Ranker<'s, 'a> {
    pub(crate) fn new(segment: &'s Segment<'a>, log: Log, sort: Sort, ids: &'s Ids) -> Result<Self, Fault> {
        let way = match sort {
            Sort::Url => Way::Slow,
            Sort::Field(field) => Self::way(segment, &field)?,
        };
        Ok(Self { segment, log, ids, sort, way })
    }

    fn way(segment: &'s Segment<'a>, field: &Field) -> Result<Way<'s, 'a>, Fault> {
        let number = field.number;
        match field.kind {
            Kind::Position => return Ok(Way::Positions),
            Kind::Id => return Ok(Way::Slow),
            Kind::Time | Kind::Text | Kind::Word(_) | Kind::Number | Kind::Count | Kind::Address | Kind::Json => (),
        }
        let key = |raw: Option<Raw<'_>>| Key::of(value_of(field, raw));
        let Some(column) = segment.header.column(number) else { return Ok(Way::Constant(key(None))) };
        Ok(match &column.shape {
            Shape::Constant(word) => Way::Constant(key(Some(word.raw()))),
            Shape::Small { values, absent } => {
                let absent = (*absent > 0).then(|| key(None));
                let keys = absent.into_iter().chain(values.iter().map(|(word, _)| key(Some(word.raw()))));
                Way::Keys { number, keys: keys.collect() }
            }
            Shape::Large { absent, .. } if matches!(field.kind, Kind::Address) => {
                let mut keys: Vec<Key> = (*absent > 0).then(|| key(None)).into_iter().collect();
                segment.dictionary(number)?.each(|_, value| keys.push(key(Some(Raw::Bytes(value)))))?;
                Way::Keys { number, keys }
            }
            Shape::Large { absent, .. } => {
                Way::Texts { number, dictionary: segment.dictionary(number)?, shift: usize::from(*absent > 0) }
            }
            Shape::Numbers(numbers) => Way::Numbers { number, absent: numbers.absent.map(|hole| (hole, key(None))) },
            Shape::Ids { .. } => Way::Slow,
            Shape::Raw { .. } => Way::Constant(key(None)),
        })
    }

    /// The best key that a row of a page can have, as far as that is known.
    pub(crate) fn best_of_page(&self, order: Order, page: usize) -> Option<Key> {
        match &self.way {
            Way::Constant(key) => Some(key.clone()),
            Way::Numbers { number, absent } => {
                let (least, most, has_absent) = self.segment.span_of_page(*number, page)?;
                let absent = absent.as_ref().filter(|_| has_absent).map(|(_, key)| key.clone());
                let present =
                    (least <= most).then(|| self.number_key(if order == Order::Ascending { least } else { most }));
                absent.into_iter().chain(present).min_by(|one, other| order.compare(one, other))
            }
            Way::Keys { .. } | Way::Texts { .. } | Way::Positions | Way::Slow => None,
        }
    }

    fn number_key(&self, number: u64) -> Key {
        match self.sort {
            Sort::Field(Field { number: TIME, .. }) => Key::Time(time(number)),
            Sort::Field(_) | Sort::Url => Key::Number(number),
        }
    }

    /// The rank of a row, if it may come before `floor` and the walk takes it.
    pub(crate) fn rank(&self, row: usize, walk: &Walk, floor: Option<&Rank>) -> Result<Option<Rank>, Fault> {
        let Some(key) = self.key(row, walk, floor)? else { return Ok(None) };
        Ok(self.rank_of(row, key, walk, floor))
    }

    /// The same for a row whose key is known.
    pub(crate) fn rank_of(&self, row: usize, key: Key, walk: &Walk, floor: Option<&Rank>) -> Option<Rank> {
        let rank = Rank { key, seq: self.segment.header.first + row as u64 };
        let wanted = walk.takes(&rank) && floor.is_none_or(|floor| walk.is_before(&rank, floor));
        wanted.then_some(rank)
    }

    /// As they are stored, the times of a page that are sorted by.
    pub(crate) fn times(&self, page: usize) -> Result<Option<&[u64]>, Fault> {
        match &self.way {
            Way::Numbers { number: TIME, absent: None } => self.segment.numbers(TIME, page).map(Some),
            Way::Constant(_)
            | Way::Keys { .. }
            | Way::Texts { .. }
            | Way::Numbers { .. }
            | Way::Positions
            | Way::Slow => Ok(None),
        }
    }

    fn key(&self, row: usize, walk: &Walk, floor: Option<&Rank>) -> Result<Option<Key>, Fault> {
        Ok(match &self.way {
            Way::Constant(key) => Some(key.clone()),
            Way::Positions => Some(Key::Number(self.segment.header.first + row as u64)),
            Way::Keys { number, keys } => {
                let key = keys.get(self.segment.code(*number, row)?).unwrap_or(&Key::Absent);
                let may = floor.is_none_or(|floor| walk.order.compare(key, &floor.key) != Ordering::Greater);
                may.then(|| key.clone())
            }
            Way::Texts { number, dictionary, shift } => {
                let code = self.segment.code(*number, row)?;
                let key = match code.checked_sub(*shift) {
                    Some(code) => Key::Text(String::from_utf8_lossy(dictionary.value(code)?).into()),
                    None => Key::Absent,
                };
                Some(key)
            }
            Way::Numbers { number, absent } => {
                let value = self.segment.number(*number, row)?;
                Some(match absent {
                    Some((hole, key)) if *hole == value => key.clone(),
                    _ => self.number_key(value),
                })
            }
            Way::Slow => Some(self.slow_key(row)?),
        })
    }

    fn slow_key(&self, row: usize) -> Result<Key, Fault> {
        let mut made = String::new();
        match self.sort {
            Sort::Field(field) if matches!(field.kind, Kind::Id) => {
                let seq = self.segment.header.first + row as u64;
                Ok(Key::Text(self.ids.id(self.log, seq).to_string().into()))
            }
            Sort::Field(field) => {
                Ok(Key::of(value_of(&field, self.segment.raw(field.number, row, self.ids, &mut made)?)))
            }
            Sort::Url => {
                let (host, path) = super::url_fields();
                let mut other = String::new();
                let host = value_of(host, self.segment.raw(host.number, row, self.ids, &mut made)?);
                let path = value_of(path, self.segment.raw(path.number, row, self.ids, &mut other)?);
                Ok(super::url_key(host, path))
            }
        }
    }

    /// What turns rows away by their codes alone: those outside are not wanted. None where there is no such bound.
    pub(crate) fn code_bounds(&self, walk: &Walk, floor: Option<&Rank>) -> Result<Option<Bounds>, Fault> {
        let Way::Texts { number, dictionary, shift } = &self.way else { return Ok(None) };
        let place = |rank: Option<&Rank>| -> Result<Option<(usize, bool)>, Fault> {
            Ok(match rank.map(|rank| &rank.key) {
                Some(Key::Text(text)) => {
                    let (code, found) = dictionary.place(text.as_bytes())?;
                    Some((code + shift, found))
                }
                Some(Key::Absent) => Some((0, *shift > 0)),
                _ => None,
            })
        };
        let last = |(code, found): (usize, bool)| if found { code + 1 } else { code };
        let (start, floor) = (place(walk.start.as_ref())?, place(floor)?);
        let (from, to) = match walk.order {
            Order::Ascending => (start.map(|(code, _)| code), floor.map(last)),
            Order::Descending => (floor.map(|(code, _)| code), start.map(last)),
        };
        Ok(Some(Bounds { number: *number, from: from.unwrap_or(0), to: to.unwrap_or(usize::MAX) }))
    }
}

/// Codes that may be wanted.
pub(crate) struct Bounds {
    pub(crate) number: u32,
    pub(crate) from: usize,
    /// The first that is not.
    pub(crate) to: usize,
}

/// The best key that a row of a segment can have, as far as its header tells.
pub(crate) fn best_of_segment(header: &Header, sort: Sort, order: Order) -> Option<Key> {
    let Sort::Field(field) = sort else { return None };
    if matches!(field.kind, Kind::Position) {
        let seq = if order == Order::Ascending { header.first } else { header.first + header.rows - 1 };
        return Some(Key::Number(seq));
    }
    let key = |raw: Option<Raw<'_>>| Key::of(value_of(&field, raw));
    let Some(column) = header.column(field.number) else {
        return (!matches!(field.kind, Kind::Id)).then(|| key(None));
    };
    let best = |one: Option<Key>, others: &mut dyn Iterator<Item = Key>| {
        one.into_iter().chain(others).min_by(|one, other| order.compare(one, other))
    };
    match &column.shape {
        Shape::Constant(word) => Some(key(Some(word.raw()))),
        Shape::Small { values, absent } => {
            best((*absent > 0).then(|| key(None)), &mut values.iter().map(|(word, _)| key(Some(word.raw()))))
        }
        Shape::Large { .. } if matches!(field.kind, Kind::Address) => None,
        Shape::Large { absent, min, max, .. } => match order {
            Order::Ascending if *absent > 0 => Some(Key::Absent),
            // What was cut is cut between any two bytes; less is still a bound.
            Order::Ascending => Some(Key::Text(String::from_utf8_lossy(valid(min)).into())),
            Order::Descending => max.as_ref().map(|max| Key::Text(String::from_utf8_lossy(max).into())),
        },
        Shape::Numbers(numbers) => {
            let (least, most) = numbers.span;
            let number = if order == Order::Ascending { least } else { most };
            let present = if matches!(field.kind, Kind::Time) { Key::Time(time(number)) } else { Key::Number(number) };
            let absent = numbers.absent.filter(|_| field.number != TIME).map(|_| key(None));
            best(absent, &mut (least <= most).then_some(present).into_iter())
        }
        Shape::Ids { .. } | Shape::Raw { .. } => None,
    }
}

fn valid(bytes: &[u8]) -> &[u8] {
    match str::from_utf8(bytes) {
        Ok(_) => bytes,
        Err(error) => bytes.get(..error.valid_up_to()).unwrap_or_default(),
    }
}

//! A segment is taken for the one that its entries make where it is, and nowhere else.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::sample::subsequence;

use super::super::encode::{Encoding, Made, encode};
use super::super::part::{Parts, Stored, seal};
use super::*;
use crate::codec::{put_bytes, put_number};

const ROWS: usize = 8;
const LOG: Log = Log::Requests;

struct InMemory(BTreeMap<(u32, Part), Vec<u8>>);

impl InMemory {
    fn of(made: Vec<Made>) -> Self {
        Self(made.into_iter().map(|(column, part, body)| ((column, part), body)).collect())
    }

    fn header(&self) -> Arc<Header> {
        Arc::new(Header::decode(0, &self.part(0, Part::Header).unwrap()).unwrap())
    }

    fn segment(&self) -> Segment<'_> {
        Segment::new(self.header(), self)
    }
}

impl Parts for InMemory {
    fn part(&self, column: u32, part: Part) -> Result<Stored<'_>, Fault> {
        Stored::Borrowed(self.0.get(&(column, part)).ok_or(Fault::Damaged("missing"))?).checked()
    }
}

fn ids() -> Ids {
    Ids::new(&[7; 16]).unwrap()
}

fn entries(parts: &InMemory) -> Result<Vec<Vec<u8>>, Fault> {
    let mut rows = Vec::new();
    parts.segment().each_row(&ids(), |_, bytes| rows.push(bytes.to_vec()))?;
    Ok(rows)
}

/// The same said by sealing what comes out: false where nothing does.
fn agrees_when_sealed_again(parts: &InMemory) -> Result<bool, Fault> {
    let rows = entries(parts)?;
    let rows: Vec<&[u8]> = rows.iter().map(Vec::as_slice).collect();
    let again = InMemory::of(encode(LOG, 0, &rows, &ids()));
    let (segment, other) = (parts.segment(), again.segment());
    if without_bytes(&other.header) != without_bytes(&segment.header) {
        return Ok(false);
    }
    for (column, part) in again.0.keys().copied() {
        let (stored, new) = (parts.part(column, part)?, again.part(column, part)?);
        let is_same = match part {
            // The rows were made of the codes and come back by these.
            Part::Header | Part::Codes => true,
            Part::Numbers => segment.numbers(column, 0)? == other.numbers(column, 0)?,
            Part::Trigrams | Part::Exact | Part::Rare | Part::Extremes => *stored == *new,
            Part::Counts | Part::Hours => unpress(&stored)? == unpress(&new)?,
            Part::Dictionary | Part::Strays => {
                let dictionary = if part == Part::Strays { other.strays(column)? } else { other.dictionary(column)? };
                let values: Vec<&[u8]> = (0..dictionary.len()).map(|code| dictionary.value(code).unwrap()).collect();
                let known = if part == Part::Strays { segment.strays(column)? } else { segment.dictionary(column)? };
                known.holds(&values)?
            }
        };
        if !is_same {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A column as somebody might store it.
#[derive(Debug, Clone)]
enum Crafted {
    Times(Vec<u64>, bool),
    Texts(Vec<String>, Vec<u16>),
    Few(Vec<u64>, Vec<u16>),
    Numbers(Vec<u64>, Vec<usize>),
    Counters(Vec<u64>, Vec<String>),
}

impl Crafted {
    fn make(self, number: u32, making: &mut Making<Encoding>) {
        match self {
            Self::Times(rows, some_absent) => making.times(rows, some_absent),
            Self::Texts(words, codes) => {
                making.sorted(number, &words.iter().map(String::as_bytes).collect::<Vec<_>>(), codes);
            }
            Self::Few(words, codes) => making.small(number, words.into_iter().map(Word::Number).collect(), codes),
            Self::Numbers(rows, absent) => making.numbers(number, rows, &absent),
            Self::Counters(numbers, strays) => {
                making.counters(number, &numbers, &strays.iter().map(String::as_bytes).collect::<Vec<_>>());
            }
        }
    }
}

/// In order and out of it, short and so long that they do not fit a header, ids of ours among them.
fn words() -> impl Strategy<Value = Vec<String>> {
    let known = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
    let long: Vec<String> = known.iter().map(|word| word.repeat(2500)).collect();
    let ours: Vec<String> = (0..4).map(|counter| ids().request_id(counter)).collect();
    let mut sorted = ours.clone();
    sorted.sort_unstable();
    let in_order = prop_oneof![Just(known.clone()), Just(long.clone()), Just(sorted)];
    let in_order = in_order.prop_flat_map(|all| subsequence(all, 1..4));
    let any = prop_oneof![Just(known), Just(long), Just(ours)];
    let any = any.prop_flat_map(|all| proptest::collection::vec(proptest::sample::select(all), 1..4));
    prop_oneof![3 => in_order, 1 => any]
}

fn codes() -> impl Strategy<Value = Vec<u16>> {
    proptest::collection::vec(prop_oneof![6 => 0..3_u16, 1 => Just(ABSENT)], ROWS)
}

fn column() -> impl Strategy<Value = Crafted> {
    let few = prop_oneof![3 => subsequence(vec![0_u64, 1, 2, 9], 1..4), 1 => proptest::collection::vec(0..3_u64, 1..4)];
    let rows = || proptest::collection::vec(prop_oneof![0..3_u64, any::<u64>()], ROWS);
    let counter = prop_oneof![
        12 => 0..9_u64,
        1 => Just(SEQ_MAX + 1),
        1 => Just(STRAY + 1),
        1 => Just(STRAY),
        1 => Just(STRAY - 1),
    ];
    prop_oneof![
        (words(), codes()).prop_map(|(words, codes)| Crafted::Texts(words, codes)),
        (few, codes()).prop_map(|(words, codes)| Crafted::Few(words, codes)),
        (rows(), subsequence((0..ROWS).collect::<Vec<_>>(), 0..=ROWS))
            .prop_map(|(rows, no)| Crafted::Numbers(rows, no)),
        (
            proptest::collection::vec(counter, ROWS),
            proptest::collection::vec(words().prop_map(|mut words| words.remove(0)), 0..3)
        )
            .prop_map(|(numbers, strays)| Crafted::Counters(numbers, strays)),
    ]
}

fn segment() -> impl Strategy<Value = InMemory> {
    let times =
        (proptest::collection::vec(0..3_u64, ROWS), any::<bool>()).prop_map(|(rows, some)| Crafted::Times(rows, some));
    let first = proptest::option::weighted(0.8, prop_oneof![8 => times, 1 => column()]);
    let others = proptest::collection::vec(proptest::option::of(column()), 6);
    (proptest::bool::weighted(0.05), first, others).prop_map(|(none, first, others)| {
        let mut making = Making::new(LOG, Encoding::new());
        if none {
            // Of whole entries that cannot be read.
            Crafted::Few(vec![1], vec![0; ROWS]).make(0, &mut making);
        }
        let columns = std::iter::once(first).chain(others);
        for (number, column) in [1, 2, 3, 8, 22, 25, 700].into_iter().zip(columns) {
            if let Some(column) = column {
                column.make(number, &mut making);
            }
        }
        InMemory::of(making.finish(0, ROWS).made)
    })
}

impl std::fmt::Debug for InMemory {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("InMemory").field("header", &self.header()).finish_non_exhaustive()
    }
}

fn check(parts: &InMemory) {
    let (found, expected) = (parts.segment().agrees(LOG, &ids()), agrees_when_sealed_again(parts));
    assert_eq!(found.unwrap_or(false), expected.unwrap_or(false), "{parts:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_column_that_entries_do_not_make_is_found_whatever_it_is(parts in segment()) {
        check(&parts);
    }

    #[test]
    fn parts_of_another_segment_are_found(mut parts in segment(), other in segment(), which in any::<u64>()) {
        // About every fourth, and the header seldom.
        for (at, (place, body)) in other.0.into_iter().enumerate() {
            let is_taken = which >> (2 * at % 64) & 3 == 0;
            if is_taken && (place.1 != Part::Header || which % 5 == 0) && parts.0.contains_key(&place) {
                parts.0.insert(place, body);
            }
        }
        check(&parts);
    }
}

/// Columns of every shape: of numbers and of ids, some of them not ours.
fn whole() -> InMemory {
    let row = |at: u64| {
        let mut row = Vec::new();
        put_number(1, 1_700_000_000_000_000 + at * 997_000, &mut row);
        let id = if at % 9 == 1 { format!("edge-{}", at % 500) } else { ids().request_id(at) };
        put_bytes(2, id.as_bytes(), &mut row);
        put_bytes(22, format!("/projects/{}/{}", at % 900, at).as_bytes(), &mut row);
        put_number(25, 200 + at % 300 / 299, &mut row);
        if !at.is_multiple_of(3) {
            put_number(37, at * at % 5003, &mut row);
        }
        row
    };
    let rows: Vec<_> = (0..4096).map(row).collect();
    InMemory::of(encode(LOG, 0, &rows.iter().map(Vec::as_slice).collect::<Vec<_>>(), &ids()))
}

#[test]
fn a_bit_of_what_makes_searches_fast_is_found() {
    let mut parts = whole();
    assert!(parts.segment().agrees(LOG, &ids()).unwrap());
    let sought = [Part::Trigrams, Part::Exact, Part::Rare, Part::Extremes, Part::Header];
    let places: Vec<(u32, Part)> = parts.0.keys().copied().filter(|(_, part)| sought.contains(part)).collect();
    let (known, rows) = (without_bytes(&parts.header()), entries(&parts).unwrap());
    assert!(sought.iter().all(|part| places.iter().any(|(_, of)| of == part)), "{places:?}");
    for place in places {
        let whole = parts.0[&place].clone();
        let body = whole.len() - 4;
        for at in (0..body).step_by(body / 20 + 1) {
            let mut changed = whole[..body].to_vec();
            changed[at] ^= 1 << (at % 8);
            parts.0.insert(place, seal(changed));
            // Nothing is found by the number of bytes that a header names, and other entries have another hash.
            let header = Header::decode(0, &parts.part(0, Part::Header).unwrap());
            if header.is_ok_and(|header| place.1 != Part::Header || without_bytes(&header) != known) {
                let agrees = parts.segment().agrees(LOG, &ids()).is_ok_and(|agrees| agrees);
                assert!(!agrees || entries(&parts).is_ok_and(|other| other != rows), "byte {at} of {place:?}");
            }
        }
        parts.0.insert(place, whole);
    }
}

fn without_bytes(header: &Header) -> Header {
    Header { bytes: 0, ..header.clone() }
}

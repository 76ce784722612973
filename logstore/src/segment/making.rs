//! From columns to the parts of a segment: the same ones when rows are sealed, and when it is checked what was stored of
//! them.

use std::collections::BTreeMap;

use super::extremes;
use super::filter;
use super::gather::{ABSENT, Gathered, Words, Zero, gather};
use super::header::{Column, Header, Numbers, STRAY, Shape, Word, lower_bound, upper_bound};
use super::hours;
use super::order;
use super::part::Part;
use super::rare;
use crate::entry::{Kind, Log, TIME};
use crate::id::{Ids, Scrambled};

/// Times are signed; with their sign turned they sort as unsigned numbers.
pub(crate) const TIME_SIGN: u64 = 1 << 63;

/// Values of a dictionary that stands in the header, and their bytes.
pub(super) const SMALL_VALUES: usize = 256;
const SMALL_BYTES: usize = 4096;

/// What a part holds.
pub(super) enum Content<'c> {
    /// As it stands on disk.
    Whole(Vec<u8>),
    /// Compressed as one block.
    Block(Vec<u8>),
    /// The values of a dictionary.
    Values(&'c [&'c [u8]]),
    /// Pages of codes, and whether one fits a byte.
    Codes(&'c [u16], bool),
    /// Pages of numbers.
    Numbers(&'c [u64]),
}

/// Takes the parts of a segment as they are made.
pub(super) trait Take {
    fn part(&mut self, column: u32, part: Part, content: Content<'_>);

    /// Comes last. What says how many bytes there are is not filled in.
    fn header(&mut self, header: Header);
}

/// Gives the parts of a segment of these rows to `take`, and that back.
pub(super) fn of_rows<T: Take>(log: Log, first: u64, rows: &[&[u8]], ids: &Ids, take: T) -> T {
    let mut making = Making::new(log, take);
    let gather = |zero| gather(rows, log.runs(), zero, |number| log.holds_ids(number));
    let mut columns = gather(Zero::Column);
    if columns.get(&TIME).is_some_and(Gathered::confuses_zero) {
        columns = gather(Zero::Apart);
    }
    for (number, gathered) in columns {
        match gathered {
            Gathered::Empty => (),
            Gathered::Numbers { rows, absent } if number == TIME => making.times(rows, !absent.is_empty()),
            Gathered::Numbers { rows, absent } => making.numbers(number, rows, &absent),
            Gathered::Ids { rows, ids: scrambled } => making.ids(number, &rows, &scrambled, ids),
            Gathered::Words { rows, words } => making.words(number, &rows, &words),
            Gathered::Mixed { rows } => making.raw(number, &rows),
        }
    }
    making.finish(first, rows.len())
}

/// A segment that is being made, column by column, in the order of their numbers.
pub(super) struct Making<T> {
    log: Log,
    take: T,
    columns: Vec<Column>,
    times: Vec<i64>,
    /// Codes of small dictionaries, for the hours.
    small: BTreeMap<u32, (usize, Vec<u16>)>,
}

impl<T: Take> Making<T> {
    pub(super) const fn new(log: Log, take: T) -> Self {
        Self { log, take, columns: Vec::new(), times: Vec::new(), small: BTreeMap::new() }
    }

    /// The segment has these columns and no more.
    pub(super) fn finish(mut self, first: u64, rows: usize) -> T {
        let counted = self.small.iter().filter(|(_, (codes, _))| *codes <= hours::VALUES_MAX);
        let counted: Vec<_> = counted.map(|(number, (codes, rows))| (*number, *codes, rows.as_slice())).collect();
        let by_hour = if self.times.len() == rows { hours::encode(&self.times, &counted) } else { None };
        let has_hours = by_hour.is_some();
        if let Some(by_hour) = by_hour {
            self.take.part(0, Part::Hours, Content::Block(by_hour));
        }
        self.take.header(Header { first, rows: rows as u64, bytes: 0, has_hours, columns: self.columns });
        self.take
    }

    fn add(&mut self, number: u32, shape: Shape) {
        self.columns.push(Column { number, shape });
    }

    /// As they stand in entries. An entry without a time is of 1970, and is found there.
    pub(super) fn times(&mut self, rows: Vec<u64>, some_absent: bool) {
        let times: Vec<u64> = rows.iter().map(|time| time ^ TIME_SIGN).collect();
        self.times = rows.into_iter().map(u64::cast_signed).collect();
        self.take.part(TIME, Part::Numbers, Content::Numbers(&times));
        let numbers = Numbers { absent: some_absent.then_some(TIME_SIGN), ..Numbers::of(&times, None) };
        self.add(TIME, Shape::Numbers(numbers));
    }

    /// Per row its number, and the rows without one.
    pub(super) fn numbers(&mut self, number: u32, mut rows: Vec<u64>, absent: &[usize]) {
        let mut is_absent = vec![false; rows.len()];
        absent.iter().for_each(|row| is_absent.iter_mut().skip(*row).take(1).for_each(|absent| *absent = true));
        let present = || rows.iter().zip(&is_absent).filter(|(_, absent)| !**absent).map(|(value, _)| *value);
        if let Some(values) = few(present()) {
            let codes =
                codes_of(&values, rows.iter().zip(&is_absent).map(|(value, absent)| (!absent).then_some(*value)));
            return self.small(number, values.into_iter().map(Word::Number).collect(), codes);
        }
        let hole = (!absent.is_empty()).then(|| unused(present()));
        for (value, absent) in rows.iter_mut().zip(&is_absent) {
            if *absent {
                *value = hole.unwrap_or_default();
            }
        }
        self.take.part(number, Part::Numbers, Content::Numbers(&rows));
        self.take.part(number, Part::Extremes, Content::Whole(extremes::encode(&rows, hole)));
        self.add(number, Shape::Numbers(Numbers::of(&rows, hole)));
    }

    fn ids(&mut self, number: u32, rows: &[Option<&[u8]>], scrambled: &[Option<Scrambled>], ids: &Ids) {
        let counters = ids.counters(scrambled);
        if !are_ids(counters.iter().flatten().count(), rows.len()) {
            return self.texts(number, rows);
        }
        let mut strays: Vec<&[u8]> = Vec::new();
        let numbers = counters.iter().zip(rows).map(|(counter, text)| match (counter, text) {
            (Some(counter), _) => *counter,
            (None, None) => STRAY + 1,
            (None, Some(text)) => {
                strays.push(text);
                STRAY - (strays.len() as u64 - 1)
            }
        });
        let numbers: Vec<u64> = numbers.collect();
        self.counters(number, &numbers, &strays);
    }

    /// Of ids, see [`STRAY`].
    pub(super) fn counters(&mut self, number: u32, numbers: &[u64], strays: &[&[u8]]) {
        self.take.part(number, Part::Numbers, Content::Numbers(numbers));
        if !strays.is_empty() {
            self.take.part(number, Part::Strays, Content::Values(strays));
        }
        let least_stray = STRAY - strays.len() as u64;
        let known = |number: &u64| if *number > least_stray { STRAY + 1 } else { *number };
        let bounds: Vec<u64> = numbers.iter().map(known).collect();
        let counters = Numbers::of(&bounds, Some(STRAY + 1));
        self.add(number, Shape::Ids { counters, strays: strays.len() as u64 });
    }

    fn texts(&mut self, number: u32, rows: &[Option<&[u8]>]) {
        let words = distinct(rows.iter().flatten().copied());
        let codes = codes_of(&words, rows.iter().copied());
        self.sorted(number, &words, codes);
    }

    fn words(&mut self, number: u32, rows: &[u16], words: &Words) {
        let order = order::sorted((0..words.len()).filter_map(|at| words.get(at)));
        // A row without a word has a place that no word has.
        let mut places = vec![ABSENT; words.len()];
        for (sorted, place) in order.iter().zip(0..) {
            if let Some(known) = places.get_mut(usize::from(sorted.place)) {
                *known = place;
            }
        }
        let sorted: Vec<&[u8]> = order.into_iter().map(|sorted| sorted.text).collect();
        let codes: Vec<u16> = rows.iter().map(|at| places.get(usize::from(*at)).copied().unwrap_or(ABSENT)).collect();
        self.sorted(number, &sorted, codes);
    }

    /// Distinct texts in their order, each of which some row has.
    pub(super) fn sorted(&mut self, number: u32, words: &[&[u8]], codes: Vec<u16>) {
        let bytes: usize = words.iter().map(|word| word.len()).sum();
        if words.len() < SMALL_VALUES && bytes <= SMALL_BYTES {
            return self.small(number, words.iter().map(|word| Word::Bytes((*word).into())).collect(), codes);
        }
        let absent = self.large(number, words, codes);
        let kind = self.log.fields().iter().find(|field| field.number == number).map(|field| field.kind);
        if !matches!(kind, Some(Kind::Address)) {
            self.take.part(number, Part::Trigrams, Content::Whole(filter::trigrams(words)));
        }
        self.take.part(number, Part::Exact, Content::Whole(filter::exact(words)));
        let (first, last) = (words.first().copied().unwrap_or_default(), words.last().copied().unwrap_or_default());
        let (min, max) = (lower_bound(first), upper_bound(last));
        self.add(number, Shape::Large { values: words.len() as u64, absent, min, max });
    }

    fn raw(&mut self, number: u32, rows: &[Option<Vec<u8>>]) {
        let words = distinct(rows.iter().flatten().map(Vec::as_slice));
        let codes = codes_of(&words, rows.iter().map(Option::as_deref));
        let absent = self.large(number, &words, codes);
        self.add(number, Shape::Raw { values: words.len() as u64, absent });
    }

    /// A dictionary in parts of its own. Gives the rows without a value.
    fn large(&mut self, number: u32, words: &[&[u8]], codes: Vec<u16>) -> u64 {
        let (codes, counts, absent) = numbered(codes, words.len());
        self.take.part(number, Part::Dictionary, Content::Values(words));
        let mut plain = Vec::new();
        counts.iter().for_each(|count| crate::codec::put_varint(*count, &mut plain));
        self.take.part(number, Part::Counts, Content::Block(plain));
        self.take.part(number, Part::Codes, Content::Codes(&codes, is_narrow(words.len(), absent)));
        absent
    }

    /// Few distinct values in their order, each of which some row has.
    pub(super) fn small(&mut self, number: u32, words: Vec<Word>, codes: Vec<u16>) {
        let (codes, counts, absent) = numbered(codes, words.len());
        let by_code: Vec<u64> = (absent > 0).then_some(absent).into_iter().chain(counts.iter().copied()).collect();
        let values: Vec<(Word, u64)> = words.into_iter().zip(counts).collect();
        if let ([(only, _)], 0) = (values.as_slice(), absent) {
            return self.add(number, Shape::Constant(only.clone()));
        }
        self.take.part(number, Part::Codes, Content::Codes(&codes, is_narrow(values.len(), absent)));
        let rare = rare::encode(&codes, &by_code);
        if !rare.is_empty() {
            self.take.part(number, Part::Rare, Content::Whole(rare));
        }
        self.small.insert(number, (by_code.len(), codes));
        self.add(number, Shape::Small { values, absent });
    }
}

/// Whether so many ids of ours among so many rows make a column of counters.
pub(super) const fn are_ids(ours: usize, rows: usize) -> bool {
    ours * 2 >= rows
}

fn distinct<'a>(words: impl Iterator<Item = &'a [u8]>) -> Vec<&'a [u8]> {
    let mut words: Vec<&[u8]> = words.collect();
    words.sort_unstable();
    words.dedup();
    words
}

/// The place of each row's value among sorted ones that hold it.
fn codes_of<T: Ord + Copy>(values: &[T], rows: impl Iterator<Item = Option<T>>) -> Vec<u16> {
    let place = |value| values.binary_search(&value).map_or(ABSENT, |place| place as u16);
    let mut last = (None, ABSENT);
    let codes = rows.map(|value| {
        if value != last.0 {
            last = (value, value.map_or(ABSENT, place));
        }
        last.1
    });
    codes.collect()
}

/// Codes with absence as code 0 where there is any, the rows of each value, and the rows without one.
fn numbered(mut codes: Vec<u16>, values: usize) -> (Vec<u16>, Vec<u64>, u64) {
    let mut counts = vec![0; values];
    for code in &codes {
        if let Some(count) = counts.get_mut(usize::from(*code)) {
            *count += 1;
        }
    }
    let absent = codes.len() as u64 - counts.iter().sum::<u64>();
    if absent > 0 {
        // Absence is the largest number: one more is 0.
        codes.iter_mut().for_each(|code| *code = code.wrapping_add(1));
    }
    (codes, counts, absent)
}

/// Whether a code fits a byte.
pub(super) fn is_narrow(values: usize, absent: u64) -> bool {
    values + usize::from(absent > 0) <= 256
}

/// The distinct numbers, sorted, if a small dictionary takes them.
fn few(numbers: impl Iterator<Item = u64>) -> Option<Vec<u64>> {
    let mut seen = rustc_hash::FxHashSet::default();
    let mut last = None;
    for number in numbers {
        if last != Some(number) && seen.insert(number) && seen.len() >= SMALL_VALUES {
            return None;
        }
        last = Some(number);
    }
    let mut values: Vec<u64> = seen.into_iter().collect();
    values.sort_unstable();
    Some(values)
}

/// A number that is none of these, of which there are fewer than numbers.
fn unused(numbers: impl Iterator<Item = u64> + Clone) -> u64 {
    match numbers.clone().max() {
        None => 0,
        Some(most) if most < u64::MAX => most + 1,
        Some(_) => {
            let known: std::collections::BTreeSet<u64> = numbers.collect();
            (0..).find(|number| !known.contains(number)).unwrap_or(0)
        }
    }
}

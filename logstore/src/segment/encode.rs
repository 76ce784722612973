//! From the canonical bytes of rows to the parts of a segment.

use std::collections::BTreeMap;

use super::dictionary;
use super::extremes;
use super::filter;
use super::frames::Press;
use super::gather::{ABSENT, Gathered, Words, gather};
use super::header::{Column, Header, Numbers, STRAY, Shape, Word, lower_bound, upper_bound};
use super::hours;
use super::pages::{encode_codes, encode_numbers};
use super::part::{Part, seal};
use super::rare;
use crate::entry::{Kind, Log, TIME};
use crate::id::{Ids, Scrambled};

/// A part, of which column and which.
pub(crate) type Made = (u32, Part, Vec<u8>);

/// Times are signed; with their sign turned they sort as unsigned numbers.
pub(crate) const TIME_SIGN: u64 = 1 << 63;

/// Values of a dictionary that stands in the header, and their bytes.
const SMALL_VALUES: usize = 256;
const SMALL_BYTES: usize = 4096;

/// The parts of a segment of these rows.
pub(crate) fn encode(log: Log, first: u64, rows: &[&[u8]], ids: &Ids) -> Vec<Made> {
    let mut making = Making { log, press: Press::new(), made: Vec::new(), columns: Vec::new(), small: BTreeMap::new() };
    let mut times = Vec::new();
    for (number, gathered) in gather(rows, log.runs(), |number| log.holds_ids(number)) {
        let shape = match gathered {
            Gathered::Empty => continue,
            Gathered::Numbers { rows, absent } if number == TIME => {
                times = rows.iter().map(|time| time.cast_signed()).collect();
                making.times(rows, !absent.is_empty())
            }
            Gathered::Numbers { rows, absent } => making.numbers(number, rows, &absent),
            Gathered::Ids { rows, ids: scrambled } => making.ids(number, &rows, &scrambled, ids),
            Gathered::Words { rows, words } => making.words(number, &rows, &words),
            Gathered::Mixed { rows } => making.raw(number, &rows),
        };
        making.columns.push(Column { number, shape });
    }
    making.finish(first, rows.len(), &times)
}

struct Making {
    log: Log,
    press: Press,
    made: Vec<Made>,
    columns: Vec<Column>,
    /// Codes of small dictionaries, for the hours.
    small: BTreeMap<u32, (usize, Vec<u16>)>,
}

impl Making {
    fn add(&mut self, column: u32, part: Part, body: Vec<u8>) {
        self.made.push((column, part, seal(body)));
    }

    fn finish(mut self, first: u64, rows: usize, times: &[i64]) -> Vec<Made> {
        let counted = self.small.iter().filter(|(_, (codes, _))| *codes <= hours::VALUES_MAX);
        let counted: Vec<_> = counted.map(|(number, (codes, rows))| (*number, *codes, rows.as_slice())).collect();
        let by_hour = if times.len() == rows { hours::encode(times, &counted, &mut self.press) } else { None };
        let has_hours = by_hour.is_some();
        if let Some(by_hour) = by_hour {
            self.add(0, Part::Hours, by_hour);
        }
        let bytes = self.made.iter().map(|(_, _, body)| body.len() as u64).sum();
        let columns = std::mem::take(&mut self.columns);
        let header = Header { first, rows: rows as u64, bytes, has_hours, columns };
        self.add(0, Part::Header, header.encode());
        self.made
    }

    /// An entry without a time is of 1970, and is found there.
    fn times(&mut self, rows: Vec<u64>, some_absent: bool) -> Shape {
        let times: Vec<u64> = rows.into_iter().map(|time| time ^ TIME_SIGN).collect();
        self.add(TIME, Part::Numbers, encode_numbers(&times));
        Shape::Numbers(Numbers { absent: some_absent.then_some(TIME_SIGN), ..Numbers::of(&times, None) })
    }

    fn numbers(&mut self, number: u32, mut rows: Vec<u64>, absent: &[usize]) -> Shape {
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
        self.add(number, Part::Numbers, encode_numbers(&rows));
        self.add(number, Part::Extremes, extremes::encode(&rows, hole));
        Shape::Numbers(Numbers::of(&rows, hole))
    }

    fn ids(&mut self, number: u32, rows: &[Option<&[u8]>], scrambled: &[Option<Scrambled>], ids: &Ids) -> Shape {
        let counters = ids.counters(scrambled);
        let ours = counters.iter().flatten().count();
        if ours * 2 < rows.len() {
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
        self.add(number, Part::Numbers, encode_numbers(&numbers));
        if !strays.is_empty() {
            let texts = dictionary::encode(&strays, &mut self.press);
            self.add(number, Part::Strays, texts);
        }
        let least_stray = STRAY - strays.len() as u64;
        let known = |number: &u64| if *number > least_stray { STRAY + 1 } else { *number };
        let bounds: Vec<u64> = numbers.iter().map(known).collect();
        Shape::Ids { counters: Numbers::of(&bounds, Some(STRAY + 1)), strays: strays.len() as u64 }
    }

    fn texts(&mut self, number: u32, rows: &[Option<&[u8]>]) -> Shape {
        let words = distinct(rows.iter().flatten().copied());
        let codes = codes_of(&words, rows.iter().copied());
        self.sorted(number, &words, codes)
    }

    fn words(&mut self, number: u32, rows: &[u16], words: &Words) -> Shape {
        let mut order: Vec<(&[u8], u16)> =
            (0..words.len()).filter_map(|at| Some((words.get(at)?, at as u16))).collect();
        order.sort_unstable();
        // A row without a word has a place that no word has.
        let mut places = vec![ABSENT; words.len()];
        for ((_, at), place) in order.iter().zip(0..) {
            if let Some(known) = places.get_mut(usize::from(*at)) {
                *known = place;
            }
        }
        let sorted: Vec<&[u8]> = order.into_iter().map(|(word, _)| word).collect();
        let codes: Vec<u16> = rows.iter().map(|at| places.get(usize::from(*at)).copied().unwrap_or(ABSENT)).collect();
        self.sorted(number, &sorted, codes)
    }

    fn sorted(&mut self, number: u32, words: &[&[u8]], codes: Vec<u16>) -> Shape {
        let bytes: usize = words.iter().map(|word| word.len()).sum();
        if words.len() < SMALL_VALUES && bytes <= SMALL_BYTES {
            return self.small(number, words.iter().map(|word| Word::Bytes((*word).into())).collect(), codes);
        }
        let absent = self.large(number, words, codes);
        let kind = self.log.fields().iter().find(|field| field.number == number).map(|field| field.kind);
        if !matches!(kind, Some(Kind::Address)) {
            self.add(number, Part::Trigrams, filter::trigrams(words));
        }
        self.add(number, Part::Exact, filter::exact(words));
        let (first, last) = (words.first().copied().unwrap_or_default(), words.last().copied().unwrap_or_default());
        Shape::Large { values: words.len() as u64, absent, min: lower_bound(first), max: upper_bound(last) }
    }

    fn raw(&mut self, number: u32, rows: &[Option<Vec<u8>>]) -> Shape {
        let words = distinct(rows.iter().flatten().map(Vec::as_slice));
        let codes = codes_of(&words, rows.iter().map(Option::as_deref));
        let absent = self.large(number, &words, codes);
        Shape::Raw { values: words.len() as u64, absent }
    }

    /// A dictionary in parts of its own. Gives the rows without a value.
    fn large(&mut self, number: u32, words: &[&[u8]], codes: Vec<u16>) -> u64 {
        let (codes, counts, absent) = numbered(codes, words.len());
        let dictionary = dictionary::encode(words, &mut self.press);
        self.add(number, Part::Dictionary, dictionary);
        let mut plain = Vec::new();
        counts.iter().for_each(|count| crate::codec::put_varint(*count, &mut plain));
        let counts = self.press.block(&plain);
        self.add(number, Part::Counts, counts);
        let codes = encode_codes(&codes, is_narrow(words.len(), absent), &mut self.press);
        self.add(number, Part::Codes, codes);
        absent
    }

    fn small(&mut self, number: u32, words: Vec<Word>, codes: Vec<u16>) -> Shape {
        let (codes, counts, absent) = numbered(codes, words.len());
        let by_code: Vec<u64> = (absent > 0).then_some(absent).into_iter().chain(counts.iter().copied()).collect();
        let values: Vec<(Word, u64)> = words.into_iter().zip(counts).collect();
        if let ([(only, _)], 0) = (values.as_slice(), absent) {
            return Shape::Constant(only.clone());
        }
        let pages = encode_codes(&codes, is_narrow(values.len(), absent), &mut self.press);
        self.add(number, Part::Codes, pages);
        let rare = rare::encode(&codes, &by_code);
        if !rare.is_empty() {
            self.add(number, Part::Rare, rare);
        }
        self.small.insert(number, (by_code.len(), codes));
        Shape::Small { values, absent }
    }
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

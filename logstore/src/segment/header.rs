//! What is known of a segment without reading it: kept in memory for every segment there is.

use std::cmp::Ordering;
use std::ops::{Deref, Range};
use std::sync::Arc;

use super::bytes::{Read, put_length, put_text};
use super::{Fault, PAGE};
use crate::codec::{Raw, put_varint};

/// Of one segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    /// Position of the first row.
    pub(crate) first: u64,
    /// Rows, a power of two.
    pub(crate) rows: u64,
    /// Bytes of the other parts.
    pub(crate) bytes: u64,
    /// Whether there is a part of the rows by hour.
    pub(crate) has_hours: bool,
    /// Columns that any row has, ascending by number.
    pub(crate) columns: Vec<Column>,
}

/// One column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    /// The field's number.
    pub(crate) number: u32,
    pub(crate) shape: Shape,
}

/// How a column is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Every row holds this.
    Constant(Word),
    /// Few values: here, with their codes in pages. With absent rows, code 0 is absence and values follow.
    Small {
        /// Sorted, each with its rows.
        values: Vec<(Word, u64)>,
        /// Rows without a value.
        absent: u64,
    },
    /// Many texts: a dictionary of its own, codes as above.
    Large {
        /// Values.
        values: u64,
        /// Rows without a value.
        absent: u64,
        /// The first value; cut, so not above it.
        min: Vec<u8>,
        /// The last value; none if it is too long to be kept here.
        max: Option<Vec<u8>>,
    },
    /// A number for each row.
    Numbers(Numbers),
    /// Counters of ids that were made here. A row with a text of another kind has a number from the top down instead,
    /// see [`STRAY`].
    Ids {
        counters: Numbers,
        /// Such texts.
        strays: u64,
    },
    /// Fields that are not always of one type, as they stood in the entry; column 0: whole entries that cannot be
    /// read. A large dictionary.
    Raw {
        /// Values.
        values: u64,
        /// Rows without a value.
        absent: u64,
    },
}

/// A value of a dictionary. Numbers come before texts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Word {
    Number(u64),
    Bytes(Shared),
}

/// Bytes among those that all of a header's texts stand in: one allocation for all of them.
#[derive(Debug, Clone)]
pub(crate) struct Shared {
    all: Arc<[u8]>,
    place: Range<usize>,
}

impl Shared {
    /// A text that was just read.
    fn read(all: &Arc<[u8]>, read: &mut Read<'_>) -> Result<Self, Fault> {
        let length = read.text()?.len();
        let end = all.len() - read.rest().len();
        Ok(Self { all: Arc::clone(all), place: end - length..end })
    }
}

impl From<&[u8]> for Shared {
    fn from(bytes: &[u8]) -> Self {
        Self { all: bytes.into(), place: 0..bytes.len() }
    }
}

impl Deref for Shared {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.all.get(self.place.clone()).unwrap_or_default()
    }
}

impl PartialEq for Shared {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Shared {}

impl PartialOrd for Shared {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Shared {
    fn cmp(&self, other: &Self) -> Ordering {
        (**self).cmp(&**other)
    }
}

impl Word {
    /// The text, if it is one.
    pub(crate) fn bytes(&self) -> Option<&[u8]> {
        if let Self::Bytes(bytes) = self { Some(bytes) } else { None }
    }

    /// As it stands in an entry.
    pub(crate) fn raw(&self) -> Raw<'_> {
        match self {
            Self::Number(value) => Raw::Number(*value),
            Self::Bytes(bytes) => Raw::Bytes(bytes),
        }
    }
}

/// What is known of a column of numbers. Times are kept in the order of unsigned numbers, see [`super::making::TIME_SIGN`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Numbers {
    /// What stands where a row has none; no row has it as its value.
    pub(crate) absent: Option<u64>,
    /// The least and the greatest of all rows that have one.
    pub(crate) span: (u64, u64),
    /// The same of each page; of a page without any, the least is above the greatest.
    pub(crate) pages: Vec<(u64, u64)>,
}

/// In place of the counter of the first text that is no id of ours; of the next one less, and so on. What a row
/// without a text has is one more.
pub(crate) const STRAY: u64 = u64::MAX - 1;

/// Version of the bytes below.
const VERSION: u8 = 1;

/// The most of a first or last value that is kept here.
const BOUND_BYTES: usize = 128;

const CONSTANT_NUMBER: u8 = 0;
const CONSTANT_BYTES: u8 = 1;
const SMALL_NUMBERS: u8 = 2;
const SMALL_BYTES: u8 = 3;
const LARGE: u8 = 4;
const NUMBERS: u8 = 5;
const IDS: u8 = 6;
const RAW: u8 = 7;

impl Header {
    pub(crate) fn column(&self, number: u32) -> Option<&Column> {
        let at = self.columns.binary_search_by_key(&number, |column| column.number).ok()?;
        self.columns.get(at)
    }

    /// Pages of every column.
    pub(crate) fn pages(&self) -> usize {
        (self.rows as usize).div_ceil(PAGE)
    }

    /// Rows of a page.
    pub(crate) fn rows_of(&self, page: usize) -> usize {
        PAGE.min((self.rows as usize).saturating_sub(page * PAGE))
    }

    /// Part: version, rows, bytes, whether there are hours, then each column.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        put_varint(self.rows, &mut out);
        put_varint(self.bytes, &mut out);
        out.push(u8::from(self.has_hours));
        put_length(self.columns.len(), &mut out);
        for column in &self.columns {
            put_varint(u64::from(column.number), &mut out);
            column.shape.encode(&mut out);
        }
        out
    }

    pub(crate) fn decode(first: u64, bytes: &[u8]) -> Result<Self, Fault> {
        let all: Arc<[u8]> = bytes.into();
        let mut read = Read::of(&all);
        if read.byte()? != VERSION {
            return Err(Fault::Damaged("the header of a segment is of another version"));
        }
        let rows = read.number()?;
        if !rows.is_power_of_two() || rows > super::ROWS || !first.is_multiple_of(rows) {
            return Err(Fault::Damaged("a segment does not stand where its size belongs"));
        }
        let (bytes, has_hours) = (read.number()?, read.byte()? == 1);
        let mut header = Self { first, rows, bytes, has_hours, columns: Vec::new() };
        for _ in 0..read.length()? {
            let number = u32::try_from(read.number()?).map_err(|_| Fault::Damaged("a column has no such number"))?;
            let shape = Shape::decode(&all, &mut read, header.pages())?;
            header.columns.push(Column { number, shape });
        }
        if !read.rest().is_empty() {
            return Err(Fault::Damaged("the header of a segment does not end where it should"));
        }
        if header.columns.is_sorted_by(|one, other| one.number < other.number) {
            Ok(header)
        } else {
            Err(Fault::Damaged("the columns of a segment are out of order"))
        }
    }
}

impl Shape {
    /// The values that stand here.
    pub(crate) fn words(&self) -> impl Iterator<Item = &Word> {
        let (one, few) = match self {
            Self::Constant(word) => (Some(word), [].as_slice()),
            Self::Small { values, .. } => (None, values.as_slice()),
            Self::Large { .. } | Self::Numbers(_) | Self::Ids { .. } | Self::Raw { .. } => (None, [].as_slice()),
        };
        one.into_iter().chain(few.iter().map(|(word, _)| word))
    }

    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Constant(Word::Number(number)) => {
                out.push(CONSTANT_NUMBER);
                put_varint(*number, out);
            }
            Self::Constant(Word::Bytes(bytes)) => {
                out.push(CONSTANT_BYTES);
                put_text(bytes, out);
            }
            Self::Small { values, absent } => encode_small(values, *absent, out),
            Self::Large { values, absent, min, max } => {
                out.push(LARGE);
                put_varint(*values, out);
                put_varint(*absent, out);
                put_text(min, out);
                out.push(u8::from(max.is_some()));
                put_text(max.as_deref().unwrap_or_default(), out);
            }
            Self::Numbers(numbers) => numbers.encode(NUMBERS, out),
            Self::Ids { counters, strays } => {
                counters.encode(IDS, out);
                put_varint(*strays, out);
            }
            Self::Raw { values, absent } => {
                out.push(RAW);
                put_varint(*values, out);
                put_varint(*absent, out);
            }
        }
    }

    fn decode(all: &Arc<[u8]>, read: &mut Read<'_>, pages: usize) -> Result<Self, Fault> {
        Ok(match read.byte()? {
            CONSTANT_NUMBER => Self::Constant(Word::Number(read.number()?)),
            CONSTANT_BYTES => Self::Constant(Word::Bytes(Shared::read(all, read)?)),
            tag @ (SMALL_NUMBERS | SMALL_BYTES) => decode_small(all, read, tag == SMALL_NUMBERS)?,
            LARGE => {
                let (values, absent, min) = (read.number()?, read.number()?, read.text()?.to_owned());
                let has_max = read.byte()? == 1;
                let max = read.text()?.to_owned();
                Self::Large { values, absent, min, max: has_max.then_some(max) }
            }
            NUMBERS => Self::Numbers(Numbers::decode(read, pages)?),
            IDS => Self::Ids { counters: Numbers::decode(read, pages)?, strays: read.number()? },
            RAW => Self::Raw { values: read.number()?, absent: read.number()? },
            _ => return Err(Fault::Damaged("a column of a segment is kept in an unknown way")),
        })
    }
}

/// Numbers as the distance from the one before.
fn encode_small(values: &[(Word, u64)], absent: u64, out: &mut Vec<u8>) {
    out.push(if matches!(values.first(), Some((Word::Number(_), _))) { SMALL_NUMBERS } else { SMALL_BYTES });
    put_varint(absent, out);
    put_length(values.len(), out);
    let mut before = 0;
    for (value, rows) in values {
        match value {
            Word::Number(number) => {
                put_varint(number.wrapping_sub(before), out);
                before = *number;
            }
            Word::Bytes(bytes) => put_text(bytes, out),
        }
        put_varint(*rows, out);
    }
}

fn decode_small(all: &Arc<[u8]>, read: &mut Read<'_>, are_numbers: bool) -> Result<Shape, Fault> {
    let (absent, count) = (read.number()?, read.length()?);
    let (mut values, mut before) = (Vec::new(), 0_u64);
    for _ in 0..count {
        let value = if are_numbers {
            before = before.wrapping_add(read.number()?);
            Word::Number(before)
        } else {
            Word::Bytes(Shared::read(all, read)?)
        };
        values.push((value, read.number()?));
    }
    Ok(Shape::Small { values, absent })
}

/// A first value for [`Shape::Large`].
pub(super) fn lower_bound(value: &[u8]) -> Vec<u8> {
    value.get(..BOUND_BYTES).unwrap_or(value).to_owned()
}

/// A last value for [`Shape::Large`].
pub(super) fn upper_bound(value: &[u8]) -> Option<Vec<u8>> {
    (value.len() <= BOUND_BYTES).then(|| value.to_owned())
}

impl Numbers {
    pub(super) fn of(numbers: &[u64], absent: Option<u64>) -> Self {
        let span = |rows: &[u64]| {
            let present = rows.iter().filter(|number| Some(**number) != absent);
            present.fold((u64::MAX, 0), |(least, most), number| (least.min(*number), most.max(*number)))
        };
        Self { absent, span: span(numbers), pages: numbers.chunks(PAGE).map(span).collect() }
    }

    fn encode(&self, tag: u8, out: &mut Vec<u8>) {
        out.push(tag);
        out.push(u8::from(self.absent.is_some()));
        put_varint(self.absent.unwrap_or(0), out);
        put_varint(self.span.0, out);
        put_varint(self.span.1, out);
        for (least, most) in &self.pages {
            put_varint(least.wrapping_sub(self.span.0), out);
            put_varint(self.span.1.wrapping_sub(*most), out);
        }
    }

    fn decode(read: &mut Read<'_>, pages: usize) -> Result<Self, Fault> {
        let has_absent = read.byte()? == 1;
        let absent = read.number()?;
        let span = (read.number()?, read.number()?);
        let mut numbers = Self { absent: has_absent.then_some(absent), span, pages: Vec::with_capacity(pages) };
        for _ in 0..pages {
            let (least, most) = (read.number()?, read.number()?);
            numbers.pages.push((span.0.wrapping_add(least), span.1.wrapping_sub(most)));
        }
        Ok(numbers)
    }
}

impl Header {
    /// Whether the smallest and largest numbers of a column are listed.
    pub(crate) fn has_extremes(&self, number: u32) -> bool {
        number != crate::entry::TIME
            && self.column(number).is_some_and(|column| matches!(column.shape, Shape::Numbers(_)))
    }

    /// Whether rows have no number in a column of numbers.
    pub(crate) fn has_absent(&self, number: u32) -> bool {
        self.column(number)
            .is_some_and(|column| matches!(&column.shape, Shape::Numbers(numbers) if numbers.absent.is_some()))
    }
}

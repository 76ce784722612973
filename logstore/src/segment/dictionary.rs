//! The distinct values of a column, sorted, in blocks of 256 that are read alone.
//!
//! Within a block a value is what it shares with the one before it and what follows, so that values which begin alike
//! cost little. The first value of each block stands uncompressed before the blocks: a search reads one block.

use std::cell::OnceCell;
use std::ops::Range;
use std::sync::Arc;

use memchr::memmem::Finder;

use super::Fault;
use super::bytes::{Read, put_length, put_text};
use super::filter;
use super::frames::{Press, unpress};
use super::part::{Part, Parts, Stored};
use super::read::get_or_try;
use crate::cache::{Decoded, Kind};

/// Values of a block.
const BLOCK: usize = 256;

/// Part: number of values, then per block its first value and its compressed length, then the blocks.
pub(super) fn encode(values: &[&[u8]], press: &mut Press) -> Vec<u8> {
    let blocks: Vec<Vec<u8>> = values.chunks(BLOCK).map(|block| press.block(&shared_beginnings(block))).collect();
    let mut out = Vec::new();
    put_length(values.len(), &mut out);
    for (values, block) in values.chunks(BLOCK).zip(&blocks) {
        put_text(values.first().copied().unwrap_or_default(), &mut out);
        put_length(block.len(), &mut out);
    }
    for block in blocks {
        out.extend(block);
    }
    out
}

/// Per value what it shares with the one before it; then the lengths of the rests; then the rests.
fn shared_beginnings(values: &[&[u8]]) -> Vec<u8> {
    let (mut out, mut lengths, mut rests) = (Vec::new(), Vec::new(), Vec::new());
    let mut before: &[u8] = &[];
    for value in values {
        let shared = shared(before, value);
        let rest = value.get(shared..).unwrap_or_default();
        put_length(shared, &mut out);
        put_length(rest.len(), &mut lengths);
        rests.extend_from_slice(rest);
        before = value;
    }
    out.extend(lengths);
    out.extend(rests);
    out
}

/// How many bytes two values begin with in common.
pub(super) fn shared(one: &[u8], other: &[u8]) -> usize {
    let (eights, others) = (one.as_chunks::<8>().0, other.as_chunks::<8>().0);
    let equal = eights.iter().zip(others).take_while(|(a, b)| a == b).count() * 8;
    let rest = one.iter().zip(other).skip(equal).take_while(|(a, b)| a == b).count();
    equal + rest
}

/// A dictionary, blocks of it decoded as they are asked for.
pub(crate) struct Dictionary<'a> {
    parts: &'a dyn Parts,
    column: u32,
    kind: Part,
    /// Fetched when a block is to be decoded.
    part: OnceCell<Stored<'a>>,
    directory: Arc<Directory>,
    read: Vec<OnceCell<Arc<Block>>>,
}

/// What leads to the blocks of a dictionary.
pub(crate) struct Directory {
    values: usize,
    blocks: Vec<Place>,
    /// The first value of each block, one after the other.
    firsts: Vec<u8>,
}

/// Where the first value of a block stands among those, and the block in the part.
struct Place {
    first: Range<usize>,
    block: Range<usize>,
}

impl Directory {
    /// Memory that it takes.
    pub(crate) fn bytes(&self) -> usize {
        self.firsts.len() + self.blocks.len() * size_of::<Place>()
    }

    fn of(part: &[u8]) -> Result<Self, Fault> {
        let mut read = Read::of(part);
        let values = read.length()?;
        let mut directory =
            Self { values, blocks: Vec::with_capacity(values.div_ceil(BLOCK).min(1 << 16)), firsts: Vec::new() };
        for _ in 0..values.div_ceil(BLOCK) {
            let start = directory.firsts.len();
            directory.firsts.extend_from_slice(read.text()?);
            directory.blocks.push(Place { first: start..directory.firsts.len(), block: 0..read.length()? });
        }
        let mut at = part.len() - read.rest().len();
        for place in &mut directory.blocks {
            place.block = at..at + place.block.end;
            at = place.block.end;
        }
        Ok(directory)
    }
}

/// The values of one block.
pub(crate) struct Block {
    /// Where each value begins; one more for the end.
    starts: Vec<u32>,
    bytes: Vec<u8>,
}

impl<'a> Dictionary<'a> {
    pub(super) fn open(parts: &'a dyn Parts, column: u32, part: Part) -> Result<Self, Fault> {
        let fetched = OnceCell::new();
        let decoded = parts.decoded(column, Kind::Directory, part as usize, &mut || {
            let directory = Directory::of(get_or_try(&fetched, || parts.part(column, part))?)?;
            Ok(Decoded::Directory(Arc::new(directory)))
        })?;
        let Decoded::Directory(directory) = decoded else { return Err(Fault::Damaged("a directory is none")) };
        let read = directory.blocks.iter().map(|_| OnceCell::new()).collect();
        Ok(Self { parts, column, kind: part, part: fetched, directory, read })
    }

    /// Number of values.
    pub(crate) fn len(&self) -> usize {
        self.directory.values
    }

    /// The value of a code.
    pub(crate) fn value(&self, code: usize) -> Result<&[u8], Fault> {
        let missing = Fault::Damaged("a segment names a value that it does not have");
        self.block(code / BLOCK)?.value(code % BLOCK).ok_or(missing)
    }

    /// The first code whose value is not less, and whether it is this very value.
    pub(crate) fn place(&self, value: &[u8]) -> Result<(usize, bool), Fault> {
        let Directory { blocks, firsts, values: _ } = &*self.directory;
        let after = blocks.partition_point(|place| firsts.get(place.first.clone()).unwrap_or_default() <= value);
        let Some(at) = after.checked_sub(1) else {
            return Ok((0, false));
        };
        let block = self.block(at)?;
        let within = block.partition_point(|known| known < value);
        Ok((at * BLOCK + within, block.value(within) == Some(value)))
    }

    /// Calls `see` with the code of every value that holds the lower-case needle of ASCII, ASCII letters in any case.
    pub(crate) fn each_with(&self, needle: &Finder<'_>, mut see: impl FnMut(usize)) -> Result<(), Fault> {
        let mut lower = Vec::new();
        let filters = if needle.needle().len() < 3 { None } else { Some(self.filters()?) };
        for at in 0..self.read.len() {
            let filter = filters.as_ref().and_then(|filters| filters.chunks(filter::BLOCK_BYTES).nth(at));
            if filter.is_some_and(|filter| !filter::may_contain(filter, needle.needle())) {
                continue;
            }
            let block = self.block(at)?;
            lower.clear();
            lower.extend_from_slice(&block.bytes);
            lower.make_ascii_lowercase();
            block.each_with(needle, &lower, |within| see(at * BLOCK + within));
        }
        Ok(())
    }

    /// Of each block which trigrams are in it: made when texts are looked for the first time, and on no disk.
    fn filters(&self) -> Result<Arc<Vec<u8>>, Fault> {
        let decoded = self.parts.decoded(self.column, Kind::Blocks, 0, &mut || {
            let mut filters = vec![0; self.read.len() * filter::BLOCK_BYTES];
            for (at, filter) in filters.chunks_mut(filter::BLOCK_BYTES).enumerate() {
                // Blocks are not kept for this: all of them would drive out what questions need.
                filter::add_trigrams(&self.decode(at)?.bytes, filter);
            }
            Ok(Decoded::Blocks(Arc::new(filters)))
        })?;
        if let Decoded::Blocks(filters) = decoded { Ok(filters) } else { Err(Fault::Damaged("a filter is none")) }
    }

    /// Whether it holds these values in this order, and searches are led to the blocks in which they are.
    pub(super) fn holds(&self, values: &[&[u8]]) -> Result<bool, Fault> {
        let Directory { blocks, firsts, values: known } = &*self.directory;
        let first = |place: &Place| firsts.get(place.first.clone());
        if *known != values.len()
            || !blocks.iter().map(first).eq(values.chunks(BLOCK).map(|block| block.first().copied()))
        {
            return Ok(false);
        }
        for (code, value) in values.iter().enumerate() {
            if self.value(code)? != *value {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Calls `see` with every code and value, in order.
    pub(crate) fn each(&self, mut see: impl FnMut(usize, &[u8])) -> Result<(), Fault> {
        for at in 0..self.read.len() {
            let block = self.block(at)?;
            for (within, value) in block.values().enumerate() {
                see(at * BLOCK + within, value);
            }
        }
        Ok(())
    }

    fn block(&self, at: usize) -> Result<&Block, Fault> {
        let cell = self.read.get(at).ok_or(Fault::Damaged("a dictionary of a segment lacks a block"))?;
        if let Some(block) = cell.get() {
            return Ok(block);
        }
        let decoded =
            self.parts.decoded(self.column, Kind::Block, at, &mut || Ok(Decoded::Block(Arc::new(self.decode(at)?))))?;
        let Decoded::Block(block) = decoded else { return Err(Fault::Damaged("a block is none")) };
        Ok(cell.get_or_init(|| block))
    }

    fn decode(&self, at: usize) -> Result<Block, Fault> {
        let part = get_or_try(&self.part, || self.parts.part(self.column, self.kind))?;
        let place = self.directory.blocks.get(at).map(|place| place.block.clone()).unwrap_or_default();
        let block = part.get(place).ok_or(Fault::Damaged("a dictionary of a segment ends too early"))?;
        Block::decode(&unpress(block)?, BLOCK.min(self.len() - at * BLOCK))
    }
}

impl Block {
    /// Memory that it takes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.len() + self.starts.len() * 4
    }

    fn decode(plain: &[u8], values: usize) -> Result<Self, Fault> {
        let mut read = Read::of(plain);
        let shared = (0..values).map(|_| read.length()).collect::<Result<Vec<_>, _>>()?;
        let lengths = (0..values).map(|_| read.length()).collect::<Result<Vec<_>, _>>()?;
        let mut block = Self { starts: Vec::with_capacity(values + 1), bytes: Vec::with_capacity(plain.len() * 3) };
        let mut before = 0;
        for (shared, length) in shared.into_iter().zip(lengths) {
            let start = block.bytes.len();
            if shared > start - before {
                return Err(Fault::Damaged("a value of a segment shares more than there is"));
            }
            block.bytes.extend_from_within(before..before + shared);
            block.bytes.extend_from_slice(read.take(length)?);
            block.starts.push(offset(start)?);
            before = start;
        }
        block.starts.push(offset(block.bytes.len())?);
        Ok(block)
    }

    fn value(&self, at: usize) -> Option<&[u8]> {
        let (start, end) = (*self.starts.get(at)?, *self.starts.get(at + 1)?);
        self.bytes.get(start as usize..end as usize)
    }

    fn values(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.starts.len().saturating_sub(1)).filter_map(|at| self.value(at))
    }

    fn partition_point(&self, is_before: impl Fn(&[u8]) -> bool) -> usize {
        let (mut low, mut high) = (0, self.starts.len().saturating_sub(1));
        while low < high {
            let middle = low.midpoint(high);
            if self.value(middle).is_some_and(&is_before) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// All values at once: hits that reach over the end of a value are none.
    fn each_with(&self, needle: &Finder<'_>, lower: &[u8], mut see: impl FnMut(usize)) {
        let mut from = 0;
        while let Some(hit) = lower.get(from..).and_then(|rest| needle.find(rest)) {
            let hit = from + hit;
            let at = self.starts.partition_point(|start| *start as usize <= hit).saturating_sub(1);
            let end = self.starts.get(at + 1).map_or(lower.len(), |end| *end as usize);
            from = hit + 1;
            if hit + needle.needle().len() <= end {
                see(at);
                from = end;
            }
        }
    }
}

fn offset(bytes: usize) -> Result<u32, Fault> {
    u32::try_from(bytes).map_err(|_| Fault::Damaged("a dictionary block of a segment is too long"))
}

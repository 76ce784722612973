//! Codes and numbers of 4,096 rows at a time.

use pco::metadata::{DeltaEncoding, Mode};
use pco::standalone::{FileCompressor, simple_compress, simple_decompress};
use pco::{ChunkConfig, DeltaSpec, ModeSpec};

use super::bytes::Read;
use super::frames::{Press, frame, join, unpress};
use super::{Fault, PAGE};

/// Which value each row of a page has.
#[derive(Debug)]
pub(crate) enum Codes {
    /// Columns of at most 256 values, absence being one.
    Narrow(Vec<u8>),
    /// Others.
    Wide(Vec<u16>),
}

impl Codes {
    /// Memory that it takes.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Narrow(codes) => codes.len(),
            Self::Wide(codes) => codes.len() * 2,
        }
    }

    /// To the end of others.
    pub(super) fn add_to(&self, all: &mut Vec<u16>) {
        match self {
            Self::Narrow(codes) => all.extend(codes.iter().map(|code| u16::from(*code))),
            Self::Wide(codes) => all.extend_from_slice(codes),
        }
    }

    /// Calls `see` with the code of each row and what comes with it. None where there is no such row.
    #[inline]
    pub(crate) fn each<T>(&self, rows: impl Iterator<Item = (usize, T)>, mut see: impl FnMut(usize, T)) -> Option<()> {
        match self {
            Self::Narrow(codes) => {
                for (row, with) in rows {
                    see(usize::from(*codes.get(row)?), with);
                }
            }
            Self::Wide(codes) => {
                for (row, with) in rows {
                    see(usize::from(*codes.get(row)?), with);
                }
            }
        }
        Some(())
    }

    pub(crate) fn get(&self, row: usize) -> Option<usize> {
        match self {
            Self::Narrow(codes) => codes.get(row).map(|code| usize::from(*code)),
            Self::Wide(codes) => codes.get(row).map(|code| usize::from(*code)),
        }
    }
}

/// How a page of codes is compressed: the first byte of its frame.
const ZSTD: u8 = 0;
const PCO: u8 = 1;

/// More costs more time than it saves room on pages of this size.
const PCO_LEVEL: usize = 6;

/// Part: pages of codes, in that of two ways to compress them which makes the first page smaller.
pub(super) fn encode_codes(codes: &[u16], is_narrow: bool, press: &mut Press) -> Vec<u8> {
    let mut is_binned = !is_narrow;
    let config = config().with_mode_spec(ModeSpec::Classic).with_delta_spec(DeltaSpec::NoOp);
    let mut pages = Vec::with_capacity(codes.len().div_ceil(PAGE));
    for page in codes.chunks(PAGE) {
        let binned = is_binned.then(|| simple_compress(page, &config).ok()).flatten();
        if let Some(binned) = binned.as_ref().filter(|_| !pages.is_empty()) {
            pages.push(tagged(PCO, binned));
            continue;
        }
        let block = press.block(&plain(page, is_narrow));
        let binned = binned.filter(|binned| binned.len() < block.len());
        is_binned = binned.is_some();
        pages.push(binned.map_or_else(|| tagged(ZSTD, &block), |binned| tagged(PCO, &binned)));
    }
    join(&pages)
}

fn config() -> ChunkConfig {
    ChunkConfig::default().with_compression_level(PCO_LEVEL)
}

fn plain(page: &[u16], is_narrow: bool) -> Vec<u8> {
    if is_narrow {
        page.iter().map(|code| *code as u8).collect()
    } else {
        page.iter().flat_map(|code| code.to_le_bytes()).collect()
    }
}

fn tagged(tag: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + 1);
    out.push(tag);
    out.extend_from_slice(bytes);
    out
}

/// A page of [`encode_codes`], with this many rows.
pub(super) fn decode_codes(part: &[u8], page: usize, rows: usize, is_narrow: bool) -> Result<Codes, Fault> {
    const DAMAGED: Fault = Fault::Damaged("a page of codes cannot be read");
    let mut read = Read::of(frame(part, page)?);
    let codes = match (read.byte()?, is_narrow) {
        (ZSTD, true) => Codes::Narrow(unpress(read.rest())?),
        (ZSTD, false) => {
            let plain = unpress(read.rest())?;
            Codes::Wide(plain.as_chunks::<2>().0.iter().map(|code| u16::from_le_bytes(*code)).collect())
        }
        (PCO, false) => Codes::Wide(simple_decompress(read.rest()).map_err(|_| DAMAGED)?),
        _ => return Err(DAMAGED),
    };
    let length = match &codes {
        Codes::Narrow(codes) => codes.len(),
        Codes::Wide(codes) => codes.len(),
    };
    if length == rows { Ok(codes) } else { Err(DAMAGED) }
}

/// Part: pages of numbers, in the way that suits the first of them.
pub(super) fn encode_numbers(numbers: &[u64]) -> Vec<u8> {
    let config = numbers.chunks(PAGE).next().map_or_else(config, suited);
    let pages: Vec<_> = numbers
        .chunks(PAGE)
        .map(|page| simple_compress(page, &config).expect("a page of integers can be compressed"))
        .collect();
    join(&pages)
}

/// Finding out for each page would cost as much as compressing it.
fn suited(page: &[u64]) -> ChunkConfig {
    let Ok(found) = FileCompressor::default().chunk_compressor(page, &config()) else { return config() };
    let delta = match &found.meta().delta_encoding {
        DeltaEncoding::NoOp => DeltaSpec::NoOp,
        DeltaEncoding::Consecutive { order, .. } => DeltaSpec::TryConsecutive(*order),
        DeltaEncoding::Lookback { .. } => DeltaSpec::TryLookback,
        DeltaEncoding::Conv1(_) | _ => DeltaSpec::Auto,
    };
    let mode = if found.meta().mode == Mode::Classic { ModeSpec::Classic } else { ModeSpec::Auto };
    config().with_delta_spec(delta).with_mode_spec(mode)
}

/// A page of [`encode_numbers`], with this many rows.
pub(super) fn decode_numbers(part: &[u8], page: usize, rows: usize) -> Result<Vec<u64>, Fault> {
    const DAMAGED: Fault = Fault::Damaged("a page of numbers cannot be read");
    let numbers = simple_decompress::<u64>(frame(part, page)?).map_err(|_| DAMAGED)?;
    if numbers.len() == rows { Ok(numbers) } else { Err(DAMAGED) }
}

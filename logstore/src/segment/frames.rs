//! Compressed blocks one after another, each of which can be read alone.

use std::cell::RefCell;

use zstd::bulk::{Compressor, Decompressor};

use super::Fault;
use super::bytes::{Read, put_length};

/// Levels above cost more time than they save room on pages of this size.
const LEVEL: i32 = 1;

/// The most that a block may decompress to; more is damage.
const BLOCK_BYTES_MAX: usize = 64 << 20;

thread_local! {
    // A context costs more to make than a page to read.
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// Compresses blocks, reusing what that takes.
pub(super) struct Press(Compressor<'static>);

impl Press {
    pub(super) fn new() -> Self {
        Self(Compressor::new(LEVEL).expect("the level is one of zstd's"))
    }

    /// Length when decompressed, then the frame.
    pub(super) fn block(&mut self, plain: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        put_length(plain.len(), &mut out);
        out.extend(self.0.compress(plain).expect("a block in memory can be compressed"));
        out
    }
}

/// Undoes [`Press::block`].
pub(super) fn unpress(block: &[u8]) -> Result<Vec<u8>, Fault> {
    const DAMAGED: Fault = Fault::Damaged("a block of a segment cannot be decompressed");
    let mut read = Read::of(block);
    let length = read.length()?;
    if length > BLOCK_BYTES_MAX {
        return Err(DAMAGED);
    }
    DECOMPRESSOR.with_borrow_mut(|slot| {
        let context = match slot {
            Some(context) => context,
            None => slot.insert(Decompressor::new().map_err(|_| Fault::Damaged("zstd has no memory"))?),
        };
        let plain = context.decompress(read.rest(), length).map_err(|_| DAMAGED)?;
        if plain.len() == length { Ok(plain) } else { Err(DAMAGED) }
    })
}

/// Number of frames, their lengths, then the frames.
pub(super) fn join(frames: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::with_capacity(frames.iter().map(|frame| frame.len() + 3).sum::<usize>() + 3);
    put_length(frames.len(), &mut out);
    for frame in frames {
        put_length(frame.len(), &mut out);
    }
    for frame in frames {
        out.extend_from_slice(frame);
    }
    out
}

/// The frame at a place.
pub(super) fn frame(joined: &[u8], at: usize) -> Result<&[u8], Fault> {
    let mut read = Read::of(joined);
    let count = read.length()?;
    let (mut before, mut own) = (0, None);
    for place in 0..count {
        let length = read.length()?;
        match place.cmp(&at) {
            std::cmp::Ordering::Less => before += length,
            std::cmp::Ordering::Equal => own = Some(length),
            std::cmp::Ordering::Greater => (),
        }
    }
    let own = own.ok_or(Fault::Damaged("a segment lacks a page"))?;
    read.take(before)?;
    read.take(own)
}

//! What was decoded of segments, for the next question: most look where others have looked.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use moka::policy::EvictionPolicy;
use moka::sync::Cache as Kept;
use rustc_hash::FxBuildHasher;

use crate::entry::Log;
use crate::piece::Piece;
use crate::segment::{Block, Codes, Directory, Frequent, Hours};

/// Bytes that are kept; what was not used for the longest time goes. Those used least often would go later to keep
/// what one kind of question needs, and the next kind would wait long for its room.
const BYTES_MAX: u64 = 128 << 20;

/// What a place costs beside what it holds.
const OVERHEAD: usize = 128;

/// A decoded piece of a segment.
#[derive(Clone)]
pub(crate) enum Decoded {
    Codes(Arc<Codes>),
    Numbers(Arc<Vec<u64>>),
    Directory(Arc<Directory>),
    Block(Arc<Block>),
    /// The filter of the trigrams of all texts.
    Texts(Arc<Vec<u8>>),
    /// The same of each block of a dictionary.
    Blocks(Arc<Vec<u8>>),
    Hours(Arc<Hours>),
    Extremes(Arc<Vec<(u64, usize)>>),
    Frequent(Arc<Frequent>),
    /// Rows that are not sealed as a segment; none before they are looked at for the second time.
    Warm(Option<Arc<Piece>>),
}

/// Which piece: log, first position of the segment, column, page or block.
pub(crate) type Place = (Log, u64, u32, Kind, usize);

/// Of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Codes,
    Numbers,
    Directory,
    Block,
    Texts,
    Blocks,
    Hours,
    Extremes,
    Frequent,
    Warm,
}

/// Decoded pieces of all segments.
pub(crate) struct Cache {
    kept: Kept<(u64, Place), Decoded, FxBuildHasher>,
    /// Segments were made anew so many times: what was decoded before is not asked for any more.
    age: AtomicU64,
}

impl Default for Cache {
    fn default() -> Self {
        let weigher =
            |_: &(u64, Place), decoded: &Decoded| u32::try_from(decoded.bytes() + OVERHEAD).unwrap_or(u32::MAX);
        let kept = Kept::builder().max_capacity(BYTES_MAX).weigher(weigher);
        let kept = kept.eviction_policy(EvictionPolicy::lru()).build_with_hasher(FxBuildHasher);
        Self { kept, age: AtomicU64::default() }
    }
}

impl Cache {
    /// For those who look from now on.
    pub(crate) fn age(&self) -> u64 {
        self.age.load(Ordering::Relaxed)
    }

    /// Nothing of what is kept is given to those who look from now on.
    pub(crate) fn forget(&self) {
        self.age.fetch_add(1, Ordering::Relaxed);
        self.kept.invalidate_all();
    }

    /// What is kept at a place, or what is made and kept now. `age` is that of when the looking began.
    pub(crate) fn get<E>(
        &self,
        age: u64,
        place: Place,
        make: impl FnOnce() -> Result<Decoded, E>,
    ) -> Result<Decoded, E> {
        if let Some(kept) = self.kept.get(&(age, place)) {
            return Ok(kept);
        }
        let made = make()?;
        self.kept.insert((age, place), made.clone());
        Ok(made)
    }
}

impl Cache {
    /// Rows that are not sealed, from a position on, as a segment: made when they are looked at for the second time.
    pub(crate) fn warm<E>(
        &self,
        age: u64,
        log: Log,
        first: u64,
        make: impl FnOnce() -> Result<Piece, E>,
    ) -> Result<Option<Arc<Piece>>, E> {
        let place = (age, (log, first, 0, Kind::Warm, 0));
        let piece = match self.kept.get(&place) {
            Some(Decoded::Warm(Some(piece))) => return Ok(Some(piece)),
            Some(_) => Some(Arc::new(make()?)),
            None => None,
        };
        self.kept.insert(place, Decoded::Warm(piece.clone()));
        Ok(piece)
    }
}

impl Decoded {
    fn bytes(&self) -> usize {
        match self {
            Self::Codes(codes) => codes.bytes(),
            Self::Numbers(numbers) => numbers.len() * 8,
            Self::Directory(directory) => directory.bytes(),
            Self::Block(block) => block.bytes(),
            Self::Texts(trigrams) | Self::Blocks(trigrams) => trigrams.len(),
            Self::Extremes(rows) => rows.len() * size_of::<(u64, usize)>(),
            Self::Hours(hours) => hours.bytes(),
            Self::Frequent(frequent) => frequent.bytes(),
            Self::Warm(piece) => piece.as_ref().map_or(0, |piece| piece.memory_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_bounded_and_is_made_once_while_it_is() {
        let cache = Cache::default();
        let megabyte = Decoded::Numbers(Arc::new(vec![0; (1 << 20) / 8]));
        let get = |at: usize| {
            let mut made = false;
            let place = (Log::Requests, 0, 1, Kind::Numbers, at);
            let got: Result<_, ()> = cache.get(0, place, || {
                made = true;
                Ok(megabyte.clone())
            });
            got.unwrap();
            cache.kept.run_pending_tasks();
            made
        };
        assert!(get(0) && !get(0));
        assert!((1..200).all(get));
        let bytes = cache.kept.weighted_size();
        assert!((BYTES_MAX / 2..=BYTES_MAX).contains(&bytes), "{bytes}");
    }
}

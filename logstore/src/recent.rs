//! The latest requests in memory, so that sealing them need not read them back.
//!
//! What is not here is in the database all the same: entries of before the start, and those that there was no room for.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::block::Block;

/// Memory for them: two segments of long entries. The oldest go first.
const BYTES_MAX: usize = 48 << 20;

/// Requests at consecutive positions, the last of which is the latest that was written.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    rows: Mutex<Rows>,
}

#[derive(Debug, Default)]
struct Rows {
    blocks: VecDeque<(u64, Arc<Block>)>,
    /// The position of the next one.
    end: u64,
    bytes: usize,
}

/// Consecutive rows, from the first that was asked for.
pub(crate) struct Found {
    blocks: Vec<Arc<Block>>,
    skip: usize,
    take: usize,
}

impl Recent {
    /// Takes requests from a position on. Gives blocks back whose memory is not needed.
    pub(crate) fn add(&self, first: u64, mut block: Block) -> Vec<Block> {
        let mut rows = self.rows.lock();
        let mut free = if rows.end == first { Vec::new() } else { rows.drop_before(u64::MAX) };
        rows.end = first + block.len() as u64;
        rows.bytes += block.size();
        // A quiet store writes them one by one: they must not take a block each.
        let last = rows.blocks.back_mut().and_then(|(_, last)| Arc::get_mut(last));
        if last.is_some_and(|last| last.absorb(&mut block)) {
            free.push(block);
        } else {
            rows.blocks.push_back((first, Arc::new(block)));
        }
        while rows.bytes > BYTES_MAX {
            free.extend(rows.drop_first());
        }
        free
    }

    /// Rows from a position on, if all of them are here.
    pub(crate) fn rows(&self, first: u64, rows: u64) -> Option<Found> {
        let known = self.rows.lock();
        let (begin, _) = known.blocks.front()?;
        if first < *begin || first + rows > known.end {
            return None;
        }
        let from = known.blocks.partition_point(|(begin, _)| *begin <= first).saturating_sub(1);
        let to = known.blocks.partition_point(|(begin, _)| *begin < first + rows);
        let skip = (first - known.blocks.get(from)?.0) as usize;
        let blocks = known.blocks.range(from..to).map(|(_, block)| Arc::clone(block)).collect();
        Some(Found { blocks, skip, take: rows as usize })
    }

    /// Rows before a position are not asked for any more. Gives blocks back whose memory is not needed.
    pub(crate) fn drop_before(&self, seq: u64) -> Vec<Block> {
        self.rows.lock().drop_before(seq)
    }

    /// Positions may be given again.
    pub(crate) fn clear(&self) {
        *self.rows.lock() = Rows::default();
    }
}

impl Rows {
    fn drop_before(&mut self, seq: u64) -> Vec<Block> {
        let mut free = Vec::new();
        while self.blocks.front().is_some_and(|(first, block)| first + block.len() as u64 <= seq) {
            free.extend(self.drop_first());
        }
        free
    }

    fn drop_first(&mut self) -> Option<Block> {
        let (_, block) = self.blocks.pop_front()?;
        self.bytes -= block.size();
        Arc::into_inner(block)
    }
}

impl Found {
    pub(crate) fn rows(&self) -> impl Iterator<Item = &[u8]> {
        let all = self.blocks.iter().flat_map(|block| block.entries()).map(|(_, bytes)| bytes);
        all.skip(self.skip).take(self.take)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::Item;
    use crate::entry::Log;

    fn block(positions: std::ops::Range<u64>) -> Block {
        let mut block = Block::default();
        for seq in positions {
            block.push(Item { log: Log::Requests, time: 0, bytes: &seq.to_be_bytes(), waiter: None });
        }
        block
    }

    fn check(recent: &Recent, first: u64, rows: u64, is_there: bool) {
        let found = recent.rows(first, rows);
        let found: Option<Vec<u64>> =
            found.map(|found| found.rows().map(|bytes| u64::from_be_bytes(bytes.try_into().unwrap())).collect());
        assert_eq!(found, is_there.then(|| (first..first + rows).collect()), "{first}, {rows}");
    }

    #[test]
    fn rows_are_found_where_they_were_added_and_nowhere_else() {
        let recent = Recent::default();
        for first in (100..1000).step_by(90) {
            recent.add(first, block(first..first + 90));
        }
        check(&recent, 100, 900, true);
        check(&recent, 350, 256, true);
        check(&recent, 99, 10, false);
        check(&recent, 990, 11, false);
        assert!(!recent.drop_before(800).is_empty());
        check(&recent, 800, 200, true);
        check(&recent, 100, 1, false);
        // Positions that do not follow: what was there is of no use.
        recent.add(2000, block(2000..2001));
        check(&recent, 2000, 1, true);
        check(&recent, 900, 1, false);
        recent.clear();
        check(&recent, 2000, 1, false);
    }

    #[test]
    fn memory_is_bounded() {
        let recent = Recent::default();
        let long = vec![0; 200 << 10];
        for seq in 0..1000 {
            let mut block = Block::default();
            block.push(Item { log: Log::Requests, time: 0, bytes: &long, waiter: None });
            recent.add(seq, block);
            assert!(recent.rows.lock().bytes <= BYTES_MAX);
        }
        assert!(recent.rows(999, 1).is_some() && recent.rows(0, 1).is_none());
    }
}

//! The bounded queues between those who make entries and the writer.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::block::{Block, Item};

/// Empty blocks that are kept to be filled again: those of two segments, at most 32 MiB. Memory that is given back is
/// made empty by the system when it is taken again, which costs more than filling it.
const SPARE: usize = 256;

/// A queue bounded in entries and in bytes. Entries lie in blocks: taking one in costs no memory of its own, and the
/// lock is held for as long as it takes to copy it.
#[derive(Debug)]
pub(crate) struct Lane {
    waiting: Mutex<Waiting>,
    /// Those of `waiting`, for whoever only wants to know.
    entries: AtomicUsize,
    entries_max: usize,
    bytes_max: usize,
    /// Told after the writer has taken entries.
    pub(crate) room: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    blocks: VecDeque<Block>,
    entries: usize,
    bytes: usize,
    spare: Vec<Block>,
}

impl Lane {
    pub(crate) fn new(entries_max: usize, bytes_max: usize) -> Self {
        Self {
            waiting: Mutex::default(),
            entries: AtomicUsize::new(0),
            entries_max: entries_max.max(1),
            bytes_max,
            room: Notify::new(),
        }
    }

    /// Takes the item, or gives it back when there is no room.
    pub(crate) fn push<'a>(&self, item: Item<'a>) -> Result<(), Item<'a>> {
        self.push_within(self.entries_max, self.bytes_max, item)
    }

    /// As [`Self::push`], but leaves the last quarter to those who wait for the disk.
    pub(crate) fn push_yielding<'a>(&self, item: Item<'a>) -> Result<(), Item<'a>> {
        self.push_within(self.entries_max.div_ceil(4) * 3, self.bytes_max / 4 * 3, item)
    }

    fn push_within<'a>(&self, entries_max: usize, bytes_max: usize, item: Item<'a>) -> Result<(), Item<'a>> {
        let size = item.size();
        let mut waiting = self.waiting.lock();
        if waiting.entries >= entries_max || waiting.bytes + size > bytes_max {
            return Err(item);
        }
        waiting.entries += 1;
        waiting.bytes += size;
        self.entries.store(waiting.entries, Ordering::Relaxed);
        waiting.last_with_room(item.bytes.len()).push(item);
        Ok(())
    }

    /// Moves blocks to the end of `taken`, in order, until they hold so many entries or there are no more.
    pub(crate) fn drain(&self, most: usize, taken: &mut Vec<Block>) {
        let mut entries = 0;
        let mut waiting = self.waiting.lock();
        while entries < most
            && let Some(block) = waiting.blocks.pop_front()
        {
            entries += block.len();
            waiting.entries -= block.len();
            waiting.bytes -= block.size();
            taken.push(block);
        }
        self.entries.store(waiting.entries, Ordering::Relaxed);
        drop(waiting);
        if entries > 0 {
            self.room.notify_waiters();
        }
    }

    /// Takes the memory of a block back.
    pub(crate) fn recycle(&self, mut block: Block) {
        block.clear();
        let mut waiting = self.waiting.lock();
        if waiting.spare.len() < SPARE {
            waiting.spare.push(block);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.load(Ordering::Relaxed)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Waiting {
    fn last_with_room(&mut self, bytes: usize) -> &mut Block {
        if !self.blocks.back().is_some_and(|last| last.has_room(1, bytes)) {
            self.blocks.push_back(self.spare.pop().unwrap_or_else(Block::with_room));
        }
        self.blocks.back_mut().expect("a block was added")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::Log;

    const BYTES: [u8; 100] = [0; 100];

    const fn item(time: i64) -> Item<'static> {
        Item { log: Log::Audit, time, bytes: &BYTES, waiter: None }
    }

    fn times(blocks: &[Block]) -> Vec<i64> {
        blocks.iter().flat_map(Block::heads).map(|head| head.time).collect()
    }

    #[test]
    fn a_lane_is_bounded_in_entries_and_in_bytes_and_keeps_the_order() {
        let lane = Lane::new(1000, 1 << 20);
        for time in 0..1000 {
            lane.push(item(time)).unwrap();
        }
        assert_eq!(lane.push(item(1000)).unwrap_err().time, 1000);
        let mut taken = Vec::new();
        lane.drain(300, &mut taken);
        assert!((300..600).contains(&times(&taken).len()) && lane.len() + times(&taken).len() == 1000);
        lane.push(item(1000)).unwrap();
        lane.drain(usize::MAX, &mut taken);
        assert_eq!(times(&taken), (0..=1000).collect::<Vec<_>>());

        let narrow = Lane::new(100, 2 * item(0).size());
        narrow.push(item(0)).unwrap();
        narrow.push(item(1)).unwrap();
        assert!(narrow.push(item(2)).is_err());
        narrow.drain(1, &mut taken);
        narrow.push(item(3)).unwrap();
    }

    #[test]
    fn the_last_quarter_is_kept_for_commits() {
        let lane = Lane::new(8, 1 << 20);
        let yielding = (0..8).filter(|time| lane.push_yielding(item(*time)).is_ok()).count();
        assert_eq!(yielding, 6);
        lane.push(item(8)).unwrap();
        lane.push(item(9)).unwrap();
        assert!(lane.push(item(10)).is_err());
    }
}

//! The bounded queues between those who make entries and the writer.

use std::sync::atomic::{AtomicUsize, Ordering};

use crossbeam_queue::ArrayQueue;
use tokio::sync::{Notify, oneshot};

use crate::Committed;
use crate::entry::{Entry, Log};
use crate::error::Unavailable;

/// Where the outcome of a commit goes.
pub(crate) type Waiter = oneshot::Sender<Result<Committed, Unavailable>>;

/// An encoded entry on its way to the writer.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) log: Log,
    /// Microseconds since 1970.
    pub(crate) time: i64,
    pub(crate) bytes: Vec<u8>,
    /// Present if someone waits until the entry is on disk.
    pub(crate) waiter: Option<Waiter>,
}

impl Item {
    pub(crate) fn of(entry: &Entry<'_>, waiter: Option<Waiter>) -> Self {
        Self { log: entry.log(), time: entry.time(), bytes: entry.encode(), waiter }
    }

    /// Memory that it holds.
    fn size(&self) -> usize {
        size_of::<Self>() + self.bytes.capacity()
    }
}

/// A queue bounded in entries and in bytes.
#[derive(Debug)]
pub(crate) struct Lane {
    queue: ArrayQueue<Item>,
    bytes: AtomicUsize,
    bytes_max: usize,
    /// Told after the writer has taken entries.
    pub(crate) room: Notify,
}

impl Lane {
    pub(crate) fn new(entries_max: usize, bytes_max: usize) -> Self {
        let queue = ArrayQueue::new(entries_max.max(1));
        Self { queue, bytes: AtomicUsize::new(0), bytes_max, room: Notify::new() }
    }

    /// Takes the item, or gives it back when there is no room.
    pub(crate) fn push(&self, item: Item) -> Result<(), Item> {
        let size = item.size();
        if self.bytes.fetch_add(size, Ordering::Relaxed).saturating_add(size) > self.bytes_max {
            self.bytes.fetch_sub(size, Ordering::Relaxed);
            return Err(item);
        }
        self.queue.push(item).inspect_err(|_| {
            self.bytes.fetch_sub(size, Ordering::Relaxed);
        })
    }

    /// As [`Self::push`], but leaves the last quarter to those who wait for the disk.
    pub(crate) fn push_yielding(&self, item: Item) -> Result<(), Item> {
        if self.queue.len() >= self.queue.capacity().div_ceil(4) * 3
            || self.bytes.load(Ordering::Relaxed) >= self.bytes_max / 4 * 3
        {
            return Err(item);
        }
        self.push(item)
    }

    /// Moves at most `most` items to the end of `taken`, in order.
    pub(crate) fn drain(&self, most: usize, taken: &mut Vec<Item>) {
        let before = taken.len();
        while taken.len() - before < most
            && let Some(item) = self.queue.pop()
        {
            self.bytes.fetch_sub(item.size(), Ordering::Relaxed);
            taken.push(item);
        }
        if taken.len() > before {
            self.room.notify_waiters();
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(time: i64) -> Item {
        Item { log: Log::Audit, time, bytes: vec![0; 100], waiter: None }
    }

    #[test]
    fn a_lane_is_bounded_in_entries_and_in_bytes_and_keeps_the_order() {
        let lane = Lane::new(4, 1 << 20);
        for time in 0..4 {
            lane.push(item(time)).unwrap();
        }
        assert_eq!(lane.push(item(4)).unwrap_err().time, 4);
        let mut taken = Vec::new();
        lane.drain(3, &mut taken);
        assert_eq!(taken.iter().map(|item| item.time).collect::<Vec<_>>(), [0, 1, 2]);

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

//! Encoded entries one after the other, in few pieces of memory: as they wait, are written, and are sealed.

use crate::Committed;
use crate::entry::Log;
use crate::error::Unavailable;

/// A block takes no more entries than this, and not one that would make it longer than this unless it is the first.
const ENTRIES: usize = 256;
const BYTES: usize = 128 << 10;

/// Where the outcome of a commit goes.
pub(crate) type Waiter = tokio::sync::oneshot::Sender<Result<Committed, Unavailable>>;

/// An encoded entry on its way to the writer.
#[derive(Debug)]
pub(crate) struct Item<'a> {
    pub(crate) log: Log,
    /// Microseconds since 1970.
    pub(crate) time: i64,
    pub(crate) bytes: &'a [u8],
    /// Present if someone waits until the entry is on disk.
    pub(crate) waiter: Option<Waiter>,
}

impl Item<'_> {
    /// Memory that it will hold.
    pub(crate) const fn size(&self) -> usize {
        size_of::<Head>() + self.bytes.len()
    }
}

/// What is known of an entry beside its bytes.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) log: Log,
    /// Microseconds since 1970.
    pub(crate) time: i64,
    /// Present if someone waits until the entry is on disk.
    pub(crate) waiter: Option<Waiter>,
    /// Where its bytes end in the block.
    pub(crate) end: usize,
}

/// Some entries, in order.
#[derive(Debug, Default)]
pub(crate) struct Block {
    heads: Vec<Head>,
    bytes: Vec<u8>,
}

impl Block {
    /// With room for as much as a block takes.
    pub(crate) fn with_room() -> Self {
        Self { heads: Vec::with_capacity(ENTRIES), bytes: Vec::with_capacity(BYTES) }
    }

    pub(crate) const fn len(&self) -> usize {
        self.heads.len()
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }

    /// Memory that its entries take.
    pub(crate) const fn size(&self) -> usize {
        size_of::<Head>() * self.heads.len() + self.bytes.len()
    }

    pub(crate) const fn has_room(&self, entries: usize, bytes: usize) -> bool {
        self.is_empty() || self.heads.len() + entries <= ENTRIES && self.bytes.len() + bytes <= BYTES
    }

    pub(crate) fn push(&mut self, item: Item<'_>) {
        let Item { log, time, bytes, waiter } = item;
        self.bytes.extend_from_slice(bytes);
        self.heads.push(Head { log, time, waiter, end: self.bytes.len() });
    }

    /// Moves the entries of another block to the end of this one, if it has room for them. Nobody waits for them any
    /// more.
    pub(crate) fn absorb(&mut self, other: &mut Self) -> bool {
        let has_room = self.has_room(other.heads.len(), other.bytes.len());
        if has_room {
            let before = self.bytes.len();
            self.bytes.extend_from_slice(&other.bytes);
            self.heads.extend(other.heads.drain(..).map(|head| Head { end: head.end + before, ..head }));
            other.clear();
        }
        has_room
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = (&Head, &[u8])> {
        let mut start = 0;
        self.heads.iter().map(move |head| {
            let bytes = self.bytes.get(start..head.end).unwrap_or_default();
            start = head.end;
            (head, bytes)
        })
    }

    /// Entries of one log that follow each other: their heads, where their bytes begin, and the bytes.
    pub(crate) fn runs(&self) -> impl Iterator<Item = (&[Head], usize, &[u8])> {
        let mut start = 0;
        self.heads.chunk_by(|one, other| one.log == other.log).map(move |heads| {
            let from = start;
            start = heads.last().map_or(from, |head| head.end);
            (heads, from, self.bytes.get(from..start).unwrap_or_default())
        })
    }

    pub(crate) fn heads(&self) -> &[Head] {
        &self.heads
    }

    pub(crate) fn heads_mut(&mut self) -> &mut [Head] {
        &mut self.heads
    }

    /// Takes out the entries that somebody waits for: of each its log, its time and who waits.
    pub(crate) fn refuse(&mut self) -> Vec<(Log, i64, Waiter)> {
        if self.heads.iter().all(|head| head.waiter.is_none()) {
            return Vec::new();
        }
        let (mut kept, mut refused) = (Self::default(), Vec::new());
        for (head, bytes) in self.entries().filter(|(head, _)| head.waiter.is_none()) {
            kept.push(Item { log: head.log, time: head.time, bytes, waiter: None });
        }
        for head in self.heads.drain(..) {
            refused.extend(head.waiter.map(|waiter| (head.log, head.time, waiter)));
        }
        *self = kept;
        refused
    }

    /// Empty, its memory kept.
    pub(crate) fn clear(&mut self) {
        self.heads.clear();
        self.bytes.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(entries: &[&str]) -> Block {
        let mut block = Block::default();
        for (entry, time) in entries.iter().zip(0..) {
            block.push(Item { log: Log::Requests, time, bytes: entry.as_bytes(), waiter: None });
        }
        block
    }

    fn texts(block: &Block) -> Vec<&str> {
        block.entries().map(|(_, bytes)| str::from_utf8(bytes).unwrap()).collect()
    }

    #[test]
    fn blocks_are_joined_while_there_is_room() {
        let (mut one, mut other) = (block(&["a", "", "bc"]), block(&["def", "g"]));
        assert!(one.absorb(&mut other));
        assert_eq!((texts(&one), other.len()), (vec!["a", "", "bc", "def", "g"], 0));
        let mut long = block(&["x"; ENTRIES - 4]);
        assert!(!one.absorb(&mut long));
        assert_eq!((one.len(), long.len()), (5, ENTRIES - 4));
        assert!(Block::default().absorb(&mut long));
    }

    #[test]
    fn entries_that_somebody_waits_for_are_taken_out() {
        let mut mixed = block(&["a", "b"]);
        let (waiter, _outcome) = tokio::sync::oneshot::channel();
        mixed.push(Item { log: Log::Access, time: 7, bytes: b"c", waiter: Some(waiter) });
        mixed.push(Item { log: Log::Audit, time: 8, bytes: b"de", waiter: None });
        let refused: Vec<_> = mixed.refuse().into_iter().map(|(log, time, _)| (log, time)).collect();
        assert_eq!((refused, texts(&mixed)), (vec![(Log::Access, 7)], vec!["a", "b", "de"]));
        assert!(mixed.refuse().is_empty());
    }
}

//! Perfect subtrees: what the tree of a log is cut into.

use super::{Edge, Hash};

/// Entries of a tile: damage is located within one.
pub(crate) const TILE: u64 = 256;

/// A perfect subtree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Subtree {
    /// Position of its first entry, a multiple of its entries.
    pub(crate) first: u64,
    /// It has 2^height entries.
    pub(crate) height: u32,
    pub(crate) root: Hash,
    /// Roots of its tiles; empty if it is not larger than one, or when they are not kept any more.
    pub(crate) tiles: Vec<Hash>,
}

impl Subtree {
    /// Of these leaves, 2^`height` of them.
    pub(crate) fn of(first: u64, height: u32, leaves: &[Hash]) -> Self {
        let tiles: Vec<Hash> = leaves.chunks(TILE as usize).map(Edge::root_over).collect();
        let root = Edge::root_over(&tiles);
        Self { first, height, root, tiles: if tiles.len() > 1 { tiles } else { Vec::new() } }
    }

    /// Of which nothing is known.
    pub(crate) const fn unknown(first: u64, height: u32) -> Self {
        Self { first, height, root: [0; 32], tiles: Vec::new() }
    }

    /// Entries under it.
    pub(crate) const fn entries(&self) -> u64 {
        1 << self.height
    }

    /// Position after its last entry.
    pub(crate) const fn end(&self) -> u64 {
        self.first + self.entries()
    }
}

/// Cuts positions into the fewest perfect subtrees: of each its first position and its height.
pub(crate) fn places(from: u64, to: u64) -> impl Iterator<Item = (u64, u32)> {
    let mut at = from;
    std::iter::from_fn(move || {
        let longest = to.checked_sub(at)?.checked_ilog2()?;
        let height = at.trailing_zeros().min(longest);
        let first = at;
        at += 1 << height;
        Some((first, height))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::leaf;

    #[test]
    fn positions_are_cut_into_perfect_subtrees() {
        assert_eq!(places(0, 7).collect::<Vec<_>>(), [(0, 2), (4, 1), (6, 0)]);
        assert_eq!(places(3, 16).collect::<Vec<_>>(), [(3, 0), (4, 2), (8, 3)]);
        assert_eq!(places(5, 5).count(), 0);
    }

    #[test]
    fn a_tree_of_subtrees_is_the_tree_of_their_leaves() {
        let leaves: Vec<Hash> = (0..1100_u32).map(|at| leaf(&at.to_be_bytes())).collect();
        for size in [1, 2, 3, 255, 256, 257, 300, 1100] {
            let (mut whole, mut parts) = (Edge::default(), Edge::default());
            leaves[..size].iter().for_each(|leaf| whole.push(*leaf));
            for (first, height) in places(0, size as u64) {
                let from = first as usize;
                let subtree = Subtree::of(first, height, &leaves[from..from + (1 << height)]);
                assert_eq!(subtree.tiles.len() as u64, if height > 8 { subtree.entries() / TILE } else { 0 });
                assert!(parts.push_subtree(height, subtree.root));
            }
            assert_eq!((parts.size(), parts.root()), (size as u64, whole.root()));
        }
    }
}

//! The right edge of a tree: all that it takes to let it grow, and to say its root.

use super::hash::{Hash, node, sha256};

/// The roots of the perfect subtrees of a tree, the largest first: one for each bit of its size.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edge {
    size: u64,
    nodes: Vec<Hash>,
}

impl Edge {
    /// Leaves under it.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Root over nodes of one height: leaves, or a power of two of subtrees.
    pub(crate) fn root_over(nodes: &[Hash]) -> Hash {
        let mut edge = Self::default();
        nodes.iter().for_each(|node| edge.push(*node));
        edge.root()
    }

    /// Adds a leaf.
    pub fn push(&mut self, leaf: Hash) {
        self.grow(0, leaf);
    }

    /// Adds a perfect subtree of 2^`height` leaves. False, and nothing is added, if its place is not at the end of the
    /// tree: the size must be a multiple of its leaves.
    pub fn push_subtree(&mut self, height: u32, root: Hash) -> bool {
        let fits = self.size.trailing_zeros() >= height;
        if fits {
            self.grow(height, root);
        }
        fits
    }

    fn grow(&mut self, height: u32, root: Hash) {
        let mut grown = root;
        // Each pair of perfect subtrees of the same height is one of the next.
        for _ in 0..(self.size >> height).trailing_ones() {
            if let Some(left) = self.nodes.pop() {
                grown = node(&left, &grown);
            }
        }
        self.nodes.push(grown);
        self.size += 1 << height;
    }

    /// The hash of the whole tree. That of an empty one is the hash of nothing.
    pub fn root(&self) -> Hash {
        let mut nodes = self.nodes.iter().rev();
        let Some(last) = nodes.next() else { return sha256(&[]) };
        nodes.fold(*last, |right, left| node(left, &right))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::hash::leaf;

    /// By the definition: the largest power of two below the size on the left, the rest on the right.
    fn by_definition(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => sha256(&[]),
            [leaf] => *leaf,
            _ => {
                let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
                node(&by_definition(left), &by_definition(right))
            }
        }
    }

    #[test]
    fn a_growing_tree_has_the_root_of_the_definition() {
        let (mut edge, mut leaves) = (Edge::default(), Vec::new());
        for at in 0..130_u32 {
            assert_eq!((edge.size(), edge.root()), (u64::from(at), by_definition(&leaves)));
            leaves.push(leaf(&at.to_be_bytes()));
            edge.push(leaves[at as usize]);
        }
    }

    #[test]
    fn a_subtree_has_its_place_at_multiples_of_its_leaves() {
        let mut edge = Edge::default();
        edge.push(leaf(b"one"));
        let before = edge.clone();
        assert!(!edge.push_subtree(1, leaf(b"two")));
        assert_eq!(edge, before);
        assert!(edge.push_subtree(0, leaf(b"two")));
        assert_eq!(edge.root(), node(&leaf(b"one"), &leaf(b"two")));
    }
}

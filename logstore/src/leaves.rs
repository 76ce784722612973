//! What the Merkle tree of a log takes while it grows: the edge of what is sealed, and the leaves of the rows after it.

use crate::tree::{Edge, Hash, Subtree, places};

/// The tree of one log.
#[derive(Debug, Clone, Default)]
pub(crate) struct Leaves {
    /// Of the entries that are sealed or gone.
    edge: Edge,
    /// Of the rows after them.
    leaves: Vec<Hash>,
}

impl Leaves {
    /// Of a log whose sealed entries have this edge.
    pub(crate) const fn after(edge: Edge) -> Self {
        Self { edge, leaves: Vec::new() }
    }

    pub(crate) fn extend(&mut self, leaves: impl IntoIterator<Item = Hash>) {
        self.leaves.extend(leaves);
    }

    /// Position of the first row that is not sealed.
    pub(crate) const fn first(&self) -> u64 {
        self.edge.size()
    }

    /// Entries under the tree.
    pub(crate) fn size(&self) -> u64 {
        self.edge.size() + self.leaves.len() as u64
    }

    /// The leaves of the first rows.
    pub(crate) fn of_first(&self, rows: u64) -> Vec<Hash> {
        self.leaves.iter().take(rows as usize).copied().collect()
    }

    /// The leaves of rows that are not sealed, from a position on.
    pub(crate) fn of(&self, first: u64, rows: u64) -> Option<&[Hash]> {
        let from = usize::try_from(first.checked_sub(self.first())?).ok()?;
        self.leaves.get(from..from.checked_add(usize::try_from(rows).ok()?)?)
    }

    /// The edge of the whole tree.
    pub(crate) fn edge(&self) -> Edge {
        let mut edge = self.edge.clone();
        self.leaves.iter().for_each(|leaf| edge.push(*leaf));
        edge
    }

    /// The first rows were sealed or pruned; these are their subtrees.
    pub(crate) fn drop_first(&mut self, subtrees: &[Subtree]) {
        for subtree in subtrees {
            self.edge.push_subtree(subtree.height, subtree.root);
            self.leaves.drain(..self.leaves.len().min(subtree.entries() as usize));
        }
    }
}

/// The subtrees of leaves from a position on.
pub(crate) fn subtrees(first: u64, leaves: &[Hash]) -> Vec<Subtree> {
    let cut = places(first, first + leaves.len() as u64);
    let of = |(at, height): (u64, u32)| {
        let from = (at - first) as usize;
        Some(Subtree::of(at, height, leaves.get(from..from + (1 << height))?))
    };
    cut.filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::leaf;

    #[test]
    fn the_tree_is_the_same_however_much_of_it_is_sealed() {
        let mut tree = Leaves::default();
        tree.extend((0..100_u8).map(|at| leaf(&[at])));
        let whole = tree.edge();
        for rows in [0, 32, 1, 7, 8, 52] {
            let subtrees = subtrees(tree.first(), &tree.of_first(rows));
            tree.drop_first(&subtrees);
            assert_eq!((tree.edge(), tree.size()), (whole.clone(), 100), "{rows} more are sealed");
        }
        assert_eq!(tree.first(), 100);
    }
}

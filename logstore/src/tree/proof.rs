//! Proofs of RFC 9162, sections 2.1.3 and 2.1.4: that an entry is in a tree, and that a tree goes on from an earlier one.

use super::hash::{Hash, node};
use super::places;

/// Gives the roots of perfect subtrees.
pub trait Nodes {
    /// Why a node cannot be given.
    type Error;

    /// Of the subtree of 2^`height` entries from `first` on, which is a multiple of them.
    ///
    /// # Errors
    /// When it cannot be read.
    fn node(&self, first: u64, height: u32) -> Result<Hash, Self::Error>;
}

/// Proof that an entry is in a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inclusion {
    /// From the leaf's sibling up.
    pub path: Vec<Hash>,
}

/// Proof that a tree begins with all of an earlier one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consistency {
    /// In the order of the RFC.
    pub path: Vec<Hash>,
}

/// A run of leaves that is one node of the tree: all of one, or what there is of the last one of its height.
#[derive(Debug, Clone, Copy)]
struct Run {
    from: u64,
    to: u64,
}

impl Run {
    /// Where the left half ends: after the largest power of two that is less than all of it.
    const fn middle(self) -> u64 {
        self.from + (self.to - self.from).next_power_of_two() / 2
    }

    const fn halves(self) -> (Self, Self) {
        let middle = self.middle();
        (Self { from: self.from, to: middle }, Self { from: middle, to: self.to })
    }

    fn root<N: Nodes>(self, nodes: &N) -> Result<Hash, N::Error> {
        let mut parts = Vec::new();
        for (first, height) in places(self.from, self.to) {
            parts.push(nodes.node(first, height)?);
        }
        let last = parts.pop().unwrap_or_default();
        Ok(parts.into_iter().rev().fold(last, |right, left| node(&left, &right)))
    }
}

impl Inclusion {
    /// Of the entry at `index` in the tree of the first `size` entries; `index` is less than `size`.
    ///
    /// # Errors
    /// When a node cannot be read.
    pub fn make<N: Nodes>(index: u64, size: u64, nodes: &N) -> Result<Self, N::Error> {
        let (mut run, mut path) = (Run { from: 0, to: size }, Vec::new());
        while run.to - run.from > 1 {
            let (left, right) = run.halves();
            let (inside, beside) = if index < left.to { (left, right) } else { (right, left) };
            path.push(beside.root(nodes)?);
            run = inside;
        }
        path.reverse();
        Ok(Self { path })
    }

    /// The root of the tree that the proof belongs to; none if the proof has not the length that index and size ask for.
    pub fn root(&self, index: u64, size: u64, leaf: Hash) -> Option<Hash> {
        if index >= size {
            return None;
        }
        let (mut at, mut last, mut root) = (index, size - 1, leaf);
        let mut path = self.path.iter();
        while last > 0 {
            if at % 2 == 1 {
                root = node(path.next()?, &root);
            } else if at < last {
                root = node(&root, path.next()?);
            }
            // Otherwise there is nothing on the right, and the node is its parent.
            at /= 2;
            last /= 2;
        }
        path.next().is_none().then_some(root)
    }
}

impl Consistency {
    /// Between the trees of the first `old` and the first `new` entries; `old` is at least one and at most `new`.
    ///
    /// # Errors
    /// When a node cannot be read.
    pub fn make<N: Nodes>(old: u64, new: u64, nodes: &N) -> Result<Self, N::Error> {
        let (mut run, mut path) = (Run { from: 0, to: new }, Vec::new());
        while run.to != old && run.to - run.from > 1 {
            let (left, right) = run.halves();
            let (inside, beside) = if old <= left.to { (left, right) } else { (right, left) };
            path.push(beside.root(nodes)?);
            run = inside;
        }
        // The old tree's own root is known to whoever checks.
        if run.from > 0 {
            path.push(run.root(nodes)?);
        }
        path.reverse();
        Ok(Self { path })
    }

    /// Whether it leads from the old root to the new one.
    pub fn holds(&self, (old, old_root): (u64, Hash), (new, new_root): (u64, Hash)) -> bool {
        if old == new {
            return self.path.is_empty() && old_root == new_root;
        }
        if old == 0 || old > new {
            return false;
        }
        self.roots(old, new, old_root) == Some((old_root, new_root))
    }

    /// What the proof makes of both roots.
    fn roots(&self, old: u64, new: u64, old_root: Hash) -> Option<(Hash, Hash)> {
        let mut path = self.path.iter();
        let first = if old.is_power_of_two() { old_root } else { *path.next()? };
        let shift = (old - 1).trailing_ones();
        let (mut at, mut last) = ((old - 1) >> shift, (new - 1) >> shift);
        let (mut of_old, mut of_new) = (first, first);
        while last > 0 {
            if at % 2 == 1 {
                let left = path.next()?;
                of_old = node(left, &of_old);
                of_new = node(left, &of_new);
            } else if at < last {
                of_new = node(&of_new, path.next()?);
            }
            at /= 2;
            last /= 2;
        }
        path.next().is_none().then_some((of_old, of_new))
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;
    use crate::tree::{Edge, Subtree, leaf};

    struct Leaves(Vec<Hash>);

    impl Nodes for Leaves {
        type Error = Infallible;

        fn node(&self, first: u64, height: u32) -> Result<Hash, Infallible> {
            let from = first as usize;
            Ok(Subtree::of(first, height, &self.0[from..from + (1 << height)]).root)
        }
    }

    fn leaves(size: u64) -> Leaves {
        Leaves((0..size).map(|at| leaf(&at.to_be_bytes())).collect())
    }

    #[test]
    fn every_entry_of_small_trees_is_proven_and_no_other() {
        let all = leaves(40);
        for size in 1..=40 {
            let root = Edge::root_over(&all.0[..size as usize]);
            for index in 0..size {
                let proof = Inclusion::make(index, size, &all).unwrap();
                let own = all.0[index as usize];
                assert_eq!(proof.root(index, size, own), Some(root), "{index} of {size}");
                for other in (0..size).filter(|other| *other != index) {
                    assert_ne!(proof.root(other, size, own), Some(root), "{index} passes for {other} of {size}");
                    assert_ne!(proof.root(index, size, all.0[other as usize]), Some(root));
                }
                assert_eq!(proof.root(index, index, own), None);
                let longer = Inclusion { path: [proof.path.clone(), vec![own]].concat() };
                assert_ne!(longer.root(index, size, own), Some(root));
            }
        }
    }

    #[test]
    fn every_tree_goes_on_from_every_earlier_one_and_from_no_other() {
        let all = leaves(40);
        let root = |size: u64| Edge::root_over(&all.0[..size as usize]);
        for new in 1..=40 {
            for old in 1..=new {
                let proof = Consistency::make(old, new, &all).unwrap();
                assert!(proof.holds((old, root(old)), (new, root(new))), "{old} to {new}");
                if old < new {
                    assert!(!proof.holds((old, root(new)), (new, root(new))));
                    assert!(!proof.holds((old, root(old)), (new, root(old))));
                    let shorter = Consistency { path: proof.path[1..].to_vec() };
                    assert!(!shorter.holds((old, root(old)), (new, root(new))));
                }
            }
        }
        assert!(!Consistency { path: Vec::new() }.holds((0, [0; 32]), (3, root(3))));
    }
}

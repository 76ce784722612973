//! The two hashes of RFC 9162, section 2.1.

use aws_lc_rs::digest::{Context, SHA256, digest};

/// A SHA-256.
pub type Hash = [u8; 32];

/// What is hashed in one piece, in bytes: nearly every entry. To hash piece by piece costs a short text half as much again.
const SHORT: usize = 1024;

/// The first byte tells leaves from nodes, so that neither can pass for the other.
const LEAF: u8 = 0;
const NODE: u8 = 1;

/// Of bytes that are no part of a tree.
pub(crate) fn sha256(bytes: &[u8]) -> Hash {
    let mut hash = Hash::default();
    hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
    hash
}

/// Of an entry.
pub fn leaf(entry: &[u8]) -> Hash {
    let mut text = [LEAF; SHORT];
    let Some(whole) = text.get_mut(..=entry.len()) else { return long_leaf(entry) };
    if let Some((_, rest)) = whole.split_first_mut() {
        rest.copy_from_slice(entry);
    }
    sha256(whole)
}

fn long_leaf(entry: &[u8]) -> Hash {
    let mut context = Context::new(&SHA256);
    context.update(&[LEAF]);
    context.update(entry);
    let mut hash = Hash::default();
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

/// Of two nodes of the same height.
pub fn node(left: &Hash, right: &Hash) -> Hash {
    let mut text = [NODE; 1 + 2 * size_of::<Hash>()];
    let halves = text.split_first_mut().map(|(_, halves)| halves.as_chunks_mut().0);
    halves.into_iter().flatten().zip([left, right]).for_each(|(half, hash)| *half = *hash);
    sha256(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_has_one_hash_however_it_is_made() {
        for length in [0, 1, SHORT - 2, SHORT - 1, SHORT, 3 * SHORT] {
            let entry: Vec<u8> = (0..length).map(|at| at as u8).collect();
            assert_eq!(leaf(&entry), long_leaf(&entry), "{length} bytes");
            assert_eq!(leaf(&entry), sha256(&[&[LEAF], entry.as_slice()].concat()), "{length} bytes");
        }
        let (one, other) = (leaf(b"one"), leaf(b"other"));
        assert_eq!(node(&one, &other), sha256(&[&[NODE], one.as_slice(), &other].concat()));
    }
}

//! The two hashes of RFC 9162, section 2.1.

use aws_lc_rs::digest::{Context, SHA256, digest};

/// A SHA-256.
pub type Hash = [u8; 32];

/// Of bytes that are no part of a tree.
pub(crate) fn sha256(bytes: &[u8]) -> Hash {
    let mut hash = Hash::default();
    hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
    hash
}

/// Of an entry.
pub fn leaf(entry: &[u8]) -> Hash {
    hash(0, [entry, &[]])
}

/// Of two nodes of the same height.
pub fn node(left: &Hash, right: &Hash) -> Hash {
    hash(1, [left, right])
}

/// The first byte tells leaves from nodes, so that neither can pass for the other.
fn hash(kind: u8, parts: [&[u8]; 2]) -> Hash {
    let mut context = Context::new(&SHA256);
    context.update(&[kind]);
    parts.into_iter().for_each(|part| context.update(part));
    let mut hash = Hash::default();
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

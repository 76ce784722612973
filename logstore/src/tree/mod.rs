//! The Merkle tree over a log, hashed as in RFC 9162: what it takes to say what a log holds, and to prove it.

mod edge;
mod hash;
mod proof;
mod stored;
mod subtree;

pub use edge::Edge;
pub(crate) use hash::sha256;
pub use hash::{Hash, leaf, node};
pub use proof::{Consistency, Inclusion, Nodes};
pub(crate) use stored::{drop_before, each, load, of_place, put};
pub(crate) use subtree::{Subtree, TILE, places};

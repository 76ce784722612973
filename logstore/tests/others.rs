//! Trees, proofs and signatures are what others make of the same standards.

#![expect(clippy::indexing_slicing, reason = "a test may fail by a panic")]

use std::convert::Infallible;

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use sha2::Sha256;
use signed_note::{Note, StandardVerifier, VerifierList};
use vestibule_logstore::note::{Checkpoint, Signer};
use vestibule_logstore::tree::{Consistency, Edge, Hash, Inclusion, Nodes, leaf};

struct Leaves<'a>(&'a [Hash]);

impl Nodes for Leaves<'_> {
    type Error = Infallible;

    fn node(&self, first: u64, height: u32) -> Result<Hash, Infallible> {
        let from = first as usize;
        Ok(edge(&self.0[from..from + (1 << height)]).root())
    }
}

fn edge(leaves: &[Hash]) -> Edge {
    let mut edge = Edge::default();
    leaves.iter().for_each(|leaf| edge.push(*leaf));
    edge
}

#[test]
fn trees_and_proofs_are_those_of_another_implementation() {
    let mut theirs = MemoryBackedTree::<Sha256, String>::new();
    let mut leaves = Vec::new();
    let mut roots = Vec::new();
    for size in 1..=140_usize {
        let entry = format!("entry {size}");
        leaves.push(leaf(entry.as_bytes()));
        theirs.push(entry);
        let root = edge(&leaves).root();
        assert_eq!(theirs.root().as_bytes().as_slice(), root, "{size}");
        roots.push(root);
        for index in (0..size).step_by(7) {
            let ours = Inclusion::make(index as u64, size as u64, &Leaves(&leaves)).unwrap();
            assert_eq!(theirs.prove_inclusion(index).as_bytes(), ours.path.as_flattened(), "{index} of {size}");
        }
        for old in (1..size).step_by(5) {
            let ours = Consistency::make(old as u64, size as u64, &Leaves(&leaves)).unwrap();
            let proof = theirs.prove_consistency(size - old);
            assert_eq!(proof.as_bytes(), ours.path.as_flattened(), "{old} to {size}");
            assert!(ours.holds((old as u64, roots[old - 1]), (size as u64, root)));
        }
    }
}

#[test]
fn notes_are_believed_by_another_implementation() {
    for seed in 0..8 {
        let signer = Signer::from_seed(&[seed; 32]).unwrap();
        let origin = "vestibule/5e7e/audit";
        let checkpoint = Checkpoint { origin: origin.into(), size: 300, root: [seed; 32] };
        let note = Note::from_bytes(signer.sign(&checkpoint).as_bytes()).unwrap();
        let known = |key: &str| VerifierList::new(vec![Box::new(StandardVerifier::new(key).unwrap())]);
        let (verified, _) = note.verify(&known(&signer.public_key().print(origin))).unwrap();
        assert_eq!((verified.len(), verified[0].name()), (1, origin));
        let stranger = Signer::from_seed(&[99; 32]).unwrap().public_key();
        assert!(note.verify(&known(&stranger.print(origin))).is_err());
    }
}

//! Chains of anchors, whole and broken.

use super::*;
use crate::note::{self, Checkpoint};

fn signer() -> Signer {
    Signer::from_seed(&[1; 32]).unwrap()
}

/// A chain of anchors, each as a file.
fn chain(length: u64) -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = Vec::new();
    for number in 0..length {
        let head = |log: Log| {
            let origin = checkpoint::origin(Uuid::nil(), log);
            signer().sign(&Checkpoint { origin, size: number, root: [number as u8; 32] })
        };
        let anchor = Anchor {
            store: Uuid::nil().to_string(),
            number,
            time: Timestamp::UNIX_EPOCH,
            previous: files.last().map(|(_, text)| hash(text)),
            cause: "time".into(),
            heads: Heads { access: head(Log::Access), requests: head(Log::Requests), audit: head(Log::Audit) },
            succession: None,
        };
        files.push((Anchor::name(Uuid::nil(), number), anchor.to_text()));
    }
    files
}

fn checked(files: &[(String, String)]) -> Vec<Broken> {
    check(files, Uuid::nil(), &signer().public_key(), &[]).err().unwrap_or_default()
}

#[test]
fn a_chain_is_whole_or_says_what_is_not() {
    let mut whole = chain(5);
    whole.reverse();
    assert_eq!(check(&whole, Uuid::nil(), &signer().public_key(), &[]).unwrap().anchors.len(), 5);
    // The first ones may be elsewhere.
    assert_eq!(checked(&chain(5)[2..]), []);

    let mut gap = chain(5);
    gap.remove(2);
    assert_eq!(checked(&gap), [Broken::Missing { number: 2 }]);

    let mut replaced = chain(5);
    replaced[2].1 = replaced[2].1.replacen("\"cause\": \"time\"", "\"cause\": \"stop\"", 1);
    assert_eq!(checked(&replaced), [Broken::Unchained { number: 3 }]);

    let mut text = chain(1);
    text[0].1 = "{}".into();
    assert_eq!(checked(&text), [Broken::Malformed { name: text[0].0.clone() }]);

    let stranger = Signer::from_seed(&[2; 32]).unwrap().public_key();
    assert_eq!(check(&chain(1), Uuid::nil(), &stranger, &[]).unwrap_err().len(), 3);
    assert_eq!(
        check(&chain(1), Uuid::max(), &signer().public_key(), &[]).unwrap_err(),
        [Broken::OtherStore { number: 0 }]
    );
}

#[test]
fn what_a_restoring_declared_lost_is_not_looked_for() {
    let anchor = |number: u64, size: u64, kept: Option<u64>| {
        let head = |log: Log| {
            let head = Checkpoint { origin: checkpoint::origin(Uuid::nil(), log), size, root: [0; 32] };
            kept.map_or_else(|| signer().sign(&head), |kept| signer().sign_restored(&head, kept))
        };
        let [access, requests, audit] = Log::ALL.map(head);
        let (store, previous, cause) = (Uuid::nil().to_string(), None, String::new());
        let heads = Heads { access, requests, audit };
        Anchor { store, number, time: Timestamp::UNIX_EPOCH, previous, cause, heads, succession: None }
    };
    // Backed up at 15, restored twice: anchor 5 declares what 4 had, too.
    let anchors = vec![
        anchor(0, 10, None),
        anchor(1, 20, None),
        anchor(2, 30, None),
        anchor(3, 17, Some(15)),
        anchor(4, 40, None),
        anchor(5, 13, Some(12)),
        anchor(6, 50, None),
    ];
    let chain = Chain { anchors: anchors.clone(), successions: Vec::new() };
    let (kept, lost) = heads(&chain, Log::Audit);
    let sizes: Vec<_> = kept.iter().filter_map(|note| note.lines().nth(1)).collect();
    assert_eq!(sizes, ["50", "13", "10"]);
    let time = Timestamp::UNIX_EPOCH;
    assert_eq!(lost, [Lost { log: Log::Audit, first: 12, last: 39, anchor: 5, time }]);
    assert_eq!(super::lost(&chain).len(), 3);
    // A line that nobody signed declares nothing: such a note is not believed.
    let forged = anchors[1].heads.audit.replacen("\n\n", "\nrestored 1\n\n", 1);
    assert!(note::restored(&forged).is_some() && signer().public_key().open(&forged).is_err());
}

//! Whether anchors follow each other and are believed, and what they say is lost.

use jiff::Timestamp;
use uuid::Uuid;

use super::kept::AT_ONCE;
use super::line::Line;
use super::{Anchor, hash};
use crate::checkpoint;
use crate::entry::Log;
use crate::note::{self, NoteError, PublicKey};
use crate::succession::Keys;

/// Anchors that [`check`] found sound.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chain {
    /// In their order.
    pub anchors: Vec<Anchor>,
    /// Changes of the key, but those that a restoring took back.
    pub(crate) successions: Vec<String>,
}

/// What is wrong with anchors.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// It cannot be read.
    #[error("{name} is not an anchor")]
    Malformed {
        /// Of the file.
        name: String,
    },
    /// One is not there.
    #[error("anchor {number} is missing")]
    Missing {
        /// Which.
        number: u64,
    },
    /// It does not name the one before it.
    #[error("anchor {number} does not follow the one before it")]
    Unchained {
        /// Which.
        number: u64,
    },
    /// It is of another store.
    #[error("anchor {number} is of another store")]
    OtherStore {
        /// Which.
        number: u64,
    },
    /// A head in it is not believed.
    #[error("anchor {number}: {error}")]
    Head {
        /// Which.
        number: u64,
        /// Why.
        error: NoteError,
    },
    /// It says that the key is another one from there on, and is not believed.
    #[error("anchor {number}: the change of the key: {error}")]
    Succession {
        /// Which.
        number: u64,
        /// Why.
        error: NoteError,
    },
}

/// Anchors that follow each other from the first of them on, of one store, with heads that the keys signed to which the
/// one that was kept leads. `successions` are those of the store: they lead to the first of the anchors.
///
/// # Errors
/// Everything that is wrong with them; a copy that is older than the store has fewer of them, which is not.
pub fn check(
    texts: &[(String, String)],
    store: Uuid,
    key: &PublicKey,
    successions: &[String],
) -> Result<Chain, Vec<Broken>> {
    let (mut anchors, mut broken) = (Vec::new(), Vec::new());
    for (name, text) in texts {
        match serde_json::from_str::<Anchor>(text) {
            Ok(anchor) => anchors.push((anchor, text)),
            Err(_) => broken.push(Broken::Malformed { name: name.clone() }),
        }
    }
    anchors.sort_by_key(|(anchor, _)| anchor.number);
    let keys = Keys::follow(key, &checkpoint::name(store), successions);
    let mut line = Line::from(&keys, anchors.first().map(|(anchor, _)| anchor));
    let mut before: Option<(u64, &str)> = None;
    for (anchor, text) in &anchors {
        let number = anchor.number;
        if let Some((last, text)) = before {
            broken.extend((last + 1..number).take(AT_ONCE).map(|number| Broken::Missing { number }));
            if last + 1 == number && anchor.previous.as_deref() != Some(&hash(text)) {
                broken.push(Broken::Unchained { number });
            }
        }
        if anchor.store != store.to_string() {
            broken.push(Broken::OtherStore { number });
        }
        broken.extend(line.go_on(anchor));
        before = Some((number, text));
    }
    let anchors = anchors.into_iter().map(|(anchor, _)| anchor).collect();
    if broken.is_empty() { Ok(Chain { anchors, successions: line.successions() }) } else { Err(broken) }
}

/// Heads that are lost: they were anchored before the log was restored from a backup that had less.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lost {
    /// Of which log.
    pub log: Log,
    /// Position of the first entry that was anchored and is gone.
    pub first: u64,
    /// Position of the last that is known of.
    pub last: u64,
    /// The anchor that declares it.
    pub anchor: u64,
    /// When that was made.
    pub time: Timestamp,
}

/// The heads of a log in anchors that [`check`] found sound which must be in the log, and what was declared lost.
pub(crate) fn heads(chain: &Chain, log: Log) -> (Vec<String>, Vec<Lost>) {
    let (mut heads, mut lost) = (Vec::new(), Vec::<Lost>::new());
    let mut declared: Option<(u64, &Anchor)> = None;
    for anchor in chain.anchors.iter().rev() {
        let note = anchor.heads.of(log);
        let size: u64 = note.lines().nth(1).and_then(|size| size.parse().ok()).unwrap_or(0);
        match declared {
            Some((kept, by)) if size > kept => match lost.last_mut().filter(|lost| lost.anchor == by.number) {
                Some(lost) => lost.last = lost.last.max(size - 1),
                None => lost.push(Lost { log, first: kept, last: size - 1, anchor: by.number, time: by.time }),
            },
            Some(_) | None => heads.push(note.to_owned()),
        }
        if let Some(kept) = note::restored(note).filter(|kept| declared.is_none_or(|(before, _)| *kept < before)) {
            declared = Some((kept, anchor));
        }
    }
    (heads, lost)
}

/// What anchors that [`check`] found sound declare lost, of all logs.
pub fn lost(chain: &Chain) -> Vec<Lost> {
    Log::ALL.into_iter().flat_map(|log| heads(chain, log).1).collect()
}

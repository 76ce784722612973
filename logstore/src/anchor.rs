//! Anchors: the heads of all logs, said to somebody outside.
//!
//! Each names the one before by its hash, so that none can be left out, and comes at the latest every so often, so that
//! silence says something too. They are kept here until every place that they go to has them.

mod line;

use jiff::Timestamp;
use rocksdb::{DB, WriteBatch};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use self::line::Line;
use crate::checkpoint;
use crate::column::Column;
use crate::database::column;
use crate::entry::Log;
use crate::error::Error;
use crate::note::{self, NoteError, PublicKey, Signer};
use crate::shared::Shared;
use crate::succession::Keys;
use crate::tree::{Hash, sha256};

/// Before the names of anchors in the notes; no log has this byte.
const PREFIX: u8 = 0xff;

/// Of so many at a time a place is told.
pub const AT_ONCE: usize = 100;

/// The heads of all logs at one moment, as they go out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anchor {
    /// The store's name.
    pub store: String,
    /// From 0, without gaps.
    pub number: u64,
    /// When it was made.
    pub time: Timestamp,
    /// SHA-256 of the one before, in hexadecimal; absent in the first.
    pub previous: Option<String>,
    /// Why it was made: `time`, `entries`, `start`, `stop`, `asked`, `key` or `restore`.
    pub cause: String,
    /// Of each log its signed head.
    pub heads: Heads,
    /// The key that signs from the next one on, see [`crate::succession`]; absent unless it was changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub succession: Option<String>,
}

/// Anchors that [`check`] found sound.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chain {
    /// In their order.
    pub anchors: Vec<Anchor>,
    /// Changes of the key, but those that a restoring took back.
    pub(crate) successions: Vec<String>,
}

/// Of each log its signed head.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heads {
    /// Of the access log.
    pub access: String,
    /// Of the request log.
    pub requests: String,
    /// Of the audit log.
    pub audit: String,
}

/// An anchor as it is kept and sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Which.
    pub number: u64,
    /// Its text.
    pub text: String,
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

impl Heads {
    /// Of one log.
    pub fn of(&self, log: Log) -> &str {
        match log {
            Log::Access => &self.access,
            Log::Requests => &self.requests,
            Log::Audit => &self.audit,
        }
    }
}

impl Anchor {
    /// As it is sent.
    pub fn to_text(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// With which every name of an anchor begins.
    pub const NAMES: &str = "vestibule-";

    /// A name for it, which sorts as the numbers do.
    pub fn name(store: Uuid, number: u64) -> String {
        format!("{}{number:010}.json", Self::names(store))
    }

    /// With which the names of all anchors of a store begin; those of all stores begin with [`Self::NAMES`].
    pub fn names(store: Uuid) -> String {
        format!("{}{store}-", Self::NAMES)
    }
}

/// Whether a file of this name is an anchor.
pub fn is_name(name: &str) -> bool {
    name.starts_with("vestibule-") && name.ends_with(".json")
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

fn hash(text: &str) -> String {
    let hash: Hash = sha256(text.as_bytes());
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
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

/// Takes anchors that are younger than the store, which was restored from before them; they follow its own.
pub(crate) fn adopt(shared: &Shared, anchors: &[Kept]) -> Result<(), Error> {
    let slot = shared.db.read();
    let Some(db) = slot.as_ref() else { return Ok(()) };
    let mut batch = WriteBatch::default();
    anchors.iter().for_each(|kept| put(db, kept, &mut batch));
    db.write(batch)?;
    Ok(db.flush_wal(true)?)
}

/// Makes the next one of the latest heads, which were just signed; none if a log has no head yet. That of a restored
/// store declares what each log kept.
pub(crate) fn make(
    shared: &Shared,
    now: Timestamp,
    cause: &str,
    restored: Option<(&Signer, [u64; 3])>,
) -> Result<Option<Kept>, Error> {
    let slot = shared.db.read();
    let Some(db) = slot.as_ref() else { return Ok(None) };
    let [access, requests, audit] = Log::ALL.map(|log| checkpoint::last(db, log));
    let (Some(access), Some(requests), Some(audit)) = (access?, requests?, audit?) else { return Ok(None) };
    let [access, requests, audit] = [access.note, requests.note, audit.note];
    let [access, requests, audit] = match restored {
        None => [access, requests, audit],
        Some((signer, [of_access, of_requests, of_audit])) => [
            declared(signer, access, of_access),
            declared(signer, requests, of_requests),
            declared(signer, audit, of_audit),
        ],
    };
    let kept = next(shared, db, now, cause, Heads { access, requests, audit }, None)?;
    let mut batch = WriteBatch::default();
    put(db, &kept, &mut batch);
    db.write(batch)?;
    db.flush_wal(true)?;
    Ok(Some(kept))
}

/// The one that follows the latest.
pub(crate) fn next(
    shared: &Shared,
    db: &DB,
    now: Timestamp,
    cause: &str,
    heads: Heads,
    succession: Option<String>,
) -> Result<Kept, Error> {
    let last = last(db)?;
    let anchor = Anchor {
        store: shared.store.to_string(),
        number: last.as_ref().map_or(0, |last| last.number + 1),
        time: now,
        previous: last.map(|last| hash(&last.text)),
        cause: cause.to_owned(),
        heads,
        succession,
    };
    Ok(Kept { number: anchor.number, text: anchor.to_text() })
}

pub(crate) fn put(db: &DB, kept: &Kept, batch: &mut WriteBatch) {
    batch.put_cf(&column(db, Column::Note), name(kept.number), &kept.text);
}

/// The same head, with what its log kept.
fn declared(signer: &Signer, note: String, kept: u64) -> String {
    signer.public_key().open(&note).map_or(note, |head| signer.sign_restored(&head, kept))
}

fn name(number: u64) -> [u8; 9] {
    let [a, b, c, d, e, f, g, h] = number.to_be_bytes();
    [PREFIX, a, b, c, d, e, f, g, h]
}

fn decode(key: &[u8], text: &[u8]) -> Option<Kept> {
    let number = u64::from_be_bytes(key.strip_prefix(&[PREFIX])?.try_into().ok()?);
    Some(Kept { number, text: String::from_utf8(text.into()).ok()? })
}

/// The latest.
pub(crate) fn last(db: &DB) -> Result<Option<Kept>, rocksdb::Error> {
    let mut notes = db.raw_iterator_cf(&column(db, Column::Note));
    notes.seek_to_last();
    let last = notes.item().and_then(|(key, text)| decode(key, text));
    notes.status().map(|()| last)
}

/// From a number on, at most [`AT_ONCE`].
pub(crate) fn from(shared: &Shared, number: u64) -> Result<Vec<Kept>, Error> {
    let slot = shared.db.read();
    let Some(db) = slot.as_ref() else { return Ok(Vec::new()) };
    let mut notes = db.raw_iterator_cf(&column(db, Column::Note));
    let mut kept = Vec::new();
    notes.seek(name(number));
    while let Some((key, text)) = notes.item()
        && kept.len() < AT_ONCE
    {
        kept.extend(decode(key, text));
        notes.next();
    }
    notes.status()?;
    Ok(kept)
}

/// The number of the first that a place does not have yet.
pub(crate) fn next_of(shared: &Shared, place: &str) -> Result<u64, Error> {
    let slot = shared.db.read();
    let Some(db) = slot.as_ref() else { return Ok(0) };
    let stored = db.get_cf(&column(db, Column::Meta), place_key(place))?;
    Ok(stored.and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_be_bytes))
}

/// A place has all before this number.
pub(crate) fn set_next_of(shared: &Shared, place: &str, next: u64) -> Result<(), Error> {
    let slot = shared.db.read();
    let Some(db) = slot.as_ref() else { return Ok(()) };
    let mut batch = WriteBatch::default();
    batch.put_cf(&column(db, Column::Meta), place_key(place), next.to_be_bytes());
    Ok(db.write(batch)?)
}

fn place_key(place: &str) -> String {
    format!("anchored:{place}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::note::{Checkpoint, Signer};

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
}

//! Anchors: the heads of all logs, said to somebody outside.
//!
//! Each names the one before by its hash, so that none can be left out, and comes at the latest every so often, so that
//! silence says something too. They are kept here until every place that they go to has them.

mod chain;
mod kept;
mod line;

use jiff::Timestamp;
use rocksdb::{DB, WriteBatch};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use self::chain::{Broken, Chain, Lost, check, lost};
pub use self::kept::AT_ONCE;

pub(crate) use self::chain::heads;
pub(crate) use self::kept::{adopt, from, last, next_of, put, set_next_of};

use crate::checkpoint;
use crate::entry::Log;
use crate::error::Error;
use crate::note::Signer;
use crate::shared::Shared;
use crate::tree::{Hash, sha256};

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

impl Heads {
    /// By [`Log::index`].
    pub(crate) fn new([access, requests, audit]: [String; 3]) -> Self {
        Self { access, requests, audit }
    }

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

fn hash(text: &str) -> String {
    let hash: Hash = sha256(text.as_bytes());
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
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
    let Some(latest) = checkpoint::latest(db)? else { return Ok(None) };
    let [access, requests, audit] = latest.map(|signed| signed.note);
    let heads = match restored {
        None => [access, requests, audit],
        Some((signer, [of_access, of_requests, of_audit])) => [
            declared(signer, access, of_access),
            declared(signer, requests, of_requests),
            declared(signer, audit, of_audit),
        ],
    };
    let kept = next(shared, db, now, cause, Heads::new(heads), None)?;
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

/// The same head, with what its log kept.
fn declared(signer: &Signer, note: String, kept: u64) -> String {
    signer.public_key().open(&note).map_or(note, |head| signer.sign_restored(&head, kept))
}

#[cfg(test)]
mod tests;

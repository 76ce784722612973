//! The keys of a store, as far as the one that somebody kept leads to them.

use super::Succession;
use crate::entry::Log;
use crate::note::{Checkpoint, NoteError, PublicKey, parts};

/// Successions that are said to be missing, at most.
const SAID_MISSING: usize = 100;

/// What is wrong with the keys of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum KeyFinding {
    /// A key was changed, and nothing says so that can be believed.
    #[error("succession {number} is missing")]
    Missing {
        /// Of the succession.
        number: u64,
    },
    /// It is not signed by the key before, or does not follow it.
    #[error("succession {number} is not signed by the key before")]
    Unsigned {
        /// Of the succession.
        number: u64,
    },
    /// An anchor tells of another one.
    #[error("succession {number} is not the one that was anchored")]
    Other {
        /// Of the succession.
        number: u64,
    },
}

/// Keys that are believed, one after the other.
#[derive(Debug)]
pub struct Keys {
    /// Of the store.
    name: String,
    kept: PublicKey,
    /// Before the one that somebody kept.
    earlier: Vec<PublicKey>,
    /// That one, and those that it leads to.
    epochs: Vec<Epoch>,
    findings: Vec<KeyFinding>,
}

/// The time of one key.
#[derive(Debug)]
struct Epoch {
    key: PublicKey,
    /// Its last heads, by [`Log::index`]; none of the last key.
    until: Option<Vec<Checkpoint>>,
}

impl Epoch {
    fn has_ended_before(&self, log: Option<Log>, size: u64) -> bool {
        let last = self.until.as_ref().zip(log).and_then(|(until, log)| until.get(log.index()));
        last.is_some_and(|last| last.size < size)
    }
}

impl KeyFinding {
    /// For output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Missing { .. } => "missing",
            Self::Unsigned { .. } => "unsigned",
            Self::Other { .. } => "other than anchored",
        }
    }

    /// Of the succession.
    pub const fn number(self) -> u64 {
        match self {
            Self::Missing { number } | Self::Unsigned { number } | Self::Other { number } => number,
        }
    }
}

impl Keys {
    /// Those that `kept` leads to, by the successions of a store of this name.
    pub fn follow(kept: &PublicKey, name: &str, successions: &[String]) -> Self {
        let (mut lines, mut findings, mut next) = (vec![Vec::<Epoch>::new()], Vec::new(), 1);
        for note in successions {
            let Ok(succession) = Succession::open(note, name) else {
                findings.push(KeyFinding::Unsigned { number: next });
                (next, lines) = (next + 1, anew(lines));
                continue;
            };
            let number = succession.number;
            findings.extend((next..number).take(SAID_MISSING).map(|number| KeyFinding::Missing { number }));
            let current = lines.last().and_then(|line| line.last()).map(|epoch| &epoch.key);
            let is_unsigned = number < next || number == next && current.is_some_and(|key| *key != succession.old);
            if is_unsigned {
                findings.push(KeyFinding::Unsigned { number });
            }
            if is_unsigned || number > next {
                lines = anew(lines);
            }
            lines.last_mut().into_iter().for_each(|line| add(line, &succession, name));
            next = number.max(next) + 1;
        }
        let line = lines.into_iter().find(|line| line.iter().any(|epoch| epoch.key == *kept));
        let mut earlier = line.unwrap_or_else(|| vec![Epoch { key: kept.clone(), until: None }]);
        let at = earlier.iter().position(|epoch| epoch.key == *kept).unwrap_or_default();
        let epochs = earlier.split_off(at);
        let earlier = earlier.into_iter().map(|epoch| epoch.key).collect();
        Self { name: name.to_owned(), kept: kept.clone(), earlier, epochs, findings }
    }

    /// The first key of a store that signs with `own` now, if its successions lead there; else that one.
    pub fn first(own: PublicKey, name: &str, successions: &[String]) -> PublicKey {
        let keys = Self::follow(&own, name, successions);
        keys.earlier.into_iter().next().unwrap_or(own)
    }

    /// Whether the one that was kept leads to this one, which signs now.
    pub fn lead_to(&self, key: &PublicKey) -> bool {
        self.epochs.last().is_some_and(|last| last.key == *key)
    }

    /// The head that one of them signed in its time; none of one that an earlier key signed, which is bound by every
    /// later head and need not be believed.
    ///
    /// # Errors
    /// When none of them did.
    pub fn open(&self, note: &str) -> Result<Option<Checkpoint>, NoteError> {
        let (text, _) = parts(note).ok_or(NoteError::Malformed)?;
        let Checkpoint { origin, size, root: _ } = Checkpoint::parse(text).ok_or(NoteError::Malformed)?;
        let log = origin.rsplit('/').next().and_then(|log| Log::ALL.into_iter().find(|known| known.name() == log));
        let at = self.epochs.partition_point(|epoch| epoch.has_ended_before(log, size));
        let (over, current) = self.epochs.split_at_checked(at).unwrap_or_default();
        let by = |key: &PublicKey| Some(key.open(note)).filter(|opened| *opened != Err(NoteError::OtherKey));
        if let Some(opened) = current.iter().find_map(|epoch| by(&epoch.key)) {
            return opened.map(Some);
        }
        if over.iter().any(|epoch| epoch.key.open(note).is_ok()) {
            return Err(NoteError::Retired);
        }
        match self.earlier.iter().find_map(by) {
            Some(opened) => opened.map(|_| None),
            None => Err(NoteError::OtherKey),
        }
    }

    /// The one that was kept.
    pub(crate) fn kept(&self) -> &PublicKey {
        &self.kept
    }

    /// Every key that is known, from the first on.
    pub(crate) fn all(&self) -> impl Iterator<Item = &PublicKey> {
        self.earlier.iter().chain(self.epochs.iter().map(|epoch| &epoch.key))
    }

    /// The last heads of a log that keys signed which gave way.
    pub(crate) fn last_heads(&self, log: Log) -> impl Iterator<Item = Checkpoint> {
        self.epochs.iter().filter_map(move |epoch| epoch.until.as_ref()?.get(log.index()).cloned())
    }

    /// What is wrong with the successions, given those that are in anchors, and how many the audit log tells of.
    pub(crate) fn findings(&self, stored: &[String], anchored: &[String], told: u64) -> Vec<KeyFinding> {
        let number = |note: &String| note.lines().nth(1).and_then(|number| number.parse().ok()).unwrap_or(0);
        let mut findings = self.findings.clone();
        for note in anchored.iter().filter(|note| !stored.contains(note)) {
            let wanted: u64 = number(note);
            let is_there = stored.iter().any(|note| number(note) == wanted);
            findings.push(match is_there {
                true => KeyFinding::Other { number: wanted },
                false => KeyFinding::Missing { number: wanted },
            });
        }
        let last = stored.iter().map(number).max().unwrap_or(0);
        findings.extend((last + 1..=told).take(SAID_MISSING).map(|number| KeyFinding::Missing { number }));
        findings.sort_unstable();
        findings.dedup();
        findings
    }

    /// Of the store.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

/// What follows does not follow from what was before.
fn anew(mut lines: Vec<Vec<Epoch>>) -> Vec<Vec<Epoch>> {
    if lines.last().is_some_and(|line| !line.is_empty()) {
        lines.push(Vec::new());
    }
    lines
}

fn add(line: &mut Vec<Epoch>, succession: &Succession, name: &str) {
    let heads = Log::ALL.into_iter().zip(succession.heads);
    let heads = heads.map(|(log, (size, root))| Checkpoint { origin: format!("{name}/{}", log.name()), size, root });
    let until = Some(heads.collect());
    match line.last_mut() {
        Some(last) => last.until = until,
        None => line.push(Epoch { key: succession.old.clone(), until }),
    }
    line.push(Epoch { key: succession.new.clone(), until: None });
}

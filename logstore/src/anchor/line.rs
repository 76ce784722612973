//! The key that signs, from anchor to anchor.

use super::{Anchor, Broken};
use crate::entry::Log;
use crate::note::{self, NoteError, PublicKey};
use crate::succession::{Keys, Succession};

/// The keys that signed anchors up to one of them.
pub(super) struct Line<'k> {
    keys: &'k Keys,
    /// The last one signs now.
    passed: Vec<PublicKey>,
    /// That led from each of them to the next.
    successions: Vec<String>,
}

impl<'k> Line<'k> {
    /// Begins with the key that signed the first anchor, if it is known.
    pub(super) fn from(keys: &'k Keys, first: Option<&Anchor>) -> Self {
        let signed = |key: &PublicKey| first.is_some_and(|first| key.open(first.heads.of(Log::Audit)).is_ok());
        let first = keys.all().find(|key| signed(key)).unwrap_or(keys.kept());
        Self { keys, passed: vec![first.clone()], successions: Vec::new() }
    }

    /// What is wrong with one more.
    pub(super) fn go_on(&mut self, anchor: &Anchor) -> Vec<Broken> {
        let number = anchor.number;
        let opened = Log::ALL.map(|log| self.open(anchor.heads.of(log)));
        let mut broken: Vec<_> =
            opened.into_iter().filter_map(Result::err).map(|error| Broken::Head { number, error }).collect();
        let followed = anchor.succession.as_ref().map(|note| self.follow(note));
        broken.extend(followed.and_then(Result::err).map(|error| Broken::Succession { number, error }));
        broken
    }

    /// A store that was restored signs with the key of its backup again, and says so.
    fn open(&mut self, head: &str) -> Result<(), NoteError> {
        let signed = self.passed.iter().rposition(|key| key.open(head) != Err(NoteError::OtherKey));
        let at = signed.ok_or(NoteError::OtherKey)?;
        let key = self.passed.get(at).ok_or(NoteError::OtherKey)?;
        key.open(head)?;
        if at + 1 < self.passed.len() {
            note::restored(head).ok_or(NoteError::Retired)?;
            self.passed.truncate(at + 1);
            self.successions.truncate(at);
        }
        Ok(())
    }

    fn follow(&mut self, note: &str) -> Result<(), NoteError> {
        let succession = Succession::open(note, self.keys.name())?;
        if self.passed.last() != Some(&succession.old) {
            return Err(NoteError::OtherKey);
        }
        self.passed.push(succession.new);
        self.successions.push(note.to_owned());
        Ok(())
    }

    pub(super) fn successions(self) -> Vec<String> {
        self.successions
    }
}

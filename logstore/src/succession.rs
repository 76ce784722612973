//! Keys that follow each other. Each names the next one and says where its own heads end, and is destroyed then:
//! whoever keeps the first needs no other, and whoever finds an old one can sign nothing new with it.

mod keys;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use rocksdb::{DB, WriteBatch};
use uuid::Uuid;

pub use self::keys::{KeyFinding, Keys};
use crate::anchor::{self, Heads};
use crate::checkpoint::{self, Signed, name};
use crate::column::Column;
use crate::database::column;
use crate::entry::Log;
use crate::error::Error;
use crate::note::{Checkpoint, NoteError, PublicKey, Signer, parts, signature_line, signatures_of};
use crate::store::Store;
use crate::tree::{Hash, sha256};

/// Before the numbers of successions among the notes; no log has this byte, and anchors come after them.
const PREFIX: u8 = 0xfe;

/// Names the signature lines of successions that a proof carries, as private kinds of signatures are told apart.
const CARRIED: &[u8] = b"\n\xffvestibule succession";

/// The audit log says by this action that a key was changed.
pub const CHANGED: &str = "secret.rotate";

/// One key gives way to the next one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Succession {
    /// From 1, without gaps.
    pub number: u64,
    /// The key that signs this.
    pub old: PublicKey,
    /// The key that signs from now on.
    pub new: PublicKey,
    /// The last heads of the old key, by [`Log::index`].
    pub heads: [(u64, Hash); 3],
}

/// What became of the change of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Succeeded {
    /// Of the succession.
    pub number: u64,
    /// The anchor that tells of it, if one was wanted.
    pub anchor: Option<anchor::Kept>,
}

impl Succession {
    /// As the old key signs it.
    pub(crate) fn sign(&self, store: Uuid, old: &Signer) -> String {
        let name = name(store);
        let keys = format!("{}\n{}\n", self.old.print(&name), self.new.print(&name));
        let heads = Log::ALL.iter().zip(&self.heads);
        let heads =
            heads.map(|(log, (size, root))| format!("{} {size} {}\n", log.name(), BASE64_STANDARD.encode(root)));
        old.sign_text(&format!("{name}/key\n{}\n{keys}{}", self.number, heads.collect::<String>()))
    }

    /// What a note says, if it is signed by the key that it says gives way. `name` is that of the store.
    ///
    /// # Errors
    /// When it is no such note.
    pub fn open(note: &str, name: &str) -> Result<Self, NoteError> {
        let (text, _) = parts(note).ok_or(NoteError::Malformed)?;
        let succession = Self::parse(text, name).ok_or(NoteError::Malformed)?;
        succession.old.open_text(note)?;
        Ok(succession)
    }

    fn parse(text: &str, name: &str) -> Option<Self> {
        let mut lines = text.lines();
        lines.next().filter(|line| line.strip_suffix("/key") == Some(name))?;
        let number = lines.next()?.parse().ok()?;
        let (old, new) = (PublicKey::parse(lines.next()?).ok()?, PublicKey::parse(lines.next()?).ok()?);
        let mut head = |log: Log| {
            let (size, root) = lines.next()?.strip_prefix(log.name())?.strip_prefix(' ')?.split_once(' ')?;
            Some((size.parse().ok()?, BASE64_STANDARD.decode(root).ok()?.try_into().ok()?))
        };
        let heads = [head(Log::Access)?, head(Log::Requests)?, head(Log::Audit)?];
        lines.next().is_none().then_some(Self { number, old, new, heads })
    }
}

impl Store {
    /// Signs the heads with the old key, lets it say that the new one follows, and signs the heads with that too, all
    /// at once; with an anchor of it if that is wanted. From here on only the new key may sign; nobody may sign
    /// meanwhile. None while the store is being opened again.
    ///
    /// # Errors
    /// When the disk refuses; then the old key is still the one to sign with, unless the store says otherwise when it
    /// is opened the next time.
    pub fn succeed(
        &self,
        old: &Signer,
        new: &Signer,
        now: Timestamp,
        is_anchored: bool,
    ) -> Result<Option<Succeeded>, Error> {
        self.sign(old, now)?;
        let shared = self.shared();
        let slot = shared.db.read();
        let Some(db) = slot.as_ref() else { return Ok(None) };
        let Some(last) = Last::of(db)? else { return Ok(None) };
        let number = last_number(db)? + 1;
        let note = last.succession(number, old, new).sign(shared.store, old);
        let mut batch = WriteBatch::default();
        // Whoever asks for a head now knows the new key only.
        last.sign_by(new, db, &mut batch);
        batch.put_cf(&column(db, Column::Note), key(number), &note);
        let heads = Heads::new(last.signed.map(|signed| signed.note));
        let anchor = is_anchored.then(|| anchor::next(shared, db, now, "key", heads, Some(note))).transpose()?;
        anchor.iter().for_each(|kept| anchor::put(db, kept, &mut batch));
        db.write(batch)?;
        db.flush_wal(true)?;
        Ok(Some(Succeeded { number, anchor }))
    }

    /// Every change of the key, as signed notes, in their order.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn successions(&self) -> Result<Vec<String>, Error> {
        let slot = self.shared().db.read();
        slot.as_ref().map_or(Ok(Vec::new()), |db| Ok(all(db)?))
    }
}

/// The latest head of each log, by [`Log::index`], as the key signed them that gives way.
struct Last {
    signed: [Signed; 3],
    heads: [Checkpoint; 3],
}

impl Last {
    /// None where a log has none.
    fn of(db: &DB) -> Result<Option<Self>, Error> {
        let Some(signed) = checkpoint::latest(db)? else { return Ok(None) };
        let head = |signed: &Signed| parts(&signed.note).and_then(|(text, _)| Checkpoint::parse(text));
        let [Some(access), Some(requests), Some(audit)] = signed.each_ref().map(head) else {
            return Err(Error::Damaged { what: "the latest heads of the logs are none" });
        };
        Ok(Some(Self { signed, heads: [access, requests, audit] }))
    }

    /// What the old key is to sign.
    fn succession(&self, number: u64, old: &Signer, new: &Signer) -> Succession {
        let heads = self.heads.each_ref().map(|head| (head.size, head.root));
        Succession { number, old: old.public_key(), new: new.public_key(), heads }
    }

    /// The same heads, signed by another key.
    fn sign_by(&self, new: &Signer, db: &DB, batch: &mut WriteBatch) {
        for ((log, signed), head) in Log::ALL.into_iter().zip(&self.signed).zip(&self.heads) {
            checkpoint::put(db, log, &Signed { note: new.sign(head), ..signed.clone() }, batch);
        }
    }
}

fn key(number: u64) -> [u8; 9] {
    let [a, b, c, d, e, f, g, h] = number.to_be_bytes();
    [PREFIX, a, b, c, d, e, f, g, h]
}

fn last_number(db: &DB) -> Result<u64, rocksdb::Error> {
    let mut notes = db.raw_iterator_cf(&column(db, Column::Note));
    notes.seek_for_prev(key(u64::MAX));
    let number = notes.key().and_then(|key| key.strip_prefix(&[PREFIX])?.try_into().ok());
    notes.status().map(|()| number.map_or(0, u64::from_be_bytes))
}

/// All of a store, in their order.
pub(crate) fn all(db: &DB) -> Result<Vec<String>, rocksdb::Error> {
    let mut notes = db.raw_iterator_cf(&column(db, Column::Note));
    let mut all = Vec::new();
    notes.seek([PREFIX]);
    while let Some((_, note)) = notes.item().filter(|(key, _)| key.starts_with(&[PREFIX])) {
        // One that is no text must be found wrong, not left out.
        all.push(String::from_utf8_lossy(note).into_owned());
        notes.next();
    }
    notes.status().map(|()| all)
}

/// A line among the signatures of a head that carries successions; tools that do not know it pass over it. Empty if
/// there are none.
pub(crate) fn carried(store: Uuid, successions: &[String]) -> String {
    if successions.is_empty() {
        return String::new();
    }
    let name = format!("{}/key", name(store));
    let content = [&mark(&name), successions.join("\0").as_bytes()].concat();
    signature_line(&name, &content)
}

/// The successions among the signatures of a note.
pub(crate) fn carried_by(note: &str, store: &str) -> Vec<String> {
    let name = format!("{store}/key");
    let lines = parts(note).map_or("", |(_, lines)| lines);
    let mark = mark(&name);
    let content = signatures_of(lines, &name).find_map(|line| Some(line.strip_prefix(&mark)?.to_vec()));
    let content = content.and_then(|content| String::from_utf8(content).ok());
    content.iter().flat_map(|content| content.split('\0')).map(str::to_owned).collect()
}

fn mark(name: &str) -> [u8; 4] {
    let hash = sha256(&[name.as_bytes(), CARRIED].concat());
    hash.first_chunk().copied().unwrap_or_default()
}

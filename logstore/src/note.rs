//! Signed notes and checkpoints as C2SP describes them, and the keys that sign them.
//!
//! A note is a text, an empty line, and signatures; that of a checkpoint names the log, its size and its root. Tools of
//! others read them.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::tree::Hash;

/// The number of Ed25519 among the algorithms of signed notes.
const ED25519_NOTE: u8 = 1;

/// Bytes of a seed, and of a public key.
pub const KEY_LEN: usize = 32;

/// Begins the line after a checkpoint that says how many entries a restored log kept.
const RESTORED: &str = "restored ";

/// Signs checkpoints.
pub struct Signer {
    key: Ed25519KeyPair,
}

/// Whose signatures are believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    bytes: [u8; KEY_LEN],
}

/// What a log held at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Names the log: store and log.
    pub origin: String,
    /// Entries.
    pub size: u64,
    /// Of the tree over them.
    pub root: Hash,
}

/// Why a note is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// It is no signed checkpoint.
    #[error("this is not a signed checkpoint")]
    Malformed,
    /// Nobody signed it whose key is known.
    #[error("the checkpoint is not signed by this key")]
    OtherKey,
    /// The signature is not of this text.
    #[error("the signature of the checkpoint is wrong")]
    WrongSignature,
    /// Its key had given way to another one when the log was that long.
    #[error("the checkpoint is signed by a key that had been given up before")]
    Retired,
}

/// The text is not a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is not a public key; write NAME+ID+KEY as it was printed")]
pub struct NotAKey;

impl Signer {
    /// From its seed, 32 random bytes.
    ///
    /// # Errors
    /// When the seed has another length.
    pub fn from_seed(seed: &[u8]) -> Result<Self, NotAKey> {
        Ed25519KeyPair::from_seed_unchecked(seed).map(|key| Self { key }).map_err(|_| NotAKey)
    }

    /// What others need to check its signatures.
    pub fn public_key(&self) -> PublicKey {
        let mut bytes = [0; KEY_LEN];
        bytes.copy_from_slice(self.key.public_key().as_ref());
        PublicKey { bytes }
    }

    /// The note of a checkpoint.
    pub fn sign(&self, checkpoint: &Checkpoint) -> String {
        self.sign_text(&checkpoint.text())
    }

    /// The note of a checkpoint of a log that was restored, and held `kept` entries then: heads of it that were signed
    /// before and have more are of entries that are gone.
    pub fn sign_restored(&self, checkpoint: &Checkpoint, kept: u64) -> String {
        self.sign_text(&format!("{}{RESTORED}{kept}\n", checkpoint.text()))
    }

    /// The note of a text of whole lines, the first of which is the name that signs.
    pub(crate) fn sign_text(&self, text: &str) -> String {
        let name = text.lines().next().unwrap_or_default();
        let signature = [&self.public_key().id(name), self.key.sign(text.as_bytes()).as_ref()].concat();
        format!("{text}\n{}", signature_line(name, &signature))
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Signer").field("public_key", &self.public_key()).finish_non_exhaustive()
    }
}

impl PublicKey {
    /// As printed for the signer of this name: NAME+ID+KEY. The name in it is not looked at.
    ///
    /// # Errors
    /// When it is not that.
    pub fn parse(text: &str) -> Result<Self, NotAKey> {
        // Base64 has the plus sign too, names have not.
        let (name, rest) = text.trim().split_once('+').ok_or(NotAKey)?;
        let (id, key) = rest.split_once('+').ok_or(NotAKey)?;
        let key = BASE64_STANDARD.decode(key).map_err(|_| NotAKey)?;
        let (&[algorithm], bytes) = key.split_first_chunk().ok_or(NotAKey)?;
        let key = Self { bytes: bytes.try_into().map_err(|_| NotAKey)? };
        (algorithm == ED25519_NOTE && id == hex(&key.id(name))).then_some(key).ok_or(NotAKey)
    }

    /// For the operator to keep.
    pub fn print(&self, name: &str) -> String {
        let key = BASE64_STANDARD.encode([&[ED25519_NOTE], self.bytes.as_slice()].concat());
        format!("{name}+{}+{key}", hex(&self.id(name)))
    }

    /// Tells keys of one name apart.
    fn id(&self, name: &str) -> [u8; 4] {
        let named = [name.as_bytes(), &[b'\n', ED25519_NOTE], &self.bytes].concat();
        let hash = digest(&SHA256, &named);
        hash.as_ref().first_chunk().copied().unwrap_or_default()
    }

    /// The checkpoint of a note that this key signed.
    ///
    /// # Errors
    /// When it did not.
    pub fn open(&self, note: &str) -> Result<Checkpoint, NoteError> {
        let (text, _) = parts(note).ok_or(NoteError::Malformed)?;
        let checkpoint = Checkpoint::parse(text).ok_or(NoteError::Malformed)?;
        self.open_text(note)?;
        Ok(checkpoint)
    }

    /// The text of a note that this key signed under the name in its first line.
    pub(crate) fn open_text<'n>(&self, note: &'n str) -> Result<&'n str, NoteError> {
        let (text, signatures) = parts(note).ok_or(NoteError::Malformed)?;
        let name = text.lines().next().unwrap_or_default();
        let id = self.id(name);
        let ours = signatures_of(signatures, name).find(|signature| signature.starts_with(&id));
        let signature = ours.ok_or(NoteError::OtherKey)?;
        let signature = signature.get(id.len()..).unwrap_or_default();
        let key = UnparsedPublicKey::new(&ED25519, self.bytes);
        key.verify(text.as_bytes(), signature).map_err(|_| NoteError::WrongSignature)?;
        Ok(text)
    }
}

/// The text of a note, and the lines after it.
pub(crate) fn parts(note: &str) -> Option<(&str, &str)> {
    let (text, signatures) = note.split_at_checked(note.rfind("\n\n")? + 1)?;
    Some((text, signatures.get(1..)?))
}

/// What stands in the signature lines of a name.
pub(crate) fn signatures_of<'n>(lines: &'n str, name: &'n str) -> impl Iterator<Item = Vec<u8>> + 'n {
    lines.lines().filter_map(move |line| {
        let (signer, signature) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
        BASE64_STANDARD.decode(signature).ok().filter(|_| signer == name)
    })
}

pub(crate) fn signature_line(name: &str, signature: &[u8]) -> String {
    format!("\u{2014} {name} {}\n", BASE64_STANDARD.encode(signature))
}

impl Checkpoint {
    fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, BASE64_STANDARD.encode(self.root))
    }

    /// Lines after the third are of others, and signed all the same.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let origin = lines.next().filter(|origin| !origin.is_empty())?.to_owned();
        let size = lines.next()?;
        let root = BASE64_STANDARD.decode(lines.next()?).ok()?.try_into().ok()?;
        let number: u64 = size.parse().ok()?;
        (number.to_string() == size).then_some(Self { origin, size: number, root })
    }
}

/// How many entries a log kept when it was restored, if a note says that it was. It is of worth in a note that
/// [`PublicKey::open`] believes.
pub fn restored(note: &str) -> Option<u64> {
    note.lines().nth(3)?.strip_prefix(RESTORED)?.parse().ok()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint() -> Checkpoint {
        Checkpoint { origin: "vestibule/some/audit".into(), size: 20, root: [7; 32] }
    }

    fn signer(seed: u8) -> Signer {
        Signer::from_seed(&[seed; KEY_LEN]).unwrap()
    }

    #[test]
    fn a_note_is_believed_as_it_was_signed_and_not_otherwise() {
        let (ours, theirs) = (signer(1), signer(2));
        let note = ours.sign(&checkpoint());
        assert_eq!(ours.public_key().open(&note), Ok(checkpoint()));
        assert_eq!(theirs.public_key().open(&note), Err(NoteError::OtherKey));
        for (from, to) in [("20", "21"), ("some", "sume"), ("Bwc", "Bwd")] {
            let changed = note.replacen(from, to, 1);
            assert!(changed != note && ours.public_key().open(&changed).is_err(), "{changed}");
        }
        for malformed in ["", "\n\n", "origin\n20\nBwcH\n\n", "origin\n020\n\n\u{2014} origin AAAA\n"] {
            assert_eq!(ours.public_key().open(malformed), Err(NoteError::Malformed), "{malformed:?}");
        }
    }

    #[test]
    fn a_printed_key_is_read_back_and_a_slip_in_it_found() {
        let mut printed = String::new();
        // Some of them have a plus sign in their base64.
        for seed in 0..16 {
            let key = signer(seed).public_key();
            printed = key.print("vestibule/some");
            assert_eq!(PublicKey::parse(&format!("{printed}\n")), Ok(key), "{printed}");
        }
        assert!(PublicKey::parse(&printed.replacen("some", "same", 1)).is_err());
        assert!(PublicKey::parse(&printed.to_lowercase()).is_err());
        assert!(PublicKey::parse("vestibule").is_err());
    }
}

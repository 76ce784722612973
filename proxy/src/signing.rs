//! The key that signs the heads of the logs.
//!
//! It lies beside the logs, not in them: a copy of the logs carries none. Whoever verifies them should have the public
//! key from elsewhere, which is why it is said at every start. A new key takes its place when somebody asks for it: it is
//! on the disk before the old one says in the logs that it follows, and only then the old one is destroyed. So a crash
//! in between leaves both, and the logs say which of them signs.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use parking_lot::{RwLock, RwLockReadGuard};
use vestibule_logstore::note::{KEY_LEN, PublicKey, Signer};
use vestibule_logstore::succession::{Succeeded, Succession};
use vestibule_logstore::{Store, checkpoint};
use zeroize::Zeroizing;

/// In `data_dir`.
const FILE: &str = "checkpoint.key";
/// Beside it, while it is to take its place.
const NEXT: &str = "checkpoint.next";

/// A change waits so long for whoever signs, or copies the key for a backup.
const PATIENCE: Duration = Duration::from_secs(5);

/// The key that signs now.
pub(crate) struct Signing {
    signer: RwLock<Signer>,
    data_dir: PathBuf,
}

impl Signing {
    /// Reads the key that the logs say signs them, or makes one where there is none.
    ///
    /// # Errors
    /// As [`load_or_make`].
    pub(crate) fn open(data_dir: &Path, store: &Store) -> anyhow::Result<Self> {
        settle(data_dir, store)?;
        let signer = load_or_make(data_dir)?;
        if current(store)?.is_some_and(|current| current != signer.public_key()) {
            tracing::error!("{FILE} is not the key that signed the logs; put it back, or verifications say: wrong key");
        }
        Ok(Self { signer: RwLock::new(signer), data_dir: data_dir.to_owned() })
    }

    /// Whoever signs holds it until the signature is stored. The key is not changed meanwhile.
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Signer> {
        self.signer.read()
    }

    /// Has a new key take the place of the one that signs, and destroys that one. None while the logs are being opened
    /// again, or somebody signs for longer than five seconds. Blocks.
    ///
    /// # Errors
    /// When the disk refuses; then either the old key signs, or the next start finds the new one.
    pub(crate) fn change(&self, store: &Store, now: Timestamp, is_anchored: bool) -> anyhow::Result<Option<Succeeded>> {
        let Some(mut signer) = self.signer.try_write_for(PATIENCE) else { return Ok(None) };
        let next = self.data_dir.join(NEXT);
        write_new(&next).with_context(|| format!("writing {next:?}"))?;
        let new = load_from(&next)?;
        let Some(succeeded) = store.succeed(&signer, &new, now, is_anchored)? else { return Ok(None) };
        *signer = new;
        take_place(&self.data_dir).context("the new key signs; destroying the old one waits for the next start")?;
        Ok(Some(succeeded))
    }
}

#[cfg(test)]
impl Signing {
    /// A key that is in no file.
    pub(crate) fn of(signer: Signer, data_dir: &Path) -> Self {
        Self { signer: RwLock::new(signer), data_dir: data_dir.to_owned() }
    }
}

/// Finishes or forgets a change of the key that was broken off.
pub(crate) fn settle(data_dir: &Path, store: &Store) -> anyhow::Result<()> {
    let next = data_dir.join(NEXT);
    if !next.exists() {
        return Ok(());
    }
    let current = current(store)?;
    if current.is_some() && load_from(&next).ok().map(|next| next.public_key()) == current {
        return take_place(data_dir).with_context(|| format!("putting {next:?} in the place of the key that gave way"));
    }
    fs::remove_file(&next).with_context(|| format!("removing {next:?}"))
}

/// The key that the logs say signs them, if it was ever changed.
fn current(store: &Store) -> anyhow::Result<Option<PublicKey>> {
    let name = checkpoint::name(store.uuid());
    Ok(store.successions()?.last().and_then(|last| Succession::open(last, &name).ok()).map(|last| last.new))
}

/// Overwrites the key that gave way, as far as the disk lets one overwrite, and puts the next one in its place.
fn take_place(data_dir: &Path) -> io::Result<()> {
    let path = data_dir.join(FILE);
    if let Ok(mut old) = OpenOptions::new().write(true).open(&path) {
        let length = old.metadata()?.len();
        io::copy(&mut io::Read::take(io::repeat(b'0'), length), &mut old)?;
        old.sync_all()?;
    }
    fs::rename(data_dir.join(NEXT), path)?;
    File::open(data_dir)?.sync_all()
}

/// Reads the key, or makes one where there is none.
///
/// # Errors
/// When the file cannot be read or written, or holds something else. It is never replaced: a new key that the old one
/// did not name would make everything that was signed worthless.
fn load_or_make(data_dir: &Path) -> anyhow::Result<Signer> {
    match make(data_dir) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => load(data_dir),
        made => made.with_context(|| format!("making {:?}", data_dir.join(FILE))).and_then(|()| load(data_dir)),
    }
}

/// Reads the key.
///
/// # Errors
/// When the file cannot be read, or holds something else.
pub(crate) fn load(data_dir: &Path) -> anyhow::Result<Signer> {
    load_from(&data_dir.join(FILE))
}

fn load_from(path: &Path) -> anyhow::Result<Signer> {
    let text =
        Zeroizing::new(fs::read_to_string(path).with_context(|| format!("reading the key of the logs in {path:?}"))?);
    let seed = BASE64_STANDARD.decode(text.trim()).ok().map(Zeroizing::new);
    let signer = seed.and_then(|seed| Signer::from_seed(&seed).ok());
    signer.with_context(|| format!("{path:?} is not the key of the logs; put back the one that was there"))
}

/// Written beside its place and linked there, so that it is there whole or not at all.
fn make(data_dir: &Path) -> io::Result<()> {
    let path = data_dir.join(FILE);
    if path.exists() {
        return Err(ErrorKind::AlreadyExists.into());
    }
    let new = path.with_extension("new");
    write_new(&new)?;
    fs::hard_link(&new, &path)?;
    fs::remove_file(&new)?;
    File::open(data_dir)?.sync_all()
}

/// A random key, onto the disk.
fn write_new(path: &Path) -> io::Result<()> {
    let mut seed = Zeroizing::new([0; KEY_LEN]);
    SystemRandom::new().fill(&mut *seed).map_err(|_| io::Error::other("the system gave no random bytes"))?;
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(Zeroizing::new(BASE64_STANDARD.encode(*seed)).as_bytes())?;
    file.sync_all()?;
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_kept_from_others() {
        let folder = tempfile::tempdir().unwrap();
        let key = load_or_make(folder.path()).unwrap().public_key();
        assert_eq!(load_or_make(folder.path()).unwrap().public_key(), key);
        let mode = fs::metadata(folder.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!((mode & 0o777, fs::read_dir(folder.path()).unwrap().count()), (0o600, 1));
    }

    #[test]
    fn a_file_that_is_no_key_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        for text in ["", "AAAA", "not base64"] {
            fs::write(folder.path().join(FILE), text).unwrap();
            let error = load_or_make(folder.path()).unwrap_err().to_string();
            assert!(error.contains("checkpoint.key") && error.contains("put back"), "{error}");
            assert_eq!(fs::read_to_string(folder.path().join(FILE)).unwrap(), text);
        }
    }

    fn store(folder: &Path) -> Store {
        let options =
            vestibule_logstore::Options { sync: Duration::from_millis(10), queue_entries: 100, queue_bytes: 1 << 20 };
        Store::open(&folder.join("logs"), options).unwrap()
    }

    #[test]
    fn a_change_of_the_key_that_was_broken_off_is_finished_or_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let (file, next) = (folder.path().join(FILE), folder.path().join(NEXT));
        let store = store(folder.path());
        let signing = Signing::open(folder.path(), &store).unwrap();
        let (first, now) = (fs::read(&file).unwrap(), Timestamp::UNIX_EPOCH);
        // What is left of the file on the disk.
        let rest = folder.path().join("rest");
        fs::hard_link(&file, &rest).unwrap();
        assert_eq!(signing.change(&store, now, false).unwrap().unwrap().number, 1);
        assert_eq!(fs::read(&rest).unwrap(), vec![b'0'; first.len()]);
        let second = fs::read(&file).unwrap();
        assert!(second != first && !next.exists());
        assert_eq!(load(folder.path()).unwrap().public_key(), signing.read().public_key());

        // The logs say that the second one signs: a crash before it took its place, with the first still there, or
        // overwritten.
        for old in [first.clone(), vec![b'0'; first.len()]] {
            fs::write(&file, old).unwrap();
            fs::write(&next, &second).unwrap();
            let opened = Signing::open(folder.path(), &store).unwrap();
            assert_eq!(opened.read().public_key(), signing.read().public_key());
            assert_eq!((fs::read(&file).unwrap(), next.exists()), (second.clone(), false));
        }
        // A crash before the logs said anything.
        fs::write(&next, &first).unwrap();
        Signing::open(folder.path(), &store).unwrap();
        assert_eq!((fs::read(&file).unwrap(), next.exists()), (second, false));
    }
}

//! The key that signs the heads of the logs.
//!
//! It lies beside the logs, not in them: a copy of the logs carries none. Whoever verifies them should have the public
//! key from elsewhere, which is why it is said at every start.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::Context as _;
use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use vestibule_logstore::note::{KEY_LEN, Signer};
use zeroize::Zeroizing;

/// In `data_dir`.
const FILE: &str = "checkpoint.key";

/// Reads the key, or makes one where there is none.
///
/// # Errors
/// When the file cannot be read or written, or holds something else. It is never replaced: a new key would make
/// everything that was signed worthless.
pub(crate) fn load_or_make(data_dir: &Path) -> anyhow::Result<Signer> {
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
    let path = data_dir.join(FILE);
    let text =
        Zeroizing::new(fs::read_to_string(&path).with_context(|| format!("reading the key of the logs in {path:?}"))?);
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
    let mut seed = Zeroizing::new([0; KEY_LEN]);
    SystemRandom::new().fill(&mut *seed).map_err(|_| io::Error::other("the system gave no random bytes"))?;
    let new = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(Zeroizing::new(BASE64_STANDARD.encode(*seed)).as_bytes())?;
    file.sync_all()?;
    fs::hard_link(&new, &path)?;
    fs::remove_file(&new)?;
    fs::File::open(data_dir)?.sync_all()
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
}

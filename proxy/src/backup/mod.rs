//! Backups: a copy of the data folder at one moment, taken while the server runs.
//!
//! The databases copy themselves into a folder beside them, sharing the files that never change; that takes a moment.
//! Whoever asked copies it out from there, reads all of it again, and has it removed. The state is copied before the
//! logs: a session in a backup has its entry there.

pub(crate) mod files;
pub(crate) mod manifest;

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use vestibule_auth::Auth;
use vestibule_logstore::note::Signer;
use vestibule_logstore::{Store, checkpoint};

/// In `data_dir`: a copy that waits to be copied out.
const STAGED: &str = "backup";
/// In `data_dir`, while a backup is being restored: what is beside it is not whole yet.
pub(crate) const RESTORING: &str = "restoring";

/// In `data_dir`: the databases, which copy themselves, and what is worth nothing elsewhere.
const NOT_COPIED: [&str; 4] = ["logs", "state", STAGED, RESTORING];

/// A copy that nobody took away in this time was forgotten, and gives way to the next one.
const FORGOTTEN: Duration = Duration::from_secs(3600);

/// A copy of the data folder, ready to be copied out.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Staged {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// Of the program.
    pub(crate) version: String,
    /// When it was made.
    pub(crate) time: Timestamp,
    /// The name of the store.
    pub(crate) store: String,
    /// Whose signatures are in it.
    pub(crate) key: String,
}

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotStaged {
    /// One at a time.
    #[error("another backup is being taken")]
    Busy,
    /// The disk refuses.
    #[error(transparent)]
    Failed(#[from] anyhow::Error),
}

/// Makes a copy beside the databases. Blocks.
pub(crate) fn stage(
    data_dir: &Path,
    store: &Store,
    auth: &Auth,
    signer: &Signer,
    now: Timestamp,
) -> Result<Staged, NotStaged> {
    // Whoever takes it away may have another working folder.
    let path = fs::canonicalize(data_dir).with_context(|| format!("{data_dir:?}"))?.join(STAGED);
    if is_forgotten(&path, now) {
        release(data_dir)?;
    }
    match files::make_folder(&path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(NotStaged::Busy),
        made => made.with_context(|| format!("making {path:?}"))?,
    }
    let copied = || -> anyhow::Result<()> {
        auth.copy_state_to(&path.join("state")).context("copying the state database")?;
        store.sign(signer, now)?;
        store.copy_to(&path.join("logs"))?;
        copy_others(data_dir, &path)
    };
    if let Err(error) = copied() {
        release(data_dir)?;
        return Err(error.into());
    }
    Ok(Staged {
        path,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        time: now,
        store: store.uuid().to_string(),
        key: signer.public_key().print(&checkpoint::name(store.uuid())),
    })
}

/// Removes the copy. Whether there was one.
pub(crate) fn release(data_dir: &Path) -> anyhow::Result<bool> {
    let path = data_dir.join(STAGED);
    match fs::remove_dir_all(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        removed => removed.map(|()| true).with_context(|| format!("removing {path:?}")),
    }
}

/// Refuses a folder that is not whole, and removes a copy that was left in it.
pub(crate) fn look_after(data_dir: &Path) -> anyhow::Result<()> {
    if data_dir.join(RESTORING).exists() {
        anyhow::bail!(
            "a backup was being restored into {data_dir:?} and is not whole; empty the folder, and restore it again"
        );
    }
    release(data_dir).map(|_| ())
}

fn is_forgotten(path: &Path, now: Timestamp) -> bool {
    let made = fs::metadata(path).and_then(|folder| folder.modified()).ok();
    let made = made.and_then(|time| Timestamp::try_from(time).ok());
    made.is_some_and(|made| now.duration_since(made).unsigned_abs() > FORGOTTEN)
}

/// Keys, certificates and whatever else lies beside the databases.
fn copy_others(data_dir: &Path, to: &Path) -> anyhow::Result<()> {
    for entry in fs::read_dir(data_dir)? {
        let entry = entry?;
        let name = entry.file_name();
        if NOT_COPIED.iter().any(|left_out| *left_out == name) {
            continue;
        }
        let (kind, from, to) = (entry.file_type()?, entry.path(), to.join(&name));
        if kind.is_file() {
            files::copy(&from, &to, &mut |_| ()).with_context(|| format!("copying {from:?}"))?;
        } else if kind.is_dir() {
            files::make_folder(&to)?;
            for file in files::below(&from)? {
                files::copy_below(&from, &to, &file, &mut |_| ()).with_context(|| format!("copying {file:?}"))?;
            }
        }
    }
    Ok(())
}

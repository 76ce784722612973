//! `backup.json`: what a backup holds. It is written last, so that a backup without it is none.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context as _, bail};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::files::{self, Content};

/// In the folder of a backup.
const FILE: &str = "backup.json";

/// Of the members of this file and of the layout of a backup.
const FORMAT: u32 = 1;

/// What a backup holds.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Manifest {
    format: u32,
    /// Of the program that made it.
    pub(crate) version: String,
    /// The moment that it shows.
    pub(crate) time: Timestamp,
    /// The name of the store.
    pub(crate) store: String,
    /// Whose signatures are in it; whoever changed the backup may have changed this too.
    pub(crate) key: String,
    /// Every file.
    pub(crate) files: Vec<Kept>,
}

/// One file.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// From the folder of the backup on.
    pub(crate) path: PathBuf,
    pub(crate) bytes: u64,
    /// In hexadecimal.
    pub(crate) sha256: String,
}

impl Manifest {
    pub(crate) fn new(version: String, time: Timestamp, store: String, key: String, files: Vec<Kept>) -> Self {
        Self { format: FORMAT, version, time, store, key, files }
    }

    /// Onto the disk.
    pub(crate) fn write(&self, backup: &Path) -> anyhow::Result<()> {
        let path = backup.join(FILE);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(serde_json::to_string_pretty(self)?.as_bytes())?;
        file.sync_all()?;
        Ok(File::open(backup)?.sync_all()?)
    }

    /// Of a folder that is a backup.
    pub(crate) fn read(backup: &Path) -> anyhow::Result<Self> {
        let not_one = || format!("{} is not a whole backup: {FILE} cannot be read", backup.display());
        let manifest: Self = serde_json::from_str(&fs::read_to_string(backup.join(FILE)).with_context(not_one)?)
            .with_context(not_one)?;
        if manifest.format != FORMAT {
            bail!("the backup has format {}; this version reads format {FORMAT}", manifest.format);
        }
        let is_inside = |path: &Path| path.components().all(|part| matches!(part, Component::Normal(_)));
        if let Some(outside) = manifest.files.iter().find(|file| !is_inside(&file.path)) {
            bail!("the backup names {:?}, which is not in it", outside.path);
        }
        Ok(manifest)
    }

    /// Bytes of all files.
    pub(crate) fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// Reads every file of a backup again.
    ///
    /// # Errors
    /// The first that is not what was written.
    pub(crate) fn check(&self, backup: &Path, read: &mut dyn FnMut(u64)) -> anyhow::Result<()> {
        for kept in &self.files {
            kept.is(&files::read(&backup.join(&kept.path), read).with_context(|| kept.damaged())?)?;
        }
        Ok(())
    }
}

impl Kept {
    pub(crate) fn new(path: PathBuf, content: Content) -> Self {
        let Content { bytes, sha256 } = content;
        Self { path, bytes, sha256 }
    }

    /// Refuses another content.
    pub(crate) fn is(&self, found: &Content) -> anyhow::Result<()> {
        if found.bytes != self.bytes || found.sha256 != self.sha256 {
            bail!("{}", self.damaged());
        }
        Ok(())
    }

    fn damaged(&self) -> String {
        format!("the backup is damaged: {} is not what was written", self.path.display())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_finds_what_changed_and_names_nothing_outside() {
        let folder = tempfile::tempdir().unwrap();
        let (backup, file) = (folder.path(), folder.path().join("state"));
        assert!(Manifest::read(backup).unwrap_err().to_string().contains("not a whole backup"));
        fs::write(&file, "one").unwrap();
        let of = |path: &str| {
            let kept = Kept::new(path.into(), files::read(&file, &mut |_| ()).unwrap());
            Manifest::new("1".into(), Timestamp::UNIX_EPOCH, "store".into(), "key".into(), vec![kept])
        };
        of("state").write(backup).unwrap();
        let manifest = Manifest::read(backup).unwrap();
        manifest.check(backup, &mut |_| ()).unwrap();
        for text in ["two", "ones"] {
            fs::write(&file, text).unwrap();
            let error = manifest.check(backup, &mut |_| ()).unwrap_err().to_string();
            assert_eq!(error, "the backup is damaged: state is not what was written");
        }
        fs::remove_file(backup.join(FILE)).unwrap();
        fs::write(&file, "one").unwrap();
        of("../state").write(backup).unwrap();
        assert!(Manifest::read(backup).is_err());
    }
}

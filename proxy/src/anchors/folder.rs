//! Anchors in a folder: each a file that nobody writes again.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::{Context as _, bail};
use vestibule_logstore::anchor;

use super::Read;

/// Writes a file that must not be there yet; the same file again is no mistake.
///
/// # Errors
/// When the folder does not take it, or has another file of this name.
pub(super) fn put(folder: &Path, name: &str, text: &str) -> anyhow::Result<()> {
    let path = folder.join(name);
    let new = folder.join(format!("{name}.new"));
    let written = || -> std::io::Result<()> {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o444).open(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        // Unlike a renaming this never replaces what is there.
        let linked = fs::hard_link(&new, &path);
        fs::remove_file(&new)?;
        linked?;
        File::open(folder)?.sync_all()
    };
    match written() {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            if fs::read_to_string(&path).is_ok_and(|found| found == text) {
                return Ok(());
            }
            bail!("{} is there already and says something else", path.display())
        }
        written => written.with_context(|| format!("writing {}", path.display())),
    }
}

/// All anchors in the folder whose names begin so.
///
/// # Errors
/// When it cannot be read.
pub(super) fn read_all(folder: &Path, named: &str) -> anyhow::Result<Read> {
    let mut read = Read::default();
    for file in fs::read_dir(folder)? {
        let path = file?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if anchor::is_name(&name) && name.starts_with(named) {
            let text = fs::read_to_string(&path).with_context(|| format!("reading {name}"))?;
            read.texts.push((name, text));
        }
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_file_is_written_once_and_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        for _ in 0..2 {
            put(folder.path(), "a.json", "one").unwrap();
        }
        let error = put(folder.path(), "a.json", "two").unwrap_err().to_string();
        assert!(error.contains("says something else"), "{error}");
        let path = folder.path().join("a.json");
        assert_eq!(fs::read_to_string(&path).unwrap(), "one");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o444);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(put(&folder.path().join("gone"), "a.json", "one").is_err());
    }
}

//! A file that is replaced whole: who reads it meanwhile sees the one before or the one after.

use std::fs::{self, File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
use std::path::Path;

use anyhow::Context as _;
use tempfile::NamedTempFile;

/// On disk under the same name, with the same mode and owner, or not at all. A link stays one.
pub(crate) fn replace(file: &Path, text: &str) -> anyhow::Result<()> {
    let file = file.canonicalize()?;
    let folder = file.parent().context("a file is in a folder")?;
    let old = fs::metadata(&file)?;
    let mut new = NamedTempFile::new_in(folder)?;
    new.write_all(text.as_bytes())?;
    let made = new.as_file().metadata()?;
    if (made.uid(), made.gid()) != (old.uid(), old.gid()) {
        fchown(new.as_file(), Some(old.uid()), Some(old.gid())).context("keeping its owner")?;
    }
    new.as_file().set_permissions(Permissions::from_mode(old.mode() & 0o7777))?;
    new.as_file().sync_all()?;
    new.persist(&file)?;
    File::open(folder)?.sync_all()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mode_and_link_stay_and_nothing_is_left_behind() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("a.toml"), folder.path().join("link.toml"));
        fs::write(&file, "before").unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink("a.toml", &link).unwrap();
        replace(&link, "after").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "after");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o640);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}

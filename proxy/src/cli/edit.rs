//! Changes of the configuration's files by a command.
//!
//! The file is replaced whole, once the configuration as it would be is good: who reads it meanwhile sees the one before
//! or the one after.

use std::fs::{self, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use jiff::Timestamp;
use tempfile::NamedTempFile;
use vestibule_auth::{Clock as _, SystemClock};
use vestibule_config::edit::{Edit, NotEdited};
use vestibule_config::{FileSource, Settings, Source};

use super::Global;
use super::failure::Failure;
use super::files;

/// Changes the file in which the table at `path` stands, else the main one, and puts it in place.
pub(super) fn change(
    global: &Global,
    path: &[&str],
    edit: impl FnOnce(&mut Edit) -> Result<(), NotEdited>,
) -> Result<(), Failure> {
    let main = files::path(global)?;
    let settings = files::load(&main).map_err(Failure::Invalid)?;
    let file = file_of(&settings, path).unwrap_or_else(|| main.clone());
    let read = || fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()));
    let before = read()?;
    let mut edited = Edit::of(&before).map_err(anyhow::Error::new)?;
    edit(&mut edited).map_err(|why| Failure::failed(format!("{}: {why}", file.display())))?;
    let now = SystemClock::default().now();
    let source = FileSource::new(|name| std::env::var(name).ok(), now);
    let next = Next { source, file: file.clone(), text: edited.text() };
    vestibule_config::load(&main, &next).map_err(Failure::Invalid)?;
    if read()? != before {
        return Err(Failure::failed(format!("{} changed meanwhile; try again", file.display())));
    }
    replace(&file, &next.text).with_context(|| format!("writing {}", file.display()))?;
    Ok(())
}

/// The file that has the table's header; absent where there is no such table.
fn file_of(settings: &Settings, path: &[&str]) -> Option<PathBuf> {
    let (name, _line) = settings.origins.at(path)?.rsplit_once(':')?;
    settings.files.iter().find(|file| file.display().to_string() == name).cloned()
}

/// The files as they would be.
struct Next<S> {
    source: S,
    file: PathBuf,
    text: String,
}

impl<S: Source> Source for Next<S> {
    fn read(&self, path: &Path) -> io::Result<String> {
        if path == self.file { Ok(self.text.clone()) } else { self.source.read(path) }
    }

    fn glob(&self, pattern: &Path) -> Vec<PathBuf> {
        self.source.glob(pattern)
    }

    fn env(&self, name: &str) -> Option<String> {
        self.source.env(name)
    }

    fn now(&self) -> Timestamp {
        self.source.now()
    }

    fn probe(&self, path: &Path) -> io::Result<()> {
        self.source.probe(path)
    }

    fn mode(&self, path: &Path) -> Option<u32> {
        self.source.mode(path)
    }
}

/// On disk under the same name, with the same mode and owner, or not at all. A link stays one.
fn replace(file: &Path, text: &str) -> anyhow::Result<()> {
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

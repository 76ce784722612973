//! Revisions of the configuration: the texts that were in force, since when, and who put them there.
//!
//! Each is one file in `data_dir/revisions`, of mode 0600: hashes stand in configurations. Secrets that a configuration
//! refers to are not in there, nor are the lists that it reads.

use std::fs::{self, DirBuilder};
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use crate::overlay::Texts;

/// Revisions that are kept. One more takes the place of the oldest.
pub(crate) const REVISIONS_MAX: usize = 50;

/// One revision; of those that are listed without the texts, which may be long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Revision<F = Kept> {
    pub(crate) revision: String,
    /// When it was put in force.
    pub(crate) time: Timestamp,
    /// Name of a token, an operator's address, or `vestibule`.
    pub(crate) actor: String,
    /// `token`, `user` or `system`.
    pub(crate) actor_type: String,
    /// `start`, or the code of a [`super::Cause`].
    pub(crate) cause: String,
    /// The main file first.
    pub(crate) files: Vec<F>,
}

impl Revision {
    /// What its files said.
    pub(crate) fn texts(self) -> Texts {
        self.files.into_iter().map(|kept| (kept.file, kept.text)).collect()
    }
}

/// One file of a revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// As the loader names it.
    pub(crate) file: PathBuf,
    pub(crate) text: String,
}

/// One file of a revision by its name alone.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Named {
    /// As the loader names it.
    pub(crate) file: PathBuf,
}

/// All revisions that are kept.
#[derive(Debug)]
pub(crate) struct History(PathBuf);

impl History {
    pub(crate) fn of(data_dir: &Path) -> Self {
        Self(data_dir.join("revisions"))
    }

    /// On disk when this returns. One that is the latest already is not kept twice.
    ///
    /// # Errors
    /// When the folder refuses.
    pub(crate) fn keep(&self, revision: &Revision) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.0)?;
        let known = self.files()?;
        if known.last().is_some_and(|latest| is_of(latest, &revision.revision)) {
            return Ok(());
        }
        let mut file = NamedTempFile::new_in(&self.0)?;
        file.write_all(&serde_json::to_vec(revision)?)?;
        file.as_file().sync_all()?;
        // Counted, as a clock may be set back.
        let number = known.last().and_then(|last| number(last)).map_or(0, |last| last.saturating_add(1));
        file.persist(self.0.join(format!("{number:020}-{}.json", revision.revision)))?;
        fs::File::open(&self.0)?.sync_all()?;
        let surplus = (known.len() + 1).saturating_sub(REVISIONS_MAX);
        known.iter().take(surplus).try_for_each(fs::remove_file)
    }

    /// The latest first. One that cannot be read is left out.
    pub(crate) fn list(&self) -> Vec<Revision<Named>> {
        let files = self.files().unwrap_or_default();
        files.iter().rev().filter_map(|file| read(file)).collect()
    }

    /// The latest of this revision.
    pub(crate) fn find(&self, revision: &str) -> Option<Revision> {
        self.files().ok()?.iter().rev().find(|file| is_of(file, revision)).and_then(|file| read(file))
    }

    /// The oldest first.
    fn files(&self) -> io::Result<Vec<PathBuf>> {
        let found = fs::read_dir(&self.0)?.map(|entry| entry.map(|entry| entry.path()));
        let mut files = found.collect::<io::Result<Vec<_>>>()?;
        files.retain(|file| number(file).is_some());
        files.sort_by_key(|file| number(file));
        Ok(files)
    }
}

/// Of a revision's file: `00000000000000000007-0123456789abcdef.json`.
fn number(file: &Path) -> Option<u64> {
    let name = file.file_name()?.to_str()?.strip_suffix(".json")?;
    name.split_once('-')?.0.parse().ok()
}

/// Whether a file is of this revision.
fn is_of(file: &Path, revision: &str) -> bool {
    let name = file.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".json"));
    name.and_then(|name| name.split_once('-')).is_some_and(|(_, named)| named == revision)
}

fn read<R: DeserializeOwned>(file: &Path) -> Option<R> {
    let read = fs::read(file).map_err(anyhow::Error::new);
    let parsed = read.and_then(|bytes| serde_json::from_slice(&bytes).map_err(anyhow::Error::new));
    parsed.inspect_err(|error| tracing::warn!(file = %file.display(), %error, "a revision cannot be read")).ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn revision(number: i64) -> Revision {
        Revision {
            revision: format!("{number:016x}"),
            time: Timestamp::from_second(number).unwrap(),
            actor: "ops".to_owned(),
            actor_type: "token".to_owned(),
            cause: "put".to_owned(),
            files: vec![Kept { file: "vestibule.toml".into(), text: format!("# {number}") }],
        }
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_change_the_order() {
        let folder = tempfile::tempdir().unwrap();
        let history = History::of(folder.path());
        let later = |number: i64| Revision { time: Timestamp::from_second(100 - number).unwrap(), ..revision(number) };
        for number in [1, 2, 1, 3] {
            history.keep(&later(number)).unwrap();
        }
        let order: Vec<_> = history.list().into_iter().map(|kept| kept.revision).collect();
        assert_eq!(order, [3, 1, 2, 1].map(|number| revision(number).revision));
        fs::write(folder.path().join("revisions/of-somebody-else.json"), "").unwrap();
        assert_eq!(history.list().len(), 4, "what is none is left out");
    }

    #[test]
    fn the_oldest_makes_room_and_the_same_again_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let history = History::of(folder.path());
        assert!(history.list().is_empty());
        let most = i64::try_from(REVISIONS_MAX).unwrap();
        for number in 0..most + 2 {
            history.keep(&revision(number)).unwrap();
            history.keep(&Revision { time: Timestamp::from_second(number + 1).unwrap(), ..revision(number) }).unwrap();
        }
        let list = history.list();
        assert_eq!((list.len(), &list[0].revision), (REVISIONS_MAX, &revision(most + 1).revision));
        assert_eq!(list[0].files, [Named { file: "vestibule.toml".into() }]);
        assert_eq!(history.find(&revision(2).revision), Some(revision(2)));
        assert_eq!(history.find(&revision(1).revision), None);
        assert_eq!(history.find("../x"), None);
        let kept = folder.path().join("revisions");
        assert_eq!(fs::metadata(&kept).unwrap().permissions().mode() & 0o777, 0o700);
        for file in fs::read_dir(kept).unwrap().map(Result::unwrap) {
            assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
}

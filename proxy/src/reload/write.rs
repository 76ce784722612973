//! New texts for the files of the configuration, all of them or none.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::overlay::Texts;
use crate::replace::replace;
use crate::state::State;

/// A file that takes no text.
#[derive(Debug, Clone)]
pub(crate) struct Unwritable {
    pub(crate) file: PathBuf,
    pub(crate) why: String,
}

/// Puts them in place, and returns those that stood there.
pub(super) async fn write(texts: Texts) -> Result<Texts, Unwritable> {
    let write = move || {
        let mut before = Texts::new();
        for (file, text) in &texts {
            match one(file, text) {
                Ok(old) => drop(before.insert(file.clone(), old)),
                Err(error) => {
                    restore(&before);
                    return Err(Unwritable { file: file.clone(), why: format!("{error:#}") });
                }
            }
        }
        Ok(before)
    };
    tokio::task::spawn_blocking(write).await.expect("writing returns its errors and does not panic")
}

/// The change could not be recorded: nothing of it stays.
pub(super) async fn put_back(before: Texts) {
    tokio::task::spawn_blocking(move || restore(&before)).await.expect("writing returns its errors and does not panic");
}

fn one(file: &Path, text: &str) -> anyhow::Result<String> {
    let before = fs::read_to_string(file)?;
    replace(file, text)?;
    Ok(before)
}

fn restore(before: &Texts) {
    for (file, text) in before {
        if let Err(error) = replace(file, text) {
            tracing::error!(file = %file.display(), error = format!("{error:#}"), "a file cannot be put back as it was");
        }
    }
}

/// The file of the configuration that `?file=` means: as the loader names it, or from the main file's folder on. Absent:
/// the main one.
pub(crate) fn file_of(state: &Arc<State>, named: Option<&str>) -> Option<PathBuf> {
    let Some(named) = named else { return Some(state.config_path.clone()) };
    let folder = state.config_path.parent().unwrap_or(Path::new(""));
    let live = state.live.load();
    let found = live.settings.config_files().find(|file| *file == Path::new(named) || *file == folder.join(named));
    found.map(Path::to_path_buf)
}

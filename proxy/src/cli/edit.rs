//! Changes of the configuration's files by a command.
//!
//! The file is replaced whole, once the configuration as it would be is good: who reads it meanwhile sees the one before
//! or the one after.

use std::fs;
use std::path::PathBuf;

use anyhow::Context as _;
use vestibule_auth::{Clock as _, SystemClock};
use vestibule_config::edit::{Edit, NotEdited};
use vestibule_config::{FileSource, Settings};

use super::Global;
use super::failure::Failure;
use super::files::{self, tested};
use crate::overlay::{Overlay, Texts};
use crate::replace::replace;

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
    let (after, mut source) = (edited.text(), Overlay { source, texts: Texts::new() });
    source.texts.insert(file.clone(), after.clone());
    tested(vestibule_config::load(&main, &source))?.map_err(Failure::Invalid)?;
    if read()? != before {
        return Err(Failure::failed(format!("{} changed meanwhile; try again", file.display())));
    }
    replace(&file, &after).with_context(|| format!("writing {}", file.display()))?;
    Ok(())
}

/// The file that has the table's header; absent where there is no such table.
fn file_of(settings: &Settings, path: &[&str]) -> Option<PathBuf> {
    let origin = settings.origins.at(path)?;
    settings.files.iter().find(|file| file.display().to_string() == *origin.file).cloned()
}

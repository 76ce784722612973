//! The configuration as the command line finds it.

use std::path::{Path, PathBuf};

use vestibule_auth::{Clock, SystemClock};
use vestibule_config::{FileSource, Report, Settings, discover};

use super::Global;
use super::failure::Failure;

/// The main file: `-c` or `VESTIBULE_CONFIG`, `./vestibule.toml`, `/etc/vestibule/vestibule.toml`.
pub(super) fn path(global: &Global) -> Result<PathBuf, Failure> {
    // Flag and variable are one here; clap has put the flag first.
    discover(global.config.as_deref(), None).map_err(|error| Failure::Failed(error.into()))
}

/// The settings, or every problem.
pub(super) fn load(path: &Path) -> Result<Settings, Report> {
    vestibule_config::load(path, &FileSource::new(|name| std::env::var(name).ok(), SystemClock::default().now()))
}

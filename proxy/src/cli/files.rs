//! The configuration as the command line finds it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use vestibule_auth::{Clock, SystemClock};
use vestibule_config::{FileSource, Report, Settings, discover};

use super::Global;
use super::failure::Failure;
use crate::explain::Apart;

/// The main file: `-c` or `VESTIBULE_CONFIG`, `./vestibule.toml`, `/etc/vestibule/vestibule.toml`.
pub(super) fn path(global: &Global) -> Result<PathBuf, Failure> {
    // Flag and variable are one here; clap has put the flag first.
    discover(global.config.as_deref(), None).map_err(|error| Failure::Failed(error.into()))
}

/// What was loaded, where its `[[tests]]` pass; every problem else.
pub(super) fn tested(loaded: Result<Settings, Report>) -> Result<Result<Settings, Report>, Failure> {
    let settings = match loaded {
        Ok(settings) if !settings.tests.is_empty() => settings,
        loaded => return Ok(loaded),
    };
    let apart = Apart::new(settings, Arc::new(SystemClock::default()))?;
    let failed = apart.failures();
    let settings = apart.live.settings;
    Ok(if failed.is_empty() { Ok(settings) } else { Err(settings.refused(failed)) })
}

/// The settings, or every problem.
pub(super) fn load(path: &Path) -> Result<Settings, Report> {
    vestibule_config::load(path, &FileSource::new(|name| std::env::var(name).ok(), SystemClock::default().now()))
}

//! Puts the parts together, serves, drains.

use std::path::Path;

/// Serves until TERM or INT, drains, and closes the logs.
///
/// # Errors
/// When it cannot start: a port is taken, a folder cannot be written, the configuration has problems.
pub(crate) fn serve(_config_path: &Path) -> anyhow::Result<()> {
    todo!()
}

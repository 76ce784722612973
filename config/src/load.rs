//! The passes from files to settings.

use std::path::{Path, PathBuf};

use crate::Settings;
use crate::problem::Report;

/// What the loader takes from outside, so that tests can pass it in.
pub trait Source {
    /// A file's text.
    ///
    /// # Errors
    /// When it cannot be read.
    fn read(&self, path: &Path) -> std::io::Result<String>;
    /// Files that match an `include` pattern, sorted.
    fn glob(&self, pattern: &Path) -> Vec<PathBuf>;
    /// An environment variable.
    fn env(&self, name: &str) -> Option<String>;
    /// For `expires`.
    fn now(&self) -> jiff::Timestamp;
}

/// Reads, parses, resolves secrets and checks.
///
/// # Errors
/// Every problem at once.
pub fn load(_path: &Path, _source: &dyn Source) -> Result<Settings, Report> {
    todo!()
}

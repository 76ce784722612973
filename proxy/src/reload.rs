//! New configuration while running: one path for HUP, a changed file and the admin API.

use std::sync::Arc;

use crate::state::State;

/// What is remembered between reloads; one in [`State`], as `reloads: Reloads::default()`.
#[derive(Debug, Default)]
pub(crate) struct Reloads {}

/// Watches the files and listens for HUP on a thread of its own, until [`State::stopping`].
///
/// # Errors
/// When the thread, its runtime or the signal handler cannot be made.
pub(crate) fn start(_state: Arc<State>) -> std::io::Result<()> {
    todo!()
}

//! A configuration by itself, without the server that has it in force.

use std::sync::Arc;

use tempfile::TempDir;
use vestibule_auth::sso::NoBackChannel;
use vestibule_auth::{Auth, Clock};
use vestibule_config::Settings;
use vestibule_config::problem::Problem;
use vestibule_config::scenario::Given;

use super::{Answer, BadQuestion, failures};
use crate::state::Live;

/// Gates that nobody passes: they know of no bans, grants, sessions or counts.
pub(crate) struct Apart {
    pub(crate) live: Live,
    clock: Arc<dyn Clock>,
    _auth: Auth,
    _folder: TempDir,
}

impl Apart {
    /// With a state database of its own, in a temporary folder.
    ///
    /// # Errors
    /// When there can be none.
    pub(crate) fn new(settings: Settings, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let auth = Auth::open(folder.path(), clock.clone(), Arc::new(NoBackChannel))?;
        let live = Live::new(settings, &auth, None, clock.now());
        Ok(Self { live, clock, _auth: auth, _folder: folder })
    }

    /// As [`Live::explain`].
    ///
    /// # Errors
    /// When nobody could ask so.
    pub(crate) fn explain(&self, given: &Given) -> Result<Answer, BadQuestion> {
        self.live.explain(given, &*self.clock, false)
    }

    /// Those of its `[[tests]]` that fail.
    pub(crate) fn failures(&self) -> Vec<Problem> {
        failures(&self.live, &*self.clock)
    }
}

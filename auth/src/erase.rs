//! Takes what the state database holds of one person out of it.

use rocksdb::WriteBatch;

use crate::Auth;
use crate::error::Error;
use crate::state::Table;

/// What was taken out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// Sessions; those that were live have ended.
    pub sessions: usize,
    /// Grants, those that are over too.
    pub grants: usize,
}

impl Auth {
    /// Ends the sessions of a person, and takes them, the grants and the last code of their second factor out of the
    /// database and its files. Failures stay: they are kept under a keyed hash. Blocks; on disk when this returns.
    ///
    /// # Errors
    /// When the state database refuses; to be asked for again then.
    pub fn erase(&self, email: &str) -> Result<Forgotten, Error> {
        let core = &self.core;
        let sessions = core.sessions.store.erase(email)?;
        let grants = core.grants.erase(email)?;
        let mut batch = WriteBatch::default();
        batch.delete(Table::SecondFactor.key(email.as_bytes()));
        core.state.write(batch)?;
        core.state.write_anew()?;
        Ok(Forgotten { sessions, grants })
    }
}

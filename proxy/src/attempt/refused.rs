//! Sessions that a policy refuses: one attempt each, however often they come back.

use std::sync::Arc;

use moka::sync::Cache;
use vestibule_auth::{Refusal, Session, SessionId};
use vestibule_logstore::Unavailable;

use super::{Decided, FAILED, Scene, commit};
use crate::state::State;

/// Sessions that a policy refused and that are remembered; past it the one longest unused is forgotten, and would be
/// recorded once more.
const REMEMBERED: u64 = 10_000;

/// A live session that the circuit's policy refuses: one failed attempt per session, circuit and revision, however
/// often it comes back. Not for address, country and limit rules, which are no attempt.
///
/// # Errors
/// When the entry is not on disk; it will be tried again with the session's next request.
pub(crate) async fn policy_refused(
    state: &State,
    scene: &Scene<'_>,
    session: &Session,
    refusal: &Refusal,
) -> Result<(), Unavailable> {
    let key = (session.id.clone(), scene.circuit.name.shared(), scene.revision.clone());
    if !state.refused.is_new(&key) {
        return Ok(());
    }
    let committed = commit(state, scene, &Decided::session(session, FAILED, Some(refusal))).await;
    if committed.is_err() {
        state.refused.0.invalidate(&key);
    }
    committed
}

/// Session, circuit, revision.
type RefusedKey = (SessionId, Arc<str>, Arc<str>);

/// Refusals of sessions that are recorded already; at most [`REMEMBERED`].
pub(crate) struct Refused(Cache<RefusedKey, ()>);

impl Default for Refused {
    fn default() -> Self {
        Self(Cache::new(REMEMBERED))
    }
}

impl Refused {
    /// Remembered now.
    pub(crate) fn count(&self) -> u64 {
        // What was put in lately is counted only then.
        self.0.run_pending_tasks();
        self.0.entry_count()
    }

    fn is_new(&self, key: &RefusedKey) -> bool {
        self.0.get(key).is_none() && self.0.entry_by_ref(key).or_insert(()).is_fresh()
    }
}

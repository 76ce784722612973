//! What our own pages on a circuit's host may look at.

use std::sync::Arc;

use vestibule_auth::{Budget, Gate, Identity, Location, RequestView, Session};

use crate::state::{Live, State};

/// One request to `/.vestibule/…`, after the front rules let it through.
pub(crate) struct Visit<'a> {
    /// Shared parts.
    pub(crate) state: &'a Arc<State>,
    /// The configuration that this request keeps.
    pub(crate) live: &'a Arc<Live>,
    /// Its circuit's gate.
    pub(crate) gate: &'a Arc<Gate>,
    /// The request.
    pub(crate) request: RequestView<'a>,
    /// Without `?`, as received.
    pub(crate) query: Option<&'a str>,
    /// `https` here or at a trusted proxy.
    pub(crate) secure: bool,
    /// Host and port as the client wrote them, for addresses that it will see.
    pub(crate) authority: &'a str,
    /// For the answer and the entries.
    pub(crate) request_id: &'a str,
    /// When the head was read, in microseconds since 1970.
    pub(crate) time_us: i64,
    /// Where the client is.
    pub(crate) location: &'a Arc<Location>,
    /// The live session that the cookie names.
    pub(crate) session: Option<&'a Arc<Session>>,
    /// Whose it is, if account and policy would let it pass now: [`vestibule_auth::gate::Front::identity`].
    pub(crate) identity: Option<&'a Arc<Identity>>,
    /// The tightest request limit.
    pub(crate) budget: Option<&'a Budget>,
}

//! What our own pages on a circuit's host may look at.

use std::sync::Arc;

use vestibule_auth::{Budget, Gate, Identity, Location, RequestView, Session, Wanted};

use crate::routes::Site;
use crate::state::{Live, State};

/// One request to `/.vestibule/…`, after the front rules let it through.
#[derive(Clone, Copy)]
pub(crate) struct Visit<'a> {
    /// Shared parts.
    pub(crate) state: &'a Arc<State>,
    /// The configuration that this request keeps.
    pub(crate) live: &'a Arc<Live>,
    /// Its circuit, with all of its policies.
    pub(crate) site: &'a Arc<Site>,
    /// Of the policy that it is about; at the login host that of the circuit which is wanted, else the login host's own.
    pub(crate) gate: &'a Arc<Gate>,
    /// At the login host: what a circuit wants.
    pub(crate) wanted: Option<&'a Wanted>,
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

impl Visit<'_> {
    /// The same, about the policy by which somebody signs in who wants to go to `target` in the end.
    pub(crate) fn toward(&self, target: &str) -> Self {
        Self { gate: &self.site.door_to(target).gate, ..*self }
    }
}

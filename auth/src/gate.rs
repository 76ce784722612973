//! The order of the layers: address rules, country, limits by address, session, limits by user, policy.

use std::sync::Arc;

use vestibule_config::Circuit;

use crate::request::RequestView;
use crate::sign_in::{Credential, Outcome};
use crate::verdict::{Decision, Refusal};

/// One circuit's policy, ready to decide.
pub struct Gate {}

impl Gate {
    /// The checked configuration.
    pub fn circuit(&self) -> &Arc<Circuit> {
        todo!()
    }

    /// Every request of the circuit, at every time: nothing is remembered from an earlier decision.
    pub fn decide(&self, _request: &RequestView<'_>) -> Decision {
        todo!()
    }

    /// Address, country and rate rules only, for our own pages on the circuit's hosts. `Pass` is never a permit
    /// to forward: the answer has none.
    pub fn front(&self, _request: &RequestView<'_>) -> Front {
        todo!()
    }

    /// One attempt: limits, then the credential, then the policy. Makes no session: the caller records the attempt
    /// first and then calls [`crate::Verified::open`].
    pub async fn sign_in(&self, _credential: Credential, _request: &RequestView<'_>) -> Outcome {
        todo!()
    }
}

/// What [`Gate::front`] answers.
#[derive(Debug)]
pub struct Front {
    /// Absent: go on.
    pub refusal: Option<Refusal>,
    /// For the entry.
    pub location: Arc<crate::geo::Location>,
    /// The live session that the cookie names.
    pub session: Option<Arc<crate::session::Session>>,
    /// Whose it is, if account and policy would let it pass now; absent on public circuits.
    pub identity: Option<Arc<crate::caller::Identity>>,
    /// The tightest request limit.
    pub budget: Option<crate::verdict::Budget>,
}

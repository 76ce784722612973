//! Which circuits somebody may open.

use std::sync::Arc;

use vestibule_config::Circuit;

use crate::gate::Gate;
use crate::policy::Policy;
use crate::request::RequestView;
use crate::session::Live;

impl Policy {
    /// The circuits in force that the owner of this request's session may open from where the request comes, by name;
    /// none without a live session that `gate` would let pass. Others are judged by this very sign-in: a circuit that
    /// does not take its way in is not named, for another provider vouches for nobody there.
    pub fn open_to(&self, gate: &Gate, request: &RequestView<'_>) -> Vec<Arc<Circuit>> {
        let Some(live) = gate.session(request).ok().flatten().filter(|live| gate.judge(live).outcome.is_ok()) else {
            return Vec::new();
        };
        let mut open: Vec<_> = self
            .gates()
            .filter(|other| other.name == gate.name || other.may_open(&live, request))
            .map(|other| other.circuit.clone())
            .collect();
        open.sort_by(|one, other| one.name.cmp(&other.name));
        open
    }
}

impl Gate {
    fn may_open(&self, live: &Live, request: &RequestView<'_>) -> bool {
        let in_reach = self.closed().is_none() && self.address_rules_refuse(request).is_none();
        in_reach && (self.list.is_none() || self.would_admit(live))
    }
}

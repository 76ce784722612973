//! Which circuits somebody may open.

use std::sync::Arc;

use vestibule_config::Circuit;

use crate::gate::Gate;
use crate::policy::{Gates, Policy};
use crate::request::RequestView;
use crate::session::Live;

/// A circuit that somebody may open.
pub struct Open {
    /// As checked.
    pub circuit: Arc<Circuit>,
    /// Where: `/`, or the beginning of the first path whose own policy admits who is not admitted to the rest.
    pub path: String,
}

impl Policy {
    /// The circuits in force that the owner of this request's session may open from where the request comes, by name;
    /// none without a live session that `gate` would let pass. Others are judged by this very sign-in: a circuit that
    /// does not take its way in is not named, for another provider vouches for nobody there.
    pub fn open_to(&self, gate: &Gate, request: &RequestView<'_>) -> Vec<Open> {
        let Some(live) = gate.session(request).ok().flatten().filter(|live| gate.judge(live).outcome.is_ok()) else {
            return Vec::new();
        };
        let visitor = Visitor { live: &live, gate, request };
        let mut open: Vec<_> = self.gates().filter_map(|gates| visitor.entrance(gates)).collect();
        open.sort_by(|one, other| one.circuit.name.cmp(&other.circuit.name));
        open
    }
}

struct Visitor<'a> {
    live: &'a Live,
    /// Where the session belongs.
    gate: &'a Gate,
    request: &'a RequestView<'a>,
}

impl Visitor<'_> {
    /// A public path is no reason to name a circuit that is closed else.
    fn entrance(&self, gates: &Gates) -> Option<Open> {
        let own = self.may_open(&gates.own).then_some(&gates.own);
        let gate = own.or_else(|| gates.of_paths().find(|gate| gate.is_protected() && self.may_open(gate)))?;
        Some(Open { circuit: gate.circuit.clone(), path: gate.home().to_owned() })
    }

    fn may_open(&self, gate: &Gate) -> bool {
        let is_here = gate.name == self.gate.name;
        let in_reach = || gate.closed().is_none() && gate.address_rules_refuse(self.request).is_none();
        let admits = || if is_here { gate.judge(self.live).outcome.is_ok() } else { gate.would_admit(self.live) };
        (is_here || in_reach()) && (!gate.is_protected() || admits())
    }
}

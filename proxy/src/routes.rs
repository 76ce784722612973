//! From a host to its circuit.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use http::HeaderName;
use vestibule_auth::{Clock, Gate, Policy};
use vestibule_config::{Access, Circuit, Settings};

use crate::metrics::Answered;
use crate::upstream::Target;

/// Every header of ours begins so, in what we add and in what we remove.
pub(crate) const OWN_PREFIX: &str = "x-vestibule";

/// All circuits of one configuration, by each of their hosts.
#[derive(Default)]
pub(crate) struct Routes {
    hosts: HashMap<Arc<str>, Arc<Route>>,
    /// Names that any circuit's `identity` sets, but for the default ones, which are removed as a family; no client's
    /// copy passes on any circuit.
    identity_names: HashSet<HeaderName>,
}

/// One circuit with what is needed to serve it.
pub(crate) struct Route {
    /// As checked.
    pub(crate) circuit: Arc<Circuit>,
    /// Its name, shared with entries and counters.
    pub(crate) name: Arc<str>,
    /// Its project's name.
    pub(crate) project: Option<Arc<str>>,
    /// What it takes to enter.
    pub(crate) gate: Arc<Gate>,
    /// Where permitted requests go.
    pub(crate) target: Target,
    /// Of what it answered.
    pub(crate) answered: Answered,
}

/// What stands behind a host.
pub(crate) enum Found<'a> {
    /// A circuit in force.
    Open(&'a Arc<str>, &'a Arc<Route>),
    /// A circuit whose time is over.
    Expired(&'a Arc<str>, &'a Arc<Route>),
    /// A circuit that is switched off.
    Disabled(&'a Arc<Route>),
    /// Nothing.
    Unknown,
}

impl Route {
    /// Not public: no request passes unrecorded.
    pub(crate) fn is_protected(&self) -> bool {
        !matches!(self.circuit.access, Access::Public)
    }
}

impl Routes {
    /// `previous` hands on counts of requests and looked-up addresses.
    pub(crate) fn new(settings: &Settings, policy: &Policy, previous: Option<&Self>) -> Self {
        let mut routes = Self::default();
        for circuit in settings.circuits.values() {
            let name = circuit.name.shared();
            // Every circuit has a gate; one without is not reachable, which is the safe side of a defect.
            let Some(gate) = policy.gate(&name) else { continue };
            let before = previous.and_then(|previous| previous.named(&name));
            let target = Target::new(circuit, before.map(|route| &route.target));
            let project = circuit.project.as_ref().map(vestibule_config::Name::shared);
            let (circuit, gate, answered) = (circuit.clone(), gate.clone(), Answered::default());
            let route = Arc::new(Route { circuit: circuit.clone(), name, project, gate, target, answered });
            for host in &circuit.hosts {
                routes.hosts.insert(host.shared(), route.clone());
            }
            let names = circuit.identity.clone();
            routes.add_identity_names([names.user, names.groups, names.jwt]);
        }
        routes
    }

    /// `host` in its one spelling; an expired circuit ends exactly at its instant.
    pub(crate) fn find(&self, host: &str, clock: &dyn Clock) -> Found<'_> {
        let Some((host, route)) = self.hosts.get_key_value(host) else { return Found::Unknown };
        if !route.circuit.enabled {
            return Found::Disabled(route);
        }
        if route.circuit.expires.is_some_and(|expires| expires <= clock.now()) {
            return Found::Expired(host, route);
        }
        Found::Open(host, route)
    }

    /// A header that some circuit uses to say who it is.
    pub(crate) fn is_identity(&self, name: &HeaderName) -> bool {
        self.identity_names.contains(name)
    }

    /// Names that mean an identity to some upstream.
    pub(crate) fn add_identity_names(&mut self, names: impl IntoIterator<Item = HeaderName>) {
        self.identity_names.extend(names.into_iter().filter(|name| !name.as_str().starts_with(OWN_PREFIX)));
    }

    /// Each circuit once for each of its hosts.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Route>> {
        self.hosts.values()
    }

    fn named(&self, name: &str) -> Option<&Arc<Route>> {
        self.all().find(|route| &*route.name == name)
    }
}

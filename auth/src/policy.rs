//! The gates of one configuration.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use vestibule_config::limit::LimitKey;
use vestibule_config::{Access, Circuit, Settings};

use crate::account::People;
use crate::attempts::Attempts;
use crate::core::Core;
use crate::gate::Gate;
use crate::geo::{GeoDb, Location};
use crate::limit::{Limiter, Numbers};
use crate::machine::{Machines, Tokens};
use crate::membership::List;
use crate::rules::{Countries, Networks};
use crate::sso::Provider;

/// The gates of one configuration; swapped whole at a reload.
pub struct Policy {
    pub(crate) core: Arc<Core>,
    gates: HashMap<Arc<str>, Arc<Gate>>,
    pub(crate) providers: Arc<Providers>,
    geo: Option<Arc<GeoDb>>,
    geo_ready: bool,
}

/// `[providers]` by name.
pub(crate) type Providers = HashMap<Arc<str>, Arc<Provider>>;

/// What all gates of a configuration share.
struct Parts {
    core: Arc<Core>,
    people: Arc<People>,
    providers: Arc<Providers>,
    attempts: Arc<Attempts>,
    geo: Option<Arc<GeoDb>>,
    tokens: Arc<Tokens>,
}

impl Policy {
    pub(crate) fn new(core: &Arc<Core>, settings: &Settings) -> Self {
        let geo = settings.geo.as_ref().and_then(|geo| core.geo(&geo.database));
        let attempts = Attempts::new(&settings.login_limits, &core.limits, core.history.clone());
        let people = Arc::new(settings.users.clone());
        let tokens = Arc::new(Tokens::new(settings, &core.uses));
        let provider = |settings| Arc::new(Provider::new(core, settings));
        let providers = settings.providers.iter().map(|(name, settings)| (name.shared(), provider(settings)));
        let providers: Arc<Providers> = Arc::new(providers.collect());
        let parts = Parts {
            core: core.clone(),
            people,
            providers: providers.clone(),
            attempts: Arc::new(attempts),
            geo: geo.clone(),
            tokens,
        };
        let gates = settings.circuits.values().map(|circuit| {
            let gate = parts.gate(circuit, list(circuit, settings));
            (gate.name.clone(), Arc::new(gate))
        });
        Self {
            core: core.clone(),
            gates: gates.collect(),
            providers,
            geo_ready: settings.geo.is_none() || geo.is_some(),
            geo,
        }
    }

    /// The gate of a circuit.
    pub fn gate(&self, circuit: &str) -> Option<&Arc<Gate>> {
        self.gates.get(circuit)
    }

    pub(crate) fn gates(&self) -> impl Iterator<Item = &Arc<Gate>> {
        self.gates.values()
    }

    /// Where an address is, for entries of requests that reach no gate.
    pub fn locate(&self, address: IpAddr) -> Location {
        self.geo.as_ref().map(|geo| Location::clone(&geo.locate(address).location)).unwrap_or_default()
    }

    /// False while a configured geo database cannot be read.
    pub fn geo_ready(&self) -> bool {
        self.geo_ready
    }
}

impl Parts {
    fn gate(&self, circuit: &Arc<Circuit>, list: Option<List>) -> Gate {
        let limits = circuit.rate_limits.iter().map(|limit| {
            let (count, period) = (limit.rate.count, limit.rate.period);
            let (name, per, burst) = (limit.name.shared(), limit.per, limit.burst);
            (per, self.core.limits.limiter(Numbers { name, per: Some(per), count, period, burst }))
        });
        let (by_user, before_session): (Vec<_>, Vec<_>) = limits.partition(|(per, _)| *per == LimitKey::User);
        let by_user: Vec<Arc<Limiter>> = by_user.into_iter().map(|(_, limiter)| limiter).collect();
        Gate {
            core: self.core.clone(),
            circuit: circuit.clone(),
            name: circuit.name.shared(),
            serial: self.core.next_gate(),
            people: self.people.clone(),
            providers: self.providers.clone(),
            list,
            attempts: self.attempts.clone(),
            machines: Machines::new(circuit, &self.tokens),
            networks: Networks::new(&circuit.rules),
            countries: Countries::new(&circuit.rules),
            geo: self.geo.clone(),
            before_session,
            by_user,
        }
    }
}

/// Who may enter; a project that is not there has no members.
fn list(circuit: &Circuit, settings: &Settings) -> Option<List> {
    match &circuit.access {
        Access::Public => None,
        Access::Allowlist { allow, ways: _ } => Some(List::Allow(allow.clone())),
        Access::Members(_) => {
            let project = circuit.project.as_ref().and_then(|name| settings.projects.get(name));
            Some(List::Members(project.map(|project| project.members.clone()).unwrap_or_default()))
        }
    }
}

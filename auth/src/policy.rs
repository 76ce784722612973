//! The gates of one configuration.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use vestibule_config::limit::LimitKey;
use vestibule_config::path::PathPrefix;
use vestibule_config::session::SessionLimits;
use vestibule_config::{Access, Circuit, CircuitPath, Settings};

use crate::account::People;
use crate::attempts::Attempts;
use crate::core::Core;
use crate::failed_answers::FailedAnswers;
use crate::gate::{Gate, Scope};
use crate::geo::{GeoDb, Location};
use crate::limit::{Limiter, Numbers};
use crate::machine::{Machines, Tokens};
use crate::membership::List;
use crate::rules::Rules;
use crate::sso::{Operators, Provider};
use crate::verdict::Refusal;

/// The gates of one configuration; swapped whole at a reload.
pub struct Policy {
    pub(crate) core: Arc<Core>,
    gates: HashMap<Arc<str>, Gates>,
    /// Of the login host.
    login: Option<Arc<Gate>>,
    pub(crate) providers: Arc<Providers>,
    pub(crate) operators: Option<Operators>,
    failed_answers: Option<Arc<FailedAnswers>>,
    geo: Option<Arc<GeoDb>>,
    geo_ready: bool,
}

/// The gates of one circuit.
pub(crate) struct Gates {
    /// By the circuit's own policy.
    pub(crate) own: Arc<Gate>,
    /// For each of its paths, in the file's order; one without a policy of its own has the circuit's.
    paths: Vec<Arc<Gate>>,
}

impl Gates {
    /// Those of the paths that decide by policies of their own.
    pub(crate) fn of_paths(&self) -> impl Iterator<Item = &Arc<Gate>> {
        self.paths.iter().filter(|gate| !Arc::ptr_eq(gate, &self.own))
    }
}

/// `[providers]` by name.
pub(crate) type Providers = HashMap<Arc<str>, Arc<Provider>>;

/// What all gates of a configuration share.
struct Parts {
    core: Arc<Core>,
    people: Arc<People>,
    providers: Arc<Providers>,
    attempts: Arc<Attempts>,
    failed_answers: Option<Arc<FailedAnswers>>,
    geo: Option<Arc<GeoDb>>,
    tokens: Arc<Tokens>,
    login_host: Option<Arc<str>>,
    general: SessionLimits,
}

impl Policy {
    pub(crate) fn new(core: &Arc<Core>, settings: &Settings) -> Self {
        let geo = settings.geo.as_ref().and_then(|geo| core.geo(&geo.database));
        let attempts = Attempts::new(&settings.login_limits, &core.limits, core.history.clone());
        let failed_answers = settings.failed_answers.as_ref();
        let failed_answers = failed_answers.map(|settings| Arc::new(FailedAnswers::new(settings, &core.limits)));
        let people = Arc::new(settings.users.clone());
        let tokens = Arc::new(Tokens::new(settings, &core.uses));
        let provider = |settings| Arc::new(Provider::new(core, settings));
        let providers = settings.providers.iter().map(|(name, settings)| (name.shared(), provider(settings)));
        let providers: Arc<Providers> = Arc::new(providers.collect());
        let attempts = Arc::new(attempts);
        let operators = Operators::new(core, settings, &people, &providers, &attempts);
        let parts = Parts {
            core: core.clone(),
            people,
            providers: providers.clone(),
            attempts,
            failed_answers: failed_answers.clone(),
            geo: geo.clone(),
            tokens,
            login_host: settings.server.login_host.as_ref().map(vestibule_config::Host::shared),
            general: settings.sessions,
        };
        let gates = settings.circuits.values().map(|circuit| (circuit.name.shared(), parts.gates(circuit, settings)));
        let login = settings.login.as_ref().map(|login| Arc::new(parts.login(login, settings)));
        Self {
            core: core.clone(),
            gates: gates.collect(),
            login,
            providers,
            operators,
            failed_answers,
            geo_ready: settings.geo.is_none() || geo.is_some(),
            geo,
        }
    }

    /// The gate of a circuit's own policy.
    pub fn gate(&self, circuit: &str) -> Option<&Arc<Gate>> {
        self.gates.get(circuit).map(|gates| &gates.own)
    }

    /// The gate of the login host: it asks for one of the ways in of all circuits, and leads nowhere by itself.
    pub fn login(&self) -> Option<&Arc<Gate>> {
        self.login.as_ref()
    }

    /// The gates of a circuit's paths, in the file's order; one without a policy of its own has the circuit's.
    pub fn path_gates(&self, circuit: &str) -> &[Arc<Gate>] {
        self.gates.get(circuit).map_or(&[], |gates| &gates.paths)
    }

    /// The gate of the policy of a circuit that begins at a path.
    pub(crate) fn gate_at(&self, circuit: &str, home: &str) -> Option<&Arc<Gate>> {
        let gates = self.gates.get(circuit)?;
        std::iter::once(&gates.own).chain(gates.of_paths()).find(|gate| gate.home() == home)
    }

    pub(crate) fn gates(&self) -> impl Iterator<Item = &Gates> {
        self.gates.values()
    }

    /// Why nothing of an address is looked at that was answered 401, 403 or 404 too often; for requests that reach no gate.
    pub fn failed_too_often(&self, address: IpAddr) -> Option<Refusal> {
        self.failed_answers.as_ref()?.refusal(address)
    }

    /// An address was answered 401, 403 or 404, by an upstream or here.
    pub fn note_failed_answer(&self, address: IpAddr, by_upstream: bool) {
        if let Some(failed) = &self.failed_answers {
            failed.note(address, by_upstream);
        }
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
    fn gates(&self, circuit: &Arc<Circuit>, settings: &Settings) -> Gates {
        let rules = Arc::new(Rules::new(&circuit.rules));
        let gate = |access: &Access, prefix: Option<&PathPrefix>| {
            let (access, prefix, keys) = (access.clone(), prefix.cloned(), keys(circuit, prefix));
            Arc::new(self.gate(circuit, Scope { access, prefix, keys }, &rules, settings))
        };
        let own = gate(&circuit.access, None);
        let of_path = |path: &CircuitPath| match &path.access {
            Some(access) => gate(access, Some(&path.prefix)),
            None => own.clone(),
        };
        Gates { paths: circuit.paths.iter().map(of_path).collect(), own }
    }

    fn login(&self, login: &Arc<Circuit>, settings: &Settings) -> Gate {
        let scope = Scope { access: login.access.clone(), prefix: None, keys: "server.login_host".to_owned() };
        let gate = self.gate(login, scope, &Arc::new(Rules::new(&login.rules)), settings);
        Gate { list: Some(List::Anybody), ..gate }
    }

    fn gate(&self, circuit: &Arc<Circuit>, scope: Scope, rules: &Arc<Rules>, settings: &Settings) -> Gate {
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
            login_host: self.login_host.clone(),
            general: self.general,
            list: list(circuit, &scope.access, settings),
            attempts: self.attempts.clone(),
            failed_answers: self.failed_answers.clone(),
            machines: Machines::new(circuit, &scope, &self.tokens),
            scope,
            rules: rules.clone(),
            geo: self.geo.clone(),
            before_session,
            by_user,
        }
    }
}

/// What the keys of a policy are below.
fn keys(circuit: &Circuit, prefix: Option<&PathPrefix>) -> String {
    let path = prefix.map(|prefix| format!(".paths[{:?}]", prefix.as_str())).unwrap_or_default();
    format!("circuits.{}{path}", circuit.name)
}

/// Who may enter; a project that is not there has no members.
fn list(circuit: &Circuit, access: &Access, settings: &Settings) -> Option<List> {
    match access {
        Access::Public => None,
        Access::Allowlist { allow, ways: _ } => Some(List::Allow(allow.clone())),
        Access::Members(_) => {
            let project = circuit.project.as_ref().and_then(|name| settings.projects.get(name));
            Some(List::Members(project.map(|project| project.members.clone()).unwrap_or_default()))
        }
    }
}

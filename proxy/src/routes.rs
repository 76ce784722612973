//! From a host and a path to who answers.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::iter;
use std::sync::Arc;

use http::HeaderName;
use vestibule_auth::{Clock, Gate, Policy};
use vestibule_config::path::canonical;
use vestibule_config::{Access, Circuit, CircuitPath, Settings, Upstreams};

use crate::metrics::Answered;
use crate::upstream::Target;

/// Every header of ours begins so, in what we add and in what we remove.
pub(crate) const OWN_PREFIX: &str = "x-vestibule";

/// All circuits of one configuration, by each of their hosts, and the login host.
#[derive(Default)]
pub(crate) struct Routes {
    hosts: HashMap<Arc<str>, Arc<Site>>,
    /// The same by the circuits' names; that of the login host is empty.
    sites: HashMap<Arc<str>, Arc<Site>>,
    /// Names that any circuit's `identity` sets, but for the default ones, which are removed as a family; no client's
    /// copy passes on any circuit.
    identity_names: HashSet<HeaderName>,
}

/// What stands behind the hosts of one circuit.
pub(crate) struct Site {
    /// Of every path that is none of the others.
    pub(crate) own: Arc<Route>,
    /// In the order of the circuit's `paths`.
    paths: Vec<Arc<Route>>,
}

/// One circuit, or a path of it, with what is needed to serve it.
pub(crate) struct Route {
    /// As checked.
    pub(crate) circuit: Arc<Circuit>,
    /// Which of its paths this is; absent: none of them.
    part: Option<usize>,
    /// The circuit's name, shared with entries and counters.
    pub(crate) name: Arc<str>,
    /// Its project's name.
    pub(crate) project: Option<Arc<str>>,
    /// What it takes to enter.
    pub(crate) gate: Arc<Gate>,
    /// Where permitted requests go; absent where none of the circuit's upstreams is for this path.
    pub(crate) target: Option<Arc<Target>>,
    /// Of what it answered.
    pub(crate) answered: Answered,
    /// Headers whose values let in somewhere in this circuit: no upstream of it learns them.
    pub(crate) secret_fields: Arc<[HeaderName]>,
}

/// What stands behind a host.
pub(crate) enum Found<'a> {
    /// A circuit in force.
    Open(&'a Arc<str>, &'a Arc<Site>),
    /// A circuit whose time is over.
    Expired(&'a Arc<str>, &'a Arc<Site>),
    /// A circuit that is switched off.
    Disabled(&'a Arc<Site>),
    /// Nothing.
    Unknown,
}

impl Route {
    /// Where people sign in for all circuits.
    pub(crate) fn is_login_host(&self) -> bool {
        self.name.is_empty()
    }

    /// Not public: no request passes unrecorded.
    pub(crate) fn is_protected(&self) -> bool {
        self.gate.is_protected()
    }

    /// The path of the circuit that this is.
    pub(crate) fn path(&self) -> Option<&CircuitPath> {
        self.circuit.paths.get(self.part?)
    }
}

impl Site {
    /// `previous` hands on counts of requests and looked-up addresses.
    fn new(circuit: &Arc<Circuit>, policy: &Policy, previous: Option<&Self>) -> Option<Self> {
        let name = circuit.name.shared();
        // Every policy has a gate; a circuit without one is not reachable, which is the safe side of a defect.
        let gate = if name.is_empty() { policy.login() } else { policy.gate(&name) };
        let (gate, gates) = (gate?, policy.path_gates(&name));
        let target = |upstreams: &Option<Upstreams>, before: Option<&Route>| {
            let before = before.and_then(|route| route.target.as_deref());
            upstreams.as_ref().map(|upstreams| Arc::new(Target::new(circuit, upstreams, before)))
        };
        let keys = circuit.policies().filter_map(Access::ways).flat_map(|ways| &ways.header_auth);
        let secret_fields: Arc<[_]> = keys.map(|key| key.header.clone()).collect();
        let route = |part, gate: &Arc<Gate>, target| {
            Arc::new(Route {
                circuit: circuit.clone(),
                part,
                name: name.clone(),
                project: circuit.project.as_ref().map(vestibule_config::Name::shared),
                gate: gate.clone(),
                target,
                answered: Answered::default(),
                secret_fields: secret_fields.clone(),
            })
        };
        let own = route(None, gate, target(&circuit.upstreams, previous.map(|site| &*site.own)));
        let paths = circuit.paths.iter().zip(gates).enumerate().map(|(at, (path, gate))| {
            // One that had the circuit's keeps nothing of them.
            let had_its_own = |route: &&Route| route.path().is_some_and(|path| path.upstreams.is_some());
            let before = previous.and_then(|site| site.part(path)).filter(had_its_own);
            route(Some(at), gate, target(&path.upstreams, before).or_else(|| own.target.clone()))
        });
        Some(Self { paths: paths.collect(), own })
    }

    /// Who answers for a canonical path. Absent where an upstream that does not tell capitals from small letters would
    /// take it for another path, which not everybody may see.
    pub(crate) fn at(&self, path: &str) -> Option<&Arc<Route>> {
        let exact = self.of(self.own.circuit.path_of(path));
        let folded = self.of(self.own.circuit.path_in_any_case(path));
        let same = Arc::ptr_eq(&exact.gate, &folded.gate);
        (same || !folded.is_protected()).then_some(exact)
    }

    /// Who answers for a path as received, and its one spelling where paths differ; where they do not, each goes on byte
    /// for byte. Absent where it has none.
    pub(crate) fn serving<'a>(&self, path: &'a str) -> Option<(Cow<'a, str>, &Arc<Route>)> {
        if !self.has_paths() {
            return Some((Cow::Borrowed(path), &self.own));
        }
        let path = canonical(path)?;
        let route = self.at(&path)?;
        Some((path, route))
    }

    /// By whose policy somebody signs in who wants to go to `target`, a path with or without query: that of the path,
    /// where it asks anybody; else the first that does.
    pub(crate) fn door_to(&self, target: &str) -> &Arc<Route> {
        let path = canonical(target.split(['?', '#']).next().unwrap_or_default());
        let wanted = path.and_then(|path| self.at(&path)).filter(|route| route.is_protected());
        wanted.or_else(|| self.all().find(|route| route.is_protected())).unwrap_or(&self.own)
    }

    fn has_paths(&self) -> bool {
        !self.paths.is_empty()
    }

    /// The circuit's own, then those of its paths.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Route>> {
        iter::once(&self.own).chain(&self.paths)
    }

    fn of(&self, part: Option<usize>) -> &Arc<Route> {
        part.and_then(|part| self.paths.get(part)).unwrap_or(&self.own)
    }

    /// The upstreams of a path that has some of its own.
    pub(crate) fn own_target(&self, path: &CircuitPath) -> Option<&Target> {
        self.part(path).filter(|_| path.upstreams.is_some()).and_then(|route| route.target.as_deref())
    }

    /// The same path before a reload.
    fn part(&self, path: &CircuitPath) -> Option<&Route> {
        let same = |route: &&Arc<Route>| route.path().is_some_and(|before| before.prefix == path.prefix);
        self.paths.iter().find(same).map(|route| &**route)
    }
}

impl Routes {
    /// `previous` hands on counts of requests and looked-up addresses.
    pub(crate) fn new(settings: &Settings, policy: &Policy, previous: Option<&Self>) -> Self {
        let mut routes = Self::default();
        for circuit in settings.circuits.values().chain(&settings.login) {
            let before = previous.and_then(|previous| previous.named(circuit.name.as_str()));
            let Some(site) = Site::new(circuit, policy, before.map(|site| &**site)) else { continue };
            let site = Arc::new(site);
            routes.sites.insert(circuit.name.shared(), site.clone());
            for host in &circuit.hosts {
                routes.hosts.insert(host.shared(), site.clone());
            }
            let names = circuit.identity.clone();
            routes.add_identity_names([names.user, names.groups, names.jwt]);
        }
        routes
    }

    /// `host` in its one spelling; an expired circuit ends exactly at its instant.
    pub(crate) fn find(&self, host: &str, clock: &dyn Clock) -> Found<'_> {
        let Some((host, site)) = self.hosts.get_key_value(host) else { return Found::Unknown };
        let circuit = &site.own.circuit;
        if !circuit.enabled {
            return Found::Disabled(site);
        }
        if circuit.expires.is_some_and(|expires| expires <= clock.now()) {
            return Found::Expired(host, site);
        }
        Found::Open(host, site)
    }

    /// A header that some circuit uses to say who it is.
    pub(crate) fn is_identity(&self, name: &HeaderName) -> bool {
        self.identity_names.contains(name)
    }

    /// Names that mean an identity to some upstream.
    pub(crate) fn add_identity_names(&mut self, names: impl IntoIterator<Item = HeaderName>) {
        self.identity_names.extend(names.into_iter().filter(|name| !name.as_str().starts_with(OWN_PREFIX)));
    }

    /// Each circuit and each of its paths.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Route>> {
        self.sites.values().flat_map(|site| site.all())
    }

    /// The circuit of this name.
    pub(crate) fn named(&self, name: &str) -> Option<&Arc<Site>> {
        self.sites.get(name)
    }
}

//! The order of the layers: bans, address rules, country, scanners, reputation, limits by address, session, limits by
//! user, policy.

use std::sync::Arc;
use std::time::Duration;

use vestibule_config::circuit::Observed;
use vestibule_config::limit::LimitKey;
use vestibule_config::path::PathPrefix;
use vestibule_config::session::SessionLimits;
use vestibule_config::{Access, Circuit, SignInWay};

use crate::account::People;
use crate::asking::{Asking, ByRequest, Layer, Said};
use crate::attempts::Attempts;
use crate::caller::{Caller, Identity};
use crate::core::Core;
use crate::cors::is_preflight;
use crate::failed_answers::FailedAnswers;
use crate::geo::{GeoDb, Location, Place};
use crate::limit::{Key, Limiter, tightest};
use crate::machine::Machines;
use crate::membership::List;
use crate::policy::Providers;
use crate::request::RequestView;
use crate::rules::{Ruled, Rules};
use crate::session::{Found, Live, Session, State};
use crate::verdict::{Budget, Decision, Kind, Permit, Reason, Refusal, Verdict};

/// What decides where an administrator keeps an address out.
const BANS: &str = "bans";

/// How long a client waits before it asks again where the state database does not answer.
pub(crate) const ASK_AGAIN: Duration = Duration::from_secs(5);

/// One policy of a circuit, ready to decide.
pub struct Gate {
    pub(crate) core: Arc<Core>,
    pub(crate) circuit: Arc<Circuit>,
    pub(crate) name: Arc<str>,
    pub(crate) scope: Scope,
    /// Tells this gate from those of other configurations.
    pub(crate) serial: u64,
    pub(crate) people: Arc<People>,
    /// All of the configuration; `login` says which of them count here.
    pub(crate) providers: Arc<Providers>,
    /// `[server] login_host`.
    pub(crate) login_host: Option<Arc<str>>,
    /// `[sessions]`: those of the login host.
    pub(crate) general: SessionLimits,
    /// Absent on a public circuit.
    pub(crate) list: Option<List>,
    pub(crate) attempts: Arc<Attempts>,
    pub(crate) machines: Machines,
    pub(crate) rules: Arc<Rules>,
    pub(crate) geo: Option<Arc<GeoDb>>,
    pub(crate) failed_answers: Option<Arc<FailedAnswers>>,
    /// By address and by circuit, in the file's order.
    pub(crate) before_session: Vec<(LimitKey, Arc<Limiter>)>,
    /// By person, else by address, in the file's order.
    pub(crate) by_user: Vec<Arc<Limiter>>,
}

/// Whose policy a gate decides by: the circuit's own, or that of one of its paths.
pub(crate) struct Scope {
    pub(crate) access: Access,
    /// Where the path begins; absent for the circuit's own.
    pub(crate) prefix: Option<PathPrefix>,
    /// What the keys of the policy are below: `circuits.wiki`, `circuits.wiki.paths["/webhook"]`.
    pub(crate) keys: String,
}

/// What is known after the layers that ask nobody who he is.
pub(crate) struct Outside {
    pub(crate) location: Arc<Location>,
    pub(crate) refusal: Option<Refusal>,
    pub(crate) budget: Option<Budget>,
    /// After this time the request limits let one more through.
    pub(crate) wait: Duration,
    /// What rules would have refused for, that only observe.
    pub(crate) observed: Vec<Reason>,
}

impl Gate {
    /// The checked configuration.
    pub fn circuit(&self) -> &Arc<Circuit> {
        &self.circuit
    }

    /// The policy that it decides by: the circuit's, or that of one of its paths.
    pub fn access(&self) -> &Access {
        &self.scope.access
    }

    /// Where its paths begin: `/`, or the path's prefix.
    pub fn home(&self) -> &str {
        self.scope.prefix.as_ref().map_or("/", PathPrefix::as_str)
    }

    /// Whether it asks who somebody is.
    pub fn is_protected(&self) -> bool {
        self.list.is_some()
    }

    /// Every request of the circuit, at every time: nothing is remembered from an earlier decision.
    pub fn decide(&self, request: &RequestView<'_>) -> Decision {
        self.decide_for(request, &mut ByRequest(self))
    }

    /// The one order of the layers, whoever asks.
    pub(crate) fn decide_for(&self, request: &RequestView<'_>, asking: &mut impl Asking) -> Decision {
        let mut outside = self.outside(request, asking);
        if let Some(refusal) = outside.refusal.take() {
            let Outside { location, budget, observed, .. } = outside;
            let verdict = Verdict::Refuse(refusal);
            return Decision { verdict, location, session: None, budget, machine: None, recheck: false, observed };
        }
        if let Some(decision) = self.decide_shown(request, &outside, asking) {
            return decision;
        }
        let found = asking.session(self, request);
        let is_nobody = found.as_ref().is_err_and(|refusal| refusal.kind == Kind::SignIn);
        let neighbour = is_nobody.then(|| self.decide_neighbour(request, &outside, asking)).flatten();
        neighbour.unwrap_or_else(|| self.decide_session(request, outside, found, asking))
    }

    fn decide_session(
        &self,
        request: &RequestView<'_>,
        outside: Outside,
        found: Result<Option<Arc<Live>>, Refusal>,
        asking: &mut impl Asking,
    ) -> Decision {
        let Outside { location, refusal: _, budget, wait, mut observed } = outside;
        let live = found.as_ref().ok().and_then(Option::as_ref);
        let session = live.map(|live| live.session.clone());
        let recheck = live.is_some_and(|live| self.is_recheck_due(live));
        let (key, reason) = match &session {
            Some(session) => (user_key(session), Reason::RateLimitedUser),
            None => (Key::address(request.client), Reason::RateLimitedIp),
        };
        let (verdict, budget) = match self.limits_by_user(&key, wait, asking) {
            Err(_) if self.rules.observes(Observed::RateLimit) => {
                observed.push(reason);
                (self.policy(request, found, asking), budget)
            }
            Err(over) => (Verdict::Refuse(too_many(reason, over.clone())), Some(over)),
            Ok(by_user) => (self.policy(request, found, asking), tightest(budget, by_user)),
        };
        Decision { verdict, location, session, budget, machine: None, recheck, observed }
    }

    /// Address, country and rate rules only, for our own pages on the circuit's hosts. `Pass` is never a permit
    /// to forward: the answer has none.
    pub fn front(&self, request: &RequestView<'_>) -> Front {
        let Outside { location, refusal, budget, wait: _, observed } = self.outside(request, &mut ByRequest(self));
        let live = if refusal.is_none() { self.session(request).ok().flatten() } else { None };
        let session = live.as_ref().map(|live| live.session.clone());
        let identity = live.and_then(|live| self.judge(&live).outcome.clone().ok());
        Front { refusal, location, session, identity, budget, observed }
    }

    /// Whose session it is that the request names, if account and this policy would let it pass now. For the pages of a
    /// circuit with several policies: a session is one for all of them.
    pub fn identity(&self, request: &RequestView<'_>) -> Option<Arc<Identity>> {
        let live = self.session(request).ok().flatten()?;
        self.judge(&live).outcome.clone().ok()
    }

    /// Absent: nothing is known of the address but that no database answers.
    fn place(&self, request: &RequestView<'_>) -> Option<Place> {
        self.geo.as_ref().map(|geo| geo.locate(request.client))
    }

    pub(crate) fn outside(&self, request: &RequestView<'_>, asking: &mut impl Asking) -> Outside {
        let place = self.place(request);
        let (refusal, mut observed) = match self.closed_for(asking) {
            Some(refusal) => (Some(refusal), Vec::new()),
            None => self.address_rules(request, place.as_ref(), asking),
        };
        let location = place.map(|place| place.location).unwrap_or_default();
        let unlimited = Outside { location, refusal, budget: None, wait: Duration::ZERO, observed: Vec::new() };
        if unlimited.refusal.is_some() {
            return Outside { observed, ..unlimited };
        }
        match self.failed_answers.as_ref().and_then(|failed| failed.refusal(request.client)) {
            Some(refusal) if self.rules.observes(Observed::RateLimit) => observed.push(refusal.reason),
            Some(refusal) => return Outside { refusal: Some(refusal), observed, ..unlimited },
            None => (),
        }
        let limits = self.before_session.iter().map(|(per, limiter)| {
            let key = match per {
                LimitKey::Circuit => Key::Text(self.name.clone()),
                LimitKey::Ip | LimitKey::User => Key::address(request.client),
            };
            (&**limiter, key)
        });
        match asking.take(limits, Duration::ZERO) {
            Ok(passed) => Outside { budget: passed.tightest, wait: passed.wait, observed, ..unlimited },
            Err((at, budget)) => {
                let per = self.before_session.get(at).map(|(per, _)| *per);
                let circuit = matches!(per, Some(LimitKey::Circuit));
                let reason = if circuit { Reason::RateLimitedCircuit } else { Reason::RateLimitedIp };
                if self.rules.observes(Observed::RateLimit) {
                    observed.push(reason);
                    return Outside { observed, ..unlimited };
                }
                let refusal = Some(too_many(reason, budget.clone()));
                Outside { refusal, budget: Some(budget), observed, ..unlimited }
            }
        }
    }

    /// A circuit that is disabled or over does not exist.
    pub(crate) fn closed(&self) -> Option<Refusal> {
        self.closed_for(&mut ByRequest(self))
    }

    fn closed_for(&self, asking: &mut impl Asking) -> Option<Refusal> {
        let refusal = if !self.circuit.enabled {
            Some(self.refuse_by_circuit(Reason::CircuitNotFound, Kind::NotFound, "enabled"))
        } else {
            let over = self.circuit.expires.is_some_and(|expires| asking.now() >= expires);
            over.then(|| self.refuse_by_circuit(Reason::CircuitExpired, Kind::NotFound, "expires"))
        };
        hear(asking, Layer::Circuit, refusal.as_ref(), || format!("circuits.{}", self.name));
        refusal
    }

    pub(crate) fn address_rules_refuse(&self, request: &RequestView<'_>) -> Option<Refusal> {
        self.address_rules(request, self.place(request).as_ref(), &mut ByRequest(self)).0
    }

    /// What refuses, and what only observes.
    fn address_rules(
        &self,
        request: &RequestView<'_>,
        place: Option<&Place>,
        asking: &mut impl Asking,
    ) -> (Option<Refusal>, Vec<Reason>) {
        let banned = asking.is_banned(self, request.client);
        let refusal =
            banned.then(|| Refusal { reason: Reason::IpBanned, kind: Kind::Forbidden, rule: BANS.to_owned() });
        hear(asking, Layer::Bans, refusal.as_ref(), || BANS.to_owned());
        if refusal.is_some() {
            return (refusal, Vec::new());
        }
        let Ruled { refusal, observed } = self.rules.judge(request, place, |layer, said, key| {
            asking.hear(layer, said, || format!("circuits.{}.{key}", self.name));
        });
        let refusal = refusal.map(|(reason, key)| self.refuse_by_circuit(reason, Kind::Forbidden, key));
        (refusal, observed)
    }

    /// No session on a public circuit: nobody is looked at there.
    pub(crate) fn session(&self, request: &RequestView<'_>) -> Result<Option<Arc<Live>>, Refusal> {
        if self.list.is_none() {
            return Ok(None);
        }
        let Some(cookie) = request.cookie else {
            return Err(self.refuse(Reason::NoCredentials, Kind::SignIn, "access"));
        };
        self.found(self.core.sessions.store.find(cookie, &self.name, &self.circuit.session))
    }

    pub(crate) fn found(&self, found: Found) -> Result<Option<Arc<Live>>, Refusal> {
        let sign_in = |reason| Err(self.refuse(reason, Kind::SignIn, "access"));
        match found {
            Found::Live(live) => Ok(Some(live)),
            Found::Missing | Found::Ended(State::Active) => sign_in(Reason::MissingSession),
            Found::Ended(State::Expired) => sign_in(Reason::SessionExpired),
            Found::Ended(State::Revoked | State::Logout) => sign_in(Reason::SessionRevoked),
            Found::Unreadable => Err(self.refuse(Reason::MissingSession, Kind::Unavailable(ASK_AGAIN), "access")),
        }
    }

    /// The tightest of them, or the one that is reached.
    pub(crate) fn limits_by_user(
        &self,
        key: &Key,
        wait: Duration,
        asking: &mut impl Asking,
    ) -> Result<Option<Budget>, Budget> {
        let limits = self.by_user.iter().map(|limiter| (&**limiter, key.clone()));
        asking.take(limits, wait).map(|passed| passed.tightest).map_err(|(_, budget)| budget)
    }

    fn policy(
        &self,
        request: &RequestView<'_>,
        found: Result<Option<Arc<Live>>, Refusal>,
        asking: &mut impl Asking,
    ) -> Verdict {
        match found {
            Err(refusal) if refusal.kind == Kind::SignIn && is_preflight(request) => self.preflight(request),
            Err(refusal) => Verdict::Refuse(refusal),
            Ok(None) => {
                asking.hear(Layer::Access, Said::Hit, || format!("{}.access", self.scope.keys));
                Verdict::Pass(Permit { caller: Caller::Anyone })
            }
            Ok(Some(live)) => match asking.judge(self, &live) {
                Ok(identity) => match self.foreign_tunnel(request) {
                    Some(refusal) => Verdict::Refuse(refusal),
                    None => Verdict::Pass(Permit { caller: Caller::Known(identity) }),
                },
                Err(refusal) => Verdict::Refuse(refusal),
            },
        }
    }

    /// By a key of the policy.
    pub(crate) fn refuse(&self, reason: Reason, kind: Kind, key: &str) -> Refusal {
        Refusal { reason, kind, rule: format!("{}.{key}", self.scope.keys) }
    }

    /// By a key that is the circuit's also where a path has a policy of its own.
    pub(crate) fn refuse_by_circuit(&self, reason: Reason, kind: Kind, key: &str) -> Refusal {
        Refusal { reason, kind, rule: format!("circuits.{}.{key}", self.name) }
    }

    /// `login`, `shared` and `header_auth`; absent where everybody may enter.
    pub(crate) fn ways(&self) -> Option<&vestibule_config::access::Ways> {
        self.scope.access.ways()
    }

    /// Whether `login` names codes by e-mail.
    pub(crate) fn sends_codes(&self) -> bool {
        self.ways().is_some_and(|ways| ways.code)
    }

    pub(crate) fn names(&self, way: SignInWay) -> bool {
        self.ways().is_some_and(|ways| ways.login.contains(&way))
    }
}

/// What a layer said that refuses or lets the next one speak.
fn hear(asking: &mut impl Asking, layer: Layer, refusal: Option<&Refusal>, rule: impl FnOnce() -> String) {
    match refusal {
        Some(refusal) => asking.hear(layer, Said::Hit, || refusal.rule.clone()),
        None => asking.hear(layer, Said::Miss, rule),
    }
}

/// Nobody in particular: each browser that knows a shared secret counts for itself.
fn user_key(session: &Session) -> Key {
    let key = if session.email.is_none() { &session.id.0 } else { &session.user_id };
    Key::Text(key.clone())
}

pub(crate) fn too_many(reason: Reason, budget: Budget) -> Refusal {
    let rule = format!("rate_limits.{}", budget.limit);
    Refusal { reason, kind: Kind::Limited(budget), rule }
}

/// What [`Gate::front`] answers.
#[derive(Debug)]
pub struct Front {
    /// Absent: go on.
    pub refusal: Option<Refusal>,
    /// For the entry.
    pub location: Arc<Location>,
    /// The live session that the cookie names.
    pub session: Option<Arc<Session>>,
    /// Whose it is, if account and policy would let it pass now; absent on public circuits.
    pub identity: Option<Arc<Identity>>,
    /// The tightest request limit.
    pub budget: Option<Budget>,
    /// What rules would have refused for, that only observe.
    pub observed: Vec<Reason>,
}

//! Those who come without a session: service tokens, keys in a header, trusted addresses.
//!
//! What they show is looked at with each request and sets no cookie. What is shown and not good is refused, whatever
//! else came with it.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use jiff::Timestamp;
use vestibule_config::circuit::Observed;
use vestibule_config::header_key::HeaderKey;
use vestibule_config::service_token::ServiceToken;
use vestibule_config::{Circuit, Name, Settings};

use crate::asking::{Asking, Layer, Said};
use crate::attempts::Came;
use crate::caller::{Caller, Identity, Method};
use crate::gate::{Gate, Outside, Scope, too_many};
use crate::keyed::sha256;
use crate::limit::{Key, tightest};
use crate::request::RequestView;
use crate::rules::Set;
use crate::sign_in::SignIn;
use crate::uses::{Use, Uses};
use crate::verdict::{Decision, Kind, Permit, Reason, Refusal, Verdict};

/// A longer token is none of ours: ours are 47 bytes.
const MAX_TOKEN_BYTES: usize = 256;

/// What of a decision concerns the access log.
#[derive(Debug)]
pub struct Machine {
    /// For the entry.
    pub sign_in: SignIn,
    /// Whether there is one.
    pub record: Record,
    came: Came,
}

/// What is to be recorded of a machine's request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Record {
    /// Nothing: it came in the hour before, or the limits of requests refused it.
    Nothing,
    /// That it was let in, before it is; then [`Gate::note_came`].
    Success,
    /// That it was not, before it is answered.
    Failure,
    /// That it was not looked at.
    Limited,
}

/// `Bearer vst_…` is for us; every other value is the upstream's affair.
pub fn service_token(value: &HeaderValue) -> Option<&[u8]> {
    let (scheme, token) = value.as_bytes().trim_ascii_start().split_at_checked(b"bearer".len())?;
    let token = token.trim_ascii();
    (scheme.eq_ignore_ascii_case(b"bearer") && token.starts_with(b"vst_")).then_some(token)
}

/// What a circuit lets in without a session.
pub(crate) struct Machines {
    tokens: Arc<Tokens>,
    keys: Vec<HeaderKey>,
    /// Who shows one of the keys.
    holder: Arc<Identity>,
    trusted: Set,
    /// Who comes from a trusted address.
    neighbour: Arc<Identity>,
}

/// `[service_tokens]`, by the SHA-256 of the token. How long a look takes tells of the hash of what was sent only.
pub(crate) struct Tokens(HashMap<[u8; 32], Token>);

pub(crate) struct Token {
    name: Name,
    identity: Arc<Identity>,
    until: Option<Timestamp>,
    disabled: bool,
    last: Arc<Use>,
}

/// What a request shows.
pub(crate) struct Shown<'a> {
    method: Method,
    digest: [u8; 32],
    /// Absent where it is good.
    wrong: Option<Reason>,
    token: Option<&'a Token>,
}

impl Tokens {
    pub(crate) fn new(settings: &Settings, uses: &Uses) -> Self {
        let tokens = settings.service_tokens.values().flat_map(|token| {
            let last = uses.of(&format!("service:{}", token.name));
            let identity = identity(format!("token:{}", token.name), Method::Token);
            hashes(token).map(move |(hash, until)| {
                let (name, disabled) = (token.name.clone(), token.disabled);
                (hash, Token { name, identity: identity.clone(), until, disabled, last: last.clone() })
            })
        });
        Self(tokens.collect())
    }
}

/// The token of now and the one before, each with its end.
fn hashes(token: &ServiceToken) -> impl Iterator<Item = ([u8; 32], Option<Timestamp>)> {
    let before = token.previous.as_ref().map(|previous| {
        let until = token.expires.map_or(previous.until, |expires| expires.min(previous.until));
        (*previous.hash.expose(), Some(until))
    });
    std::iter::once((*token.hash.expose(), token.expires)).chain(before)
}

fn identity(user_id: String, method: Method) -> Arc<Identity> {
    Arc::new(Identity { email: None, user_id: user_id.into(), groups: BTreeSet::new(), method, session: None })
}

impl Machines {
    /// Addresses are trusted for the circuit's own policy, and not for that of a path.
    pub(crate) fn new(circuit: &Circuit, scope: &Scope, tokens: &Arc<Tokens>) -> Self {
        let trusted = if scope.prefix.is_none() { &circuit.trusted_addresses[..] } else { &[] };
        Self {
            tokens: tokens.clone(),
            keys: scope.access.ways().map(|ways| ways.header_auth.clone()).unwrap_or_default(),
            holder: identity(format!("header:{}", circuit.name), Method::Header),
            trusted: Set::new(trusted),
            neighbour: identity(format!("ip:{}", circuit.name), Method::Ip),
        }
    }

    /// Whether who comes from there needs to show nothing.
    fn trusts(&self, address: std::net::IpAddr) -> bool {
        self.trusted.contains(address)
    }

    /// A service token before a key, where both are shown.
    pub(crate) fn shown(&self, headers: &HeaderMap) -> Option<Shown<'_>> {
        self.shown_token(headers).or_else(|| self.shown_key(headers))
    }

    /// As if the service token of this name were shown.
    pub(crate) fn shown_by_name(&self, name: &str) -> Shown<'_> {
        // The one before a rotation has an end of its own.
        let named = self.tokens.0.iter().filter(|(_, token)| token.name.as_str() == name);
        let token = named.max_by_key(|(_, token)| token.until.unwrap_or(Timestamp::MAX));
        let digest = token.map_or([0; 32], |(digest, _)| *digest);
        let wrong = token.is_none().then_some(Reason::InvalidToken);
        Shown { method: Method::Token, digest, wrong, token: token.map(|(_, token)| token) }
    }

    /// As if one of the keys were shown.
    pub(crate) fn shown_any_key(&self) -> Shown<'_> {
        let wrong = self.keys.is_empty().then_some(Reason::InvalidHeader);
        Shown { method: Method::Header, digest: [0; 32], wrong, token: None }
    }

    fn shown_token(&self, headers: &HeaderMap) -> Option<Shown<'_>> {
        let mut sent = headers.get_all(AUTHORIZATION).iter().filter_map(service_token);
        let token = sent.next()?;
        let known = token.len() <= MAX_TOKEN_BYTES && sent.next().is_none();
        let digest = if known { sha256(token) } else { [0; 32] };
        let token = self.tokens.0.get(&digest).filter(|_| known);
        Some(Shown { method: Method::Token, digest, wrong: token.is_none().then_some(Reason::InvalidToken), token })
    }

    fn shown_key(&self, headers: &HeaderMap) -> Option<Shown<'_>> {
        let mut shown = None;
        for key in &self.keys {
            let mut sent = headers.get_all(&key.header).iter();
            let Some(value) = sent.next() else { continue };
            let digest = sha256(value.as_bytes());
            let good = sent.next().is_none() && digest == *key.hash.expose();
            let wrong = (!good).then_some(Reason::InvalidHeader);
            shown = Some(Shown { method: Method::Header, digest, wrong, token: None });
            if good {
                break;
            }
        }
        shown
    }
}

impl Token {
    fn refused_at(&self, now: Timestamp) -> Option<Reason> {
        if self.disabled {
            return Some(Reason::TokenDisabled);
        }
        self.until.is_some_and(|until| now >= until).then_some(Reason::TokenExpired)
    }
}

impl Gate {
    /// Whether what was shown in place of a session is good now, apart from limits; absent where nothing is.
    pub(crate) fn still_shown(&self, request: &RequestView<'_>) -> Option<Result<(), Refusal>> {
        let shown = self.machines.shown(request.headers)?;
        let now = self.core.clock.now();
        let wrong = shown.wrong.or_else(|| shown.token.and_then(|token| token.refused_at(now)));
        Some(wrong.map_or_else(|| self.listed(&shown), |reason| Err(self.bad(&shown, reason))))
    }

    /// Whether an address is let in without anything.
    pub(crate) fn trusts(&self, request: &RequestView<'_>) -> bool {
        self.machines.trusts(request.client)
    }

    /// The decision about what is shown in place of a session; absent where nothing is.
    pub(crate) fn decide_shown(
        &self,
        request: &RequestView<'_>,
        outside: &Outside,
        asking: &mut impl Asking,
    ) -> Option<Decision> {
        // Nobody is looked at on a public circuit.
        self.list.as_ref()?;
        let shown = asking.shown(self, request)?;
        Some(self.decide_machine(request, outside, &shown, asking))
    }

    /// The decision about who shows nothing and comes from a trusted address.
    pub(crate) fn decide_neighbour(
        &self,
        request: &RequestView<'_>,
        outside: &Outside,
        asking: &mut impl Asking,
    ) -> Option<Decision> {
        let shown = Shown { method: Method::Ip, digest: [0; 32], wrong: None, token: None };
        let trusted = self.trusts(request);
        let said = if trusted { Said::Hit } else { Said::Miss };
        asking.hear(Layer::TrustedAddress, said, || format!("circuits.{}.trusted_addresses", self.name));
        trusted.then(|| self.decide_machine(request, outside, &shown, asking))
    }

    /// This success is on disk: the next one within the hour is not recorded.
    pub fn note_came(&self, machine: &Machine) {
        self.attempts.history().note_came(machine.came.clone(), self.core.clock.now());
    }

    /// Whether it came in the hour before this moment.
    pub fn came_lately(&self, machine: &Machine) -> bool {
        self.attempts.history().came_lately(&machine.came, self.core.clock.now())
    }

    fn decide_machine(
        &self,
        request: &RequestView<'_>,
        outside: &Outside,
        shown: &Shown<'_>,
        asking: &mut impl Asking,
    ) -> Decision {
        let now = asking.now();
        let came = (shown.digest, self.name.clone(), request.client);
        let lately = self.attempts.history().came_lately(&came, now);
        let wrong = shown.wrong.or_else(|| shown.token.and_then(|token| token.refused_at(now)));
        let (mut budget, mut observed) = (outside.budget.clone(), outside.observed.clone());
        let identity = shown.token.map_or_else(|| self.nobody(shown.method), |token| &token.identity);
        // An address comes with whatever page a browser behind it shows.
        let foreign = (shown.method == Method::Ip).then(|| self.foreign_tunnel(request)).flatten();
        let listed = foreign.map_or_else(|| self.listed(shown), Err);
        if let Some(token) = shown.token {
            asking.hear(Layer::Credential, Said::Hit, || format!("service_tokens.{}", token.name));
        }
        // What came lately is not counted again, unless it is refused now. An address is nothing that could be guessed.
        let counts = shown.method != Method::Ip && !(lately && wrong.is_none() && listed.is_ok());
        let counted = if counts { self.attempts.admit_machine(request.client, asking) } else { Ok(()) };
        let (verdict, record) = match (counted, wrong) {
            (Err(refusal), _) => (Verdict::Refuse(refusal), Record::Limited),
            (Ok(()), Some(reason)) => (Verdict::Refuse(self.bad(shown, reason)), Record::Failure),
            (Ok(()), None) => match self.limit_machine(request, identity, outside, asking) {
                Err(refusal) if self.rules.observes(Observed::RateLimit) => {
                    observed.push(refusal.reason);
                    admitted(listed, identity, lately)
                }
                Err(refusal) => (Verdict::Refuse(refusal), Record::Nothing),
                Ok(by_user) => {
                    budget = tightest(budget, by_user);
                    admitted(listed, identity, lately)
                }
            },
        };
        if let Verdict::Pass(_) = &verdict {
            asking.hear(Layer::Access, Said::Hit, || self.machine_key(shown));
            shown.token.filter(|_| asking.is_request()).inspect(|token| token.last.note(now, request.client));
        }
        // Whose a wrong key is nobody knows.
        let user_id = (shown.token.is_some() || wrong.is_none()).then(|| identity.user_id.clone());
        let sign_in = SignIn { email: None, user_id, method: shown.method, provider: None, rule: None, locked: false };
        let machine = Some(Machine { sign_in, record, came });
        let location = outside.location.clone();
        Decision { verdict, location, session: None, budget, machine, recheck: false, observed }
    }

    fn nobody(&self, method: Method) -> &Arc<Identity> {
        if method == Method::Ip { &self.machines.neighbour } else { &self.machines.holder }
    }

    fn bad(&self, shown: &Shown<'_>, reason: Reason) -> Refusal {
        match shown.token {
            Some(token) => Refusal { reason, kind: Kind::Credential, rule: format!("service_tokens.{}", token.name) },
            None => self.refuse(reason, Kind::Credential, "access"),
        }
    }

    fn limit_machine(
        &self,
        request: &RequestView<'_>,
        identity: &Identity,
        outside: &Outside,
        asking: &mut impl Asking,
    ) -> Result<Option<crate::verdict::Budget>, Refusal> {
        let (key, reason) = if identity.method == Method::Ip {
            (Key::address(request.client), Reason::RateLimitedIp)
        } else {
            (Key::Text(identity.user_id.clone()), Reason::RateLimitedUser)
        };
        self.limits_by_user(&key, outside.wait, asking).map_err(|budget| too_many(reason, budget))
    }

    /// What lets in who shows this.
    fn machine_key(&self, shown: &Shown<'_>) -> String {
        match (shown.method, &self.list) {
            (Method::Ip, _) => format!("circuits.{}.trusted_addresses", self.name),
            (Method::Token, Some(list)) => format!("{}.{}", self.scope.keys, list.key()),
            (_, _) => format!("{}.header_auth", self.scope.keys),
        }
    }

    /// A token must be listed; a key and an address are their own allowance.
    fn listed(&self, shown: &Shown<'_>) -> Result<(), Refusal> {
        let Some((token, list)) = shown.token.zip(self.list.as_ref()) else { return Ok(()) };
        list.admits_token(&token.name).map_err(|reason| self.refuse(reason, Kind::Forbidden, list.key()))
    }
}

fn admitted(listed: Result<(), Refusal>, identity: &Arc<Identity>, lately: bool) -> (Verdict, Record) {
    if let Err(refusal) = listed {
        return (Verdict::Refuse(refusal), Record::Failure);
    }
    let record = if lately { Record::Nothing } else { Record::Success };
    (Verdict::Pass(Permit { caller: Caller::Known(identity.clone()) }), record)
}

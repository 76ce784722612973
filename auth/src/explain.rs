//! Why somebody is let in or not: the gate is asked about somebody who is not there.
//!
//! It is the gate that decides about requests, with the same layers in the same order. Only what a request brings along
//! is made up: a session as that person would have it who has just signed in. Nothing is taken from a limit, nothing is
//! written, and nobody gets a [`Permit`](crate::Permit) from here.

mod visitor;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::asking::{Asking, Layer, Said};
use crate::caller::Identity;
use crate::gate::{Gate, Outside};
use crate::limit::{Check, Key, Limiter, Passed, tightest};
use crate::machine::Shown;
use crate::request::RequestView;
use crate::session::Live;
use crate::verdict::{Budget, Kind, Reason, Refusal, Verdict};

pub use visitor::{BadVisitor, Visitor};

/// What is to be explained.
#[derive(Debug, Clone)]
pub struct Question {
    /// Who asks for admission.
    pub visitor: Visitor,
    /// As of when. Limits are those of now, so that at another time they are not looked at.
    pub at: Option<Timestamp>,
    /// Whether bans, locks, grants and limits of this moment count, or the configuration alone.
    pub live: bool,
}

/// What a gate would say, and why.
#[derive(Debug)]
pub struct Explained {
    /// Absent where it would let in.
    pub refusal: Option<Refusal>,
    /// What rules would have refused for, that only observe.
    pub observed: Vec<Reason>,
    /// The layers that were asked, in their order, up to the one that decides.
    pub layers: Vec<Heard>,
}

/// What one layer said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// Which.
    pub layer: Layer,
    /// What.
    pub said: Said,
    /// By which key: `circuits.wiki.ip_block`, `rate_limits.browse`, `grants.ID`.
    pub rule: String,
}

impl Gate {
    /// What it would decide about a request of somebody who is not there; headers and cookie of `request` count for
    /// nothing but the User-Agent.
    pub fn explain(&self, request: &RequestView<'_>, question: &Question) -> Explained {
        let mut curious = Curious::new(self, request, question);
        let decision = self.decide_for(request, &mut curious);
        let refusal = match decision.verdict {
            Verdict::Pass(_) | Verdict::Preflight(_) => None,
            Verdict::Refuse(refusal) => Some(refusal),
        };
        if let Some(refusal) = &refusal {
            curious.decided_by(refusal);
        }
        Explained { refusal, observed: decision.observed, layers: curious.layers }
    }

    /// The same for a page of ours on the circuit's host, which address, country and rate rules guard alone.
    pub fn explain_front(&self, request: &RequestView<'_>, question: &Question) -> Explained {
        let mut curious = Curious::new(self, request, question);
        let Outside { refusal, observed, .. } = self.outside(request, &mut curious);
        Explained { refusal, observed, layers: curious.layers }
    }
}

/// Limits of attempts stand in a table of their own.
fn limit_key(name: &str) -> String {
    name.strip_prefix("login.").map_or_else(|| format!("rate_limits.{name}"), |name| format!("login_limits.{name}"))
}

/// Asks a gate and listens.
struct Curious<'a> {
    client: IpAddr,
    question: &'a Question,
    now: Timestamp,
    layers: Vec<Heard>,
}

impl<'a> Curious<'a> {
    fn new(gate: &Gate, request: &RequestView<'_>, question: &'a Question) -> Self {
        let now = question.at.unwrap_or_else(|| gate.core.clock.now());
        Self { client: request.client, question, now, layers: Vec::new() }
    }

    /// Limits are counted in a time of their own, which nobody can move.
    fn minds_limits(&self) -> bool {
        self.question.live && self.question.at.is_none()
    }

    /// The last layer is the one that decides.
    fn decided_by(&mut self, refusal: &Refusal) {
        if self.layers.last().is_some_and(|heard| heard.said == Said::Hit && heard.rule == refusal.rule) {
            return;
        }
        let layer = if refusal.kind == Kind::Forbidden { Layer::Access } else { Layer::Login };
        self.hear(layer, Said::Hit, || refusal.rule.clone());
    }

    fn grants_as_of(&self) -> Option<Timestamp> {
        self.question.live.then_some(self.now)
    }

    /// Signed in as the visitor; why that is not possible.
    fn assume(&self, gate: &Gate, request: &RequestView<'_>) -> Result<Option<Arc<Live>>, Refusal> {
        let Some(found) = gate.assume(&self.question.visitor, self.client, self.now, self.grants_as_of()) else {
            return gate.session(&RequestView { cookie: None, ..*request });
        };
        let live = found?;
        let locked = |email: &str| gate.attempts.locked(email, self.client, self.now);
        match live.session.email.as_deref().filter(|_| self.question.live).and_then(locked) {
            Some(refusal) => Err(refusal),
            None => Ok(Some(Arc::new(live))),
        }
    }
}

impl Asking for Curious<'_> {
    fn now(&self) -> Timestamp {
        self.now
    }

    fn take<'l>(
        &mut self,
        limits: impl Iterator<Item = (&'l Limiter, Key)> + Clone,
        floor: Duration,
    ) -> Result<Passed, (usize, Budget)> {
        let mut passed = Passed { tightest: None, wait: Duration::ZERO };
        for (at, (limit, key)) in limits.enumerate() {
            let rule = || limit_key(&limit.name);
            match limit.peek(&key) {
                Check::Limited(budget) if self.minds_limits() => {
                    self.hear(Layer::RateLimit, Said::Hit, rule);
                    return Err((at, Budget { retry_after: budget.retry_after.max(floor), ..budget }));
                }
                Check::Limited(_) => self.hear(Layer::RateLimit, Said::Miss, rule),
                Check::Pass(budget) => {
                    self.hear(Layer::RateLimit, Said::Miss, rule);
                    passed.tightest = tightest(passed.tightest.take(), Some(budget));
                }
            }
        }
        Ok(passed)
    }

    fn is_banned(&self, gate: &Gate, address: IpAddr) -> bool {
        self.question.live && gate.core.bans.hold(address, || self.now)
    }

    fn shown<'g>(&self, gate: &'g Gate, _request: &RequestView<'_>) -> Option<Shown<'g>> {
        match &self.question.visitor {
            Visitor::Token(name) => Some(gate.machines.shown_by_name(name)),
            Visitor::Header => Some(gate.machines.shown_any_key()),
            Visitor::Nobody | Visitor::Person { .. } | Visitor::Shared(_) => None,
        }
    }

    fn session(&mut self, gate: &Gate, request: &RequestView<'_>) -> Result<Option<Arc<Live>>, Refusal> {
        if !gate.is_protected() {
            return Ok(None);
        }
        // Whether who cannot sign in is refused for that, a trusted address may still say.
        let live = self.assume(gate, request)?;
        self.hear(Layer::Login, Said::Hit, || format!("{}.login", gate.scope.keys));
        Ok(live)
    }

    fn judge(&mut self, gate: &Gate, live: &Live) -> Result<Arc<Identity>, Refusal> {
        let judged = gate.judge_all(live, self.grants_as_of());
        let rule = match &judged {
            Err(refusal) => refusal.rule.clone(),
            Ok((_, Some(grant))) => grant.rule(),
            Ok((_, None)) => gate.admitting_key(live),
        };
        self.hear(Layer::Access, Said::Hit, || rule);
        judged.map(|(identity, _)| identity)
    }

    fn is_request(&self) -> bool {
        false
    }

    fn hear(&mut self, layer: Layer, said: Said, rule: impl FnOnce() -> String) {
        self.layers.push(Heard { layer, said, rule: rule() });
    }
}

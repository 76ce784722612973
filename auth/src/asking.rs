//! How a gate is asked: by a request, or by somebody who wants to know what it would say.
//!
//! The gate is the same for both. What differs stands here: the time, whether limits give something away, whose session
//! it is, and whether anybody listens to what each layer says.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::caller::Identity;
use crate::gate::Gate;
use crate::limit::{Key, Limiter, Passed, check_all};
use crate::machine::Shown;
use crate::request::RequestView;
use crate::session::Live;
use crate::verdict::{Budget, Refusal};

/// One layer of a gate, in the order in which they are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layer {
    /// Enabled, and not over.
    Circuit,
    /// Kept out by an administrator.
    Bans,
    /// `ip_block`
    IpBlock,
    /// `ip_allow`
    IpAllow,
    /// `country_allow` and `country_block`
    Country,
    /// `block_scanners`
    Scanner,
    /// `reputation`
    Reputation,
    /// One of `rate_limits`.
    RateLimit,
    /// A service token, or a key in a header.
    Credential,
    /// Signed in, and how.
    Login,
    /// `trusted_addresses`
    TrustedAddress,
    /// `public`, `members`, `allow`, and what stands in for them.
    Access,
}

impl Layer {
    /// The word of explanations.
    pub fn code(self) -> &'static str {
        match self {
            Self::Circuit => "circuit",
            Self::Bans => "bans",
            Self::IpBlock => "ip_block",
            Self::IpAllow => "ip_allow",
            Self::Country => "country",
            Self::Scanner => "scanner",
            Self::Reputation => "reputation",
            Self::RateLimit => "rate_limit",
            Self::Credential => "credential",
            Self::Login => "login",
            Self::TrustedAddress => "trusted_address",
            Self::Access => "access",
        }
    }
}

/// What a layer said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// Nothing: the next one is asked.
    Miss,
    /// It would have refused, and only observes.
    Observed,
    /// It decides, or found who it is.
    Hit,
}

impl Said {
    /// The word of explanations.
    pub fn code(self) -> &'static str {
        match self {
            Self::Miss => "miss",
            Self::Observed => "observed",
            Self::Hit => "hit",
        }
    }
}

/// Who asks a gate.
pub(crate) trait Asking {
    /// As of when is decided.
    fn now(&self) -> Timestamp;

    /// One more of each of these limits.
    fn take<'a>(
        &mut self,
        limits: impl Iterator<Item = (&'a Limiter, Key)> + Clone,
        floor: Duration,
    ) -> Result<Passed, (usize, Budget)>;

    /// Whether an address is kept out.
    fn is_banned(&self, gate: &Gate, address: IpAddr) -> bool;

    /// What is shown in place of a session.
    fn shown<'g>(&self, gate: &'g Gate, request: &RequestView<'_>) -> Option<Shown<'g>>;

    /// Whose session it is.
    fn session(&mut self, gate: &Gate, request: &RequestView<'_>) -> Result<Option<Arc<Live>>, Refusal>;

    /// What the policy makes of it.
    fn judge(&mut self, gate: &Gate, live: &Live) -> Result<Arc<Identity>, Refusal>;

    /// Whether this is a request, whose coming is noted.
    fn is_request(&self) -> bool;

    /// What a layer said, and by which key. Nobody listens where a request asks, so that `rule` is not even made.
    fn hear(&mut self, layer: Layer, said: Said, rule: impl FnOnce() -> String);
}

/// A request asks.
pub(crate) struct ByRequest<'a>(pub(crate) &'a Gate);

impl Asking for ByRequest<'_> {
    fn now(&self) -> Timestamp {
        self.0.core.clock.now()
    }

    fn take<'a>(
        &mut self,
        limits: impl Iterator<Item = (&'a Limiter, Key)> + Clone,
        floor: Duration,
    ) -> Result<Passed, (usize, Budget)> {
        check_all(limits, floor)
    }

    fn is_banned(&self, gate: &Gate, address: IpAddr) -> bool {
        gate.core.bans.hold(address, || self.now())
    }

    fn shown<'g>(&self, gate: &'g Gate, request: &RequestView<'_>) -> Option<Shown<'g>> {
        gate.machines.shown(request.headers)
    }

    fn session(&mut self, gate: &Gate, request: &RequestView<'_>) -> Result<Option<Arc<Live>>, Refusal> {
        gate.session(request)
    }

    fn judge(&mut self, gate: &Gate, live: &Live) -> Result<Arc<Identity>, Refusal> {
        gate.judge(live).outcome.clone()
    }

    fn is_request(&self) -> bool {
        true
    }

    fn hear(&mut self, _layer: Layer, _said: Said, _rule: impl FnOnce() -> String) {}
}

//! `[rate_limits.NAME]` and `[login_limits]`.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::name::Name;
use crate::units::Rate;

/// A named limit of requests; one bucket per key over all circuits that name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateLimit {
    /// The table's key.
    pub name: Name,
    /// Whose bucket.
    pub per: LimitKey,
    /// How fast it fills.
    pub rate: Rate,
    /// How much it holds; the rate's count unless said.
    pub burst: NonZeroU32,
}

/// `per`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LimitKey {
    /// Address, IPv6 by /64.
    Ip,
    /// Person, token or shared session; the address where there is none.
    User,
    /// One bucket for the circuit.
    Circuit,
}

/// `[login_limits]`: attempts, checked before any credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginLimits {
    /// Per address, IPv6 by /64.
    pub per_ip: Rate,
    /// Per folded account name, whether it exists or not.
    pub per_user: Rate,
    /// Above it sign-ins to this circuit wait up to 2 s each; nobody is locked out.
    pub per_circuit: Rate,
    /// Per pair of account and address.
    pub failures: FailureBudget,
    /// Per circuit, of its shared secrets.
    pub shared_failures: SharedFailureBudget,
}

/// `failures`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailureBudget {
    /// This many failures …
    pub count: NonZeroU32,
    /// … within this time …
    pub within: Duration,
    /// … refuse the pair for this long.
    pub lock: Duration,
}

/// `shared_failures`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedFailureBudget {
    /// This many failures …
    pub count: NonZeroU32,
    /// … within this time refuse shared secrets from addresses that never signed in there.
    pub within: Duration,
}

//! `[rate_limits.NAME]` and `[login_limits]`.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::name::Name;
use crate::shape::{Field, Reading, shape};
use crate::units::Rate;
use crate::word::spellings;

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

/// Failures that are counted for one account and address, or for one circuit: the largest `count`.
pub const FAILURES_MAX: u32 = 1000;

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

spellings!(pub LimitKey { "ip" => Ip, "user" => User, "circuit" => Circuit });

shape! {
    /// What `[rate_limits.NAME]` may say.
    pub(crate) struct RawRateLimit {
        per: LimitKey,
        rate: Rate,
        burst: NonZeroU32,
    }
}

shape! {
    /// What `[login_limits]` may say.
    pub(crate) struct RawLoginLimits {
        per_ip: Rate,
        per_user: Rate,
        per_circuit: Rate,
        failures: RawFailures,
        shared_failures: RawSharedFailures,
    }
}

shape! {
    pub(crate) struct RawFailures {
        count: NonZeroU32,
        within: Duration,
        lock: Duration,
    }
}

shape! {
    pub(crate) struct RawSharedFailures {
        count: NonZeroU32,
        within: Duration,
    }
}

impl RawRateLimit {
    pub(crate) fn check(self, name: &Name, reading: &mut Reading<'_>) -> Option<RateLimit> {
        let Self { table, per, rate, burst } = self;
        let per = per.required("per", "\"ip\"", table, reading);
        let rate = rate.required("rate", "\"20/s\"", table, reading);
        let (per, rate) = (per?, rate?);
        Some(RateLimit { name: name.clone(), per, rate, burst: burst.or(rate.count) })
    }
}

impl RawLoginLimits {
    pub(crate) fn check(self, reading: &mut Reading<'_>) -> LoginLimits {
        let Self { table: _unused, per_ip, per_user, per_circuit, failures, shared_failures } = self;
        let default = LoginLimits::default();
        LoginLimits {
            per_ip: per_ip.or(default.per_ip),
            per_user: per_user.or(default.per_user),
            per_circuit: per_circuit.or(default.per_circuit),
            failures: failures.optional().map(|failures| failures.check(reading)).unwrap_or_default(),
            shared_failures: shared_failures.optional().map(|failures| failures.check(reading)).unwrap_or_default(),
        }
    }
}

impl RawFailures {
    fn check(self, reading: &mut Reading<'_>) -> FailureBudget {
        let Self { table: _unused, count, within, lock } = self;
        check_count(&count, reading);
        let default = FailureBudget::default();
        FailureBudget { count: count.or(default.count), within: within.or(default.within), lock: lock.or(default.lock) }
    }
}

impl RawSharedFailures {
    fn check(self, reading: &mut Reading<'_>) -> SharedFailureBudget {
        let Self { table: _unused, count, within } = self;
        check_count(&count, reading);
        let default = SharedFailureBudget::default();
        SharedFailureBudget { count: count.or(default.count), within: within.or(default.within) }
    }
}

/// A count that could never be reached would be no limit.
fn check_count(count: &Field<NonZeroU32>, reading: &mut Reading<'_>) {
    let Some(given) = count.as_ref().filter(|count| count.get() > FAILURES_MAX) else { return };
    let message = format!("{given} failures are more than are counted");
    reading.findings.error(count.span(), message).help(format!("write at most {FAILURES_MAX}"));
}

impl Default for LoginLimits {
    fn default() -> Self {
        let per_minute = |count| Rate { count, period: MINUTE };
        Self {
            per_ip: per_minute(TEN),
            per_user: per_minute(FIVE),
            per_circuit: per_minute(THREE_HUNDRED),
            failures: FailureBudget::default(),
            shared_failures: SharedFailureBudget::default(),
        }
    }
}

impl Default for FailureBudget {
    fn default() -> Self {
        Self { count: FIVE, within: 5 * MINUTE, lock: 15 * MINUTE }
    }
}

impl Default for SharedFailureBudget {
    fn default() -> Self {
        Self { count: HUNDRED, within: 60 * MINUTE }
    }
}

const MINUTE: Duration = Duration::from_secs(60);
const FIVE: NonZeroU32 = NonZeroU32::new(5).expect("not zero");
const TEN: NonZeroU32 = NonZeroU32::new(10).expect("not zero");
const HUNDRED: NonZeroU32 = NonZeroU32::new(100).expect("not zero");
const THREE_HUNDRED: NonZeroU32 = NonZeroU32::new(300).expect("not zero");

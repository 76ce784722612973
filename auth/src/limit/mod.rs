//! Request and attempt limits: GCRA by governor over a bounded store.

mod registry;
mod store;
#[cfg(test)]
mod tests;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use governor::middleware::StateInformationMiddleware;
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::{Quota, RateLimiter};
use vestibule_config::Rate;

pub(crate) use registry::{Numbers, Registry};
pub(crate) use store::Key;

use crate::clock::Clock;
use crate::verdict::Budget;
use store::{Store, nanos};

/// Longest time that a bucket may take to fill, so that no sum of instants overflows: 146 years.
const MAX_FILL_NANOS: u64 = 1 << 62;

/// One limit, with the counts of all its keys.
pub(crate) struct Limiter {
    pub(crate) name: Arc<str>,
    quota: NonZeroU32,
    interval: Duration,
    inner: RateLimiter<Key, Shelf, Ticks, StateInformationMiddleware>,
    store: Arc<Store>,
}

/// What a limit says to one more.
#[derive(Debug)]
pub(crate) enum Check {
    Pass(Budget),
    Limited(Budget),
}

impl Limiter {
    pub(crate) fn new(
        name: Arc<str>,
        rate: Rate,
        burst: NonZeroU32,
        clock: Arc<dyn Clock>,
        evictions: Arc<AtomicU64>,
    ) -> Self {
        let interval = (rate.period / rate.count.get()).max(Duration::from_nanos(1));
        let most = u32::try_from(MAX_FILL_NANOS / nanos(interval).max(1)).unwrap_or(u32::MAX);
        let quota = burst.min(NonZeroU32::new(most).unwrap_or(NonZeroU32::MIN));
        let governed = Quota::with_period(interval).expect("an interval is at least 1 ns").allow_burst(quota);
        let tolerance = nanos(interval).saturating_mul(u64::from(quota.get() - 1));
        let store = Arc::new(Store::new(tolerance, clock.clone(), evictions));
        let inner = RateLimiter::new(governed, Shelf(store.clone()), Ticks(clock));
        store.start();
        Self { name, quota, interval, inner, store }
    }

    /// Takes one from the key's bucket, if it holds one.
    pub(crate) fn check(&self, key: &Key) -> Check {
        match self.inner.check_key(key) {
            Ok(state) => {
                let remaining = state.remaining_burst_capacity();
                let used = self.quota.get().saturating_sub(remaining);
                Check::Pass(self.budget(remaining, Duration::ZERO, self.interval.saturating_mul(used)))
            }
            Err(until) => {
                let now = governor::clock::Clock::now(self.inner.clock());
                let wait = until.wait_time_from(now).max(Duration::from_nanos(1));
                Check::Limited(self.budget(0, wait, wait + self.interval.saturating_mul(self.quota.get() - 1)))
            }
        }
    }

    /// What [`Self::check`] would say, with nothing taken; `remaining` is what is there now.
    pub(crate) fn peek(&self, key: &Key) -> Check {
        let (ahead, interval) = (self.store.ahead(key), nanos(self.interval).max(1));
        let used = u32::try_from(ahead.div_ceil(interval)).unwrap_or(u32::MAX);
        let wait = ahead.saturating_sub(interval.saturating_mul(u64::from(self.quota.get() - 1)));
        let remaining = self.quota.get().saturating_sub(used);
        let budget = self.budget(remaining, Duration::from_nanos(wait), Duration::from_nanos(ahead));
        if wait > 0 { Check::Limited(budget) } else { Check::Pass(budget) }
    }

    /// Time until one more is surely let through, given the state after the last one.
    fn next_after(&self, budget: &Budget) -> Duration {
        if budget.remaining == 0 { self.interval } else { Duration::ZERO }
    }

    fn give_back(&self, key: &Key) {
        self.store.give_back(key, nanos(self.interval));
    }

    pub(crate) fn keys(&self) -> usize {
        self.store.len()
    }

    pub(crate) fn sweep(&self) {
        self.store.sweep();
    }

    fn budget(&self, remaining: u32, retry_after: Duration, reset: Duration) -> Budget {
        Budget { limit: self.name.clone(), quota: self.quota.get(), remaining, retry_after, reset }
    }
}

/// All must pass. A refusal takes nothing from any of the first 64 buckets, and its wait suffices for all of them;
/// `floor` is a wait that other layers ask for.
pub(crate) fn check_all<'a>(
    limits: impl Iterator<Item = (&'a Limiter, Key)> + Clone,
    floor: Duration,
) -> Result<Passed, (usize, Budget)> {
    // Those that passed, a bit each, so that the common case allocates nothing.
    let mut taken = 0_u64;
    let mut passed = Passed { tightest: None, wait: Duration::ZERO };
    let mut refused: Option<(usize, Budget)> = None;
    for (at, (limit, key)) in limits.clone().enumerate() {
        match limit.check(&key) {
            Check::Pass(budget) => {
                passed.wait = passed.wait.max(limit.next_after(&budget));
                passed.tightest = tightest(passed.tightest.take(), Some(budget));
                taken |= bit(at);
            }
            Check::Limited(budget) => match &mut refused {
                None => refused = Some((at, budget)),
                Some((_, first)) => first.retry_after = first.retry_after.max(budget.retry_after),
            },
        }
    }
    let Some((at, mut budget)) = refused else { return Ok(passed) };
    for (_, (limit, key)) in limits.enumerate().filter(|(at, _)| taken & bit(*at) != 0) {
        limit.give_back(&key);
    }
    budget.retry_after = budget.retry_after.max(floor);
    budget.reset = budget.reset.max(budget.retry_after);
    Err((at, budget))
}

fn bit(at: usize) -> u64 {
    u32::try_from(at).ok().and_then(|at| 1_u64.checked_shl(at)).unwrap_or(0)
}

/// What is left after all limits of a layer passed.
pub(crate) struct Passed {
    pub(crate) tightest: Option<Budget>,
    /// After this time one more passes all of them.
    pub(crate) wait: Duration,
}

/// The one with less left.
pub(crate) fn tightest(one: Option<Budget>, other: Option<Budget>) -> Option<Budget> {
    match (one, other) {
        (Some(one), Some(other)) => Some(if other.remaining < one.remaining { other } else { one }),
        (one, other) => one.or(other),
    }
}

/// The store, held by the limiter and by us.
struct Shelf(Arc<Store>);

impl StateStore for Shelf {
    type Key = Key;

    fn measure_and_replace<T, F, E>(&self, key: &Key, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        self.0.measure_and_replace(key, measure)
    }
}

/// Our clock, as governor asks for it; it never goes back.
#[derive(Clone)]
struct Ticks(Arc<dyn Clock>);

impl governor::clock::Clock for Ticks {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

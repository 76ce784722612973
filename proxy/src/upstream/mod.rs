//! What is behind a circuit: which upstream gets a request, by which connection, and what is known of each.
//!
//! A [`Target`] chooses among the [`Backend`]s of a circuit or of a path of it. `peer` says how one is connected to,
//! `names` where it is, `condition` whether it works, `check` asks it; `upkeep` does both from time to time. `traffic`
//! counts what it got and how it answered.

mod backend;
mod check;
mod condition;
mod names;
mod peer;
mod traffic;
mod upkeep;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use vestibule_config::circuit::HealthCheck;
use vestibule_config::{Circuit, Upstreams};

pub(crate) use self::backend::{Backend, Flight};
pub(crate) use self::condition::Now;
pub(crate) use self::upkeep::run;

/// The upstreams of a circuit or of a path of it. What is known of each, and how many requests are under way, survives
/// a reload.
pub(crate) struct Target {
    /// At least one, in the file's order; no more than [`Passed`] can tell apart.
    backends: Vec<Arc<Backend>>,
    health: Option<HealthCheck>,
    /// Where the next choice begins, so that equals take turns.
    turn: AtomicUsize,
}

/// Which upstreams of a target a request does not try any more, by their places.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Passed(u64);

impl Passed {
    fn has(self, place: usize) -> bool {
        u32::try_from(place).ok().and_then(|place| 1_u64.checked_shl(place)).is_none_or(|bit| self.0 & bit != 0)
    }

    fn add(&mut self, place: usize) {
        self.0 |= u32::try_from(place).ok().and_then(|place| 1_u64.checked_shl(place)).unwrap_or_default();
    }
}

impl Target {
    /// `previous` is the target of the same circuit, or of the same path of it, before a reload.
    pub(crate) fn new(circuit: &Circuit, upstreams: &Upstreams, previous: Option<&Self>) -> Self {
        let Upstreams { all, health } = upstreams;
        let before = |url: &str| previous?.backends.iter().find(|backend| **backend.url() == *url);
        let backends = all.iter().enumerate().map(|(place, upstream)| {
            let before = before(&upstream.url).map(|backend| &**backend);
            Arc::new(Backend::new(circuit, place, upstream, health.is_some(), before))
        });
        Self { backends: backends.collect(), health: health.clone(), turn: AtomicUsize::new(0) }
    }

    /// In the file's order.
    pub(crate) fn backends(&self) -> &[Arc<Backend>] {
        &self.backends
    }

    /// How they are asked.
    pub(crate) fn health(&self) -> Option<&HealthCheck> {
        self.health.as_ref()
    }

    /// A place at the upstream that suits best: a healthy one, if there is one, and of those the one with the fewest
    /// requests. `None` where none of them takes another one. `now` is on the clock that never goes back.
    pub(crate) fn enter(&self, now: Duration) -> Option<Flight> {
        match self.backends.as_slice() {
            [one] => one.enter(now),
            _ => self.enter_another(&mut Passed::default(), now),
        }
    }

    /// The same at one that was not tried before. Those that had no room are noted in `passed` too.
    pub(crate) fn enter_another(&self, passed: &mut Passed, now: Duration) -> Option<Flight> {
        while let Some(backend) = self.best(*passed, now) {
            if let Some(flight) = backend.enter(now) {
                return Some(flight);
            }
            passed.add(backend.place());
        }
        None
    }

    fn best(&self, passed: Passed, now: Duration) -> Option<&Arc<Backend>> {
        let (before, from) = self.backends.split_at_checked(self.turn.load(Ordering::Relaxed))?;
        let in_turn = from.iter().chain(before).filter(|backend| !passed.has(backend.place()));
        let best = in_turn.min_by_key(|backend| (!backend.condition().is_usable(now), backend.in_flight()))?;
        self.turn.store(best.place() + 1, Ordering::Relaxed);
        Some(best)
    }

    /// Whether this is where one of them is: `port` is that of the connection, whatever the scheme.
    pub(crate) fn is_at(&self, host: &str, port: u16) -> bool {
        self.backends.iter().any(|backend| backend.is_at(host, port))
    }
}

impl Passed {
    /// Not tried again.
    pub(crate) fn pass(&mut self, backend: &Backend) {
        self.add(backend.place());
    }
}

#[cfg(test)]
mod tests;

//! What is done for upstreams from time to time: names are looked up again, and health is asked for.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use pingora::connectors::http::Connector;
use tokio::sync::Semaphore;
use tokio::time::{MissedTickBehavior, interval};
use vestibule_config::circuit::HealthCheck;

use super::backend::Backend;
use super::check;
use super::condition::Now;
use crate::state::State;

/// Looks what is due.
const TICK: Duration = Duration::from_millis(250);
/// Names of upstreams are looked up again, so that a moved backend is found.
const LOOK_UP_EVERY: Duration = Duration::from_secs(10);
/// Look-ups and questions at the same time; what is due beyond that waits for the next tick.
const AT_ONCE: usize = 64;

/// When an upstream is next looked up and asked: milliseconds on the clock that never goes back.
#[derive(Debug, Default)]
pub(super) struct Due {
    name_ms: AtomicU64,
    check_ms: AtomicU64,
}

/// Until the process ends.
pub(crate) async fn run(state: Arc<State>) {
    let upkeep = Upkeep {
        connector: Arc::new(LazyLock::new(|| Connector::new(None))),
        turns: Arc::new(Semaphore::new(AT_ONCE)),
        state,
    };
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        upkeep.round();
    }
}

struct Upkeep {
    /// Made when the first question is asked: it reads the system's authorities.
    connector: Arc<LazyLock<Connector>>,
    turns: Arc<Semaphore>,
    state: Arc<State>,
}

impl Upkeep {
    fn round(&self) {
        let live = self.state.live.load();
        let now = self.state.clock.elapsed();
        let mut seen = HashSet::new();
        for target in live.routes.all().filter_map(|route| route.target.as_ref()) {
            // Paths without upstreams of their own have the circuit's.
            if !seen.insert(Arc::as_ptr(target)) {
                continue;
            }
            for backend in target.backends() {
                self.look_up(backend, now);
                target.health().into_iter().for_each(|health| self.ask(backend, health, now));
            }
        }
    }

    fn look_up(&self, backend: &Arc<Backend>, now: Duration) {
        if !backend.is_named() || !is_due(&backend.due.name_ms, now) {
            return;
        }
        let Ok(turn) = self.turns.clone().try_acquire_owned() else { return };
        put_off(&backend.due.name_ms, now, LOOK_UP_EVERY);
        let backend = backend.clone();
        tokio::spawn(async move {
            backend.look_up().await;
            drop(turn);
        });
    }

    fn ask(&self, backend: &Arc<Backend>, health: &HealthCheck, now: Duration) {
        if !is_due(&backend.due.check_ms, now) {
            return;
        }
        let Ok(turn) = self.turns.clone().try_acquire_owned() else { return };
        // No question is longer than the time to the next.
        put_off(&backend.due.check_ms, now, health.every);
        let (backend, health, connector, state) =
            (backend.clone(), health.clone(), self.connector.clone(), self.state.clone());
        tokio::spawn(async move {
            let answer = check::ask(&connector, &backend, &health, &*state.clock).await;
            drop(turn);
            note(&backend, &health, answer, &state);
        });
    }
}

fn note(backend: &Backend, health: &HealthCheck, answer: Result<(), String>, state: &State) {
    let after = if answer.is_ok() { health.healthy_after } else { health.unhealthy_after };
    let why = answer.as_ref().err().cloned();
    let now = Now { elapsed: state.clock.elapsed(), time: state.clock.now() };
    if backend.condition().is_checked(answer, after, now) {
        backend.tell(why.as_deref());
    }
}

impl Backend {
    /// What changed; `why` it is not healthy any more.
    pub(crate) fn tell(&self, why: Option<&str>) {
        let (circuit, upstream) = (self.circuit(), self.url());
        match why {
            Some(why) => tracing::warn!(%circuit, %upstream, why, "upstream is not healthy"),
            None => tracing::info!(%circuit, %upstream, "upstream is healthy again"),
        }
    }
}

fn is_due(due: &AtomicU64, now: Duration) -> bool {
    u128::from(due.load(Ordering::Relaxed)) <= now.as_millis()
}

fn put_off(due: &AtomicU64, now: Duration, by: Duration) {
    due.store(u64::try_from((now + by).as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
}

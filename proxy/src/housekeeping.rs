//! What has to be done from time to time.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use pingora::server::ShutdownWatch;
use pingora::services::background::BackgroundService;
use serde_json::json;
use tokio::time::{MissedTickBehavior, interval};
use vestibule_auth::assertion::Rotated;
use vestibule_config::logs::Logs;
use vestibule_logstore::{Keep, Marks, Store};

use crate::audit::{Act, Actor};
use crate::believed::{Believed, Told};
use crate::state::State;
use crate::{alerts, anchors, attempt, audit, certificates, edge, exceeded, mail, tunnel, upstream};

/// Sessions that are over are taken away, keys that are old give way.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// Entries that need not be kept any more are removed, counters written, and heads signed.
const KEEP_EVERY: Duration = Duration::from_secs(60);
/// Looks whether the heads of the logs are due elsewhere, and tries again what did not get there.
const ANCHOR_EVERY: Duration = Duration::from_secs(60);
/// Attempts that nobody goes on with are ended.
const CLOSE_EVERY: Duration = Duration::from_secs(15);

/// Runs beside the gateway, until the process ends.
pub(crate) struct Housekeeping {
    state: Arc<State>,
}

impl Housekeeping {
    /// Started with the server.
    pub(crate) fn new(state: Arc<State>) -> Self {
        Self { state }
    }
}

async fn sweep_sessions(state: Arc<State>) {
    let mut ticks = every(SWEEP_EVERY);
    loop {
        ticks.tick().await;
        let swept = state.clone();
        match tokio::task::spawn_blocking(move || sweep(&swept)).await {
            Ok(Some(rotated)) => record(&state, &rotated).await,
            Ok(None) => (),
            Err(error) => tracing::error!(%error, "sweeping sessions failed"),
        }
    }
}

/// At the start, and then one after the other.
async fn keep_the_logs(state: Arc<State>) {
    let mut ticks = every(KEEP_EVERY);
    let known = state.store.believed().ok().flatten().or_else(|| state.store.latest());
    let mut believed = Believed::new(known, state.clock.now(), state.clock.elapsed());
    loop {
        ticks.tick().await;
        let (state, now) = (state.clone(), state.clock.now());
        let (old_by, told) = believed.now(now, state.clock.elapsed());
        if told == Told::Leapt {
            say_leapt(&state, old_by, now);
        }
        let kept = tokio::task::spawn_blocking(move || {
            let (pruned, saved) = (state.store.prune(old_by), state.store.save_stats(now));
            let saved = saved.and(state.store.set_believed(old_by));
            // Last, so that the head covers what the pruning said.
            pruned.and(saved).and(state.store.sign(&state.signer.read(), now))
        });
        match kept.await {
            Ok(Ok(())) => (),
            Ok(Err(error)) => tracing::error!(error = &error as &dyn std::error::Error, "keeping the logs failed"),
            Err(error) => tracing::error!(%error, "keeping the logs failed"),
        }
    }
}

/// Nothing is lost by it, and somebody should look.
fn say_leapt(state: &State, believed: Timestamp, now: Timestamp) {
    tracing::error!(%believed, %now, "the clock leapt forward; for a day no entry is taken for older than it was");
    let details = json!({ "believed": format!("{believed:.6}"), "clock": format!("{now:.6}") });
    audit::notice(state, "admin", "system.clock", "system", &details);
}

/// Of its own: a place that is slow holds up nothing else.
async fn send_due_anchors(state: Arc<State>) {
    let mut ticks = every(ANCHOR_EVERY);
    loop {
        ticks.tick().await;
        let state = state.clone();
        match tokio::task::spawn_blocking(move || anchors::tend(&state)).await {
            Ok(Ok(())) => (),
            Ok(Err(error)) => tracing::error!(error = format!("{error:#}"), "sending anchors failed"),
            Err(error) => tracing::error!(%error, "sending anchors failed"),
        }
    }
}

/// Attempts of which nothing more came.
async fn close_left_attempts(state: Arc<State>) {
    let mut ticks = every(CLOSE_EVERY);
    let mut closed = attempt::Closed::default();
    loop {
        ticks.tick().await;
        let state = state.clone();
        let round = tokio::task::spawn_blocking(move || {
            attempt::close(&state, &mut closed);
            closed
        });
        closed = match round.await {
            Ok(closed) => closed,
            Err(error) => {
                tracing::error!(%error, "closing attempts failed");
                attempt::Closed::default()
            }
        };
    }
}

/// What goes on beside the gateway, as the metrics name it.
pub(crate) const TASKS: [&str; 11] = [
    "sweep",
    "keep_logs",
    "send_anchors",
    "close_attempts",
    "upstreams",
    "exceeded",
    "flood",
    "mail",
    "alerts",
    "acme",
    "tunnels",
];

/// A task that broke off begins anew after this, so that one that does so each time does not spin.
const BEGIN_ANEW: Duration = Duration::from_secs(10);

/// Goes on until it ends by itself, with the program: a panic of it is counted, and takes nothing else with it.
async fn kept_going<F>(state: &Arc<State>, task: &'static str, pause: Duration, run: impl Fn(Arc<State>) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    while let Err(error) = tokio::spawn(run(state.clone())).await {
        if error.is_cancelled() {
            return;
        }
        tracing::error!(task, %error, "a task of the housekeeping broke off; it begins anew");
        state.metrics.task_panicked(task);
        tokio::time::sleep(pause).await;
    }
}

#[async_trait]
impl BackgroundService for Housekeeping {
    async fn start(&self, _shutdown: ShutdownWatch) {
        let state = &self.state;
        let [sweep, keep_logs, send_anchors, close_attempts, upstreams, exceeded, flood, mail, alerts, acme, tunnels] =
            TASKS;
        tokio::join!(
            kept_going(state, sweep, BEGIN_ANEW, sweep_sessions),
            kept_going(state, keep_logs, BEGIN_ANEW, keep_the_logs),
            kept_going(state, send_anchors, BEGIN_ANEW, send_due_anchors),
            kept_going(state, close_attempts, BEGIN_ANEW, close_left_attempts),
            kept_going(state, upstreams, BEGIN_ANEW, upstream::run),
            kept_going(state, exceeded, BEGIN_ANEW, exceeded::run),
            kept_going(state, flood, BEGIN_ANEW, edge::run_flood),
            kept_going(state, mail, BEGIN_ANEW, mail::run),
            kept_going(state, alerts, BEGIN_ANEW, alerts::run),
            kept_going(state, acme, BEGIN_ANEW, certificates::acme::run),
            kept_going(state, tunnels, BEGIN_ANEW, tunnel::run)
        );
    }
}

/// The change of the keys that sign assertions, if there was one; none while it could not be recorded.
fn sweep(state: &State) -> Option<Rotated> {
    let failed = |what: &str, error: vestibule_auth::Error| {
        tracing::error!(what, error = &error as &dyn std::error::Error, "housekeeping failed");
    };
    state.auth.sweep().unwrap_or_else(|error| failed("sessions", error));
    if !state.store.writable() {
        return None;
    }
    let age = state.live.load().settings.server.assertion_key_age;
    state.auth.rotate_assertion_keys(age).unwrap_or_else(|error| {
        failed("keys", error);
        None
    })
}

async fn record(state: &State, rotated: &Rotated) {
    let (step, key) = match rotated {
        Rotated::Published(key) => ("published", key),
        Rotated::Signs(key) => ("signs", key),
    };
    let details = json!({ "key": key, "step": step }).to_string();
    let act = Act {
        actor: &Actor::system(state.clock.now()),
        action_type: "security",
        action: "secret.rotate",
        resource_type: "secret",
        resource: Some("assertion_key"),
        status: "success",
        http_status: None,
        before: None,
        after: None,
        details: Some(&details),
        count: 1,
    };
    if let Err(error) = act.commit(state).await {
        tracing::error!(error = &error as &dyn std::error::Error, "a change of keys is not recorded");
    }
}

/// How long the store keeps its logs, and what it leaves free of its disk, as the file says.
pub(crate) fn keep_as(store: &Store, logs: &Logs) {
    let keep = [logs.access, logs.requests, logs.audit];
    store.set_keep(keep.map(|kept| Keep { age: Some(kept.keep), bytes: kept.max_bytes.map(|bytes| bytes.0) }));
    let [low, hard, ballast] = [logs.disk.low, logs.disk.hard, logs.disk.ballast].map(|said| said.map(|bytes| bytes.0));
    store.set_marks(Marks { low, hard, ballast });
}

fn every(period: Duration) -> tokio::time::Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use vestibule_logstore::Log;

    use super::*;
    use crate::rig::{Rig, example};

    #[tokio::test]
    async fn a_task_that_breaks_off_begins_anew_and_takes_nothing_else_with_it() {
        let rig = Rig::new(&example());
        let (begun, other) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let broken = |_| {
            let begun = begun.clone();
            async move { assert!(begun.fetch_add(1, Ordering::Relaxed) == 2, "it breaks off twice") }
        };
        let sound = |_| {
            let other = other.clone();
            async move { other.store(1, Ordering::Relaxed) }
        };
        tokio::join!(
            kept_going(&rig.state, "mail", Duration::ZERO, broken),
            kept_going(&rig.state, "acme", Duration::ZERO, sound)
        );
        assert_eq!((begun.load(Ordering::Relaxed), other.load(Ordering::Relaxed)), (3, 1));
        let held = [("mail", 2), ("acme", 0)];
        for (task, panics) in held {
            assert_eq!(rig.state.metrics.panics_of(task), panics, "{task}");
        }
    }

    #[tokio::test]
    async fn each_change_of_the_signing_keys_is_an_audit_entry() {
        let rig = Rig::new(&example());
        let age = rig.state.live.load().settings.server.assertion_key_age;
        for passed in [Duration::ZERO, age, Duration::from_secs(24 * 3600)] {
            rig.clock.advance(passed);
            if let Some(rotated) = sweep(&rig.state) {
                record(&rig.state, &rotated).await;
            }
        }
        let acts = rig.entries(Log::Audit, &[("order", "asc")]);
        let told: Vec<_> = acts.iter().map(|act| (act["action"].as_str(), act["details"].to_string())).collect();
        assert_eq!(told.len(), 2, "{told:?}");
        for ((action, details), step) in told.iter().zip(["published", "signs"]) {
            assert_eq!(*action, Some("secret.rotate"));
            assert!(details.contains(step), "{details}");
        }
        assert_eq!((&acts[0]["actor_type"], &acts[0]["resource"]), (&json!("system"), &json!("assertion_key")));
    }
}

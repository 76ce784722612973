//! What has to be done from time to time.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pingora::server::ShutdownWatch;
use pingora::services::background::BackgroundService;
use serde_json::json;
use tokio::time::{MissedTickBehavior, interval};
use vestibule_auth::assertion::Rotated;
use vestibule_config::logs::Logs;
use vestibule_logstore::Keep;

use crate::audit::{Act, Actor};
use crate::state::State;
use crate::{alerts, anchors, attempt, certificates, edge, exceeded, mail, tunnel, upstream};

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

    async fn sweep(&self) {
        let mut ticks = every(SWEEP_EVERY);
        loop {
            ticks.tick().await;
            let state = self.state.clone();
            match tokio::task::spawn_blocking(move || sweep(&state)).await {
                Ok(Some(rotated)) => record(&self.state, &rotated).await,
                Ok(None) => (),
                Err(error) => tracing::error!(%error, "sweeping sessions failed"),
            }
        }
    }

    /// At the start, and then one after the other.
    async fn keep_logs(&self) {
        let mut ticks = every(KEEP_EVERY);
        loop {
            ticks.tick().await;
            let (state, now) = (self.state.clone(), self.state.clock.now());
            let kept = tokio::task::spawn_blocking(move || {
                let (pruned, saved) = (state.store.prune(now), state.store.save_stats(now));
                // Last, so that the head covers what the pruning said.
                pruned.and(saved).and(state.store.sign(&state.signer, now))
            });
            match kept.await {
                Ok(Ok(())) => (),
                Ok(Err(error)) => tracing::error!(error = &error as &dyn std::error::Error, "keeping the logs failed"),
                Err(error) => tracing::error!(%error, "keeping the logs failed"),
            }
        }
    }

    /// Of its own: a place that is slow holds up nothing else.
    async fn send_anchors(&self) {
        let mut ticks = every(ANCHOR_EVERY);
        loop {
            ticks.tick().await;
            let state = self.state.clone();
            match tokio::task::spawn_blocking(move || anchors::tend(&state)).await {
                Ok(Ok(())) => (),
                Ok(Err(error)) => tracing::error!(error = format!("{error:#}"), "sending anchors failed"),
                Err(error) => tracing::error!(%error, "sending anchors failed"),
            }
        }
    }

    /// Attempts of which nothing more came.
    async fn close_attempts(&self) {
        let mut ticks = every(CLOSE_EVERY);
        let mut closed = attempt::Closed::default();
        loop {
            ticks.tick().await;
            let state = self.state.clone();
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
}

#[async_trait]
impl BackgroundService for Housekeeping {
    async fn start(&self, _shutdown: ShutdownWatch) {
        tokio::join!(
            self.sweep(),
            self.keep_logs(),
            self.send_anchors(),
            self.close_attempts(),
            upstream::run(self.state.clone()),
            exceeded::run(self.state.clone()),
            edge::run_flood(self.state.clone()),
            mail::run(self.state.clone()),
            alerts::run(self.state.clone()),
            certificates::acme::run(self.state.clone()),
            tunnel::run(self.state.clone())
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

/// As the file says, in the order of the logs.
pub(crate) fn keep(logs: &Logs) -> [Keep; 3] {
    [logs.access, logs.requests, logs.audit]
        .map(|kept| Keep { age: Some(kept.keep), bytes: kept.max_bytes.map(|bytes| bytes.0) })
}

fn every(period: Duration) -> tokio::time::Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

#[cfg(test)]
mod tests {
    use vestibule_logstore::Log;

    use super::*;
    use crate::rig::{Rig, example};

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

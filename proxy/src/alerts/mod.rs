//! Alerts: signed calls to somebody outside when something happens that should not.
//!
//! Whoever raises one waits for nothing. Equal ones in a short time are one; each receiver that wants to hear of it gets
//! a delivery, which is tried again where it fails, and ends with an entry of the audit log.

mod call;
mod delivery;
mod parked;
mod watch;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use vestibule_config::alert::Occasion;

use self::delivery::{Attempt, Delivery, Stage};
use crate::audit::{Act, Actor};
use crate::state::State;

/// Deliveries that are not done; one more is given up at once and counted.
const WAITING: usize = 256;
/// Deliveries that are done and remembered, for whoever looks; older ones are in the audit log only.
const REMEMBERED: usize = 1000;
/// Calls at the same time; others wait for the next second.
const AT_ONCE: usize = 16;
/// How often is looked for what is due.
const EVERY: Duration = Duration::from_secs(1);
/// Things that alerts were lately raised about; where there are more, all others of a kind are taken for one.
const SUBJECTS: usize = 1000;
/// What those others are called.
const OTHERS: &str = "others";
/// Equal alerts in this time are one, and the next one says how many there were.
const QUIET: Duration = Duration::from_secs(5 * 60);
/// The same for what lasts until somebody mends it.
const QUIET_OF_STATES: Duration = Duration::from_secs(3600);

/// What became of deliveries, as the metrics say it.
pub(crate) const RESULTS: [&str; 3] = ["delivered", "failed", "dropped"];

/// Alerts that wait and those that were sent.
#[derive(Default)]
pub(crate) struct Alerts {
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    quiet: HashMap<(Occasion, Box<str>), Quiet>,
    waiting: VecDeque<Delivery>,
    done: VecDeque<Delivery>,
    /// What waits is other than what is in the file.
    is_changed: bool,
}

/// Until when equal alerts are counted only.
struct Quiet {
    until: Duration,
    more: u64,
    last: Value,
}

/// Something happened. `subject` says to which thing, so that equal alerts are found; `details` are told, and hold
/// nothing that the log does not hold too.
pub(crate) fn raise(state: &State, occasion: Occasion, subject: &str, details: Value) {
    if !state.live.load().settings.alerts.values().any(|alert| alert.on.contains(&occasion)) {
        return;
    }
    if state.alerts.kept.lock().is_new(occasion, subject, &details, state.clock.elapsed()) {
        queue(state, occasion, details);
    }
}

/// Takes up what waited when the last process ended.
///
/// # Errors
/// When the file of it cannot be read; it is left for somebody to look at until something waits again.
pub(crate) fn take_up(state: &State) -> anyhow::Result<()> {
    let waiting = parked::read(&state.data_dir, state.clock.elapsed(), state.clock.now())?;
    state.alerts.kept.lock().waiting.extend(waiting);
    Ok(())
}

/// Sends until the program begins to stop, and then what is due once more.
pub(crate) async fn run(state: Arc<State>) {
    let mut stopping = state.stopping.subscribe();
    loop {
        tokio::select! {
            () = tokio::time::sleep(EVERY) => watch::look(&state),
            _ = stopping.wait_for(|stopping| *stopping) => break,
        }
        round(&state).await;
    }
    round(&state).await;
}

/// What waits is on disk for the next process; where it cannot be, it is given up, and the audit log says so. Before the
/// logs are closed.
pub(crate) fn park(state: &State) {
    let mut kept = state.alerts.kept.lock();
    let written = parked::write(&state.data_dir, kept.waiting.iter());
    let undone: Vec<_> = kept.waiting.drain(..).collect();
    drop(kept);
    if let Err(error) = written {
        tracing::error!(error = format!("{error:#}"), "alerts that wait are given up");
        undone.into_iter().for_each(|delivery| state.alerts.finish(state, delivery.ended(Stage::Failed)));
    }
}

/// Alerts of what went on while it was quiet, and one try of everything that is due.
async fn round(state: &Arc<State>) {
    let now = state.clock.elapsed();
    let gathered = state.alerts.kept.lock().gathered(now);
    gathered.into_iter().for_each(|(occasion, details)| queue(state, occasion, details));
    let mut calls = JoinSet::new();
    for delivery in state.alerts.kept.lock().due(now) {
        let state = state.clone();
        calls.spawn(async move {
            let (attempt, is_last) = try_once(&state, &delivery).await;
            (delivery, attempt, is_last)
        });
    }
    while let Some(called) = calls.join_next().await {
        match called {
            Ok((delivery, attempt, is_last)) => state.alerts.settle(state, delivery.tried(attempt), is_last),
            Err(error) => tracing::error!(%error, "an alert broke off"),
        }
    }
    // A crash sends again what was tried since.
    let mut kept = state.alerts.kept.lock();
    if std::mem::take(&mut kept.is_changed)
        && let Err(error) = parked::write(&state.data_dir, kept.waiting.iter())
    {
        kept.is_changed = true;
        tracing::warn!(error = format!("{error:#}"), "alerts that wait are in memory only");
    }
}

/// Whether nothing more is to be tried, whatever came of it, stands beside it.
async fn try_once(state: &State, delivery: &Delivery) -> (Attempt, bool) {
    let time = state.clock.now();
    let live = state.live.load_full();
    match live.settings.alerts.values().find(|alert| alert.name.as_str() == &*delivery.receiver) {
        Some(alert) => (call::send(&*state.network, alert, delivery, time).await, false),
        None => (Attempt::failed(time, "it is not in the configuration any more"), true),
    }
}

fn queue(state: &State, occasion: Occasion, details: Value) {
    let (time, now) = (state.clock.now(), state.clock.elapsed());
    let live = state.live.load();
    let wanting = live.settings.alerts.values().filter(|alert| alert.on.contains(&occasion));
    record(state, occasion.as_str(), None, "alert.raise", "alert", &details);
    for alert in wanting {
        let delivery =
            Delivery::new(alert.name.shared(), occasion, time, now, &details, &state.store.uuid().to_string());
        let mut kept = state.alerts.kept.lock();
        if kept.waiting.len() < WAITING {
            kept.waiting.push_back(delivery);
            kept.is_changed = true;
        } else {
            drop(kept);
            tracing::error!(receiver = alert.name.as_str(), "too many alerts wait; one is given up");
            state.alerts.finish(state, delivery.ended(Stage::Dropped));
        }
    }
}

impl Alerts {
    /// Deliveries that are not done.
    pub(crate) fn waiting(&self) -> u64 {
        self.kept.lock().waiting.len() as u64
    }

    /// Deliveries, the latest first, as they are told.
    pub(crate) fn list(&self, now: Duration, time: Timestamp) -> Vec<Value> {
        let kept = self.kept.lock();
        let mut all: Vec<_> = kept.waiting.iter().chain(&kept.done).collect();
        all.sort_by_key(|delivery| std::cmp::Reverse(delivery.time));
        all.into_iter().map(|delivery| delivery.shown(now, time)).collect()
    }

    fn settle(&self, state: &State, delivery: Delivery, is_last: bool) {
        let mut kept = self.kept.lock();
        kept.is_changed = true;
        if delivery.stage == Stage::Waiting && !is_last {
            return kept.waiting.push_back(delivery);
        }
        drop(kept);
        let stage = if delivery.stage == Stage::Waiting { Stage::Failed } else { delivery.stage };
        self.finish(state, delivery.ended(stage));
    }

    fn finish(&self, state: &State, delivery: Delivery) {
        let (result, status) = match delivery.stage {
            Stage::Delivered => ("delivered", "success"),
            Stage::Waiting | Stage::Failed => ("failed", "failed"),
            Stage::Dropped => ("dropped", "failed"),
        };
        state.metrics.alert(result);
        let details = json!({
            "id": delivery.id,
            "occasion": delivery.occasion.as_str(),
            "attempts": delivery.attempts.len(),
            "error": delivery.attempts.last().and_then(|last| last.error.as_deref()),
        });
        record(state, &delivery.receiver, Some(result), "alert.deliver", status, &details);
        let mut kept = self.kept.lock();
        kept.done.push_back(delivery);
        if kept.done.len() > REMEMBERED {
            kept.done.pop_front();
        }
    }
}

impl Kept {
    fn is_new(&mut self, occasion: Occasion, subject: &str, details: &Value, now: Duration) -> bool {
        let mut key: (Occasion, Box<str>) = (occasion, subject.into());
        if self.quiet.len() >= SUBJECTS && !self.quiet.contains_key(&key) {
            key = (occasion, OTHERS.into());
        }
        if let Some(quiet) = self.quiet.get_mut(&key).filter(|quiet| quiet.until > now) {
            quiet.more += 1;
            quiet.last.clone_from(details);
            return false;
        }
        self.quiet.insert(key, Quiet { until: now + quiet_after(occasion), more: 0, last: Value::Null });
        true
    }

    /// What went on while it was quiet, and to how many; what lasts is raised again by whoever watches it.
    fn gathered(&mut self, now: Duration) -> Vec<(Occasion, Value)> {
        let mut gathered = Vec::new();
        for ((occasion, _), quiet) in &mut self.quiet {
            if quiet.until <= now && quiet.more > 0 && quiet_after(*occasion) == QUIET {
                let mut details = std::mem::take(&mut quiet.last);
                if let Some(details) = details.as_object_mut() {
                    details.insert("count".to_owned(), quiet.more.into());
                }
                gathered.push((*occasion, details));
                (quiet.until, quiet.more) = (now + QUIET, 0);
            }
        }
        self.quiet.retain(|_, quiet| quiet.until > now);
        gathered
    }

    fn due(&mut self, now: Duration) -> Vec<Delivery> {
        let (due, later): (Vec<_>, Vec<_>) = self.waiting.drain(..).partition(|delivery| delivery.next <= now);
        let mut due = due.into_iter();
        let taken = due.by_ref().take(AT_ONCE).collect();
        self.waiting.extend(due.chain(later));
        taken
    }
}

const fn quiet_after(occasion: Occasion) -> Duration {
    match occasion {
        Occasion::BruteForce | Occasion::LockOut => QUIET,
        Occasion::Verification | Occasion::AnchorAge | Occasion::Disk => QUIET_OF_STATES,
    }
}

/// Not waited for: an alert about a log that cannot be written must go out all the same.
fn record(state: &State, resource: &str, result: Option<&str>, action: &str, status: &str, details: &Value) {
    let details = details.to_string();
    let act = Act {
        actor: &Actor::system(state.clock.now()),
        action_type: "security",
        action,
        resource_type: "system",
        resource: Some(resource),
        status,
        http_status: None,
        before: None,
        after: result,
        details: Some(&details),
        count: 1,
    };
    act.append(state);
}

#[cfg(test)]
mod tests;

//! New configuration while running: one path for HUP, a changed file and the admin API.
//!
//! Read, parse, resolve secrets, check, build beside, run `[[tests]]`, record, swap. Any problem keeps what is in force; it is reported
//! once, with places and remedies, is an audit entry, and turns `vestibule_config_last_reload_successful` to 0.
//! Sessions and limiters live outside [`Live`] and stay.

mod files;
mod fixed;
mod tokens;
mod watch;

use std::sync::Arc;

use jiff::Timestamp;
use parking_lot::Mutex;
use serde_json::json;
use vestibule_config::{Report, Settings, Severity};
use vestibule_logstore::Unavailable;

use crate::audit::{Act, Actor};
use crate::explain;
use crate::housekeeping;
use crate::state::{Live, State};

use files::Reading;
pub(crate) use watch::start;

/// What is remembered between reloads; one in [`State`].
#[derive(Debug, Default)]
pub(crate) struct Reloads {
    /// Held over a whole reload, so that two never cross. Inside: what the last one read.
    turn: tokio::sync::Mutex<Option<Reading>>,
    last: Mutex<Option<Arc<Last>>>,
}

impl Reloads {
    /// How the last one went; absent before the first.
    pub(crate) fn last(&self) -> Option<Arc<Last>> {
        self.last.lock().clone()
    }
}

/// How the last reload went.
#[derive(Debug)]
pub(crate) struct Last {
    pub(crate) time: Timestamp,
    pub(crate) cause: Cause,
    pub(crate) outcome: Outcome,
}

/// What asked for a reload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// HUP.
    Signal,
    /// A file is not what it was.
    File,
    /// `POST /api/v1/config/reload`.
    Api,
}

impl Cause {
    /// The word of audit entries and of the status.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Signal => "signal",
            Self::File => "file",
            Self::Api => "api",
        }
    }
}

/// What became of a reload.
#[derive(Debug, Clone)]
pub(crate) enum Outcome {
    /// In force.
    Applied {
        before: Arc<str>,
        after: Arc<str>,
        /// Keys whose new values wait for a restart; the old ones stay in force.
        needs_restart: Vec<&'static str>,
        warnings: usize,
    },
    /// The files say what is in force already.
    Unchanged { revision: Arc<str> },
    /// Nothing changed; every problem at once.
    Refused(Report),
    /// The audit entry could not be written, so nothing changed.
    Unrecorded(Unavailable),
}

impl Outcome {
    /// Whether the files and what is in force agree now.
    pub(crate) fn successful(&self) -> bool {
        match self {
            Self::Applied { .. } | Self::Unchanged { .. } => true,
            Self::Refused(_) | Self::Unrecorded(_) => false,
        }
    }
}

/// Brings the files into force, or says why not.
pub(crate) async fn reload(state: &Arc<State>, cause: Cause, actor: &Actor) -> Outcome {
    let mut turn = state.reloads.turn.lock().await;
    let (settings, reading) = read(state, actor.started).await;
    *turn = Some(reading);
    let outcome = match settings {
        Err(report) => refuse(state, cause, actor, report).await,
        Ok(settings) if settings.revision == state.live.load().settings.revision => {
            tracing::info!(cause = cause.code(), revision = %settings.revision, "configuration unchanged");
            Outcome::Unchanged { revision: settings.revision }
        }
        Ok(settings) => put_in_force(state, cause, actor, settings).await,
    };
    state.metrics.reloaded(outcome.successful());
    let last = Last { time: state.clock.now(), cause, outcome: outcome.clone() };
    *state.reloads.last.lock() = Some(Arc::new(last));
    outcome
}

/// Files and environment, off the runtime: a network file system may take its time.
async fn read(state: &Arc<State>, now: Timestamp) -> (Result<Settings, Report>, Reading) {
    let (path, live) = (state.config_path.clone(), state.live.load_full());
    let read = tokio::task::spawn_blocking(move || files::load(&path, now, &live.settings));
    read.await.expect("the loader returns its problems and does not panic")
}

async fn put_in_force(state: &Arc<State>, cause: Cause, actor: &Actor, mut settings: Settings) -> Outcome {
    let old = state.live.load_full();
    let needs_restart = fixed::keep(&mut settings, &old.settings);
    let (before, after) = (old.settings.revision.clone(), settings.revision.clone());
    let warnings = settings.warnings.len();
    if warnings > 0 {
        tracing::warn!(warnings, "configuration has warnings\n{}", settings.report());
    }
    let live = build(state, settings).await;
    let failed = explain::failures(&live, &*state.clock);
    if !failed.is_empty() {
        return refuse(state, cause, actor, live.settings.refused(failed)).await;
    }
    let details = json!({ "cause": cause.code(), "needs_restart": needs_restart, "warnings": warnings }).to_string();
    let recorded = match record(state, actor, "success", &before, Some(&after), &details).await {
        Ok(()) => tokens::record(state, actor, &old.settings, &live.settings).await,
        Err(unavailable) => Err(unavailable),
    };
    if let Err(unavailable) = recorded {
        tracing::error!(cause = cause.code(), error = %unavailable, "configuration kept: the reload cannot be recorded");
        return Outcome::Unrecorded(unavailable);
    }
    state.store.set_keep(housekeeping::keep(&live.settings.logs));
    state.metrics.expect(&live.settings);
    live.forget_other_tokens(&state.auth);
    state.live.store(Arc::new(live));
    tracing::info!(cause = cause.code(), %before, %after, warnings, "configuration reloaded");
    for key in &needs_restart {
        tracing::warn!(key, "changed, but needs a restart; the old value stays in force");
    }
    Outcome::Applied { before, after, needs_restart, warnings }
}

/// Gates and routes, off the runtime: a geo database is opened here.
async fn build(state: &Arc<State>, settings: Settings) -> Live {
    let state = state.clone();
    let built = tokio::task::spawn_blocking(move || {
        Live::new(settings, &state.auth, Some(&state.live.load()), state.clock.now())
    });
    built.await.expect("building gates and routes from checked settings does not panic")
}

async fn refuse(state: &Arc<State>, cause: Cause, actor: &Actor, report: Report) -> Outcome {
    tracing::error!(
        cause = cause.code(),
        problems = report.problems.len(),
        "configuration refused; the old one stays in force\n{}",
        report
    );
    let revision = state.live.load().settings.revision.clone();
    let details = json!({ "cause": cause.code(), "problems": problems(&report) }).to_string();
    // The refusal changes nothing, so it stands also when it cannot be recorded.
    if let Err(unavailable) = record(state, actor, "failed", &revision, None, &details).await {
        tracing::error!(error = %unavailable, "the refused reload cannot be recorded");
    }
    Outcome::Refused(report)
}

async fn record(
    state: &State,
    actor: &Actor,
    status: &str,
    before: &str,
    after: Option<&str>,
    details: &str,
) -> Result<(), Unavailable> {
    let before = json!({ "revision": before }).to_string();
    let after = after.map(|revision| json!({ "revision": revision }).to_string());
    let file = state.config_path.display().to_string();
    let act = Act {
        actor,
        action_type: "admin",
        action: "config.reload",
        resource_type: "config",
        resource: Some(&file),
        status,
        http_status: None,
        before: Some(&before),
        after: after.as_deref(),
        details: Some(details),
        count: 1,
    };
    act.commit(state).await.map(|_| ())
}

/// What refuses the files, as JSON, the same in audit entries, in the status and in answers. At most
/// [`PROBLEMS_SHOWN`].
pub(crate) fn problems(report: &Report) -> Vec<serde_json::Value> {
    let errors = report.problems.iter().filter(|problem| problem.severity == Severity::Error);
    errors.take(PROBLEMS_SHOWN).map(|problem| json!(problem)).collect()
}

/// A file can hold any number of mistakes; an audit entry holds so many of them.
const PROBLEMS_SHOWN: usize = 50;

#[cfg(test)]
mod tests;

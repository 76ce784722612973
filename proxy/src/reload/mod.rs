//! New configuration while running: one path for HUP, a changed file and the admin API.
//!
//! Read, parse, resolve secrets, check, build beside, run `[[tests]]`, record, swap. Any problem keeps what is in force; it is reported
//! once, with places and remedies, is an audit entry, and turns `vestibule_config_last_reload_successful` to 0.
//! Sessions and limiters live outside [`Live`] and stay.

mod difference;
mod files;
mod fixed;
mod history;
mod record;
mod shift;
mod tokens;
mod watch;
mod write;

use std::path::Path;
use std::sync::Arc;

use http::StatusCode;
use jiff::Timestamp;
use parking_lot::Mutex;
use serde_json::json;
use vestibule_config::{Report, Settings};
use vestibule_logstore::Unavailable;

use crate::audit::Actor;
use crate::explain;
use crate::housekeeping;
use crate::overlay::Texts;
use crate::state::{Live, State};

pub(crate) use difference::{Difference, some};
use files::{Loaded, Reading};
pub(crate) use history::{History, Kept, Named, Revision};
pub(crate) use record::{moved, problems};
use record::{record, refuse, refuse_unwritable};
pub(crate) use shift::Shift;
pub(crate) use vestibule_config::diff::Change;
pub(crate) use watch::start;
pub(crate) use write::{Unwritable, file_of};

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
    /// `PUT /api/v1/config`.
    Put,
    /// `POST /api/v1/config/rollback`.
    Rollback,
}

impl Cause {
    /// The word of audit entries and of the status.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Signal => "signal",
            Self::File => "file",
            Self::Api => "api",
            Self::Put => "put",
            Self::Rollback => "rollback",
        }
    }

    /// Of the audit entry, where a request waits for this answer.
    fn http_status(self, answer: StatusCode) -> Option<u16> {
        match self {
            Self::Signal | Self::File => None,
            Self::Api | Self::Put | Self::Rollback => Some(answer.as_u16()),
        }
    }

    /// The act of its audit entry.
    fn action(self) -> &'static str {
        match self {
            Self::Signal | Self::File | Self::Api => "config.reload",
            Self::Put => "config.change",
            Self::Rollback => "config.rollback",
        }
    }
}

/// The answer to who asked for a reload, and in its audit entry: it is in force.
const APPLIED: StatusCode = StatusCode::OK;
/// The files have problems.
pub(crate) const REFUSED: StatusCode = StatusCode::UNPROCESSABLE_ENTITY;
/// A file takes no text.
pub(crate) const UNWRITABLE: StatusCode = StatusCode::CONFLICT;
/// Something else is in force, or in the files, than what was looked at.
pub(crate) const MOVED: StatusCode = StatusCode::PRECONDITION_FAILED;

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
        difference: Arc<Difference>,
    },
    /// The files say what is in force already.
    Unchanged { revision: Arc<str> },
    /// Nothing changed; every problem at once.
    Refused(Report),
    /// The audit entry could not be written, so nothing changed.
    Unrecorded(Unavailable),
    /// A new text could not be written, so nothing changed.
    Unwritable(Unwritable),
    /// Another revision is in force than the one that was to be changed, or the files are others by now.
    Moved { revision: Arc<str> },
}

/// New texts of files, that are written where what they come to is good; without any the files as they are.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) texts: Texts,
    /// The revision that is to be changed; absent: whichever is in force.
    pub(crate) of: Option<String>,
    /// The revision that it must come to, because somebody looked at that one; absent: whatever is read.
    pub(crate) to: Option<String>,
}

impl Wanted {
    /// Whether it was thought of for something else than a change from the first revision to the second.
    fn is_another(&self, of: &str, to: &str) -> bool {
        let differs = |wanted: Option<&String>, is: &str| wanted.is_some_and(|wanted| wanted != is);
        differs(self.of.as_ref(), of) || differs(self.to.as_ref(), to)
    }
}

impl Outcome {
    /// Whether the files and what is in force agree now.
    pub(crate) fn successful(&self) -> bool {
        match self {
            Self::Applied { .. } | Self::Unchanged { .. } => true,
            Self::Refused(_) | Self::Unrecorded(_) | Self::Unwritable(_) | Self::Moved { .. } => false,
        }
    }
}

/// Brings the files into force, or says why not.
pub(crate) async fn reload(state: &Arc<State>, cause: Cause, actor: &Actor) -> Outcome {
    apply(state, cause, actor, Wanted::default()).await
}

/// Brings the files into force as they are, or as they are wanted, or says why not.
pub(crate) async fn apply(state: &Arc<State>, cause: Cause, actor: &Actor, wanted: Wanted) -> Outcome {
    let mut turn = state.reloads.turn.lock().await;
    let writes = !wanted.texts.is_empty();
    let in_force = state.live.load().settings.revision.clone();
    // Nobody's change is lost: neither one that is in force, nor one that stands in the files only.
    let is_late = wanted.of.as_ref().is_some_and(|of| **of != *in_force);
    if writes && (is_late || !is_current(turn.as_ref(), actor.started).await) {
        return moved(state, cause, actor, wanted.of.as_deref(), wanted.to.as_deref()).await;
    }
    let Loaded { settings, reading, files } = read(state, actor.started, wanted.texts.clone()).await;
    let outcome = match settings {
        Err(report) => refuse(state, cause, actor, report).await,
        Ok(settings) if settings.revision == in_force => {
            tracing::info!(cause = cause.code(), revision = %settings.revision, "configuration unchanged");
            Outcome::Unchanged { revision: settings.revision }
        }
        // What was read is not remembered: whoever watches the files has yet to see it.
        Ok(settings) if wanted.is_another(&in_force, &settings.revision) => {
            return moved(state, cause, actor, wanted.of.as_deref(), wanted.to.as_deref()).await;
        }
        Ok(settings) => put_in_force(state, cause, actor, settings, wanted.texts).await,
    };
    if let Outcome::Applied { .. } = outcome {
        keep(state, cause.code(), actor, files).await;
    }
    // What was wanted and not written is on no disk.
    if !writes || outcome.successful() {
        *turn = Some(reading);
        state.metrics.reloaded(outcome.successful());
        let last = Last { time: state.clock.now(), cause, outcome: outcome.clone() };
        *state.reloads.last.lock() = Some(Arc::new(last));
    }
    outcome
}

/// Whether the files say what they said when they were read.
async fn is_current(reading: Option<&Reading>, now: Timestamp) -> bool {
    let reading = reading.cloned();
    let look = move || reading.is_none_or(|reading| reading.is_current(now));
    tokio::task::spawn_blocking(look).await.unwrap_or(false)
}

/// What the files, or these texts in place of theirs, would come to: the new revision, the keys that wait for a restart,
/// the warnings and the difference.
///
/// # Errors
/// Every problem at once.
pub(crate) async fn preview(state: &Arc<State>, now: Timestamp, texts: Texts) -> Result<Preview, Report> {
    let mut settings = read(state, now, texts).await.settings?;
    let old = state.live.load_full();
    let needs_restart = fixed::keep(&mut settings, &old.settings);
    let (live, difference) = build(state, settings, now).await?;
    Ok(Preview { settings: live.settings, needs_restart, difference })
}

/// What a reload would come to.
pub(crate) struct Preview {
    pub(crate) settings: Settings,
    pub(crate) needs_restart: Vec<&'static str>,
    pub(crate) difference: Difference,
}

/// Files and environment, off the runtime: a network file system may take its time.
async fn read(state: &Arc<State>, now: Timestamp, texts: Texts) -> Loaded {
    let (path, live) = (state.config_path.clone(), state.live.load_full());
    let read = tokio::task::spawn_blocking(move || files::load(&path, now, &live.settings, texts));
    read.await.expect("the loader returns its problems and does not panic")
}

async fn put_in_force(
    state: &Arc<State>,
    cause: Cause,
    actor: &Actor,
    mut settings: Settings,
    texts: Texts,
) -> Outcome {
    let old = state.live.load_full();
    let needs_restart = fixed::keep(&mut settings, &old.settings);
    let (before, after) = (old.settings.revision.clone(), settings.revision.clone());
    let warnings = settings.warnings.len();
    if warnings > 0 {
        tracing::warn!(warnings, "configuration has warnings\n{}", settings.report().brief());
    }
    let (live, difference) = match build(state, settings, actor.started).await {
        Ok((live, difference)) => (live, Arc::new(difference)),
        Err(report) => return refuse(state, cause, actor, report).await,
    };
    let written = match write::write(texts).await {
        Ok(written) => written,
        Err(unwritable) => return refuse_unwritable(state, cause, actor, unwritable).await,
    };
    let details = json!({
        "cause": cause.code(),
        "needs_restart": needs_restart,
        "warnings": warnings,
        "difference": difference.to_json().get("access"),
        "widens": difference.widens(),
    });
    let told = [(&before, difference.before()), (&after, difference.after())];
    let [was, is] = told.map(|(revision, settings)| json!({ "revision": **revision, "settings": settings }));
    let recorded = match record(state, (cause, actor), APPLIED, &was, Some(&is), &details).await {
        Ok(()) => tokens::record(state, actor, cause.http_status(APPLIED), &old.settings, &live.settings).await,
        Err(unavailable) => Err(unavailable),
    };
    if let Err(unavailable) = recorded {
        tracing::error!(cause = cause.code(), error = %unavailable, "configuration kept: the reload cannot be recorded");
        write::put_back(written).await;
        return Outcome::Unrecorded(unavailable);
    }
    housekeeping::keep_as(&state.store, &live.settings.logs);
    state.metrics.expect(&live.settings, Some(&old.settings));
    live.forget_other_tokens(&state.auth);
    state.live.store(Arc::new(live));
    take_certificates(state).await;
    tracing::info!(cause = cause.code(), %before, %after, warnings, "configuration reloaded");
    for key in &needs_restart {
        tracing::warn!(key, "changed, but needs a restart; the old value stays in force");
    }
    Outcome::Applied { before, after, needs_restart, warnings, difference }
}

/// A revision that nobody can go back to is no reason to refuse it.
async fn keep(state: &Arc<State>, cause: &str, actor: &Actor, files: Vec<Kept>) {
    let live = state.live.load_full();
    let revision = Revision {
        revision: live.settings.revision.to_string(),
        time: live.since,
        actor: actor.name.clone(),
        actor_type: actor.kind.code().to_owned(),
        cause: cause.to_owned(),
        files,
    };
    let history = history(state);
    match tokio::task::spawn_blocking(move || history.keep(&revision)).await {
        Ok(Ok(())) => (),
        Ok(Err(error)) => tracing::error!(%error, "a revision of the configuration cannot be kept"),
        Err(error) => tracing::error!(%error, "a revision of the configuration cannot be kept"),
    }
}

/// The revisions that were in force.
pub(crate) fn history(state: &State) -> History {
    History::of(Path::new(&state.live.load().settings.server.data_dir))
}

/// Gates and routes, whose `[[tests]]` pass, and what is different from what is in force. Off the runtime: a geo database
/// is opened here, and all of both configurations compared.
async fn build(state: &Arc<State>, settings: Settings, now: Timestamp) -> Result<(Live, Difference), Report> {
    let state = state.clone();
    let built = tokio::task::spawn_blocking(move || {
        let old = state.live.load_full();
        let live = Live::new(settings, &state.auth, Some(&old), state.clock.now());
        let failed = explain::failures(&live, &*state.clock);
        if !failed.is_empty() {
            return Err(live.settings.refused(failed));
        }
        let difference = Difference::between(&old.settings, &live.settings, now);
        Ok((live, difference))
    });
    built.await.expect("building gates and routes from checked settings does not panic")
}

/// Those of the configuration that is in force now; off the runtime: they are files.
async fn take_certificates(state: &Arc<State>) {
    let state = state.clone();
    let taken = tokio::task::spawn_blocking(move || state.certificates.refresh(&state.live));
    taken.await.expect("reading certificates does not panic");
}

#[cfg(test)]
mod tests;

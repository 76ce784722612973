//! `[logs] scrub`: what is stored is read again, a segment at a time, to see whether it still is what was written.
//!
//! A thread of its own does it, so that it holds up nothing else. After the last segment what all of them come to is
//! compared with the signed heads; then it begins anew. How far it is outlives a restart.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use serde_json::{Value, json};
use vestibule_config::alert::Occasion;
use vestibule_logstore::succession::Keys;
use vestibule_logstore::verify::{self, Extent, Finding, Place, Progress, Scrubbed};
use vestibule_logstore::{Error, Log, checkpoint};

use crate::state::State;
use crate::{alerts, audit};

/// The setting and the stop are looked at so often.
const LOOK: Duration = Duration::from_secs(1);

/// Findings that are remembered; of more only the number is.
const REMEMBERED: usize = 100;

/// How the scrub goes; `Scrub::default()`, kept going by the thread of [`start`].
#[derive(Debug, Default)]
pub(crate) struct Scrub {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// None until the thread has begun.
    place: Option<Place>,
    /// Entries of this round that were read.
    entries: u64,
    passes: u64,
    /// When the last round ended.
    last_pass: Option<Timestamp>,
    /// Findings of all rounds since the start.
    failures: u64,
    /// By the latest look at each place, and since when.
    found: BTreeMap<Found, Timestamp>,
    /// Why the latest step was none.
    error: Option<String>,
}

/// What is wrong at one place.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Found {
    log: &'static str,
    at: At,
    finding: Finding,
}

/// Where the scrub looked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum At {
    /// At the segment that begins there.
    Segment(u64),
    /// At what the segments come to.
    Tree,
}

/// Figures for the metrics page.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Figures {
    /// Entries of this round that were read.
    pub(crate) entries: u64,
    /// Rounds that ended since the start.
    pub(crate) passes: u64,
    /// Since the last round ended, in seconds; none before the first since the start.
    pub(crate) age: Option<i64>,
    /// Findings since the start.
    pub(crate) failures: u64,
}

impl Scrub {
    pub(crate) fn figures(&self, now: Timestamp) -> Figures {
        let known = self.known.lock();
        let age = known.last_pass.map(|last| now.as_second().saturating_sub(last.as_second()).max(0));
        Figures { entries: known.entries, passes: known.passes, age, failures: known.failures }
    }

    /// Whether nothing was found that is not mended.
    pub(crate) fn is_sound(&self) -> bool {
        self.known.lock().found.is_empty()
    }

    /// As the admin port says it.
    pub(crate) fn shown(&self, every: Option<Duration>) -> Value {
        let known = self.known.lock();
        let found = known.found.iter().map(|(Found { log, at: _, finding }, time)| {
            json!({
                "log": log,
                "kind": finding.kind.name(),
                "first": finding.first,
                "last": finding.last,
                "time": format!("{time:.6}"),
            })
        });
        json!({
            "every_seconds": every.map(|every| every.as_secs()),
            "log": known.place.map(|place| place.log.name()),
            "seq": known.place.map(|place| place.seq),
            "passes": known.passes,
            "last_pass": known.last_pass.map(|time| format!("{time:.6}")),
            "failures": known.failures,
            "error": known.error,
            "findings": found.collect::<Vec<_>>(),
        })
    }
}

impl Known {
    /// What is wrong there now instead of what was; what was not known yet is to be told.
    fn set(&mut self, log: Log, at: At, findings: &[Finding], now: Timestamp) -> Vec<Finding> {
        self.failures += findings.len() as u64;
        let before = std::mem::take(&mut self.found);
        let is_known =
            |finding: &Finding| before.keys().any(|known| known.log == log.name() && known.finding == *finding);
        let fresh: Vec<_> = findings.iter().filter(|finding| !is_known(finding)).copied().collect();
        let is_there = |found: &Found| found.log == log.name() && found.at == at;
        let stays = |found: &Found| !is_there(found) || findings.contains(&found.finding);
        self.found = before.into_iter().filter(|(found, _)| stays(found)).collect();
        for finding in findings {
            if self.found.len() < REMEMBERED {
                self.found.entry(Found { log: log.name(), at, finding: *finding }).or_insert(now);
            }
        }
        fresh
    }
}

/// The thread that reads.
pub(crate) struct Scrubbing {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

/// Goes on where the last one was.
///
/// # Errors
/// When the system has no thread for it.
pub(crate) fn start(state: Arc<State>) -> io::Result<Scrubbing> {
    let (stop, stopped) = mpsc::channel();
    let thread = std::thread::Builder::new().name("scrub".to_owned()).spawn(move || {
        let mut last = state.clock.elapsed();
        while stopped.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
            let every = state.live.load().settings.logs.scrub;
            let now = state.clock.elapsed();
            if every.is_some_and(|every| now.saturating_sub(last) >= every) && state.store.writable() {
                last = now;
                tend(&state);
            }
        }
    })?;
    Ok(Scrubbing { stop, thread })
}

impl Scrubbing {
    /// Before the logs are closed; waits for the segment that is being read.
    pub(crate) fn finish(self) {
        drop(self.stop);
        if self.thread.join().is_err() {
            tracing::error!("the scrub of the logs panicked");
        }
    }
}

/// One step. What it cannot do is tried again the next time.
fn tend(state: &State) {
    let done = step(state);
    if let Err(error) = &done {
        tracing::warn!(error = error as &dyn std::error::Error, "the logs could not be scrubbed");
    }
    state.scrub.known.lock().error = done.err().map(|error| error.to_string());
}

fn step(state: &State) -> Result<(), Error> {
    let known = state.scrub.known.lock().place;
    let place = known.map_or_else(|| verify::scrubbed(&state.store), Ok)?;
    let next = match verify::scrub(&state.store, place)? {
        Some(Scrubbed { log, first, last, findings }) => {
            found(state, log, At::Segment(first), &findings);
            state.scrub.known.lock().entries += last + 1 - first;
            Place { log, seq: last + 1 }
        }
        None => {
            end(state)?;
            Place::START
        }
    };
    state.scrub.known.lock().place = Some(next);
    verify::set_scrubbed(&state.store, next)
}

/// The segments were read; what they come to is compared with what was signed, together with what is not sealed yet.
fn end(state: &State) -> Result<(), Error> {
    let (own, name) = (state.signer.read().public_key(), checkpoint::name(state.store.uuid()));
    let first = Keys::first(own, &name, &state.store.successions()?);
    let extent = Extent { threads: 1, since: Some(Timestamp::MAX) };
    let report = verify::store(&state.store, &first, None, extent, &Progress::default())?;
    for log in &report.logs {
        found(state, log.log, At::Tree, &log.findings);
    }
    if let Some(finding) = report.keys.first() {
        tell(state, "keys", &json!({ "problem": finding.to_string(), "succession": finding.number() }));
    }
    let mut known = state.scrub.known.lock();
    (known.last_pass, known.entries, known.passes) = (Some(state.clock.now()), 0, known.passes + 1);
    Ok(())
}

fn found(state: &State, log: Log, at: At, findings: &[Finding]) {
    let fresh = state.scrub.known.lock().set(log, at, findings, state.clock.now());
    for finding in fresh {
        let details = json!({
            "problem": finding.kind.name(),
            "log": log.name(),
            "first": finding.first,
            "last": finding.last,
        });
        tell(state, &format!("{} {}", log.name(), finding.first), &details);
    }
}

/// An entry, and an alert.
fn tell(state: &State, subject: &str, details: &Value) {
    tracing::error!(%details, "the logs are not what was written");
    alerts::raise(state, Occasion::Verification, subject, details.clone());
    audit::notice(state, "security", "log.scrub", "log", details);
}

#[cfg(test)]
mod tests {
    use vestibule_logstore::verify::Kind;

    use super::*;

    #[test]
    fn a_finding_is_told_once_and_forgotten_when_it_is_mended() {
        let mut known = Known::default();
        let finding = |first, kind| Finding { first, last: first + 255, kind };
        let (changed, unreadable) = (finding(0, Kind::Changed), finding(32_768, Kind::Unreadable));
        let (audit, now) = (Log::Audit, Timestamp::UNIX_EPOCH);
        assert_eq!(known.set(audit, At::Segment(0), &[changed], now), [changed]);
        assert_eq!(known.set(audit, At::Segment(32_768), &[unreadable], now), [unreadable]);
        // The same again, and as the tree says it.
        assert_eq!(known.set(audit, At::Segment(0), &[changed], now), []);
        assert_eq!(known.set(audit, At::Tree, &[changed], now), []);
        assert_eq!((known.found.len(), known.failures), (3, 4));
        // Of another log it is another one.
        assert_eq!(known.set(Log::Access, At::Segment(0), &[changed], now), [changed]);
        for (at, left) in [(At::Segment(32_768), 3), (At::Segment(0), 2), (At::Tree, 1)] {
            assert_eq!(known.set(audit, at, &[], now), []);
            assert_eq!(known.found.len(), left);
        }
        assert_eq!(known.set(audit, At::Segment(0), &[changed], now), [changed], "it is back");
    }
}

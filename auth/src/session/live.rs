//! A session in memory: what a request needs to know of it, without the disk.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use parking_lot::Mutex;
use vestibule_config::session::SessionLimits;

use super::row::{Passed, Provided, Row};
use super::store::CookieHash;
use super::{Session, State};
use crate::caller::Identity;
use crate::verdict::Refusal;

/// The last use is written to disk at most this often for one session.
const WRITE_EVERY_MS: i64 = 60_000;

/// Judgements that are remembered: of the circuit's own policy and of some of its paths.
const JUDGED_MAX: usize = 4;

/// One session that a request has named lately.
pub(crate) struct Live {
    pub(crate) session: Arc<Session>,
    pub(crate) fingerprint: String,
    pub(crate) passed: Passed,
    idle: Duration,
    state: Mutex<State>,
    last_used_ms: AtomicI64,
    written_ms: AtomicI64,
    /// The latest first.
    judged: ArcSwap<Vec<Arc<Judged>>>,
    provided: Option<Provided>,
    pub(crate) root: Option<Root>,
    checked_ms: AtomicI64,
    /// By the clock that never goes back, in milliseconds.
    asked_again_ms: AtomicU64,
    /// Held while the provider is asked.
    pub(crate) checking: tokio::sync::Mutex<()>,
}

/// The sign-in at the login host that a session came from.
pub(crate) struct Root {
    /// Of its row. Absent where that is gone.
    pub(crate) hash: Option<CookieHash>,
    /// Its cookie, sealed under the session's.
    pub(crate) sealed: Option<String>,
}

/// What one gate makes of the session; true until configuration or grants change.
pub(crate) struct Judged {
    pub(crate) gate: u64,
    /// [`crate::grants::Grants::version`].
    pub(crate) grants: u64,
    /// The end of the grant on which it stands.
    pub(crate) until: Option<Timestamp>,
    pub(crate) outcome: Result<Arc<Identity>, Refusal>,
}

impl Live {
    pub(crate) fn new(row: &Row, last_used: Timestamp, root: Option<Root>) -> Self {
        let used = last_used.as_millisecond();
        Self {
            session: Arc::new(row.session()),
            fingerprint: row.fingerprint.clone(),
            passed: row.passed.clone(),
            idle: Duration::from_secs(row.idle_seconds),
            state: Mutex::new(row.state),
            last_used_ms: AtomicI64::new(used),
            written_ms: AtomicI64::new(used),
            judged: ArcSwap::default(),
            provided: row.provided.clone(),
            root,
            checked_ms: AtomicI64::new(row.provided.as_ref().map_or(0, |provided| provided.checked.as_millisecond())),
            asked_again_ms: AtomicU64::new(0),
            checking: tokio::sync::Mutex::default(),
        }
    }

    /// Returns the state before.
    pub(crate) fn end(&self, state: State) -> State {
        std::mem::replace(&mut *self.state.lock(), state)
    }

    pub(crate) fn last_used_ms(&self) -> i64 {
        self.last_used_ms.load(Ordering::Relaxed)
    }

    /// The stricter of the limits at sign-in and of now. A wall clock that was set back ends nothing.
    pub(crate) fn state_at(&self, now: Timestamp, limits: &SessionLimits) -> State {
        let state = self.own_state_at(now);
        let age = Duration::try_from(now.duration_since(self.session.created)).unwrap_or_default();
        if state == State::Active && (age >= limits.max_age || self.idle_at(now) >= limits.idle) {
            return State::Expired;
        }
        state
    }

    /// By the limits at sign-in alone.
    pub(crate) fn own_state_at(&self, now: Timestamp) -> State {
        let state = *self.state.lock();
        if state == State::Active && (now >= self.session.expires || self.idle_at(now) >= self.idle) {
            return State::Expired;
        }
        state
    }

    fn idle_at(&self, now: Timestamp) -> Duration {
        Duration::from_millis(
            u64::try_from(now.as_millisecond().saturating_sub(self.last_used_ms())).unwrap_or_default(),
        )
    }

    /// Notes a request; true where it is time to write the note.
    pub(crate) fn touch(&self, now: Timestamp) -> bool {
        let now = now.as_millisecond();
        self.last_used_ms.fetch_max(now, Ordering::Relaxed);
        let written = self.written_ms.load(Ordering::Relaxed);
        let due = now.saturating_sub(written) >= WRITE_EVERY_MS;
        due && self.written_ms.compare_exchange(written, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// True while the last use in memory is ahead of the disk.
    pub(crate) fn unwritten(&self) -> bool {
        self.last_used_ms() > self.written_ms.load(Ordering::Relaxed)
    }

    /// Where it began.
    pub(crate) fn provider(&self) -> Option<&str> {
        self.provided.as_ref().map(|provided| provided.provider.as_str())
    }

    /// What the provider said.
    pub(crate) fn groups(&self) -> BTreeSet<String> {
        self.provided.as_ref().map(|provided| provided.groups.clone()).unwrap_or_default()
    }

    /// What the provider said, for a session that comes from this one; its tokens stay here.
    pub(crate) fn provided_unsealed(&self) -> Option<Provided> {
        self.provided.clone().map(|provided| Provided { sealed: None, ..provided })
    }

    /// The provider's tokens, under the cookie.
    pub(crate) fn sealed(&self) -> Option<&str> {
        self.provided.as_ref()?.sealed.as_deref()
    }

    /// Whether the provider was asked last this long ago.
    pub(crate) fn is_unchecked_for(&self, time: Duration, now: Timestamp) -> bool {
        let since = now.as_millisecond().saturating_sub(self.checked_ms.load(Ordering::Relaxed));
        u128::try_from(since).is_ok_and(|since| since >= time.as_millis())
    }

    pub(crate) fn note_check(&self, now: Timestamp) {
        self.checked_ms.store(now.as_millisecond(), Ordering::Relaxed);
    }

    /// A provider that did not answer is left alone until then.
    pub(crate) fn ask_again_at(&self, elapsed: Duration) {
        self.asked_again_ms.store(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub(crate) fn is_asked_again_only_later(&self, elapsed: Duration) -> bool {
        elapsed.as_millis() < u128::from(self.asked_again_ms.load(Ordering::Relaxed))
    }

    /// A remembered judgement that still holds, else a new one.
    pub(crate) fn judged(&self, holds: impl Fn(&Judged) -> bool, judge: impl FnOnce() -> Judged) -> Arc<Judged> {
        let known = self.judged.load();
        if let Some(judged) = known.iter().find(|judged| holds(judged)) {
            return judged.clone();
        }
        let judged = Arc::new(judge());
        let others = known.iter().filter(|known| known.gate != judged.gate);
        let latest = std::iter::once(&judged).chain(others).take(JUDGED_MAX).cloned();
        self.judged.store(Arc::new(latest.collect()));
        judged
    }
}

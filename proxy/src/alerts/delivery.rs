//! One alert on its way to one receiver.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;
use vestibule_config::alert::Occasion;

/// When it is tried, from the alert on; after the last time it has failed.
const SCHEDULE: [Duration; 4] =
    [Duration::ZERO, Duration::from_secs(60), Duration::from_secs(5 * 60), Duration::from_secs(15 * 60)];

/// One alert for one receiver.
pub(crate) struct Delivery {
    /// The same in every try, so that a receiver knows it again.
    pub(super) id: String,
    pub(super) receiver: Arc<str>,
    pub(super) occasion: Occasion,
    pub(super) time: Timestamp,
    /// What is sent, the same each time.
    pub(super) body: String,
    pub(super) stage: Stage,
    pub(super) attempts: Vec<Attempt>,
    /// On the clock that never goes back: when the alert was raised, and when it is tried next.
    raised: Duration,
    pub(super) next: Duration,
}

/// One that waits, as it is kept for the next process.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Parked {
    id: String,
    receiver: String,
    occasion: String,
    time: Timestamp,
    body: String,
    attempts: Vec<Attempt>,
}

impl Parked {
    /// Due when it would have been; a clock that was put back puts nothing off for longer than the pause that was left.
    pub(super) fn waiting(self, elapsed: Duration, now: Timestamp) -> Option<Delivery> {
        let Self { id, receiver, occasion, time, body, attempts } = self;
        let occasion = Occasion::ALL.into_iter().find(|known| known.as_str() == occasion)?;
        let pause = SCHEDULE.get(attempts.len())?;
        let age = Duration::try_from(now.duration_since(time)).unwrap_or_default();
        let next = elapsed + pause.saturating_sub(age);
        let (stage, raised, receiver) = (Stage::Waiting, elapsed.saturating_sub(age), receiver.into());
        Some(Delivery { id, receiver, occasion, time, body, stage, attempts, raised, next })
    }
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Waiting,
    Delivered,
    Failed,
    /// There was no room for it.
    Dropped,
}

/// One try.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Attempt {
    pub(super) time: Timestamp,
    /// Absent where there was no answer.
    pub(super) status: Option<u16>,
    /// Absent where it was taken.
    pub(super) error: Option<String>,
}

impl Attempt {
    pub(super) fn failed(time: Timestamp, error: &str) -> Self {
        Self { time, status: None, error: Some(error.to_owned()) }
    }
}

impl Delivery {
    pub(super) fn new(
        receiver: Arc<str>,
        occasion: Occasion,
        time: Timestamp,
        now: Duration,
        details: &Value,
        store: &str,
    ) -> Self {
        let id = format!("alert_{}", name_of_its_own().simple());
        let body = json!({
            "id": id,
            "type": occasion.as_str(),
            "timestamp": format!("{time:.6}"),
            "data": details,
            "store": store,
        });
        let (stage, attempts) = (Stage::Waiting, Vec::new());
        Self { id, receiver, occasion, time, body: body.to_string(), stage, attempts, raised: now, next: now }
    }

    /// After one more try.
    pub(super) fn tried(mut self, attempt: Attempt) -> Self {
        let is_taken = attempt.error.is_none();
        self.attempts.push(attempt);
        match SCHEDULE.get(self.attempts.len()) {
            _ if is_taken => self.stage = Stage::Delivered,
            Some(after) => self.next = self.raised + *after,
            None => self.stage = Stage::Failed,
        }
        self
    }

    pub(super) fn parked(&self) -> Parked {
        Parked {
            id: self.id.clone(),
            receiver: self.receiver.as_ref().to_owned(),
            occasion: self.occasion.as_str().to_owned(),
            time: self.time,
            body: self.body.clone(),
            attempts: self.attempts.clone(),
        }
    }

    pub(super) fn ended(mut self, stage: Stage) -> Self {
        self.stage = stage;
        self
    }

    /// As the admin port tells it; `now` and `time` are the two clocks of the moment.
    pub(super) fn shown(&self, now: Duration, time: Timestamp) -> Value {
        let stage = match self.stage {
            Stage::Waiting if self.attempts.is_empty() => "queued",
            Stage::Waiting => "retrying",
            Stage::Delivered => "delivered",
            Stage::Failed => "failed",
            Stage::Dropped => "dropped",
        };
        let next = (self.stage == Stage::Waiting).then(|| time + self.next.saturating_sub(now));
        let last = self.attempts.last();
        json!({
            "id": self.id,
            "time": format!("{:.6}", self.time),
            "type": self.occasion.as_str(),
            "receiver": &*self.receiver,
            "state": stage,
            "attempts": self.attempts.len(),
            "last_attempt": last.map(|last| format!("{:.6}", last.time)),
            "last_status": last.and_then(|last| last.status),
            "last_error": last.and_then(|last| last.error.as_deref()),
            "next_attempt": next.map(|next| format!("{next:.6}")),
        })
    }
}

/// Random; the time is in the body.
fn name_of_its_own() -> Uuid {
    let mut bytes = [0; 16];
    // Without random bytes the receivers cannot tell alerts apart, but get them.
    let _ = getrandom::fill(&mut bytes);
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}

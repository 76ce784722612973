//! Attempts of those who come without a session: one success an hour, and every failure.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use tokio::sync::{Mutex, MutexGuard, Semaphore};
use vestibule_auth::{Gate, Machine, Record, Refusal, Verdict};
use vestibule_logstore::Unavailable;

use super::{Decided, FAILED, SUCCESS, Scene, commit, limited};
use crate::state::State;

/// Firsts that are recorded at the same time; equal ones wait for each other, so that they are one entry.
const TURNS: usize = 64;

/// Requests that wait for the record of another one. One more waits for none: it is recorded itself.
const WAITING: usize = 1_000;

/// Who records, while others of the same kind wait.
pub(crate) struct Turns {
    turns: [Mutex<()>; TURNS],
    places: Semaphore,
}

impl Default for Turns {
    fn default() -> Self {
        Self { turns: std::array::from_fn(|_| Mutex::new(())), places: Semaphore::new(WAITING) }
    }
}

impl Turns {
    /// Waits until nobody else records the same; absent where too many wait.
    async fn of(&self, scene: &Scene<'_>, who: Option<&str>) -> Option<MutexGuard<'_, ()>> {
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one((scene.source_ip, who));
        let at = usize::try_from(hash % TURNS as u64).unwrap_or_default();
        let turn = self.turns.get(at)?;
        if let Ok(turn) = turn.try_lock() {
            return Some(turn);
        }
        let _place = self.places.try_acquire().ok()?;
        Some(turn.lock().await)
    }

    /// Requests that wait now.
    pub(crate) fn waiting(&self) -> u64 {
        WAITING.saturating_sub(self.places.available_permits()) as u64
    }
}

/// Records what the gate made of a machine. When this returns well the request may be answered or go on.
///
/// # Errors
/// When the entry is not on disk; then nobody is let in.
pub(crate) async fn came(
    state: &State,
    scene: &Scene<'_>,
    gate: &Gate,
    machine: &Machine,
    verdict: &Verdict,
) -> Result<(), Unavailable> {
    let refusal = match verdict {
        Verdict::Pass(_) | Verdict::Preflight(_) => None,
        Verdict::Refuse(refusal) => Some(refusal),
    };
    match (machine.record, refusal) {
        (Record::Nothing, _) => Ok(()),
        (Record::Limited, Some(refusal)) => {
            limited(state, scene, &machine.sign_in, refusal);
            Ok(())
        }
        (Record::Failure, Some(refusal)) => refused(state, scene, machine, refusal).await,
        (Record::Success, _) => let_in(state, scene, gate, machine).await,
        (Record::Limited | Record::Failure, None) => unreachable!("what passes a gate has not failed"),
    }
}

async fn refused(state: &State, scene: &Scene<'_>, machine: &Machine, refusal: &Refusal) -> Result<(), Unavailable> {
    commit(state, scene, &Decided::sign_in(&machine.sign_in, FAILED, Some(refusal))).await
}

async fn let_in(state: &State, scene: &Scene<'_>, gate: &Gate, machine: &Machine) -> Result<(), Unavailable> {
    let _turn = state.turns.of(scene, machine.sign_in.user_id.as_deref()).await;
    if gate.came_lately(machine) {
        return Ok(());
    }
    commit(state, scene, &Decided::sign_in(&machine.sign_in, SUCCESS, None)).await?;
    gate.note_came(machine);
    Ok(())
}

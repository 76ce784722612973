//! The heads of the logs go elsewhere: when they are due, when somebody asks, and at a stop.
//!
//! A place that does not take them is told again every minute, all of them in their order; they wait in the store, about
//! two kilobytes each.

mod folder;

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use jiff::Timestamp;
use vestibule_config::logs::{AnchorPlace, Anchors};
use vestibule_logstore::anchor::{Anchor, Kept};
use vestibule_logstore::{Log, Store};

use crate::state::State;

/// How sending goes; lives as long as the process.
#[derive(Debug, Default)]
pub(crate) struct Anchoring {
    /// When the latest anchor that every place has was made, in seconds since 1970; 0: none yet.
    reached: AtomicI64,
    failures: AtomicU64,
}

impl Anchoring {
    /// Since the latest anchor that every place has; none before the first.
    pub(crate) fn age(&self, now: Timestamp) -> Option<i64> {
        let reached = self.reached.load(Ordering::Relaxed);
        (reached != 0).then(|| now.as_second().saturating_sub(reached).max(0))
    }

    /// Anchors that a place did not take, each time it was told.
    pub(crate) fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }
}

/// What the latest anchor covers.
struct Last {
    anchor: Anchor,
    entries: u64,
}

/// Makes an anchor if one is due, and tells every place what it does not have yet. Blocks.
pub(crate) fn tend(state: &State) -> anyhow::Result<()> {
    let live = state.live.load();
    let anchors = &live.settings.logs.anchors;
    if anchors.to.is_empty() {
        return Ok(());
    }
    if let Some(cause) = due(&state.store, anchors, state.clock.now())? {
        state.store.anchor(&state.signer, state.clock.now(), cause)?;
    }
    send(state, anchors)
}

/// Makes one now, whatever is due. Blocks.
pub(crate) fn now(state: &State, cause: &str) -> anyhow::Result<Option<Kept>> {
    let live = state.live.load();
    let anchors = &live.settings.logs.anchors;
    if anchors.to.is_empty() {
        return Ok(None);
    }
    let made = state.store.anchor(&state.signer, state.clock.now(), cause)?;
    send(state, anchors)?;
    Ok(made)
}

fn last(store: &Store) -> anyhow::Result<Option<Last>> {
    let Some(kept) = store.last_anchor()? else { return Ok(None) };
    let anchor: Anchor = serde_json::from_str(&kept.text)?;
    let sizes = Log::ALL.into_iter().filter_map(|log| anchor.heads.of(log).lines().nth(1)?.parse::<u64>().ok());
    Ok(Some(Last { entries: sizes.sum(), anchor }))
}

fn due(store: &Store, anchors: &Anchors, now: Timestamp) -> anyhow::Result<Option<&'static str>> {
    let Some(last) = last(store)? else { return Ok(Some("start")) };
    let age = now.duration_since(last.anchor.time);
    // A clock that was put back must not silence them.
    if age.is_negative() || age.unsigned_abs() >= anchors.every {
        return Ok(Some("time"));
    }
    let entries: u64 = Log::ALL.into_iter().map(|log| store.end(log)).sum();
    let grown = entries.saturating_sub(last.entries);
    Ok((grown >= u64::from(anchors.entries.get())).then_some("entries"))
}

fn send(state: &State, anchors: &Anchors) -> anyhow::Result<()> {
    let mut reached = i64::MAX;
    for place in &anchors.to {
        match send_to(&state.store, place) {
            Ok(time) => reached = reached.min(time),
            Err(error) => {
                state.anchoring.failures.fetch_add(1, Ordering::Relaxed);
                reached = 0;
                tracing::warn!(place = place.to_text(), error = format!("{error:#}"), "anchors wait");
            }
        }
    }
    // One place behind: as old as it was.
    if reached != 0 {
        state.anchoring.reached.store(reached, Ordering::Relaxed);
    }
    Ok(())
}

/// Everything that the place does not have; when the last of it was made, in seconds since 1970.
fn send_to(store: &Store, place: &AnchorPlace) -> anyhow::Result<i64> {
    let name = place.to_text();
    let mut next = store.next_anchor_of(&name)?;
    loop {
        let waiting = store.anchors(next)?;
        if waiting.is_empty() {
            break;
        }
        for kept in waiting {
            match place {
                AnchorPlace::Folder(folder) => {
                    folder::put(folder, &Anchor::name(store.uuid(), kept.number), &kept.text)?
                }
            }
            next = kept.number + 1;
            store.set_next_anchor_of(&name, next)?;
        }
    }
    Ok(last(store)?.map_or(0, |last| last.anchor.time.as_second()))
}

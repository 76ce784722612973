//! The heads of the logs go elsewhere: when they are due, when somebody asks, and at a stop.
//!
//! A place that does not take them is told again later, all of them in their order; they wait in the store, about
//! two kilobytes each. No place waits for another one.

mod folder;
mod places;
mod s3;

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use jiff::Timestamp;
use vestibule_config::anchors::{AnchorPlace, Anchors, S3};
use vestibule_logstore::anchor::{Anchor, Kept};
use vestibule_logstore::{Log, Store};

pub(crate) use self::places::Anchoring;
use self::s3::Objects;
use crate::state::State;

/// So long a round waits for each place; one that hangs goes on by itself, and is not told anything else meanwhile.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the latest anchor covers.
struct Last {
    anchor: Anchor,
    entries: u64,
}

/// Anchors as a place has them.
#[derive(Debug, Default)]
pub(crate) struct Read {
    /// Names and contents.
    pub(crate) texts: Vec<(String, String)>,
    /// How many of them the place could remove; folders are not counted.
    pub(crate) unlocked: u64,
}

/// Makes an anchor if one is due, and tells every place what it does not have yet. Blocks.
pub(crate) fn tend(state: &Arc<State>) -> anyhow::Result<()> {
    let live = state.live.load();
    let anchors = &live.settings.logs.anchors;
    if anchors.to.is_empty() {
        return Ok(());
    }
    if let Some(cause) = due(&state.store, anchors, state.clock.now())? {
        state.store.anchor(&state.signer.read(), state.clock.now(), cause)?;
    }
    send(state, anchors, false)
}

/// Makes one now, whatever is due. Blocks.
pub(crate) fn now(state: &Arc<State>, cause: &str) -> anyhow::Result<Option<Kept>> {
    let live = state.live.load();
    let anchors = &live.settings.logs.anchors;
    if anchors.to.is_empty() {
        return Ok(None);
    }
    let made = state.store.anchor(&state.signer.read(), state.clock.now(), cause)?;
    send(state, anchors, true)?;
    Ok(made)
}

/// Tells every place now what it does not have. Blocks.
pub(crate) fn tell(state: &Arc<State>) -> anyhow::Result<()> {
    send(state, &state.live.load().settings.logs.anchors, true)
}

/// Tells every place what it does not have, for a command that holds the logs of a stopped server. Blocks. The places
/// that did not take it, and why.
pub(crate) fn send_from(store: &Store, anchors: &Anchors, now: Timestamp) -> Vec<(String, anyhow::Error)> {
    let sent = anchors.to.iter().map(|place| (place.to_text(), send_to(store, place, anchors.s3.as_ref(), now)));
    sent.filter_map(|(place, sent)| Some((place, sent.err()?))).collect()
}

/// All anchors of a place whose names begin so. Blocks.
///
/// # Errors
/// When the place cannot be read.
pub(crate) fn read(place: &AnchorPlace, s3: Option<&Arc<S3>>, named: &str, now: Timestamp) -> anyhow::Result<Read> {
    match place {
        AnchorPlace::Folder(folder) => folder::read_all(folder, named),
        AnchorPlace::Bucket(bucket) => Objects::new(bucket, reachable(s3)?, now)?.read_all(named),
    }
}

fn reachable(s3: Option<&Arc<S3>>) -> anyhow::Result<Arc<S3>> {
    s3.cloned().ok_or_else(|| anyhow::anyhow!("nothing says how the bucket is reached; see [logs.anchors.s3]"))
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

/// Tells the places whose turn it is, or all of them; each on a thread of its own.
fn send(state: &Arc<State>, anchors: &Anchors, all: bool) -> anyhow::Result<()> {
    let (told, outcomes) = mpsc::channel();
    for place in &anchors.to {
        if !state.anchoring.begin(&place.to_text(), state.clock.elapsed(), all) {
            continue;
        }
        let (state, place, s3, told) = (state.clone(), place.clone(), anchors.s3.clone(), told.clone());
        std::thread::spawn(move || {
            let sent = send_to(&state.store, &place, s3.as_ref(), state.clock.now());
            state.anchoring.end(&place.to_text(), state.clock.elapsed(), &sent);
            // Whoever waited may have gone.
            let _ = told.send(());
        });
    }
    drop(told);
    while let Ok(()) = outcomes.recv_timeout(PATIENCE) {}
    let reached = anchors.to.iter().map(|place| time_of_last(&state.store, place)).collect::<Result<Vec<_>, _>>()?;
    // Absent where a place has none yet.
    state
        .anchoring
        .set_reached(reached.into_iter().collect::<Option<Vec<_>>>().and_then(|times| times.into_iter().min()));
    Ok(())
}

/// When the latest anchor that a place has was made.
fn time_of_last(store: &Store, place: &AnchorPlace) -> anyhow::Result<Option<Timestamp>> {
    let Some(last) = store.next_anchor_of(&place.to_text())?.checked_sub(1) else { return Ok(None) };
    let kept = store.anchors(last)?;
    let anchor = kept.first().map(|kept| serde_json::from_str::<Anchor>(&kept.text)).transpose()?;
    Ok(anchor.map(|anchor| anchor.time))
}

/// A place that can be told.
enum Open<'a> {
    Folder(&'a Path),
    Bucket(Objects),
}

impl Open<'_> {
    fn put(&self, name: &str, text: &str) -> anyhow::Result<()> {
        match self {
            Self::Folder(folder) => folder::put(folder, name, text),
            Self::Bucket(objects) => objects.put(name, text),
        }
    }
}

/// Everything that the place does not have.
fn send_to(store: &Store, place: &AnchorPlace, s3: Option<&Arc<S3>>, now: Timestamp) -> anyhow::Result<()> {
    let name = place.to_text();
    let mut next = store.next_anchor_of(&name)?;
    let mut waiting = store.anchors(next)?;
    if waiting.is_empty() {
        return Ok(());
    }
    let open = match place {
        AnchorPlace::Folder(folder) => Open::Folder(folder),
        AnchorPlace::Bucket(bucket) => {
            let objects = Objects::new(bucket, reachable(s3)?, now)?;
            objects.must_lock()?;
            Open::Bucket(objects)
        }
    };
    while !waiting.is_empty() {
        for kept in waiting {
            open.put(&Anchor::name(store.uuid(), kept.number), &kept.text)?;
            next = kept.number + 1;
            store.set_next_anchor_of(&name, next)?;
        }
        waiting = store.anchors(next)?;
    }
    Ok(())
}

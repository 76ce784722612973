//! What lasts until somebody mends it, and has to be looked for.

use serde_json::json;
use vestibule_config::alert::Occasion;
use vestibule_logstore::Mark;

use super::raise;
use crate::state::State;

/// Cheap; every second.
pub(super) fn look(state: &State) {
    if !state.store.writable() && !*state.stopping.borrow() {
        let details = json!({ "problem": "the logs cannot be written", "cause": state.store.unwritable() });
        raise(state, Occasion::Disk, "unwritable", details);
    }
    if let Some(cause) = state.auth.damage() {
        let details = json!({ "problem": "a file of the state database is damaged", "cause": cause });
        raise(state, Occasion::Disk, "state", details);
    }
    disk(state);
    for broken in state.store.quarantined() {
        let details = json!({
            "problem": "entries cannot be read",
            "log": broken.log.name(),
            "first": broken.first,
            "last": broken.last,
            "fault": broken.fault,
        });
        raise(state, Occasion::Verification, &format!("{} {}", broken.log.name(), broken.first), details);
    }
    anchors(state);
}

/// The next mark is something new.
fn disk(state: &State) {
    let disk = state.store.disk();
    let problem = match disk.mark {
        Mark::Neither => return,
        Mark::Low => "little room is left on the disk of the logs",
        Mark::Hard => "requests leave no entries: hardly any room is left on the disk of the logs",
    };
    let details = json!({ "problem": problem, "mark": disk.mark.name(), "free": disk.free, "size": disk.size });
    raise(state, Occasion::Disk, disk.mark.name(), details);
}

/// Older than twice the time between two of them, or not there so long after the start.
fn anchors(state: &State) {
    let live = state.live.load();
    let anchors = &live.settings.logs.anchors;
    if anchors.to.is_empty() {
        return;
    }
    let age = state.anchoring.age(state.clock.now());
    let seconds = age.map_or(state.clock.elapsed().as_secs(), |age| u64::try_from(age).unwrap_or(0));
    if seconds <= anchors.every.as_secs().saturating_mul(2) {
        return;
    }
    let places = anchors.to.iter().map(|place| {
        let place = place.to_text();
        json!({ "error": state.anchoring.error(&place), "place": place })
    });
    let details = json!({
        "problem": "the latest anchor that every place has is too old",
        "age_seconds": age,
        "places": places.collect::<Vec<_>>(),
    });
    raise(state, Occasion::AnchorAge, "anchors", details);
}

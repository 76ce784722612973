//! An entry, filled from where it was made and what came of it.

use std::borrow::Cow;

use vestibule_auth::Reason;
use vestibule_config::Access;
use vestibule_logstore::entry::Common;
use vestibule_logstore::{AccessEntry, Entry, Unavailable};

use super::{Decided, Scene};
use crate::personal::Disguise;
use crate::state::State;

/// Queued, not waited for.
pub(super) fn append(state: &State, scene: &Scene<'_>, decided: &Decided<'_>) {
    let attempt_id = attempt_id(state, scene);
    let mut entry = entry(state, scene, decided, &attempt_id);
    let disguise = Disguise::of_attempt(&state.auth, Some(scene.circuit), &entry);
    disguise.iter().for_each(|disguise| disguise.put_on_attempt(&mut entry));
    state.store.append(&Entry::Access(&entry));
}

fn attempt_id<'a>(state: &State, scene: &Scene<'a>) -> Cow<'a, str> {
    scene.attempt.map_or_else(|| Cow::Owned(state.request_ids.next().to_string()), Cow::Borrowed)
}

/// On disk when this has returned.
///
/// # Errors
/// When it is not.
pub(super) async fn commit(state: &State, scene: &Scene<'_>, decided: &Decided<'_>) -> Result<(), Unavailable> {
    let attempt_id = attempt_id(state, scene);
    let mut entry = entry(state, scene, decided, &attempt_id);
    let disguise = Disguise::of_attempt(&state.auth, Some(scene.circuit), &entry);
    disguise.iter().for_each(|disguise| disguise.put_on_attempt(&mut entry));
    state.store.commit(&Entry::Access(&entry)).await?;
    count(state, scene, decided);
    Ok(())
}

pub(super) fn count(state: &State, scene: &Scene<'_>, decided: &Decided<'_>) {
    // The metric is about attempts; a logout decides nothing.
    if let Some(result) = decided.result.filter(|_| decided.action == "login") {
        state.metrics.attempt(&scene.circuit.name.shared(), decided.method, result);
    }
}

fn entry<'a>(state: &State, scene: &Scene<'a>, decided: &Decided<'a>, attempt_id: &'a str) -> AccessEntry<'a> {
    let since_head = || state.clock.now().as_microsecond().saturating_sub(scene.time_us) / 1_000;
    let took_ms = decided.time.map_or_else(|| u64::try_from(since_head()), |time| u64::try_from(time.as_millis()));
    AccessEntry {
        common: common(scene),
        attempt_id: Some(attempt_id),
        action: decided.action,
        status: decided.status,
        result: decided.result,
        reason: decided.reason.map(Reason::code),
        auth_method: decided.method.code(),
        provider: decided.provider,
        email: decided.email,
        user_id: decided.user_id,
        session_id: decided.session_id,
        circuit: named(scene.circuit.name.as_str()),
        project: scene.circuit.project.as_ref().map(vestibule_config::Name::as_str),
        host: Some(scene.host),
        policy: named(scene.circuit.name.as_str()).map(|_| policy(scene.access)),
        rule: decided.rule,
        duration_ms: Some(took_ms.unwrap_or(0)),
        purpose: scene.purpose,
    }
}

/// The login host has no circuit's name.
pub(super) fn named(circuit: &str) -> Option<&str> {
    Some(circuit).filter(|circuit| !circuit.is_empty())
}

pub(super) fn common<'a>(scene: &Scene<'a>) -> Common<'a> {
    Common {
        time: scene.time_us,
        request_id: Some(scene.request_id),
        source_ip: Some(scene.source_ip),
        country: scene.location.country.as_deref(),
        subdivision: scene.location.subdivision.as_deref(),
        city: scene.location.city.as_deref(),
        asn: scene.location.asn.map(u64::from),
        user_agent: scene.user_agent,
        revision: Some(scene.revision),
        event_count: None,
        node: None,
    }
}

pub(super) fn policy(access: &Access) -> &'static str {
    match access {
        Access::Public => "public",
        Access::Members(_) => "members",
        Access::Allowlist { .. } => "allowlist",
    }
}

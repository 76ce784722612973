//! The access log's line of a session that somebody else than its owner's browser ended.

use vestibule_auth::Reason;
use vestibule_auth::session::Listed;
use vestibule_logstore::entry::Common;
use vestibule_logstore::{AccessEntry, Entry, Unavailable};

use super::{Scene, entry};
use crate::audit::Actor;
use crate::personal::Disguise;
use crate::state::State;

/// A session ended with another one, or because its provider told so.
///
/// # Errors
/// When the entry is not on disk.
pub(crate) async fn ended_elsewhere(state: &State, scene: &Scene<'_>, session: &Listed) -> Result<(), Unavailable> {
    let live = state.live.load_full();
    let circuit = live.settings.circuits.get(session.circuit.as_str());
    let attempt_id = state.request_ids.next().to_string();
    let mut entry = AccessEntry {
        common: entry::common(scene),
        attempt_id: Some(&attempt_id),
        action: "logout",
        status: "success",
        result: Some("success"),
        reason: None,
        auth_method: session.method.code(),
        provider: session.provider.as_deref(),
        email: session.email.as_deref(),
        user_id: Some(&session.user_id),
        session_id: Some(&session.id),
        circuit: entry::named(&session.circuit),
        project: circuit.and_then(|circuit| circuit.project.as_ref()).map(vestibule_config::Name::as_str),
        host: Some(scene.host),
        policy: circuit.map(|circuit| entry::policy(&circuit.access)),
        rule: None,
        duration_ms: None,
        purpose: None,
    };
    let disguise = Disguise::of_attempt(&state.auth, circuit.map(|circuit| &**circuit), &entry);
    disguise.iter().for_each(|disguise| disguise.put_on_attempt(&mut entry));
    state.store.commit(&Entry::Access(&entry)).await.map(|_| ())
}

/// Address and agent are the administrator's: the owner of the session did nothing. The circuit may be gone from the
/// configuration.
///
/// # Errors
/// When the entry is not on disk.
pub(crate) async fn revoked(state: &State, actor: &Actor, session: &Listed) -> Result<(), Unavailable> {
    let live = state.live.load_full();
    let circuit = live.settings.circuits.get(session.circuit.as_str());
    let location = actor.source_ip.map(|address| live.policy.locate(address)).unwrap_or_default();
    let time = actor.started.as_microsecond();
    let attempt_id = state.request_ids.next().to_string();
    let mut entry = AccessEntry {
        common: Common {
            time,
            request_id: actor.request_id.as_deref(),
            source_ip: actor.source_ip,
            country: location.country.as_deref(),
            subdivision: location.subdivision.as_deref(),
            city: location.city.as_deref(),
            asn: location.asn.map(u64::from),
            user_agent: actor.user_agent.as_deref(),
            revision: Some(&live.settings.revision),
            event_count: None,
            node: None,
        },
        attempt_id: Some(&attempt_id),
        action: "revoke",
        status: "success",
        result: Some("success"),
        reason: Some(Reason::SessionRevoked.code()),
        auth_method: session.method.code(),
        provider: session.provider.as_deref(),
        email: session.email.as_deref(),
        user_id: Some(&session.user_id),
        session_id: Some(&session.id),
        circuit: entry::named(&session.circuit),
        project: circuit.and_then(|circuit| circuit.project.as_ref()).map(vestibule_config::Name::as_str),
        host: None,
        policy: circuit.map(|circuit| entry::policy(&circuit.access)),
        rule: None,
        duration_ms: None,
        purpose: None,
    };
    let disguise = Disguise::of_attempt(&state.auth, circuit.map(|circuit| &**circuit), &entry);
    disguise.iter().for_each(|disguise| disguise.put_on_attempt(&mut entry));
    state.store.commit(&Entry::Access(&entry)).await.map(|_| ())
}

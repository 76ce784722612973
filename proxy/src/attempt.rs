//! Entries of the access log. This is the one place that fills them.
//!
//! An attempt is one try to sign in; requests inside a session and on public circuits make no entry here. It begins
//! (a page was shown, a browser was sent to a provider), goes on (the form or the callback arrived, with each step at
//! a provider), and is decided, under one id. What was decided is on disk before it is answered; what was not even
//! looked at (limits) and what is not decided yet are only queued, so that a flood cannot buy disk time.

mod abandoned;
mod decided;
mod entry;
mod machine;
mod opened;
mod refused;
mod revoked;
mod scene;

use std::time::Duration;

use serde_json::json;
use vestibule_auth::{Kind, Reason, Refusal, Session, SignIn, Verified};
use vestibule_config::alert::Occasion;
use vestibule_logstore::Unavailable;

use crate::alerts;
use crate::exceeded::{self, Over};
use crate::personal;
use crate::state::State;

use decided::{Decided, FAILED, LIMITED, PENDING, SUCCESS};
use entry::{append, commit, count};

pub(crate) use abandoned::{Closed, close};
pub(crate) use decided::{Passed, Progress};
pub(crate) use machine::{Turns, came};
pub(crate) use opened::Opened;
pub(crate) use refused::{Refused, policy_refused};
pub(crate) use revoked::{ended_elsewhere, revoked};
pub(crate) use scene::{Scene, user_agent};

/// A step of an attempt. Queued, not waited for; what begins too often at one address is only counted.
pub(crate) fn passed(state: &State, scene: &Scene<'_>, passed: &Passed<'_>) {
    let status = match passed.progress {
        Progress::Initiated if !state.opened.is_recorded(scene.source_ip) => return,
        Progress::Initiated => "initiated",
        Progress::Pending => "pending",
    };
    let rule = passed.provider.zip(passed.step).map(|(provider, step)| format!("providers.{provider}.{}", step.code()));
    append(state, scene, &Decided::passed(passed, status, rule.as_deref()));
}

/// A step of an attempt whose person is known already, by the rule that asks for it. Queued, not waited for.
pub(crate) fn stepped(state: &State, scene: &Scene<'_>, who: &SignIn, rule: &str, time: Option<Duration>) {
    let decided = Decided { rule: Some(rule), time, ..Decided::sign_in(who, PENDING, None) };
    append(state, scene, &decided);
}

/// A good credential that the policy lets in. The session may be opened when this has returned.
///
/// # Errors
/// When the entry is not on disk; then there must be no session.
pub(crate) async fn succeeded(state: &State, scene: &Scene<'_>, verified: &Verified) -> Result<(), Unavailable> {
    commit(state, scene, &Decided::verified(verified)).await
}

/// As [`succeeded`], where a session that is open already is what the attempt came to.
///
/// # Errors
/// When the entry is not on disk.
pub(crate) async fn joined(
    state: &State,
    scene: &Scene<'_>,
    who: &SignIn,
    session: &Session,
) -> Result<(), Unavailable> {
    let session_id = Some(session.id.as_str());
    commit(state, scene, &Decided { session_id, ..Decided::sign_in(who, SUCCESS, None) }).await
}

/// A good credential at the login host; the circuit goes on with the attempt and ends it. On disk all the same: a session
/// may be opened when this has returned, which other circuits will take.
///
/// # Errors
/// When the entry is not on disk; then there must be no session.
pub(crate) async fn vouched(state: &State, scene: &Scene<'_>, verified: &Verified) -> Result<(), Unavailable> {
    let decided = Decided { status: "pending", result: None, ..Decided::verified(verified) };
    commit(state, scene, &decided).await
}

/// A sign-in at the login host lets somebody into a circuit without being asked. The session may be opened when this has
/// returned.
///
/// # Errors
/// When the entry is not on disk; then there must be no session.
pub(crate) async fn renewed(state: &State, scene: &Scene<'_>, verified: &Verified) -> Result<(), Unavailable> {
    commit(state, scene, &Decided { action: "reauth", ..Decided::verified(verified) }).await
}

/// A bad credential, or a good one that the policy refuses.
///
/// # Errors
/// When the entry is not on disk.
pub(crate) async fn failed(
    state: &State,
    scene: &Scene<'_>,
    who: &SignIn,
    refusal: &Refusal,
) -> Result<(), Unavailable> {
    if who.locked {
        let account = who.email.as_deref().map(|email| personal::name(&state.auth, scene.circuit, email.into()));
        let details = json!({
            "circuit": scene.circuit.name.as_str(),
            "account": account.as_deref(),
            "source_ip": personal::address(scene.circuit, scene.source_ip),
            "country": scene.location.country.as_deref(),
            "request_id": scene.request_id,
        });
        alerts::raise(state, Occasion::LockOut, scene.circuit.name.as_str(), details);
    }
    commit(state, scene, &Decided::sign_in(who, FAILED, Some(refusal))).await
}

/// A credential that was not looked at. Queued, not waited for; a limit is also counted for the audit log.
pub(crate) fn limited(state: &State, scene: &Scene<'_>, who: &SignIn, refusal: &Refusal) {
    let decided = Decided::sign_in(who, LIMITED, Some(refusal));
    count(state, scene, &decided);
    append(state, scene, &decided);
    if let Kind::Limited(budget) = &refusal.kind {
        let over = Over { budget, reason: refusal.reason, account: who.email.as_deref() };
        exceeded::note(state, scene, &over);
    }
}

/// The owner ended a session.
///
/// # Errors
/// When the entry is not on disk.
pub(crate) async fn signed_out(state: &State, scene: &Scene<'_>, session: &Session) -> Result<(), Unavailable> {
    let decided = Decided { action: "logout", ..Decided::session(session, SUCCESS, None) };
    commit(state, scene, &decided).await
}

/// The provider of a session does not know its owner any more.
///
/// # Errors
/// When the entry is not on disk.
pub(crate) async fn not_known_any_more(state: &State, scene: &Scene<'_>, session: &Session) -> Result<(), Unavailable> {
    let reason = Some(Reason::SessionRevoked);
    commit(state, scene, &Decided { action: "reauth", reason, ..Decided::session(session, FAILED, None) }).await
}

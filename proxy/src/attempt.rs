//! Entries of the access log. This is the one place that fills them.
//!
//! An attempt is one try to sign in; requests inside a session and on public circuits make no entry here. It begins
//! (a page was shown, a browser was sent to a provider), goes on (the form or the callback arrived, with each step at
//! a provider), and is decided, under one id. What was decided is on disk before it is answered; what was not even
//! looked at (limits) and what is not decided yet are only queued, so that a flood cannot buy disk time.

mod abandoned;
mod machine;
mod opened;
mod revoked;

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use http::header::USER_AGENT;
use moka::sync::Cache;
use serde_json::json;
use vestibule_auth::sso::Step;
use vestibule_auth::{Kind, Location, Method, Reason, Refusal, Session, SessionId, SignIn, Verified};
use vestibule_config::alert::Occasion;
use vestibule_config::{Access, Circuit};
use vestibule_logstore::entry::Common;
use vestibule_logstore::{AccessEntry, Entry, Unavailable};

use crate::alerts;
use crate::exceeded::{self, Over};
use crate::personal::{self, Disguise};
use crate::state::State;
use crate::visit::Visit;

pub(crate) use abandoned::{Closed, close};
pub(crate) use machine::{Turns, came};
pub(crate) use opened::Opened;
pub(crate) use revoked::{ended_elsewhere, revoked};

/// A longer user agent is cut.
const USER_AGENT_BYTES: usize = 2048;
/// Sessions that a policy refused and that are remembered; past it the one longest unused is forgotten, and would be
/// recorded once more.
const REMEMBERED: u64 = 10_000;

/// Where and when an attempt was made.
#[derive(Clone, Copy)]
pub(crate) struct Scene<'a> {
    /// When the head was read, in microseconds since 1970.
    pub(crate) time_us: i64,
    /// Joins the three logs.
    pub(crate) request_id: &'a str,
    /// The resolved client address.
    pub(crate) source_ip: IpAddr,
    /// Where that is.
    pub(crate) location: &'a Location,
    /// Cut to its bound; see [`user_agent`].
    pub(crate) user_agent: Option<&'a str>,
    /// Configuration that decided.
    pub(crate) revision: &'a Arc<str>,
    /// Where to.
    pub(crate) circuit: &'a Circuit,
    /// By which of its policies.
    pub(crate) access: &'a Access,
    /// Canonical, without port.
    pub(crate) host: &'a str,
    /// The attempt that goes on; absent where this is one of its own.
    pub(crate) attempt: Option<&'a str>,
    /// Why the person came, where they said so.
    pub(crate) purpose: Option<&'a str>,
}

impl<'a> Scene<'a> {
    /// Of a request to our own pages.
    pub(crate) fn of(visit: &Visit<'a>) -> Self {
        Self {
            time_us: visit.time_us,
            request_id: visit.request_id,
            source_ip: visit.request.client,
            location: visit.location,
            user_agent: user_agent(visit.request.headers),
            revision: &visit.live.settings.revision,
            circuit: visit.gate.circuit(),
            access: visit.gate.access(),
            host: visit.request.host,
            attempt: None,
            purpose: None,
        }
    }

    /// The same, as a part of an attempt that began before.
    pub(crate) fn of_attempt(self, attempt: Option<&'a str>) -> Self {
        Self { attempt, ..self }
    }
}

/// Where an attempt is on its way.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Progress {
    /// A sign-in page was shown, or the browser sent to a provider.
    Initiated,
    /// The form or the callback arrived, and what followed.
    Pending,
}

/// A step of an attempt that is not decided yet.
pub(crate) struct Passed<'a> {
    pub(crate) progress: Progress,
    pub(crate) method: Method,
    pub(crate) provider: Option<&'a str>,
    /// Its name, for sign-ins at a provider.
    pub(crate) step: Option<Step>,
    /// How long it took; absent: since the head was read.
    pub(crate) time: Option<Duration>,
}

impl Passed<'_> {
    /// A page that was shown, or its form.
    pub(crate) fn page(progress: Progress, method: Method) -> Self {
        Self { progress, method, provider: None, step: None, time: None }
    }
}

/// A step of an attempt. Queued, not waited for; what begins too often at one address is only counted.
pub(crate) fn passed(state: &State, scene: &Scene<'_>, passed: &Passed<'_>) {
    let status = match passed.progress {
        Progress::Initiated if !state.opened.is_recorded(scene.source_ip) => return,
        Progress::Initiated => "initiated",
        Progress::Pending => "pending",
    };
    let rule = passed.provider.zip(passed.step).map(|(provider, step)| format!("providers.{provider}.{}", step.code()));
    let decided = Decided {
        action: "login",
        status,
        result: None,
        reason: None,
        method: passed.method,
        provider: passed.provider,
        email: None,
        user_id: None,
        session_id: None,
        rule: rule.as_deref(),
        time: passed.time,
    };
    append(state, scene, &decided);
}

/// A step of an attempt whose person is known already, by the rule that asks for it. Queued, not waited for.
pub(crate) fn stepped(state: &State, scene: &Scene<'_>, who: &SignIn, rule: &str, time: Option<Duration>) {
    let decided = Decided { rule: Some(rule), time, ..Decided::sign_in(who, PENDING, None) };
    append(state, scene, &decided);
}

/// As sent, cut at 2 KiB; absent if it is not UTF-8.
pub(crate) fn user_agent(headers: &HeaderMap) -> Option<&str> {
    let text = std::str::from_utf8(headers.get(USER_AGENT)?.as_bytes()).ok()?;
    let mut end = text.len().min(USER_AGENT_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end)
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

/// A live session that the circuit's policy refuses: one failed attempt per session, circuit and revision, however
/// often it comes back. Not for address, country and limit rules, which are no attempt.
///
/// # Errors
/// When the entry is not on disk; it will be tried again with the session's next request.
pub(crate) async fn policy_refused(
    state: &State,
    scene: &Scene<'_>,
    session: &Session,
    refusal: &Refusal,
) -> Result<(), Unavailable> {
    let key = (session.id.clone(), scene.circuit.name.shared(), scene.revision.clone());
    if !state.refused.is_new(&key) {
        return Ok(());
    }
    let committed = commit(state, scene, &Decided::session(session, FAILED, Some(refusal))).await;
    if committed.is_err() {
        state.refused.0.invalidate(&key);
    }
    committed
}

/// Session, circuit, revision.
type RefusedKey = (SessionId, Arc<str>, Arc<str>);

/// Refusals of sessions that are recorded already; at most [`REMEMBERED`].
pub(crate) struct Refused(Cache<RefusedKey, ()>);

impl Default for Refused {
    fn default() -> Self {
        Self(Cache::new(REMEMBERED))
    }
}

impl Refused {
    /// Remembered now.
    pub(crate) fn count(&self) -> u64 {
        // What was put in lately is counted only then.
        self.0.run_pending_tasks();
        self.0.entry_count()
    }

    fn is_new(&self, key: &RefusedKey) -> bool {
        self.0.get(key).is_none() && self.0.entry_by_ref(key).or_insert(()).is_fresh()
    }
}

/// Status and result.
type Outcome = (&'static str, Option<&'static str>);

const PENDING: Outcome = ("pending", None);
const SUCCESS: Outcome = ("success", Some("success"));
const FAILED: Outcome = ("failure", Some("failed"));
const LIMITED: Outcome = ("failure", Some("rate_limited"));

/// What came of it.
#[derive(Clone, Copy)]
struct Decided<'a> {
    action: &'a str,
    status: &'static str,
    /// Absent until it is decided.
    result: Option<&'static str>,
    reason: Option<Reason>,
    method: Method,
    provider: Option<&'a str>,
    email: Option<&'a str>,
    user_id: Option<&'a str>,
    session_id: Option<&'a str>,
    rule: Option<&'a str>,
    /// How long it took; absent: since the head was read.
    time: Option<Duration>,
}

impl<'a> Decided<'a> {
    fn verified(verified: &'a Verified) -> Self {
        let session_id = Some(verified.session_id().as_str());
        let rule = verified.exception.as_deref().or(verified.sign_in.rule.as_deref());
        Self { session_id, rule, ..Self::sign_in(&verified.sign_in, SUCCESS, None) }
    }

    fn sign_in(who: &'a SignIn, (status, result): Outcome, refusal: Option<&'a Refusal>) -> Self {
        Self {
            action: "login",
            status,
            result,
            reason: refusal.map(|refusal| refusal.reason),
            method: who.method,
            provider: who.provider.as_deref(),
            email: who.email.as_deref(),
            user_id: who.user_id.as_deref(),
            session_id: None,
            rule: refusal.map(|refusal| refusal.rule.as_str()).or(who.rule.as_deref()),
            time: None,
        }
    }

    fn session(session: &'a Session, (status, result): Outcome, refusal: Option<&'a Refusal>) -> Self {
        Self {
            action: "login",
            status,
            result,
            reason: refusal.map(|refusal| refusal.reason),
            method: session.method,
            provider: session.provider.as_deref(),
            email: session.email.as_deref(),
            user_id: Some(&session.user_id),
            session_id: Some(session.id.as_str()),
            rule: refusal.map(|refusal| refusal.rule.as_str()),
            time: None,
        }
    }
}

fn append(state: &State, scene: &Scene<'_>, decided: &Decided<'_>) {
    let attempt_id = attempt_id(state, scene);
    let mut entry = entry(state, scene, decided, &attempt_id);
    let disguise = Disguise::of_attempt(&state.auth, Some(scene.circuit), &entry);
    disguise.iter().for_each(|disguise| disguise.put_on_attempt(&mut entry));
    state.store.append(&Entry::Access(&entry));
}

fn attempt_id<'a>(state: &State, scene: &Scene<'a>) -> Cow<'a, str> {
    scene.attempt.map_or_else(|| Cow::Owned(state.request_ids.next().to_string()), Cow::Borrowed)
}

async fn commit(state: &State, scene: &Scene<'_>, decided: &Decided<'_>) -> Result<(), Unavailable> {
    let attempt_id = attempt_id(state, scene);
    let mut entry = entry(state, scene, decided, &attempt_id);
    let disguise = Disguise::of_attempt(&state.auth, Some(scene.circuit), &entry);
    disguise.iter().for_each(|disguise| disguise.put_on_attempt(&mut entry));
    state.store.commit(&Entry::Access(&entry)).await?;
    count(state, scene, decided);
    Ok(())
}

fn count(state: &State, scene: &Scene<'_>, decided: &Decided<'_>) {
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
fn named(circuit: &str) -> Option<&str> {
    Some(circuit).filter(|circuit| !circuit.is_empty())
}

fn common<'a>(scene: &Scene<'a>) -> Common<'a> {
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

fn policy(access: &Access) -> &'static str {
    match access {
        Access::Public => "public",
        Access::Members(_) => "members",
        Access::Allowlist { .. } => "allowlist",
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn agent(bytes: &[u8]) -> Option<String> {
        let headers = HeaderMap::from_iter([(USER_AGENT, HeaderValue::from_bytes(bytes).unwrap())]);
        user_agent(&headers).map(str::to_owned)
    }

    #[test]
    fn a_user_agent_is_cut_between_characters() {
        assert_eq!(agent(b"curl/8").as_deref(), Some("curl/8"));
        assert_eq!(agent(b"\xff"), None);
        let long = "é".repeat(USER_AGENT_BYTES);
        assert_eq!(agent(long.as_bytes()).unwrap().len(), USER_AGENT_BYTES);
        assert_eq!(agent(format!("a{long}").as_bytes()).unwrap().len(), USER_AGENT_BYTES - 1);
    }
}

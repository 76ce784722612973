//! What came of an attempt, or what it has come to so far.

use std::time::Duration;

use vestibule_auth::sso::Step;
use vestibule_auth::{Method, Reason, Refusal, Session, SignIn, Verified};

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

/// Status and result.
pub(super) type Outcome = (&'static str, Option<&'static str>);

pub(super) const PENDING: Outcome = ("pending", None);
pub(super) const SUCCESS: Outcome = ("success", Some("success"));
pub(super) const FAILED: Outcome = ("failure", Some("failed"));
pub(super) const LIMITED: Outcome = ("failure", Some("rate_limited"));

/// What came of it.
#[derive(Clone, Copy)]
pub(super) struct Decided<'a> {
    pub(super) action: &'a str,
    pub(super) status: &'static str,
    /// Absent until it is decided.
    pub(super) result: Option<&'static str>,
    pub(super) reason: Option<Reason>,
    pub(super) method: Method,
    pub(super) provider: Option<&'a str>,
    pub(super) email: Option<&'a str>,
    pub(super) user_id: Option<&'a str>,
    pub(super) session_id: Option<&'a str>,
    pub(super) rule: Option<&'a str>,
    /// How long it took; absent: since the head was read.
    pub(super) time: Option<Duration>,
}

impl<'a> Decided<'a> {
    /// A step; `rule` names it.
    pub(super) fn passed(passed: &Passed<'a>, status: &'static str, rule: Option<&'a str>) -> Self {
        Self {
            action: "login",
            status,
            result: None,
            reason: None,
            method: passed.method,
            provider: passed.provider,
            email: None,
            user_id: None,
            session_id: None,
            rule,
            time: passed.time,
        }
    }

    pub(super) fn verified(verified: &'a Verified) -> Self {
        let session_id = Some(verified.session_id().as_str());
        let rule = verified.exception.as_deref().or(verified.sign_in.rule.as_deref());
        Self { session_id, rule, ..Self::sign_in(&verified.sign_in, SUCCESS, None) }
    }

    pub(super) fn sign_in(who: &'a SignIn, (status, result): Outcome, refusal: Option<&'a Refusal>) -> Self {
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

    pub(super) fn session(session: &'a Session, (status, result): Outcome, refusal: Option<&'a Refusal>) -> Self {
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

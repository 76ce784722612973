//! A session as it is on disk.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::{Listed, Session, SessionFilter, SessionId, State};
use crate::caller::Method;

/// JSON, under the SHA-256 of the cookie's value. Fields are only ever added.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) circuit: String,
    pub(crate) email: Option<String>,
    pub(crate) user_id: String,
    pub(crate) method: Method,
    pub(crate) created: Timestamp,
    pub(crate) expires: Timestamp,
    pub(crate) idle_seconds: u64,
    pub(crate) source_ip: IpAddr,
    pub(crate) user_agent: String,
    pub(crate) state: State,
    /// Absent while active.
    pub(crate) ended: Option<Timestamp>,
    /// Keyed hash of the hash of the secret that it began with.
    pub(crate) fingerprint: String,
    /// What a provider said; absent where none was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) provided: Option<Provided>,
    /// What followed the credential.
    #[serde(default, skip_serializing_if = "Passed::is_nothing")]
    pub(crate) passed: Passed,
    /// Absent where somebody signed in for this very session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) parent: Option<Parent>,
}

/// The sign-in at the login host that a circuit's session came from, and with which it ends.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub(crate) struct Parent {
    /// `SessionId`.
    pub(crate) id: String,
    /// Its cookie, sealed under this session's.
    pub(crate) sealed: Option<String>,
}

/// The steps that a sign-in took after its credential.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Passed {
    /// Keyed hash of the secret whose code was good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) second_factor: Option<String>,
    /// The person said why.
    #[serde(default)]
    pub(crate) purpose: bool,
    /// Name of the hook that had nothing against it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) hook: Option<String>,
}

impl Passed {
    fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// What a provider said at the sign-in, or when it was asked last.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub(crate) struct Provided {
    /// Name of the provider.
    pub(crate) provider: String,
    pub(crate) groups: BTreeSet<String>,
    /// The provider's own session, for logouts that it tells of.
    pub(crate) sid: Option<String>,
    /// Its tokens, sealed under the cookie.
    pub(crate) sealed: Option<String>,
    /// When it was asked.
    pub(crate) checked: Timestamp,
}

impl Row {
    /// The state that counts now: an active row whose time is over is expired.
    pub(crate) fn state_at(&self, now: Timestamp, last_used: Timestamp) -> State {
        let idle = now.duration_since(last_used);
        let idle_over = Duration::try_from(idle).is_ok_and(|idle| idle >= Duration::from_secs(self.idle_seconds));
        match self.state {
            State::Active if now >= self.expires || idle_over => State::Expired,
            state @ (State::Active | State::Expired | State::Revoked | State::Logout) => state,
        }
    }

    pub(crate) fn is_child_of(&self, id: &str) -> bool {
        self.parent.as_ref().is_some_and(|parent| parent.id == id)
    }

    pub(crate) fn matches(&self, filter: &SessionFilter) -> bool {
        let SessionFilter { id, email, circuit } = filter;
        id.as_ref().is_none_or(|id| *id == self.id)
            && email.as_ref().is_none_or(|email| Some(email) == self.email.as_ref())
            && circuit.as_ref().is_none_or(|circuit| *circuit == self.circuit)
    }

    pub(crate) fn session(&self) -> Session {
        Session {
            id: SessionId(self.id.as_str().into()),
            circuit: self.circuit.as_str().into(),
            email: self.email.as_deref().map(Arc::from),
            user_id: self.user_id.as_str().into(),
            method: self.method,
            provider: self.provided.as_ref().map(|provided| provided.provider.as_str().into()),
            created: self.created,
            expires: self.expires,
        }
    }

    pub(crate) fn listed(self, state: State, last_used: Timestamp) -> Listed {
        let expires = self.ended.unwrap_or(self.expires);
        Listed {
            id: self.id,
            circuit: self.circuit,
            email: self.email,
            user_id: self.user_id,
            method: self.method,
            provider: self.provided.map(|provided| provided.provider),
            state,
            created: self.created,
            last_used,
            expires,
            source_ip: self.source_ip,
            user_agent: self.user_agent,
        }
    }
}

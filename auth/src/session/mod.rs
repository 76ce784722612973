//! Sessions: opaque random cookies whose SHA-256 alone is stored.

mod change;
mod list;
mod live;
mod row;
mod store;
#[cfg(test)]
mod tests;
mod upkeep;

use std::sync::Arc;

use jiff::Timestamp;

use crate::caller::Method;
use crate::error::Error;

pub(crate) use live::{Judged, Live};
pub(crate) use row::{Parent, Passed, Provided, Row};
pub(crate) use store::{Draft, Found, Store};

/// What stands in place of a circuit's name in the sessions of the login host.
pub(crate) const LOGIN: &str = "";

/// A keyed hash of the session, for logs and the API; never the cookie.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SessionId(pub(crate) Arc<str>);

impl SessionId {
    /// 32 hex digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The value for the browser, once.
pub struct SessionCookie {
    /// 256 random bits, base64url without padding.
    pub value: zeroize::Zeroizing<String>,
    /// The new session.
    pub session: Arc<Session>,
}

/// One session as stored.
#[derive(Debug)]
pub struct Session {
    /// For logs and the API.
    pub id: SessionId,
    /// Good for this circuit only; empty: for the login host.
    pub circuit: Arc<str>,
    /// Absent for a shared secret.
    pub email: Option<Arc<str>>,
    /// `PROVIDER:sub`, `local:EMAIL` or `shared:CIRCUIT`.
    pub user_id: Arc<str>,
    /// How it began.
    pub method: Method,
    /// Where, for [`Method::Sso`].
    pub provider: Option<Arc<str>>,
    /// When it began.
    pub created: Timestamp,
    /// When it ends at the latest.
    pub expires: Timestamp,
}

/// For lists: the session and its state.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Listed {
    /// `SessionId`.
    pub id: String,
    /// Its circuit; empty: of the login host.
    pub circuit: String,
    /// Absent for a shared secret.
    pub email: Option<String>,
    /// `PROVIDER:sub`, `local:EMAIL` or `shared:CIRCUIT`.
    pub user_id: String,
    /// `password`, `pin` or `sso`.
    pub method: Method,
    /// Where, for `sso`.
    pub provider: Option<String>,
    /// `active`, `expired`, `revoked`, `logout`.
    pub state: State,
    /// When it began.
    pub created: Timestamp,
    /// Last request, within a minute.
    pub last_used: Timestamp,
    /// When it ends or ended.
    pub expires: Timestamp,
    /// Where it began.
    pub source_ip: std::net::IpAddr,
    /// With what; at most 256 bytes.
    pub user_agent: String,
}

/// One live session, for those who count them.
#[derive(Debug, Clone, Copy)]
pub struct Held<'a> {
    /// Absent for a shared secret.
    pub email: Option<&'a str>,
    /// Its circuit.
    pub circuit: &'a str,
    /// When it began.
    pub created: Timestamp,
}

/// State of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Opens its circuit.
    Active,
    /// Its time is over.
    Expired,
    /// Ended by an administrator, a policy or a newer session.
    Revoked,
    /// Ended by its owner.
    Logout,
}

/// Which sessions; all of them where nothing is named.
#[derive(Debug, Clone, Default)]
pub struct SessionFilter {
    /// `SessionId`.
    pub id: Option<String>,
    /// Lower-cased e-mail.
    pub email: Option<String>,
    /// Circuit name.
    pub circuit: Option<String>,
}

/// All sessions.
#[derive(Clone)]
pub struct Sessions {
    pub(crate) store: Arc<Store>,
}

impl Sessions {
    /// Those that match, newest first, at most `limit`; ended ones are kept for 30 days. Reads every row: call it
    /// where blocking is allowed.
    ///
    /// # Errors
    /// When the state database refuses.
    pub fn list(&self, filter: &SessionFilter, limit: usize) -> Result<Vec<Listed>, Error> {
        self.store.list(filter, limit)
    }

    /// Shows every session that was not ended, nor found to be over. Reads every row: call it where blocking is
    /// allowed.
    ///
    /// # Errors
    /// When the state database refuses.
    pub fn each_live(&self, take: impl FnMut(&Held<'_>)) -> Result<(), Error> {
        self.store.each_live(take)
    }

    /// The one with this [`SessionId`], ended ones too.
    ///
    /// # Errors
    /// When the state database refuses.
    pub fn find_by_id(&self, id: &str) -> Result<Option<Listed>, Error> {
        self.store.find_by_id(id)
    }

    /// Ends the live ones that match, and with one of the login host those that came from it; effective on the next
    /// request, and on disk when this returns. One that is named by its id ends with the sign-in that it came from:
    /// else its browser would be given another without being asked. Returns those ended. `state` is what they become; `Active` is taken as `Revoked`.
    ///
    /// # Errors
    /// When the state database refuses; then none is said to be ended.
    pub fn end(&self, filter: &SessionFilter, state: State) -> Result<Vec<Listed>, Error> {
        self.store.end(filter, state)
    }
}

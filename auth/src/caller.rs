//! Who is on the other side, once known.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::session::SessionId;

/// How somebody came in; the log's `auth_method`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// A password, a person's own or a circuit's.
    Password,
    /// A PIN, a person's own or a circuit's.
    Pin,
    /// A service token.
    Token,
    /// A key in a header of the circuit's.
    Header,
    /// An address that the circuit trusts.
    Ip,
    /// An OpenID Connect provider.
    Sso,
    /// A code that was sent by e-mail.
    Code,
    /// Nothing was asked.
    None,
}

impl Method {
    /// Every one.
    pub const ALL: [Self; 8] =
        [Self::Password, Self::Pin, Self::Sso, Self::Code, Self::Token, Self::Header, Self::Ip, Self::None];

    /// The word of the logs.
    pub fn code(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Pin => "pin",
            Self::Token => "token",
            Self::Header => "header",
            Self::Ip => "ip",
            Self::Sso => "sso",
            Self::Code => "code",
            Self::None => "none",
        }
    }
}

/// Who passed a gate.
#[derive(Debug, Clone)]
pub enum Caller {
    /// A public circuit; no identity is looked at.
    Anyone,
    /// A session of a person or of a shared secret, or who showed something else with the request.
    Known(Arc<Identity>),
}

/// What a session says of its owner, or a credential of who shows it.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Absent for a shared secret and for machines.
    pub email: Option<Arc<str>>,
    /// `PROVIDER:sub`, `local:EMAIL`, `shared:CIRCUIT`, `token:NAME`, `header:CIRCUIT` or `ip:CIRCUIT`.
    pub user_id: Arc<str>,
    /// Of the configuration of now, and what the provider said last.
    pub groups: BTreeSet<String>,
    /// How the session began, or what was shown.
    pub method: Method,
    /// For the logs and the assertion; never the cookie. Absent without a session.
    pub session: Option<SessionId>,
}

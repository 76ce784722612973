//! For whom somebody stands who comes in: a token, or an operator; and what those may now.

use std::net::IpAddr;

use aws_lc_rs::digest::{SHA256, digest};
use jiff::Timestamp;
use subtle::ConstantTimeEq;
use vestibule_auth::Auth;
use vestibule_auth::sso::Operator;
use vestibule_config::admin::{Admin, AdminToken, LogName, Role};

use crate::admin::tokens::admin_key;
use crate::audit::ActorKind;
use crate::state::Live;

/// A token of the configuration, or an operator who signed in at a provider.
#[derive(Debug, Clone)]
pub(crate) enum Holder {
    Token { name: String, hash: [u8; 32] },
    Operator(Operator),
}

/// What a holder may at one moment.
#[derive(Debug)]
pub(crate) struct Granted {
    pub(crate) role: Role,
    /// Absent: every log.
    pub(crate) logs: Option<Vec<LogName>>,
}

impl Granted {
    /// Whether it reads this log.
    pub(super) fn reads(&self, log: LogName) -> bool {
        self.logs.as_ref().is_none_or(|logs| logs.contains(&log))
    }
}

impl Holder {
    /// Of a token that was shown.
    pub(crate) fn of(name: &str, token: &AdminToken) -> Self {
        Self::Token { name: name.to_owned(), hash: *token.hash.expose() }
    }

    /// As entries name it.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Token { name, hash: _ } => name,
            Self::Operator(operator) => operator.email(),
        }
    }

    /// As entries say it.
    pub(crate) fn kind(&self) -> ActorKind {
        match self {
            Self::Token { .. } => ActorKind::Token,
            Self::Operator(_) => ActorKind::User,
        }
    }

    /// Absent once the configuration has the token or the operator no more, or another token of the name.
    pub(crate) fn granted(&self, live: &Live) -> Option<Granted> {
        match self {
            Self::Token { name, hash } => {
                let token = live.settings.admin.tokens.get(name.as_str())?;
                let is_same = token.hash.expose() == hash;
                is_same.then(|| Granted { role: token.role, logs: token.logs.clone() })
            }
            Self::Operator(operator) => {
                let standing = live.policy.operators()?.standing(operator)?;
                Some(Granted { role: standing.role, logs: standing.logs.clone() })
            }
        }
    }

    /// The last use of a token; what operators do stands in the audit log.
    pub(super) fn note_use(&self, auth: &Auth, at: Timestamp, from: IpAddr) {
        match self {
            Self::Token { name, hash: _ } => auth.uses().of(&admin_key(name)).note(at, from),
            Self::Operator(_) => (),
        }
    }
}

/// Every token is compared, whichever fits, so that the time tells nothing.
pub(in crate::admin) fn holder(admin: &Admin, sent: &[u8]) -> Option<Holder> {
    let sent = digest(&SHA256, sent);
    admin.tokens.iter().fold(None, |found, (name, token)| {
        let fits = bool::from(token.hash.expose().as_slice().ct_eq(sent.as_ref()));
        if fits { Some(Holder::of(name.as_str(), token)) } else { found }
    })
}

pub(in crate::admin) fn role_name(role: Role) -> &'static str {
    match role {
        Role::Reader => "reader",
        Role::Auditor => "auditor",
        Role::Admin => "admin",
    }
}

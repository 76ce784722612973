//! `[admin]`.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::name::Name;
use crate::secret::TokenHash;

/// `[admin]`.
#[derive(Debug, Clone)]
pub struct Admin {
    /// Loopback unless said. Fixed until a restart.
    pub listen: SocketAddr,
    /// Further names accepted in Host; lower-case.
    pub hosts: Vec<String>,
    /// By name.
    pub tokens: BTreeMap<Name, AdminToken>,
}

/// `[admin.tokens.NAME]`.
#[derive(Debug, Clone)]
pub struct AdminToken {
    /// What it may do.
    pub role: Role,
    /// SHA-256 of the token.
    pub hash: TokenHash,
    /// `logs`: the logs that it reads; absent: all. Values `access`, `requests`, `audit`.
    pub logs: Option<Vec<LogName>>,
}

/// `role`, each including those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Reads.
    Reader,
    /// Also exports and verifies.
    Auditor,
    /// Also changes.
    Admin,
}

/// One of the three logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LogName {
    /// Attempts.
    Access,
    /// Requests.
    Requests,
    /// Changes and administration.
    Audit,
}

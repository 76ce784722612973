//! Who may enter a circuit, and what they may sign in with.

use crate::name::{Email, Name};
use crate::secret::PasswordHash;

/// `access`, with the keys that belong to it.
#[derive(Debug, Clone)]
pub enum Access {
    /// Everybody.
    Public,
    /// Members of the circuit's project, which is named there.
    Members(Ways),
    /// Those listed; nobody where empty.
    Allowlist {
        /// `allow`.
        allow: Vec<AllowEntry>,
        /// `login` and `shared`.
        ways: Ways,
    },
}

/// What a person may sign in with.
#[derive(Debug, Clone, Default)]
pub struct Ways {
    /// `login`, in the file's order.
    pub login: Vec<SignInWay>,
    /// `shared`: the circuit's own secret; who knows it is let in, as nobody in particular.
    pub shared: Option<SharedSecret>,
}

/// One entry of `login`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignInWay {
    /// A person's own password.
    Password,
    /// A person's own PIN.
    Pin,
}

/// `shared`; at least one of the two.
#[derive(Debug, Clone)]
pub struct SharedSecret {
    /// One password for all.
    pub password_hash: Option<PasswordHash>,
    /// One PIN for all.
    pub pin_hash: Option<PasswordHash>,
}

/// One entry of `members` or `allow`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllowEntry {
    /// `maya@example.net`
    Email(Email),
    /// `domain:example.net`, lower-case; the part behind the `@`, exactly.
    Domain(String),
    /// `group:writers`
    Group(String),
    /// `token:ci`
    Token(Name),
}

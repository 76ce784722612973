//! `[users."EMAIL"]`: people with a credential or a state of their own.

use std::collections::BTreeSet;

use crate::name::Email;
use crate::secret::PasswordHash;

/// One person.
#[derive(Debug, Clone)]
pub struct User {
    /// The table's key.
    pub email: Email,
    /// Shown on pages.
    pub name: Option<String>,
    /// Absent: cannot sign in with a password.
    pub password_hash: Option<PasswordHash>,
    /// Absent: cannot sign in with a PIN.
    pub pin_hash: Option<PasswordHash>,
    /// For `group:NAME` in members and allow, and for the upstream.
    pub groups: BTreeSet<String>,
    /// Applies to every way in.
    pub state: AccountState,
}

/// `state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountState {
    /// May sign in.
    Active,
    /// Waits for approval; may not.
    Pending,
    /// May not.
    Blocked,
}

//! `[users."EMAIL"]`: people with a credential or a state of their own.

use std::collections::BTreeSet;

use crate::name::Email;
use crate::secret::PasswordHash;
use crate::shape::shape;
use crate::totp::TotpSecret;
use crate::word::{Word, Wrong, spellings, words};

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
    /// Absent: not let in where a second factor is asked for.
    pub totp: Option<TotpSecret>,
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

spellings!(pub AccountState { "active" => Active, "pending" => Pending, "blocked" => Blocked });

shape! {
    /// What `[users."EMAIL"]` may say.
    pub(crate) struct RawUser {
        name: String,
        password_hash: PasswordHash,
        pin_hash: PasswordHash,
        groups: Vec<Group>,
        state: AccountState,
        totp: TotpSecret,
    }
}

/// Name of a group: what the header of groups can carry between two commas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Group(pub(crate) String);

/// Characters of a group's name.
const GROUP_LENGTH_MAX: usize = 128;

impl RawUser {
    pub(crate) fn check(self, email: &Email) -> User {
        let Self { table: _unused, name, password_hash, pin_hash, groups, state, totp } = self;
        User {
            email: email.clone(),
            name: name.optional(),
            password_hash: password_hash.optional(),
            pin_hash: pin_hash.optional(),
            totp: totp.optional(),
            groups: groups.or_default().into_iter().map(|group| group.0).collect(),
            state: state.or(AccountState::Active),
        }
    }
}

/// Whether a text is the name of a group, as the file could hold it.
pub fn is_group(text: &str) -> bool {
    Group::parse(text).is_ok()
}

impl Word for Group {
    fn parse(text: &str) -> Result<Self, Wrong> {
        let bad = |c: char| c.is_control() || c == ',';
        if text.is_empty() || text.trim() != text || text.chars().count() > GROUP_LENGTH_MAX || text.contains(bad) {
            return Err(Wrong::new(format!("{text:?} is not a group")).help(format!(
                "write 1 to {GROUP_LENGTH_MAX} characters without commas, with no space at either end"
            )));
        }
        Ok(Self(text.to_owned()))
    }
}

words!(Group);

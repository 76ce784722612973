//! One attempt to sign in with something that a person types.

use std::sync::Arc;

use zeroize::Zeroizing;

use crate::caller::Method;
use crate::error::Error;
use crate::session::{Session, SessionCookie};
use crate::verdict::Refusal;

/// What was typed, and where.
pub enum Credential {
    /// A person's own password or PIN.
    Own {
        /// As typed; folded before any comparison.
        email: String,
        /// Theirs.
        secret: Secret,
    },
    /// The circuit's own password or PIN.
    Shared(Secret),
}

/// A secret as typed; longer than 1 KiB is a failure.
pub enum Secret {
    /// Any text.
    Password(Zeroizing<String>),
    /// Digits.
    Pin(Zeroizing<String>),
}

/// What became of an attempt, with what its entry needs.
pub struct SignIn {
    /// Folded as typed, also when no such account exists; absent for a shared secret.
    pub email: Option<Arc<str>>,
    /// Absent unless the account exists or the secret is shared.
    pub user_id: Option<Arc<str>>,
    /// What was tried.
    pub method: Method,
}

/// What became of an attempt.
pub enum Outcome {
    /// The credential is good and the policy passes; nothing is open yet.
    Verified(Verified),
    /// The credential is not good, or the account may not sign in. The client learns `invalid_credentials` only.
    Failed(SignIn, Refusal),
    /// The credential is good and the policy refuses: 403 with its reason.
    Forbidden(SignIn, Refusal),
    /// Not looked at: limits (429) or a full hash queue (503).
    Limited(SignIn, Refusal),
}

/// A good attempt that waits for its record.
pub struct Verified {
    /// For the entry.
    pub sign_in: SignIn,
}

impl Verified {
    /// The id that the session will have, for the attempt's entry.
    pub fn session_id(&self) -> &crate::session::SessionId {
        todo!()
    }

    /// Makes the session, on disk when this returns; call it after the attempt is on disk. `replaces` is ended.
    ///
    /// # Errors
    /// When the state database refuses; then there is no session.
    pub fn open(self, _replaces: Option<&Session>) -> Result<SessionCookie, Error> {
        todo!()
    }
}

//! `[service_tokens.NAME]`: machines. Nothing of it works yet; its shape is checked.

use jiff::Timestamp;

use crate::secret::TokenHash;
use crate::shape::shape;

shape! {
    /// What `[service_tokens.NAME]` may say.
    pub(crate) unread struct RawServiceToken {
        hash: TokenHash,
        expires: Timestamp,
        previous: RawPrevious,
        disabled: bool,
    }
}

shape! {
    unread struct RawPrevious {
        hash: TokenHash,
        until: Timestamp,
    }
}

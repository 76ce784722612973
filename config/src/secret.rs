//! Hashes and secrets; none of them can be printed.

use std::fmt;

/// An Argon2id hash in PHC form: at least m=19456, t=2, p=1.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(pub(crate) Box<str>);

impl PasswordHash {
    /// The PHC string, for verification only.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(hidden)")
    }
}

/// `sha256:` and 64 hex digits in the file.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenHash(pub(crate) [u8; 32]);

impl TokenHash {
    /// The digest, for a comparison in constant time.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(hidden)")
    }
}

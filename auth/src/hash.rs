//! Making hashes, PINs' rules and tokens; checking a secret is `pool`.

use zeroize::Zeroizing;

/// Below this many characters a password that stands alone is easy to guess: NIST SP 800-63B-4, 3.1.1.
pub const ADVISED_PASSWORD_CHARS: usize = 15;

/// Fewest and most digits of a PIN.
pub const PIN_DIGITS: std::ops::RangeInclusive<usize> = 6..=64;

/// Argon2id with m=19456 KiB, t=2, p=1 and a random salt, as a PHC string for the file.
///
/// # Errors
/// When the secret is empty or longer than 1 KiB.
pub fn hash_secret(_secret: &Zeroizing<String>) -> Result<String, WeakSecret> {
    todo!()
}

/// A PIN is 6 to 64 ASCII digits.
///
/// # Errors
/// Says which rule it breaks, never the PIN.
pub fn check_pin(_pin: &Zeroizing<String>) -> Result<(), WeakSecret> {
    todo!()
}

/// What to tell somebody who chooses this password; absent: nothing.
pub fn password_advice(_password: &Zeroizing<String>) -> Option<WeakSecret> {
    todo!()
}

/// A new random token, shown once (`vsta_…`), and its hash for the file (`sha256:…`).
pub fn new_admin_token() -> (Zeroizing<String>, String) {
    todo!()
}

/// What is wrong with a secret; Display is a message for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WeakSecret {
    /// Nothing was typed.
    #[error("the secret is empty")]
    Empty,
    /// More than is ever hashed.
    #[error("the secret is longer than 1 KiB")]
    TooLong,
    /// Letters or signs in a PIN.
    #[error("a PIN is made of digits only")]
    NotDigits,
    /// Outside [`PIN_DIGITS`].
    #[error("a PIN has 6 to 64 digits")]
    PinLength,
    /// Advice, not a rule.
    #[error("shorter than 15 characters: easy to guess where it is the only factor")]
    ShortPassword,
}

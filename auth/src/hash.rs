//! Making hashes, PINs' rules and tokens; checking a secret is `pool`.

use argon2::{Algorithm, Argon2, Params, PasswordHasher, Version};
use base64::Engine;
use zeroize::Zeroizing;

use crate::keyed::{hex, random, sha256};
use crate::pool::MAX_SECRET_BYTES;

/// Below this many characters a password that stands alone is easy to guess: NIST SP 800-63B-4, 3.1.1.
pub const ADVISED_PASSWORD_CHARS: usize = 15;

/// Fewest and most digits of a PIN.
pub const PIN_DIGITS: std::ops::RangeInclusive<usize> = 6..=64;

/// Argon2id with m=19456 KiB, t=2, p=1 and a random salt, as a PHC string for the file.
///
/// # Errors
/// When the secret is empty or longer than 1 KiB.
pub fn hash_secret(secret: &Zeroizing<String>) -> Result<String, WeakSecret> {
    match secret.len() {
        0 => return Err(WeakSecret::Empty),
        1..=MAX_SECRET_BYTES => (),
        _ => return Err(WeakSecret::TooLong),
    }
    let params = Params::new(19_456, 2, 1, None).expect("the numbers are within Argon2's bounds");
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let salt = random();
    let hash: argon2::PasswordHash =
        argon2.hash_password_with_salt(secret.as_bytes(), salt.split_at(16).0).expect("16 bytes are a salt");
    Ok(hash.to_string())
}

/// A PIN is 6 to 64 ASCII digits.
///
/// # Errors
/// Says which rule it breaks, never the PIN.
pub fn check_pin(pin: &Zeroizing<String>) -> Result<(), WeakSecret> {
    if pin.is_empty() {
        return Err(WeakSecret::Empty);
    }
    if !pin.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(WeakSecret::NotDigits);
    }
    if PIN_DIGITS.contains(&pin.len()) { Ok(()) } else { Err(WeakSecret::PinLength) }
}

/// What to tell somebody who chooses this password; absent: nothing.
pub fn password_advice(password: &Zeroizing<String>) -> Option<WeakSecret> {
    (password.chars().count() < ADVISED_PASSWORD_CHARS).then_some(WeakSecret::ShortPassword)
}

/// A token that was just made.
pub struct NewToken {
    /// 256 random bits; shown once, and kept nowhere.
    pub token: Zeroizing<String>,
    /// For the file: `sha256:…`, over the whole token.
    pub hash: String,
}

/// Of the admin port (`vsta_…`).
pub fn new_admin_token() -> NewToken {
    new_token("vsta_")
}

/// Of a machine (`vst_…`).
pub fn new_service_token() -> NewToken {
    new_token("vst_")
}

fn new_token(prefix: &str) -> NewToken {
    let bytes = Zeroizing::new(random());
    let mut token = Zeroizing::new(String::with_capacity(prefix.len() + TOKEN_CHARS));
    token.push_str(prefix);
    base64::prelude::BASE64_URL_SAFE_NO_PAD.encode_string(bytes.as_slice(), &mut token);
    let hash = format!("sha256:{}", hex(&sha256(token.as_bytes())));
    NewToken { token, hash }
}

/// 32 bytes as base64url without padding.
const TOKEN_CHARS: usize = 43;

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

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Zeroizing<String> {
        Zeroizing::new(text.to_owned())
    }

    #[test]
    fn a_pin_is_six_to_sixty_four_digits() {
        for (pin, expected) in [
            ("", Err(WeakSecret::Empty)),
            ("12a", Err(WeakSecret::NotDigits)),
            ("12345", Err(WeakSecret::PinLength)),
            ("123456", Ok(())),
            ("١٢٣٤٥٦", Err(WeakSecret::NotDigits)),
            (&"7".repeat(64), Ok(())),
            (&"7".repeat(65), Err(WeakSecret::PinLength)),
        ] {
            assert_eq!(check_pin(&secret(pin)), expected, "{pin:?}");
        }
    }

    #[test]
    fn hashes_are_salted_and_of_the_promised_strength() {
        let one = hash_secret(&secret("correct horse")).unwrap();
        assert!(one.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{one}");
        assert_ne!(one, hash_secret(&secret("correct horse")).unwrap());
        assert_eq!(hash_secret(&secret("")), Err(WeakSecret::Empty));
        assert!(hash_secret(&secret(&"x".repeat(1_024))).is_ok());
        assert_eq!(hash_secret(&secret(&"x".repeat(1_025))), Err(WeakSecret::TooLong));
    }

    #[test]
    fn advice_counts_characters() {
        assert_eq!(password_advice(&secret(&"é".repeat(14))), Some(WeakSecret::ShortPassword));
        assert_eq!(password_advice(&secret(&"é".repeat(15))), None);
    }

    #[test]
    fn a_token_is_random_and_its_hash_is_of_the_whole() {
        for (make, prefix) in [(new_admin_token as fn() -> NewToken, "vsta_"), (new_service_token, "vst_")] {
            let NewToken { token, hash } = make();
            assert!(token.starts_with(prefix) && token.len() == prefix.len() + TOKEN_CHARS, "{}", token.as_str());
            assert_eq!(hash, format!("sha256:{}", hex(&sha256(token.as_bytes()))));
            assert_ne!(*token, *make().token);
        }
    }
}

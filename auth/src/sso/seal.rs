//! Tokens of a provider, and the cookie of the sign-in that a session came from, rest sealed under the session's cookie,
//! which nobody here keeps: what is on disk opens nothing, and only a request of that very browser brings the key.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// What a sealed text may hold; a longer token is not kept.
const BYTES_MAX: usize = 16 * 1024;

/// What is kept of a sign-in for later questions.
#[derive(Serialize, Deserialize, Clone)]
pub(crate) struct Tokens {
    /// Asks the provider again.
    pub(crate) refresh: Option<String>,
    /// Tells the provider whose session ends.
    pub(crate) id: Option<String>,
}

/// Absent where there is nothing to keep, or too much.
pub(crate) fn seal_tokens(tokens: &Tokens, cookie: &str) -> Option<String> {
    let is_empty = tokens.refresh.is_none() && tokens.id.is_none();
    if is_empty { None } else { seal(tokens, cookie) }
}

/// Absent where it is too long.
pub(crate) fn seal(what: &impl Serialize, cookie: &str) -> Option<String> {
    let mut text = serde_json::to_vec(what).ok()?;
    if text.len() > BYTES_MAX {
        return None;
    }
    let nonce = key(cookie)?.seal_in_place_append_tag(Aad::empty(), &mut text).ok()?;
    Some(BASE64_STANDARD_NO_PAD.encode([&nonce.as_ref()[..], &text].concat()))
}

/// Absent for another cookie's.
pub(crate) fn open<T: DeserializeOwned>(sealed: &str, cookie: &str) -> Option<T> {
    let mut bytes = BASE64_STANDARD_NO_PAD.decode(sealed).ok()?;
    let (nonce, text) = bytes.split_at_mut_checked(NONCE_LEN)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let text = key(cookie)?.open_in_place(nonce, Aad::empty(), text).ok()?;
    serde_json::from_slice(text).ok()
}

/// The purpose keeps it apart from everything else that is made of a cookie.
fn key(cookie: &str) -> Option<RandomizedNonceKey> {
    let key = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, cookie.as_bytes()), b"vestibule sealed tokens 1");
    RandomizedNonceKey::new(&AES_256_GCM, key.as_ref()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_cookie_opens_what_was_sealed_under_it() {
        let tokens = Tokens { refresh: Some("refresh".to_owned()), id: None };
        let sealed = seal_tokens(&tokens, "cookie").unwrap();
        assert_eq!(open::<Tokens>(&sealed, "cookie").unwrap().refresh.as_deref(), Some("refresh"));
        assert!(open::<Tokens>(&sealed, "another").is_none());
        assert!(open::<Tokens>(sealed.get(4..).unwrap(), "cookie").is_none());
        assert_ne!(seal_tokens(&tokens, "cookie").unwrap(), sealed, "no two are alike");
        assert!(seal_tokens(&Tokens { refresh: None, id: None }, "cookie").is_none());
        assert!(seal_tokens(&Tokens { refresh: Some("x".repeat(BYTES_MAX)), id: None }, "cookie").is_none());
    }
}

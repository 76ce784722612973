//! Tokens, and with what they are signed.

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// A token before it is signed.
#[derive(Debug, Clone)]
pub struct Token {
    /// JOSE header.
    pub header: Value,
    /// Claims.
    pub claims: Value,
    /// With what it is signed.
    pub signer: Signer,
}

/// With what a token is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signer {
    /// The published key.
    Own,
    /// A key that nobody knows.
    Stranger,
    /// A MAC with these bytes as its key.
    Mac(Vec<u8>),
    /// Not at all.
    Nothing,
}

/// What signs.
pub(super) struct Keys {
    pub(super) own: EcdsaKeyPair,
    /// By which the own one is named.
    pub(super) id: String,
    stranger: EcdsaKeyPair,
}

impl Keys {
    pub(super) fn new() -> Self {
        Self { own: generate(), id: "1".to_owned(), stranger: generate() }
    }

    /// Another key under another name.
    pub(super) fn rotate(&mut self) {
        self.own = generate();
        self.id.push('1');
    }

    /// The own one, as its set of keys.
    pub(super) fn published(&self) -> Value {
        let point = self.own.public_key().as_ref();
        let part = |range: std::ops::Range<usize>| BASE64_URL_SAFE_NO_PAD.encode(&point[range]);
        json!({ "keys": [{ "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": self.id,
            "x": part(1..33), "y": part(33..65) }] })
    }

    /// Header, claims and signature, as they travel.
    pub(super) fn signed(&self, token: &Token) -> String {
        let part = |value: &Value| {
            // A text stands for itself: what no JSON writer would write.
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            BASE64_URL_SAFE_NO_PAD.encode(text)
        };
        let message = format!("{}.{}", part(&token.header), part(&token.claims));
        let with = |key: &EcdsaKeyPair| key.sign(&SystemRandom::new(), message.as_bytes()).unwrap().as_ref().to_vec();
        let signature = match &token.signer {
            Signer::Own => with(&self.own),
            Signer::Stranger => with(&self.stranger),
            Signer::Mac(key) => {
                hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message.as_bytes()).as_ref().to_vec()
            }
            Signer::Nothing => Vec::new(),
        };
        format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
    }
}

fn generate() -> EcdsaKeyPair {
    EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap()
}

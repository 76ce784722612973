//! The rules about ID tokens. The library checks form, `crit`, `iss`, `aud`, signature, `exp` and nonce; here are the
//! algorithms that count, what may differ between two clocks, and what the library leaves to its users.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::Timestamp;
use openidconnect::core::{CoreIdToken, CoreIdTokenVerifier, CoreJwsSigningAlgorithm};
use openidconnect::{ClaimsVerificationError, ClientId, IssuerUrl, Nonce, NonceVerifier, SignatureVerificationError};
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::Value;

use super::directory::About;
use super::provider::Provider;

/// What two clocks may differ by.
const SKEW: Duration = Duration::from_secs(60);

/// Bytes of a subject, as OpenID Connect bounds it.
const SUBJECT_BYTES: usize = 255;

/// Signatures that can only be made with the provider's private key. Never `none`, and never a MAC: its key would be
/// the client's secret, or whatever somebody takes for it.
const ALGORITHMS: [CoreJwsSigningAlgorithm; 9] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::RsaSsaPssSha512,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];

/// What a token says that can be believed.
pub(super) struct Claims {
    pub(super) subject: String,
    pub(super) email: Option<String>,
    pub(super) email_verified: bool,
    /// All claims by name.
    pub(super) all: BTreeMap<String, Value>,
}

/// Why a token is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// No key of the provider is the one that it names; there may be newer ones.
    UnknownKey,
    /// Which rule it breaks.
    Breaks(&'static str),
}

/// Every rule. `nonce` is absent for a token that came for a refresh token.
pub(super) fn check(
    token: &CoreIdToken,
    provider: &Provider,
    about: &About,
    nonce: Option<&str>,
    now: Timestamp,
) -> Result<Claims, Fault> {
    let settings = &provider.settings;
    let issuer = IssuerUrl::new(settings.issuer.to_string()).map_err(|_| Fault::Breaks("iss"))?;
    let latest = SystemTime::from(now) + SKEW;
    let verifier = CoreIdTokenVerifier::new_public_client(
        ClientId::new(settings.client_id.to_string()),
        issuer,
        about.keys.clone(),
    )
    .set_allowed_algs(ALGORITHMS)
    .set_time_fn(move || (SystemTime::from(now) - SKEW).into())
    .set_issue_time_verifier_fn(move |issued| {
        if SystemTime::from(issued) > latest { Err("it is of the future".to_owned()) } else { Ok(()) }
    });
    let claims = token.claims(&verifier, Expected(nonce)).map_err(|error| fault(&error))?;
    if claims.authorized_party().is_some_and(|party| party.as_str() != &*settings.client_id) {
        return Err(Fault::Breaks("azp"));
    }
    let subject = claims.subject().as_str();
    if subject.is_empty() || subject.len() > SUBJECT_BYTES || subject.chars().any(char::is_control) {
        return Err(Fault::Breaks("sub"));
    }
    let all = payload(&token.to_string()).ok_or(Fault::Breaks("claims"))?;
    let not_before = all.get("nbf").map(|value| value.as_f64().unwrap_or(f64::INFINITY));
    if not_before.is_some_and(|seconds| seconds > seconds_of(latest)) {
        return Err(Fault::Breaks("nbf"));
    }
    Ok(Claims {
        subject: subject.to_owned(),
        email: claims.email().map(|email| email.as_str().to_owned()),
        email_verified: claims.email_verified() == Some(true),
        all,
    })
}

/// The nonce of this sign-in; a token for a refresh token has none to compare.
struct Expected<'a>(Option<&'a str>);

impl NonceVerifier for Expected<'_> {
    fn verify(self, nonce: Option<&Nonce>) -> Result<(), String> {
        match self.0 {
            Some(expected) => (&Nonce::new(expected.to_owned())).verify(nonce),
            None => Ok(()),
        }
    }
}

fn fault(error: &ClaimsVerificationError) -> Fault {
    use ClaimsVerificationError as E;
    match error {
        E::SignatureVerification(SignatureVerificationError::NoMatchingKey) => Fault::UnknownKey,
        E::SignatureVerification(_) => Fault::Breaks("signature"),
        E::Expired(_) => Fault::Breaks("exp or iat"),
        E::InvalidAudience(_) => Fault::Breaks("aud"),
        E::InvalidIssuer(_) => Fault::Breaks("iss"),
        E::InvalidNonce(_) => Fault::Breaks("nonce"),
        E::InvalidAuthContext(_) | E::InvalidAuthTime(_) | E::InvalidSubject(_) => Fault::Breaks("claims"),
        E::Other(_) | E::Unsupported(_) => Fault::Breaks("form"),
        // The library's own enum may grow.
        _ => Fault::Breaks("claims"),
    }
}

fn seconds_of(time: SystemTime) -> f64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// The claims of a token whose signature held; absent where one stands there twice.
fn payload(token: &str) -> Option<BTreeMap<String, Value>> {
    let payload = token.split('.').nth(1)?;
    let json = BASE64_URL_SAFE_NO_PAD.decode(payload).ok()?;
    serde_json::from_slice(&json).ok().map(|Once(claims)| claims)
}

/// An object in which no name stands twice: which of two counts is a matter of taste, and tastes differ.
pub(super) struct Once(pub(super) BTreeMap<String, Value>);

impl<'de> Deserialize<'de> for Once {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Once;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Once, A::Error> {
                let mut all = BTreeMap::new();
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    if all.insert(name, value).is_some() {
                        return Err(A::Error::custom("a name stands there twice"));
                    }
                }
                Ok(Once(all))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

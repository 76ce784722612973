//! Logouts that a provider tells of (OpenID Connect Back-Channel Logout), and those that it is told of.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::Timestamp;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use moka::sync::Cache;
use openidconnect::url::Url;
use serde_json::Value;

use super::directory::About;
use super::provider::Provider;
use super::seal::{self, Tokens};
use super::token::Once;
use crate::gate::Gate;
use crate::keyed::sha256;
use crate::policy::Policy;
use crate::session::{Found, Listed};
use crate::verdict::{Kind, Reason, Refusal};

/// A longer logout token is not looked at.
const TOKEN_BYTES: usize = 16 * 1024;
/// How old a logout token may be; used ones are remembered for as long.
const AGE: Duration = Duration::from_secs(300);
/// What two clocks may differ by, in seconds.
const SKEW: f64 = 60.0;
/// Used logout tokens that are remembered.
const REMEMBERED: u64 = 10_000;
/// The event that makes a token one of logout.
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

/// Logout tokens that were used, by what they are called.
pub(crate) struct Used(Cache<[u8; 32], ()>);

impl Default for Used {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(REMEMBERED).time_to_live(AGE + Duration::from_secs(120)).build())
    }
}

impl Used {
    fn is_new(&self, provider: &str, jti: &str) -> bool {
        let key = sha256([provider.as_bytes(), &[0], jti.as_bytes()].concat().as_slice());
        self.0.entry(key).or_insert(()).is_fresh()
    }
}

/// Whose sessions end.
#[derive(Debug, PartialEq, Eq)]
pub struct LogoutToken {
    subject: Option<String>,
    sid: Option<String>,
}

impl Policy {
    /// Ends what a provider's logout token names, in all circuits. Absent where there is no such provider.
    ///
    /// # Errors
    /// When the token breaks a rule, the provider's keys cannot be had, or the sessions not be ended.
    pub async fn back_channel_logout(&self, provider: &str, token: &str) -> Option<Result<Vec<Listed>, Refusal>> {
        let provider = self.providers.get(provider)?.clone();
        let named = match self.read_logout(&provider, token).await {
            Ok(named) => named,
            Err(refusal) => return Some(Err(refusal)),
        };
        let (core, name) = (self.core.clone(), provider.name().to_owned());
        let LogoutToken { subject, sid } = named;
        let end = move || core.sessions.store.end_provided(&name, subject.as_deref(), sid.as_deref());
        let failed = |error: &(dyn std::error::Error + 'static)| {
            tracing::error!(error, "sessions cannot be ended");
            provider.refuse(Reason::LogUnavailable, Kind::Unavailable(crate::gate::ASK_AGAIN), "issuer")
        };
        Some(match tokio::task::spawn_blocking(end).await {
            Ok(Ok(ended)) => Ok(ended),
            Ok(Err(error)) => Err(failed(&error)),
            Err(error) => Err(failed(&error)),
        })
    }

    async fn read_logout(&self, provider: &Provider, token: &str) -> Result<LogoutToken, Refusal> {
        let broken = |why: &'static str| {
            tracing::warn!(provider = provider.name(), why, "logout token refused");
            provider.refuse(Reason::SsoError, Kind::SignIn, "logout")
        };
        let about = provider.about().await.ok_or_else(|| provider.unavailable("issuer"))?;
        let now = self.core.clock.now();
        let mut claims = signed(token, &about);
        if matches!(claims, Err(None))
            && let Some(newer) = provider.directory.keys_again(&provider.door, &about).await
        {
            claims = signed(token, &newer);
        }
        let claims = claims.map_err(|why| broken(why.unwrap_or("no key of the provider is the one that it names")))?;
        let (named, jti) =
            named(&claims, &provider.settings.issuer, &provider.settings.client_id, now).map_err(broken)?;
        if self.core.logouts.is_new(provider.name(), jti) { Ok(named) } else { Err(broken("it was used before")) }
    }
}

impl Gate {
    /// Where the provider of a session ends its own session, with the way back to `back`. Absent where it offers no
    /// such page.
    pub async fn logout_at_provider(&self, cookie: &str, back: &str) -> Option<String> {
        let Found::Live(live) = self.core.sessions.store.find(cookie, &self.name, &self.circuit.session) else {
            return None;
        };
        let (live, cookie) = self.sign_in_behind(&live, cookie)?;
        let provider = self.provider(live.provider()?)?;
        let about = provider.about().await?;
        let endpoint = about.metadata.additional_metadata().end_session_endpoint.as_deref()?;
        let mut url =
            Url::parse(endpoint).ok().filter(|_| endpoint.parse().is_ok_and(|uri| provider.door.admits(&uri)))?;
        let tokens: Option<Tokens> = live.sealed().and_then(|sealed| seal::open(sealed, &cookie));
        let hint = tokens.and_then(|tokens| tokens.id);
        let hint = hint.as_deref().map(|hint| ("id_token_hint", hint));
        let more = [("client_id", &*provider.settings.client_id), ("post_logout_redirect_uri", back)];
        url.query_pairs_mut().extend_pairs(hint.into_iter().chain(more));
        Some(url.into())
    }
}

/// The claims of a token whose signature holds. The error is absent where no key is the one that it names.
fn signed(token: &str, about: &About) -> Result<BTreeMap<String, Value>, Option<&'static str>> {
    if token.len() > TOKEN_BYTES {
        return Err(Some("it is too long"));
    }
    let header = jsonwebtoken::decode_header(token).map_err(|_| Some("it is no token"))?;
    if !ALGORITHMS.contains(&header.alg) {
        return Err(Some("its algorithm is none of those that count"));
    }
    let typ = header.typ.as_deref().unwrap_or("logout+jwt");
    if !["logout+jwt", "application/logout+jwt", "jwt"].iter().any(|known| typ.eq_ignore_ascii_case(known)) {
        return Err(Some("it is of another type"));
    }
    let first = token.split('.').next().and_then(|part| BASE64_URL_SAFE_NO_PAD.decode(part).ok()).unwrap_or_default();
    match serde_json::from_slice::<Once>(&first) {
        Ok(Once(fields)) if !fields.contains_key("crit") => (),
        Ok(_) | Err(_) => return Err(Some("its header asks for what is not known here")),
    }
    let keys = serde_json::to_value(&about.keys).ok().and_then(|keys| serde_json::from_value::<JwkSet>(keys).ok());
    let keys = keys.ok_or(Some("the provider's keys cannot be read"))?;
    let key = match &header.kid {
        Some(kid) => keys.find(kid),
        None => keys.keys.first().filter(|_| keys.keys.len() == 1),
    };
    let key = DecodingKey::from_jwk(key.ok_or(None)?).map_err(|_| Some("the provider's key cannot be read"))?;
    // Times and names are compared with our own clock and settings afterwards.
    let mut validation = Validation::new(header.alg);
    validation.required_spec_claims.clear();
    (validation.validate_exp, validation.validate_nbf, validation.validate_aud) = (false, false, false);
    let decoded = jsonwebtoken::decode::<Once>(token, &key, &validation).map_err(|_| Some("signature"))?;
    Ok(decoded.claims.0)
}

/// Whose sessions end, and what the token is called.
fn named<'a>(
    claims: &'a BTreeMap<String, Value>,
    issuer: &str,
    client_id: &str,
    now: Timestamp,
) -> Result<(LogoutToken, &'a str), &'static str> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let number = |name: &str| claims.get(name).and_then(Value::as_f64);
    let seconds =
        Duration::try_from(now.duration_since(Timestamp::UNIX_EPOCH)).map_or(0.0, |since| since.as_secs_f64());
    let audience = match claims.get("aud") {
        Some(Value::Array(all)) => all.iter().any(|one| one == client_id),
        Some(one) => one == client_id,
        None => false,
    };
    let issued = number("iat").filter(|at| *at <= seconds + SKEW && *at >= seconds - AGE.as_secs_f64() - SKEW);
    let over = claims.contains_key("exp") && number("exp").is_none_or(|at| at <= seconds - SKEW);
    let event = claims.get("events").and_then(|events| events.get(EVENT)).is_some_and(Value::is_object);
    match () {
        () if text("iss") != Some(issuer) => Err("iss"),
        () if !audience => Err("aud"),
        () if issued.is_none() => Err("iat"),
        () if over => Err("exp"),
        () if !event => Err("events"),
        () if claims.contains_key("nonce") => Err("nonce"),
        () if text("sub").is_none() && text("sid").is_none() => Err("sub and sid"),
        () => {
            let named = LogoutToken { subject: text("sub").map(str::to_owned), sid: text("sid").map(str::to_owned) };
            Ok((named, text("jti").ok_or("jti")?))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(change: &[(&str, Value)]) -> Result<LogoutToken, &'static str> {
        let now: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
        let iat = now.as_second();
        let mut claims = json!({
            "iss": "https://sso.test", "aud": "vestibule", "iat": iat, "exp": iat + 120, "jti": "1", "sub": "maya",
            "events": { EVENT: {} },
        });
        for (name, value) in change {
            let claims = claims.as_object_mut().unwrap();
            if value.is_null() {
                drop(claims.remove(*name))
            } else {
                drop(claims.insert((*name).to_owned(), value.clone()))
            }
        }
        let claims = serde_json::from_value(claims).unwrap();
        named(&claims, "https://sso.test", "vestibule", now).map(|(named, _)| named)
    }

    #[test]
    fn every_rule_of_a_logout_token_counts() {
        let maya = LogoutToken { subject: Some("maya".to_owned()), sid: None };
        assert_eq!(read(&[]), Ok(maya));
        assert!(read(&[("aud", json!(["other", "vestibule"]))]).is_ok());
        assert!(read(&[("exp", Value::Null)]).is_ok(), "older providers leave it out");
        assert!(read(&[("sub", Value::Null), ("sid", json!("s"))]).is_ok());
        for (name, value, rule) in [
            ("iss", json!("https://sso.test/"), "iss"),
            ("aud", json!("other"), "aud"),
            ("aud", Value::Null, "aud"),
            ("iat", Value::Null, "iat"),
            ("iat", json!(1e300), "iat"),
            ("iat", json!(1), "iat"),
            ("exp", json!(1), "exp"),
            ("exp", json!("soon"), "exp"),
            ("events", Value::Null, "events"),
            ("events", json!({ EVENT: true }), "events"),
            ("nonce", json!("n"), "nonce"),
            ("sub", Value::Null, "sub and sid"),
            ("jti", Value::Null, "jti"),
        ] {
            assert_eq!(read(&[(name, value.clone())]), Err(rule), "{name} {value}");
        }
    }

    #[test]
    fn a_logout_token_is_good_once() {
        let used = Used::default();
        assert!(used.is_new("corp", "1") && !used.is_new("corp", "1") && used.is_new("other", "1"));
    }
}

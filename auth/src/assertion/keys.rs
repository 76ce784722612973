//! The keys: one that signs, the one before it, and the one that will be next.
//!
//! All three are published, so that a verifier which fetches keys rarely knows a key before it sees its signature, and
//! still knows it for as long as what it signed is good. Only the one before has no private half any more.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::Timestamp;
use rocksdb::WriteBatch;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::error::Error;
use crate::keyed::sha256;
use crate::state::{State, Table};

/// The next key is published this long before it signs, or half of a key's age where that is less.
const PUBLISHED_BEFORE: Duration = Duration::from_secs(24 * 3600);

/// The one row.
const ROW: &[u8] = b"keys";

/// All keys of one moment.
pub(super) struct Ring {
    previous: Option<Public>,
    current: Pair,
    next: Option<Pair>,
    /// [`Ring::key_set`].
    published: Arc<str>,
}

/// A key that can sign. Nothing prints it.
#[derive(Clone)]
struct Pair {
    pair: Arc<EcdsaKeyPair>,
    /// PKCS #8, base64url.
    pkcs8: Arc<Zeroizing<String>>,
    /// Of the one that signs: since when. Of the next: when it was made.
    since: Timestamp,
    public: Public,
}

/// Public half.
#[derive(Clone, Serialize, Deserialize)]
struct Public {
    kid: String,
    x: String,
    y: String,
}

/// The row.
#[derive(Serialize, Deserialize)]
struct Row<'a> {
    previous: Option<Public>,
    #[serde(borrow)]
    current: Stored<'a>,
    next: Option<Stored<'a>>,
}

/// A [`Pair`] on disk.
#[derive(Serialize, Deserialize)]
struct Stored<'a> {
    pkcs8: &'a str,
    since: Timestamp,
}

impl Ring {
    /// What is stored, else a first key.
    pub(super) fn open(state: &State, now: Timestamp) -> Result<Self, Error> {
        if let Some(row) = state.get(Table::Signing, ROW)?.map(Zeroizing::new) {
            let Row { previous, current, next } = serde_json::from_slice(&row)?;
            let next = next.map(|next| Pair::read(next.pkcs8, next.since)).transpose()?;
            return Ok(Self::new(previous, Pair::read(current.pkcs8, current.since)?, next));
        }
        let first = Self::new(None, Pair::make(now)?, None);
        first.store(state)?;
        Ok(first)
    }

    fn new(previous: Option<Public>, current: Pair, next: Option<Pair>) -> Self {
        let publics = [Some(&current.public), previous.as_ref(), next.as_ref().map(|next| &next.public)];
        let published = key_set(publics.into_iter().flatten());
        Self { previous, current, next, published }
    }

    /// On disk when this returns.
    pub(super) fn store(&self, state: &State) -> Result<(), Error> {
        let row = Row {
            previous: self.previous.clone(),
            current: self.current.stored(),
            next: self.next.as_ref().map(Pair::stored),
        };
        let row = Zeroizing::new(serde_json::to_vec(&row)?);
        let mut batch = WriteBatch::default();
        batch.put(Table::Signing.key(ROW), &*row);
        state.write(batch)?;
        state.sync()
    }

    /// What the keys are to be now; absent where nothing is due. A key signs for `age`, and longer where the next one
    /// was not published in time.
    pub(super) fn turned(&self, now: Timestamp, age: Duration) -> Result<Option<Self>, Error> {
        let before = PUBLISHED_BEFORE.min(age / 2);
        let used = since(self.current.since, now);
        match &self.next {
            None if used >= age.saturating_sub(before) => {
                let next = Some(Pair::make(now)?);
                Ok(Some(Self::new(self.previous.clone(), self.current.clone(), next)))
            }
            Some(next) if used >= age && since(next.since, now) >= before => {
                Ok(Some(Self::new(Some(self.current.public.clone()), next.in_force(now), None)))
            }
            None | Some(_) => Ok(None),
        }
    }

    pub(super) fn key_set(&self) -> Arc<str> {
        self.published.clone()
    }

    /// Of the one that signs.
    pub(super) fn key_id(&self) -> &str {
        &self.current.public.kid
    }

    /// Of the one that will.
    pub(super) fn next_key_id(&self) -> Option<&str> {
        self.next.as_ref().map(|next| next.public.kid.as_str())
    }

    /// A compact JSON Web Signature of what `claims` become as JSON.
    pub(super) fn sign(&self, claims: &impl Serialize) -> String {
        let header = Header { alg: "ES256", typ: "JWT", kid: self.key_id() };
        let mut token = encoded(&header);
        token.push('.');
        token.push_str(&encoded(claims));
        let signature = self.current.pair.sign(&SystemRandom::new(), token.as_bytes());
        let signature = signature.expect("signing needs nothing but random bytes, and the system gives them");
        token.push('.');
        BASE64_URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        token
    }
}

#[derive(Serialize)]
struct Header<'a> {
    alg: &'a str,
    typ: &'a str,
    kid: &'a str,
}

impl Pair {
    fn make(now: Timestamp) -> Result<Self, Error> {
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
        let pkcs8 = pkcs8.map_err(|_| Error::SigningKey)?;
        Self::read(&Zeroizing::new(BASE64_URL_SAFE_NO_PAD.encode(pkcs8.as_ref())), now)
    }

    fn read(pkcs8: &str, since: Timestamp) -> Result<Self, Error> {
        let bytes = Zeroizing::new(BASE64_URL_SAFE_NO_PAD.decode(pkcs8).map_err(|_| Error::SigningKey)?);
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &bytes);
        let pair = pair.map_err(|_| Error::SigningKey)?;
        let public = Public::of(&pair).ok_or(Error::SigningKey)?;
        Ok(Self { pair: Arc::new(pair), pkcs8: Arc::new(Zeroizing::new(pkcs8.to_owned())), since, public })
    }

    fn in_force(&self, now: Timestamp) -> Self {
        Self { since: now, ..self.clone() }
    }

    fn stored(&self) -> Stored<'_> {
        Stored { pkcs8: &self.pkcs8, since: self.since }
    }
}

impl Public {
    /// The point is a byte that says that it is whole, and its two coordinates.
    fn of(pair: &EcdsaKeyPair) -> Option<Self> {
        let (x, y) = pair.public_key().as_ref().strip_prefix(&[4])?.split_at_checked(32)?;
        let (x, y) = (BASE64_URL_SAFE_NO_PAD.encode(x), BASE64_URL_SAFE_NO_PAD.encode(y));
        // RFC 7638: the required members in the order of their names, without spaces.
        let members = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        let kid = BASE64_URL_SAFE_NO_PAD.encode(sha256(members.as_bytes()));
        Some(Self { kid, x, y })
    }
}

fn key_set<'a>(keys: impl Iterator<Item = &'a Public>) -> Arc<str> {
    let keys = keys.map(|Public { kid, x, y }| {
        format!(r#"{{"kty":"EC","crv":"P-256","alg":"ES256","use":"sig","kid":"{kid}","x":"{x}","y":"{y}"}}"#)
    });
    format!(r#"{{"keys":[{}]}}"#, keys.collect::<Vec<_>>().join(",")).into()
}

/// Nothing where the clock was set back.
fn since(then: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(then)).unwrap_or_default()
}

fn encoded(part: &impl Serialize) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(serde_json::to_vec(part).expect("plain structs become JSON"))
}

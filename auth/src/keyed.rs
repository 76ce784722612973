//! Hashes that only this installation can make: what is stored or logged in place of a secret or a name.

use aws_lc_rs::{digest, hmac};
use rocksdb::WriteBatch;

use crate::error::Error;
use crate::state::{State, Table};

/// The key, made at the first start and kept in the state database.
pub(crate) struct Keyed(hmac::Key);

/// What a hash is for, so that equal inputs of different kinds differ. The numbers are in hashes on disk: they
/// never change.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose {
    SessionId = 1,
    Fingerprint = 2,
    Account = 3,
    Circuit = 4,
    Address = 5,
    Person = 6,
}

impl Keyed {
    pub(crate) fn open(state: &State) -> Result<Self, Error> {
        if let Some(key) = state.get(Table::Meta, b"key")? {
            return Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &key)));
        }
        let key = random();
        let mut batch = WriteBatch::default();
        batch.put(Table::Meta.key(b"key"), key);
        state.write(batch)?;
        state.sync()?;
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &key)))
    }

    /// 128 bits.
    pub(crate) fn hash(&self, purpose: Purpose, what: &[u8]) -> [u8; 16] {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(&[purpose as u8]);
        context.update(what);
        let tag = context.sign();
        let mut hash = [0; 16];
        hash.iter_mut().zip(tag.as_ref()).for_each(|(to, from)| *to = *from);
        hash
    }
}

/// From the system; without it nothing here is safe, so that the process ends.
pub(crate) fn random() -> [u8; 32] {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).expect("the system gives random bytes");
    bytes
}

/// 256 random bits as base64url without padding: 43 characters.
pub(crate) fn token() -> String {
    use base64::Engine as _;
    base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(random())
}

pub(crate) fn sha256(text: &[u8]) -> [u8; 32] {
    let digest = digest::digest(&digest::SHA256, text);
    let mut hash = [0; 32];
    hash.iter_mut().zip(digest.as_ref()).for_each(|(to, from)| *to = *from);
    hash
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

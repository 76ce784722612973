//! An OpenID Connect provider that can be told to lie.
//!
//! It speaks HTTP over a socket of its own and signs with a key of its own. It signs in whoever [`Provider::person`]
//! says, without asking; everything that it sends can be changed before it is signed, or afterwards.

mod serve;
mod token;

use std::collections::HashMap;
use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use aws_lc_rs::signature::KeyPair;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{Received, Request};

use serve::{Inner, answer_all};

pub use token::{Signer, Token};

/// As registered.
pub const CLIENT_ID: &str = "vestibule";
/// As registered.
pub const CLIENT_SECRET: &str = "a secret of the client";

/// What happens to requests of a path instead of an answer.
#[derive(Debug, Clone)]
pub enum Fault {
    /// The connection is closed.
    Closed,
    /// The answer comes after so long.
    Slow(Duration),
    /// Status, content type, body.
    Says(u16, &'static str, String),
    /// A redirect to this address.
    Redirects(String),
}

/// A listening provider; stops when dropped.
pub struct Provider {
    address: SocketAddr,
    inner: Arc<Mutex<Inner>>,
    stopped: Arc<AtomicBool>,
    folder: TempDir,
}

impl Default for Provider {
    fn default() -> Self {
        Self::start()
    }
}

impl Provider {
    /// Listens on a port that the system picks.
    pub fn start() -> Self {
        Self::listen(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    /// Listens on a port that a configuration names already.
    pub fn start_at(port: u16) -> Self {
        Self::listen(TcpListener::bind(("127.0.0.1", port)).unwrap())
    }

    fn listen(listener: TcpListener) -> Self {
        let address = listener.local_addr().unwrap();
        let inner = Arc::new(Mutex::new(Inner::new()));
        let stopped: Arc<AtomicBool> = Arc::default();
        let (serve, stop) = (Arc::clone(&inner), Arc::clone(&stopped));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let inner = Arc::clone(&serve);
                std::thread::spawn(move || drop(answer_all(&stream, &inner, address)));
            }
        });
        let folder = tempfile::tempdir().unwrap();
        keep_secret(folder.path(), CLIENT_SECRET);
        Self { address, inner, stopped, folder }
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// As its tokens say it.
    pub fn issuer(&self) -> String {
        format!("http://{}", self.address)
    }

    /// `[providers.NAME]` and further lines of it.
    pub fn toml(&self, name: &str, more: &str) -> String {
        let secret = self.folder.path().join("client.secret");
        format!(
            "[providers.{name}]\nissuer = \"{}\"\nclient_id = \"{CLIENT_ID}\"\nclient_secret = {{ file = {secret:?} }}\n\
             groups_claim = \"groups\"\n{more}\n",
            self.issuer()
        )
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who signs in from now on: claims of the ID token.
    pub fn person(&self, claims: Value) {
        self.inner().person = claims;
    }

    /// What it says of a person when it is asked, `sub` included.
    pub fn userinfo(&self, claims: Value) {
        self.inner().userinfo = claims;
    }

    /// Changes each ID token before it is signed.
    pub fn lie(&self, change: impl Fn(&mut Token) + Send + Sync + 'static) {
        self.inner().change = Some(Arc::new(change));
    }

    /// Changes its description of itself.
    pub fn describe(&self, edit: impl Fn(&mut Value) + Send + Sync + 'static) {
        self.inner().description = Some(Arc::new(edit));
    }

    /// Sends the browser back with this query; `CODE`, `STATE` and `ISS` stand for what belongs there.
    pub fn callback(&self, query: &str) {
        self.inner().callback = Some(query.to_owned());
    }

    /// Says the truth again.
    pub fn honest(&self) {
        let mut inner = self.inner();
        (inner.change, inner.description, inner.callback) = (None, None, None);
        inner.faults.clear();
    }

    /// What happens at a path instead.
    pub fn fault(&self, path: &str, fault: Fault) {
        self.inner().faults.insert(path.to_owned(), fault);
    }

    /// What it gives as access token.
    pub fn access_token(&self, token: &str) {
        token.clone_into(&mut self.inner().access_token);
    }

    /// Gives refresh tokens.
    pub fn offer_refresh_tokens(&self) {
        self.inner().refreshes = true;
    }

    /// The person is removed: refresh tokens are good for nothing.
    pub fn remove_person(&self) {
        self.inner().known = false;
    }

    /// A new key under a new name.
    pub fn rotate(&self) {
        self.inner().keys.rotate();
    }

    /// Requests that arrived at a path.
    pub fn received(&self, path: &str) -> Vec<Received> {
        let at = |received: &&Received| received.target.split('?').next() == Some(path);
        self.inner().received.iter().filter(at).cloned().collect()
    }

    /// The published key as bytes, for whoever takes it for a MAC's.
    pub fn public_key(&self) -> Vec<u8> {
        self.inner().keys.own.public_key().as_ref().to_vec()
    }

    /// A token that it signs: these claims under this type.
    pub fn sign(&self, kind: &str, claims: Value) -> String {
        self.sign_after(kind, claims, |_| ())
    }

    /// The same, changed before it is signed.
    pub fn sign_after(&self, kind: &str, claims: Value, change: impl Fn(&mut Token)) -> String {
        let inner = self.inner();
        let header = json!({ "alg": "ES256", "typ": kind, "kid": inner.keys.id });
        let mut token = Token { header, claims, signer: Signer::Own };
        change(&mut token);
        inner.keys.signed(&token)
    }

    /// The browser's way: from the address to which the gateway sent it, to the one to which the provider sends it.
    #[track_caller]
    pub fn visit(&self, location: &str) -> String {
        let target = location.strip_prefix(&self.issuer()).unwrap_or_else(|| panic!("not to the provider: {location}"));
        let answer = Request::new(self.address, "GET", &self.address.to_string(), target).send();
        assert_eq!(answer.status, 302, "{}", answer.text());
        answer.header("location").unwrap().to_owned()
    }
}

impl std::fmt::Debug for Provider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Provider({})", self.address)
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        // Wakes the accept loop, which then ends.
        drop(TcpStream::connect(self.address));
    }
}

/// Claims of a person whose address is verified.
pub fn person(sub: &str, email: &str, groups: &[&str]) -> Value {
    json!({ "sub": sub, "email": email, "email_verified": true, "groups": groups })
}

/// Seconds since 1970.
#[expect(clippy::disallowed_methods, reason = "a provider has a clock of its own")]
pub fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

/// Writes `client.secret`, as the configuration wants it.
pub fn keep_secret(folder: &Path, secret: &str) {
    let file = folder.join("client.secret");
    fs::write(&file, secret).unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
}

/// A query or form, decoded.
pub fn pairs(text: &str) -> HashMap<String, String> {
    let decoded = |text: &str| {
        let mut bytes = Vec::new();
        let mut rest = text.as_bytes();
        while let Some((first, after)) = rest.split_first() {
            let hex = (*first == b'%').then(|| after.get(..2)).flatten();
            match hex.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok()) {
                Some(byte) => (bytes.push(byte), rest = &after[2..]).0,
                None => (bytes.push(if *first == b'+' { b' ' } else { *first }), rest = after).0,
            }
        }
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (decoded(name), decoded(value))).collect()
}

//! An OpenID Connect provider that can be told to lie.
//!
//! It speaks HTTP over a socket of its own and signs with a key of its own. It signs in whoever [`Provider::person`]
//! says, without asking; everything that it sends can be changed before it is signed, or afterwards.

use std::collections::HashMap;
use std::fs;
use std::io::{self, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::encode;
use crate::{Received, Request, http};

/// As registered.
pub const CLIENT_ID: &str = "vestibule";
/// As registered.
pub const CLIENT_SECRET: &str = "a secret of the client";

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

type Change = Arc<dyn Fn(&mut Token) + Send + Sync>;
type Edit = Arc<dyn Fn(&mut Value) + Send + Sync>;

struct Inner {
    key: EcdsaKeyPair,
    key_id: String,
    stranger: EcdsaKeyPair,
    person: Value,
    userinfo: Value,
    change: Option<Change>,
    description: Option<Edit>,
    callback: Option<String>,
    names_itself: bool,
    refreshes: bool,
    access_token: String,
    known: bool,
    faults: HashMap<String, Fault>,
    codes: HashMap<String, Value>,
    refresh_tokens: Vec<String>,
    received: Vec<Received>,
    count: u64,
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
        let generate = || EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let inner = Arc::new(Mutex::new(Inner {
            key: generate(),
            key_id: "1".to_owned(),
            stranger: generate(),
            person: person("maya", "maya@example.net", &["writers"]),
            userinfo: json!({}),
            change: None,
            description: None,
            callback: None,
            names_itself: true,
            refreshes: false,
            access_token: "an-access-token".to_owned(),
            known: true,
            faults: HashMap::new(),
            codes: HashMap::new(),
            refresh_tokens: Vec::new(),
            received: Vec::new(),
            count: 0,
        }));
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
        let mut inner = self.inner();
        inner.key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        inner.key_id = format!("{}1", inner.key_id);
    }

    /// Requests that arrived at a path.
    pub fn received(&self, path: &str) -> Vec<Received> {
        let at = |received: &&Received| received.target.split('?').next() == Some(path);
        self.inner().received.iter().filter(at).cloned().collect()
    }

    /// The published key as bytes, for whoever takes it for a MAC's.
    pub fn public_key(&self) -> Vec<u8> {
        self.inner().key.public_key().as_ref().to_vec()
    }

    /// A token that it signs: these claims under this type.
    pub fn sign(&self, kind: &str, claims: Value) -> String {
        let inner = self.inner();
        let header = json!({ "alg": "ES256", "typ": kind, "kid": inner.key_id });
        inner.signed(&Token { header, claims, signer: Signer::Own })
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

fn answer_all(stream: &TcpStream, inner: &Mutex<Inner>, address: SocketAddr) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    while let Some(head) = http::read_head(&mut reader)? {
        let (first, fields) = http::parse_head(&head);
        let mut words = first.split(' ').map(str::to_owned);
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let body = http::read_body(&mut reader, &fields, false)?;
        let received = Received { method, target, fields, head, body };
        let path = received.target.split('?').next().unwrap_or_default().to_owned();
        let fault = {
            let mut inner = inner.lock().unwrap_or_else(PoisonError::into_inner);
            inner.received.push(received.clone());
            inner.faults.get(&path).cloned()
        };
        let answer = match fault {
            Some(Fault::Closed) => return Ok(()),
            Some(Fault::Says(status, kind, body)) => (status, vec![("Content-Type", kind.to_owned())], body),
            Some(Fault::Redirects(to)) => (302, vec![("Location", to)], String::new()),
            fault => {
                if let Some(Fault::Slow(time)) = fault {
                    std::thread::sleep(time);
                }
                inner.lock().unwrap_or_else(PoisonError::into_inner).answer(&path, &received, address)
            }
        };
        let (status, fields, body) = answer;
        let mut head = format!("HTTP/1.1 {status} As Told\r\nContent-Length: {}\r\n", body.len());
        fields.iter().for_each(|(name, value)| head.push_str(&format!("{name}: {value}\r\n")));
        (&mut &*stream).write_all(format!("{head}\r\n{body}").as_bytes())?;
    }
    Ok(())
}

type Answer = (u16, Vec<(&'static str, String)>, String);

fn as_json(status: u16, body: &Value) -> Answer {
    (status, vec![("Content-Type", "application/json".to_owned())], body.to_string())
}

impl Inner {
    fn answer(&mut self, path: &str, received: &Received, address: SocketAddr) -> Answer {
        let issuer = format!("http://{address}");
        let query = received.target.split_once('?').map_or("", |(_, query)| query);
        match path {
            "/.well-known/openid-configuration" => as_json(200, &self.described(&issuer)),
            "/jwks" => as_json(200, &self.keys()),
            "/authorize" => self.authorize(&issuer, &pairs(query)),
            "/token" => self.token(&issuer, received),
            "/userinfo" => as_json(200, &self.userinfo),
            _ => (404, Vec::new(), String::new()),
        }
    }

    fn described(&self, issuer: &str) -> Value {
        let mut described = json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/authorize"),
            "token_endpoint": format!("{issuer}/token"),
            "userinfo_endpoint": format!("{issuer}/userinfo"),
            "jwks_uri": format!("{issuer}/jwks"),
            "end_session_endpoint": format!("{issuer}/end"),
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
            "authorization_response_iss_parameter_supported": self.names_itself,
        });
        self.description.iter().for_each(|edit| edit(&mut described));
        described
    }

    fn keys(&self) -> Value {
        let point = self.key.public_key().as_ref();
        let part = |range: std::ops::Range<usize>| BASE64_URL_SAFE_NO_PAD.encode(&point[range]);
        json!({ "keys": [{ "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": self.key_id,
            "x": part(1..33), "y": part(33..65) }] })
    }

    fn authorize(&mut self, issuer: &str, query: &HashMap<String, String>) -> Answer {
        self.count += 1;
        let code = format!("code-{}+/=", self.count);
        let state = query.get("state").cloned().unwrap_or_default();
        self.codes.insert(code.clone(), json!(query));
        let template = self.callback.clone().unwrap_or_else(|| "code=CODE&state=STATE&iss=ISS".to_owned());
        let filled = template.replace("CODE", &encode(&code)).replace("STATE", &encode(&state));
        let filled = filled.replace("ISS", &encode(issuer));
        (302, vec![("Location", format!("{}?{filled}", query["redirect_uri"]))], String::new())
    }

    fn token(&mut self, issuer: &str, received: &Received) -> Answer {
        let form = pairs(&String::from_utf8_lossy(&received.body));
        let refused = |error: &str| as_json(400, &json!({ "error": error }));
        let basic = BASE64_STANDARD.encode(format!("{CLIENT_ID}:{}", CLIENT_SECRET.replace(' ', "+")));
        if received.header("authorization") != Some(&format!("Basic {basic}")) {
            return as_json(401, &json!({ "error": "invalid_client" }));
        }
        let nonce = match form.get("grant_type").map(String::as_str) {
            Some("authorization_code") => {
                let Some(asked) = form.get("code").and_then(|code| self.codes.remove(code)) else {
                    return refused("invalid_grant");
                };
                let verifier = form.get("code_verifier").cloned().unwrap_or_default();
                let challenge = BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()));
                if asked["code_challenge"] != challenge
                    || form.get("redirect_uri").map(String::as_str) != asked["redirect_uri"].as_str()
                {
                    return refused("invalid_grant");
                }
                asked["nonce"].clone()
            }
            Some("refresh_token") => {
                let sent = form.get("refresh_token").cloned().unwrap_or_default();
                let known = self.refresh_tokens.iter().position(|token| *token == sent).filter(|_| self.known);
                let Some(at) = known else { return refused("invalid_grant") };
                self.refresh_tokens.remove(at);
                Value::Null
            }
            _ => return refused("unsupported_grant_type"),
        };
        let mut answer = json!({ "access_token": self.access_token, "token_type": "Bearer", "expires_in": 300,
            "id_token": self.id_token(issuer, nonce) });
        if self.refreshes {
            self.count += 1;
            let token = format!("refresh-{}", self.count);
            answer["refresh_token"] = json!(token);
            self.refresh_tokens.push(token);
        }
        as_json(200, &answer)
    }

    fn id_token(&self, issuer: &str, nonce: Value) -> String {
        let mut claims = self.person.clone();
        let more = json!({ "iss": issuer, "aud": CLIENT_ID, "iat": now(), "exp": now() + 300, "nonce": nonce, "sid": "session-1" });
        for (name, value) in more.as_object().unwrap().iter().filter(|(_, value)| !value.is_null()) {
            claims[name] = value.clone();
        }
        let header = json!({ "alg": "ES256", "typ": "JWT", "kid": self.key_id });
        let mut token = Token { header, claims, signer: Signer::Own };
        self.change.iter().for_each(|change| change(&mut token));
        self.signed(&token)
    }

    fn signed(&self, token: &Token) -> String {
        let part = |value: &Value| {
            // A text stands for itself: what no JSON writer would write.
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            BASE64_URL_SAFE_NO_PAD.encode(text)
        };
        let message = format!("{}.{}", part(&token.header), part(&token.claims));
        let with = |key: &EcdsaKeyPair| key.sign(&SystemRandom::new(), message.as_bytes()).unwrap().as_ref().to_vec();
        let signature = match &token.signer {
            Signer::Own => with(&self.key),
            Signer::Stranger => with(&self.stranger),
            Signer::Mac(key) => {
                hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message.as_bytes()).as_ref().to_vec()
            }
            Signer::Nothing => Vec::new(),
        };
        format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
    }
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

//! Hashes and secrets; none of them can be printed.

use std::fmt;

use zeroize::Zeroizing;

use crate::phc;
use crate::shape::{At, Field, Reading, Shape, shape};
use crate::tree::{Node, Value};

/// An Argon2id hash in PHC form: at least m=19456, t=2, p=1.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(pub(crate) Box<str>);

impl PasswordHash {
    /// The PHC string, for verification only.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(hidden)")
    }
}

/// `sha256:` and 64 hex digits in the file.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenHash(pub(crate) [u8; 32]);

impl TokenHash {
    /// The digest, for a comparison in constant time.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(hidden)")
    }
}

/// A secret that must be known in clear: what `{ file = "…" }` or `{ env = "…" }` holds, never the file itself.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// From the outside, such as the environment of a command.
    pub fn new(text: Zeroizing<String>) -> Self {
        Self(text)
    }

    /// For the one who asks for it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

/// `{ file = "…" }` or `{ env = "…" }`, not looked up: its reader does not work yet.
#[derive(Debug, PartialEq)]
pub(crate) struct SecretReference;

/// A secret file is not read beyond this; a hash or key takes a fraction of it.
const FILE_BYTES_MAX: usize = 64 * 1024;

/// Of a secret that signs.
const SIGNING_BYTES_LEAST: usize = 16;

shape! {
    /// Where a secret stands that is not in the file.
    struct RawReference {
        file: String,
        env: String,
    }
}

impl Shape for PasswordHash {
    fn read(node: Node, reading: &mut Reading<'_>) -> Option<Self> {
        let secret = text_or_reference(node, reading)?;
        match phc::check(&secret.value) {
            Ok(()) => Some(Self(secret.value.as_str().into())),
            Err(wrong) => {
                reading.findings.error(secret.span, wrong).help("make one with \"vestibule hash\"");
                None
            }
        }
    }

    fn schema() -> serde_json::Value {
        crate::shape::either(&serde_json::json!({ "type": "string" }), &RawReference::schema())
    }
}

impl Shape for TokenHash {
    fn read(node: Node, reading: &mut Reading<'_>) -> Option<Self> {
        let secret = text_or_reference(node, reading)?;
        let digest = secret.value.strip_prefix("sha256:").and_then(sha256_digest);
        if digest.is_none() {
            let finding = reading.findings.error(secret.span, "this is not the hash of a token");
            finding.help("write \"sha256:\" and the 64 hexadecimal digits of the token's SHA-256");
        }
        digest.map(Self)
    }

    fn schema() -> serde_json::Value {
        crate::shape::either(&serde_json::json!({ "type": "string" }), &RawReference::schema())
    }
}

impl Shape for SecretReference {
    fn read(node: Node, reading: &mut Reading<'_>) -> Option<Self> {
        if stands_in_place(&node, reading) {
            return None;
        }
        let raw = RawReference::read(node, reading)?;
        one_of(&raw, reading).then_some(Self)
    }

    fn schema() -> serde_json::Value {
        RawReference::schema()
    }
}

impl Shape for Secret {
    fn read(node: Node, reading: &mut Reading<'_>) -> Option<Self> {
        if stands_in_place(&node, reading) {
            return None;
        }
        let secret = text_or_reference(node, reading)?;
        if secret.value.is_empty() {
            reading.findings.error(secret.span, "this secret is empty");
            return None;
        }
        Some(Self(secret.value))
    }

    fn schema() -> serde_json::Value {
        RawReference::schema()
    }
}

/// Reports one that is too short to sign with: it could be guessed from one signature.
pub(crate) fn must_sign(secret: &At<Secret>, reading: &mut Reading<'_>) {
    if secret.value.expose().len() < SIGNING_BYTES_LEAST {
        let finding = reading.findings.error(secret.span, "this secret is too short to sign with");
        finding.help("make one of 32 random bytes, such as \"openssl rand -hex 32\" prints");
    }
}

fn stands_in_place(node: &Node, reading: &mut Reading<'_>) -> bool {
    let in_place = matches!(node.value, Value::Text(_));
    if in_place {
        let finding = reading.findings.error(node.span, "a secret does not stand in the file");
        finding.help("write { file = \"…\" } or { env = \"…\" }");
    }
    in_place
}

/// A secret in place, or what its file or variable holds.
fn text_or_reference(node: Node, reading: &mut Reading<'_>) -> Option<At<Zeroizing<String>>> {
    let span = node.span;
    if let Value::Text(text) = node.value {
        return Some(At { value: Zeroizing::new(text), span });
    }
    if !matches!(node.value, Value::Table(_)) {
        reading.wrong_kind(&node, "a string, { file = \"…\" } or { env = \"…\" }");
        return None;
    }
    let raw = RawReference::read(node, reading)?;
    if !one_of(&raw, reading) {
        return None;
    }
    let RawReference { table: _unused, file, env } = raw;
    let value = match (file, env) {
        (Field::Given { value, span, .. }, _) => from_file(At { value, span }, reading),
        (_, Field::Given { value, span, .. }) => from_env(&At { value, span }, reading),
        (_, _) => None,
    };
    value.map(|value| At { value, span })
}

fn one_of(raw: &RawReference, reading: &mut Reading<'_>) -> bool {
    let one = raw.file.is_absent() != raw.env.is_absent();
    if !one {
        let finding = reading.findings.error(raw.table, "a secret has one source");
        finding.help("write { file = \"…\" } or { env = \"…\" }");
    }
    one
}

fn from_file(name: At<String>, reading: &mut Reading<'_>) -> Option<Zeroizing<String>> {
    let path = reading.resolve(&name.value);
    reading.files.push(path.clone());
    let text = match reading.source.read(&path) {
        Ok(text) if text.len() <= FILE_BYTES_MAX => Zeroizing::new(text),
        Ok(_) => {
            reading.findings.error(name.span, format!("{:?} is too long for a secret", name.value));
            return None;
        }
        Err(error) => {
            reading.findings.error(name.span, format!("cannot read {:?}: {error}", path.display().to_string()));
            return None;
        }
    };
    if reading.source.mode(&path).is_some_and(|mode| mode & 0o007 != 0) {
        let finding = reading.findings.error(name.span, format!("everybody on this machine may read {:?}", name.value));
        finding.help(format!("chmod o= {}", path.display()));
        return None;
    }
    reading.revision.add(&text);
    Some(Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned()))
}

fn from_env(name: &At<String>, reading: &mut Reading<'_>) -> Option<Zeroizing<String>> {
    let value = reading.source.env(&name.value).filter(|value| !value.is_empty());
    if value.is_none() {
        reading.findings.error(name.span, format!("the environment variable {:?} is not set", name.value));
    }
    value.map(Zeroizing::new)
}

fn sha256_digest(hex: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    if hex.len() != 64 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, pair) in digest.iter_mut().zip(hex.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(digest)
}

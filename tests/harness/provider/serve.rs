//! What the provider answers.

use std::collections::HashMap;
use std::io::{self, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::token::Keys;
use super::{CLIENT_ID, CLIENT_SECRET, Fault, Signer, Token, now, pairs, person};
use crate::client::encode;
use crate::{Received, http};

type Change = Arc<dyn Fn(&mut Token) + Send + Sync>;
type Edit = Arc<dyn Fn(&mut Value) + Send + Sync>;

/// What it does, and what it remembers.
pub(super) struct Inner {
    pub(super) keys: Keys,
    pub(super) person: Value,
    pub(super) userinfo: Value,
    pub(super) change: Option<Change>,
    pub(super) description: Option<Edit>,
    pub(super) callback: Option<String>,
    pub(super) names_itself: bool,
    pub(super) refreshes: bool,
    pub(super) access_token: String,
    pub(super) known: bool,
    pub(super) faults: HashMap<String, Fault>,
    pub(super) codes: HashMap<String, Value>,
    pub(super) refresh_tokens: Vec<String>,
    pub(super) received: Vec<Received>,
    pub(super) count: u64,
}

/// Requests of one connection.
pub(super) fn answer_all(stream: &TcpStream, inner: &Mutex<Inner>, address: SocketAddr) -> io::Result<()> {
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
    pub(super) fn new() -> Self {
        Self {
            keys: Keys::new(),
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
        }
    }

    fn answer(&mut self, path: &str, received: &Received, address: SocketAddr) -> Answer {
        let issuer = format!("http://{address}");
        let query = received.target.split_once('?').map_or("", |(_, query)| query);
        match path {
            "/.well-known/openid-configuration" => as_json(200, &self.described(&issuer)),
            "/jwks" => as_json(200, &self.keys.published()),
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
        let header = json!({ "alg": "ES256", "typ": "JWT", "kid": self.keys.id });
        let mut token = Token { header, claims, signer: Signer::Own };
        self.change.iter().for_each(|change| change(&mut token));
        self.keys.signed(&token)
    }
}

//! One request to our own paths, over real parts and without a socket.

mod doors;
mod sessions;
mod signing_in;
mod steps;

use std::net::IpAddr;
use std::time::Duration;

use http::{HeaderMap, HeaderName};
use serde_json::Value;
use vestibule_auth::{Decision, RequestView, SessionFilter, Verdict};
use vestibule_config::load_text;
use vestibule_logstore::Log;

use super::*;
use crate::attempt::{self, Scene};
use crate::cookie;
use crate::rig::{Rig, until};
use crate::state::Live;

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const JSON: (&str, &str) = ("content-type", "application/json");
const PAGE: (&str, &str) = ("accept", "text/html");
const HOSTILE: &str = "\"><script>alert(1)</script>";

/// Everybody's password is `correct horse`, everybody's PIN `123456`.
fn settings(more: &str) -> String {
    let hash = |secret: &str| vestibule_auth::hash::hash_secret(&secret.to_owned().into()).unwrap();
    let (password, pin) = (hash("correct horse"), hash("123456"));
    let person = |name: &str, more: &str| {
        format!("[users.\"{name}@example.net\"]\npassword_hash = \"{password}\"\npin_hash = \"{pin}\"\n{more}\n")
    };
    let circuit = |name: &str, more: &str| {
        format!("[circuits.{name}]\nhosts = [\"{name}.test\"]\nupstream = \"http://127.0.0.1:3000\"\n{more}\n")
    };
    [
        "[server]\ndata_dir = \"data\"\nlisten = [{ address = \"127.0.0.1:8080\" }]".to_owned(),
        "[projects.docs]\nlabel = \"Documentation\"\nmembers = [\"maya@example.net\", \"otto@example.net\"]".to_owned(),
        person("maya", "groups = [\"writers\"]"),
        person("otto", "state = \"blocked\""),
        person("zoe", ""),
        circuit("wiki", "access = \"members\"\nproject = \"docs\"\nlogin = [\"password\", \"pin\"]"),
        circuit("shared", &format!("access = \"allowlist\"\nallow = []\nshared = {{ pin_hash = \"{pin}\" }}")),
        circuit("open", "access = \"public\""),
        more.to_owned(),
    ]
    .join("\n")
}

/// One request to a circuit, over TLS unless said.
struct Ask<'a> {
    circuit: &'a str,
    method: http::Method,
    path: &'a str,
    query: Option<&'a str>,
    headers: HeaderMap,
    body: &'a str,
    secure: bool,
    client: IpAddr,
}

impl<'a> Ask<'a> {
    fn get(circuit: &'a str, path: &'a str) -> Self {
        let client = IpAddr::from([192, 0, 2, 1]);
        let headers = HeaderMap::new();
        Self { circuit, method: http::Method::GET, path, query: None, headers, body: "", secure: true, client }
    }

    fn post(circuit: &'a str, path: &'a str, body: &'a str) -> Self {
        Self { method: http::Method::POST, body, ..Self::get(circuit, path) }.with(FORM)
    }

    fn with(mut self, (name, value): (&'static str, &str)) -> Self {
        self.headers.insert(HeaderName::from_static(name), value.parse().unwrap());
        self
    }

    fn cookie(self, value: &str) -> Self {
        let name = cookie::name(self.secure);
        self.with(("cookie", &format!("{name}={value}")))
    }

    fn view<'b>(&'b self, host: &'b str) -> RequestView<'b> {
        RequestView {
            method: &self.method,
            host,
            path: self.path,
            headers: &self.headers,
            client: self.client,
            cookie: cookie::find(&self.headers, self.secure),
        }
    }

    async fn send(self, rig: &Rig) -> Answer {
        let live = rig.state.live.load_full();
        let host = format!("{}.test", self.circuit);
        let site = live.routes.named(self.circuit).unwrap();
        let gate = &site.door_to(leads_to(self.path, self.query).as_deref().unwrap_or("/")).gate;
        let request = self.view(&host);
        let front = gate.front(&request);
        assert_eq!(front.refusal, None);
        let visit = Visit {
            state: &rig.state,
            live: &live,
            site,
            gate,
            wanted: None,
            request,
            query: self.query,
            secure: self.secure,
            authority: &host,
            request_id: "r-1",
            time_us: rig.state.clock.now().as_microsecond(),
            location: &front.location,
            session: front.session.as_ref(),
            identity: front.identity.as_ref(),
            budget: front.budget.as_ref(),
        };
        handle(&visit, Bytes::copy_from_slice(self.body.as_bytes())).await
    }

    fn decide(&self, rig: &Rig) -> Decision {
        let live = rig.state.live.load_full();
        let host = format!("{}.test", self.circuit);
        live.policy.gate(self.circuit).unwrap().decide(&self.view(&host))
    }
}

impl Answer {
    fn status(&self) -> u16 {
        self.reply.status.as_u16()
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.reply.headers.iter().find(|(sent, _)| sent == name).map(|(_, value)| value.to_str().unwrap())
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.reply.body).unwrap()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.reply.body).unwrap()
    }

    fn cookie_value(&self) -> String {
        let cookie = self.header("set-cookie").expect("a cookie is set");
        cookie.split(['=', ';']).nth(1).unwrap().to_owned()
    }
}

async fn signed_in(rig: &Rig) -> String {
    let answer = Ask::post("wiki", "/.vestibule/login", MAYA).send(rig).await;
    assert_eq!(answer.status(), 303);
    answer.cookie_value()
}

fn sessions(rig: &Rig) -> usize {
    rig.state.auth.sessions().list(&SessionFilter::default(), 10).unwrap().len()
}

const MAYA: &str = "email=Maya@Example.net&password=correct+horse&return=%2Fa%3Fx%3D1%26y%3D2";

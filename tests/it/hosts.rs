//! One sign-in for all hosts: `[server] login_host`.

mod circuits;
mod hand_over;
mod login_host;
mod provider;
mod sessions;

use std::time::Duration;

use harness::browser::{host, path};
use harness::house::{MAYA, NOOR, people};
use harness::provider::{CLIENT_ID, now, pairs, person};
use harness::secrets::{ADMIN_TOKEN, PASSWORD, PIN, SHARED_PIN, SHARED_PIN_HASH};
use harness::{Gateway, Provider, Response, Setup, Upstream, Window, until};
use serde_json::{Value, json};

const LOGIN: &str = "login.localhost";

/// Circuits by password (`wiki`, `board`, `own`), by the provider alone (`sso`), and by a password or a shared PIN
/// (`mixed`), with one login host.
struct Inn {
    provider: Provider,
    upstream: Upstream,
    gateway: Gateway,
}

fn circuit(name: &str, upstream: &Upstream, allow: &str, login: &str, more: &str) -> String {
    format!(
        "[circuits.{name}]\nhosts = [\"{name}.localhost\"]\nupstream = \"{}\"\naccess = \"allowlist\"\nallow = \
         [{allow}]\nlogin = [{login}]\n{more}\n",
        upstream.url()
    )
}

fn plan(provider: &Provider, upstream: &Upstream, of_provider: &str) -> String {
    let both = format!("\"{MAYA}\", \"{NOOR}\"");
    let shared = format!("shared = {{ pin_hash = \"{SHARED_PIN_HASH}\" }}");
    [
        people(),
        provider.toml("corp", &format!("label = \"Example SSO\"\n{of_provider}")),
        circuit("wiki", upstream, &both, "\"password\"", ""),
        circuit("board", upstream, &both, "\"password\", \"sso:corp\"", ""),
        circuit("own", upstream, &format!("\"{MAYA}\""), "\"password\"", ""),
        circuit("sso", upstream, &both, "\"sso:corp\"", ""),
        circuit("mixed", upstream, &both, "\"password\"", &shared),
        format!(
            "[circuits.pub]\nhosts = [\"pub.localhost\"]\nupstream = \"{}\"\naccess = \"public\"\n",
            upstream.url()
        ),
    ]
    .concat()
}

impl Inn {
    #[track_caller]
    fn start() -> Self {
        Self::with("", "")
    }

    #[track_caller]
    fn with(of_provider: &str, more: &str) -> Self {
        let (provider, upstream) = (Provider::start(), Upstream::start());
        let server = format!("login_host = \"{LOGIN}\"\ntrusted_proxies = [\"127.0.0.1\"]\nshutdown_grace = \"10s\"");
        let gateway = Setup::new(&(plan(&provider, &upstream, of_provider) + more)).server(&server).start();
        Self { provider, upstream, gateway }
    }

    fn window(&self) -> Window {
        Window::new(&self.gateway, "203.0.113.1")
    }

    /// Opens a page of a circuit, types the password on the login host's page, and goes where that leads.
    #[track_caller]
    fn sign_in(&self, window: &mut Window, address: &str, who: &str) -> (Vec<String>, Response) {
        let (way, page) = window.open(address, None);
        let at = way.last().unwrap();
        assert!(page.status == 200 && host(at) == LOGIN, "{} {way:#?} {}", page.status, page.text());
        type_password(window, at, &page, who)
    }

    #[track_caller]
    fn status(&self, circuit: &str, cookie: &str) -> (u16, String) {
        let answer = self.gateway.get(&format!("{circuit}.localhost"), "/").cookie(cookie).send();
        (answer.status, answer.reason())
    }
}

/// Sends the form of a sign-in page, with what it carries.
#[track_caller]
fn type_password(window: &mut Window, at: &str, page: &Response, who: &str) -> (Vec<String>, Response) {
    let text = page.text();
    let request = text.split("name=\"request\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    let target = format!("http://{}/.vestibule/login", host(at));
    let answer = window.post(&target, &[("email", who), ("password", PASSWORD), ("request", request)]);
    window.follow(&target, answer, None)
}

fn session(window: &Window, circuit: &str) -> String {
    window.cookie(&format!("{circuit}.localhost"), "vestibule").unwrap_or_default()
}

fn code_of(way: &[String]) -> String {
    way.iter().find(|address| address.contains("/.vestibule/session?code=")).cloned().unwrap()
}

#[track_caller]
fn texts<'a>(rows: &'a [Value], field: &str) -> Vec<&'a str> {
    rows.iter().map(|row| row[field].as_str().unwrap_or_default()).collect()
}

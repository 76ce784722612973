//! OpenID Connect providers that others made, as child processes; tests/run.sh fetches them.

use std::io;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use crate::browser::{Jar, path};
use crate::provider::{CLIENT_ID, CLIENT_SECRET, keep_secret};
use crate::tls::Pair;
use crate::{Authority, Request, Response, port, until};

/// A start takes at most this long, on a machine that is busy with other tests.
const START_BOUND: Duration = Duration::from_secs(60);

/// A listening provider that knows maya, of the group writers; ended when dropped.
#[derive(Debug)]
pub struct RealProvider {
    child: Child,
    address: SocketAddr,
    folder: TempDir,
    /// Vouches for it where it speaks TLS.
    authority: Option<Arc<Authority>>,
}

impl RealProvider {
    /// oidc-provider from npm, which is certified and takes who is named at its word. `host` is where people sign in, as
    /// their browsers name it; the gateway listens on `gateway_port`.
    #[track_caller]
    pub fn certified(host: &str, gateway_port: u16) -> Self {
        Self::start(CLIENT_SECRET, None, |port| certified(port, host, gateway_port))
    }

    /// The same, that also sends browsers to this address.
    #[track_caller]
    pub fn certified_for(host: &str, gateway_port: u16, further: &str) -> Self {
        Self::start(CLIENT_SECRET, None, |port| {
            let mut node = certified(port, host, gateway_port);
            node.env("FURTHER_REDIRECT_URI", further);
            node
        })
    }

    /// The same over TLS, with a certificate of this authority.
    #[track_caller]
    pub fn certified_over_tls(host: &str, gateway_port: u16, authority: &Arc<Authority>) -> Self {
        let Pair { cert, key } = authority.pair("provider", &["127.0.0.1"]);
        Self::start(CLIENT_SECRET, Some(authority.clone()), |port| {
            let mut node = certified(port, host, gateway_port);
            node.args([cert, key]);
            node
        })
    }

    /// canaille from PyPI, with pages for the name, the password and consent. Unlike others it says nothing of whether an
    /// address is verified, names its audience in a list, signs with RS512, and tells the moment of sign-in with
    /// fractions of a second.
    #[track_caller]
    pub fn canaille(host: &str) -> Self {
        let python = std::env::var("VESTIBULE_CANAILLE").expect("tests/run.sh says where canaille's Python is");
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/harness/canaille_server.py");
        // It does not decode what a client must encode.
        Self::start("a-secret-of-the-client", None, |port| {
            let mut python = Command::new(python);
            python.args([script, port, host]);
            python
        })
    }

    #[track_caller]
    fn start(secret: &str, authority: Option<Arc<Authority>>, command: impl FnOnce(&str) -> Command) -> Self {
        let port = port::free();
        let mut command = command(&port.to_string());
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let folder = tempfile::tempdir().unwrap();
        keep_secret(folder.path(), secret);
        let provider = Self { child, address: SocketAddr::from(([127, 0, 0, 1], port)), folder, authority };
        until(START_BOUND, "the provider describes itself", || {
            let description = provider.try_send(&provider.ask("GET", "/.well-known/openid-configuration"));
            description.ok().filter(|answer| answer.status == 200)
        });
        provider
    }

    /// As its tokens say it.
    pub fn issuer(&self) -> String {
        let scheme = if self.authority.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// `[providers.corp]` and further lines of it.
    pub fn toml(&self, more: &str) -> String {
        let secret = self.folder.path().join("client.secret");
        format!(
            "[providers.corp]\nissuer = \"{}\"\nclient_id = \"{CLIENT_ID}\"\nclient_secret = {{ file = {secret:?} }}\n\
             groups_claim = \"groups\"\n{more}\n",
            self.issuer()
        )
    }

    /// As a browser asks for a page.
    pub fn ask(&self, method: &str, target: &str) -> Request {
        Request::new(self.address, method, &self.address.to_string(), target).browser()
    }

    /// A page, in the browser whose cookies these are.
    #[track_caller]
    pub fn open(&self, jar: &mut Jar, request: &Request) -> Response {
        jar.send_by(request, |request| self.try_send(request).unwrap())
    }

    fn try_send(&self, request: &Request) -> io::Result<Response> {
        let send = |authority: &Arc<Authority>| authority.send(self.address, "127.0.0.1", request);
        self.authority.as_ref().map_or_else(|| request.try_send(), send)
    }

    /// Maya's way through its pages: each form gets what it asks for. Gives the address to which it sends the browser in
    /// the end.
    #[track_caller]
    pub fn sign_in(&self, jar: &mut Jar, location: &str) -> String {
        let mut at = path(location).to_owned();
        for _ in 0..10 {
            let mut answer = self.open(jar, &self.ask("GET", &at));
            if answer.status == 200 {
                let (prompt, csrf) = (hidden(&answer, "prompt"), hidden(&answer, "csrf_token"));
                let mut form = vec![("login", "maya"), ("password", "only for tests"), ("answer", "accept")];
                form.extend(prompt.as_deref().map(|prompt| ("prompt", prompt)));
                form.extend(csrf.as_deref().map(|csrf| ("csrf_token", csrf)));
                answer = self.open(jar, &self.ask("POST", &at).form(&form));
            }
            let next = answer.header("location").map(str::to_owned);
            let next = next.unwrap_or_else(|| panic!("nothing leads on: {} {}", answer.status, answer.text()));
            if path(&next).starts_with("/.vestibule/callback") || path(&next).starts_with("/sign-in/callback") {
                return next;
            }
            path(&next).clone_into(&mut at);
        }
        panic!("the provider leads in circles")
    }
}

/// The command that starts oidc-provider.
fn certified(port: &str, host: &str, gateway_port: u16) -> Command {
    let package = std::env::var("VESTIBULE_OIDC_PROVIDER").expect("tests/run.sh says where oidc-provider is");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/harness/certified.mjs");
    let name = host.split(':').next().unwrap_or_default();
    let told = format!("http://{name}:{gateway_port}/.vestibule/backchannel-logout/corp");
    let mut node = Command::new("node");
    node.args([script, &package, port, host, &told]);
    node
}

/// What a page's form sends along by itself.
pub fn hidden(page: &Response, name: &str) -> Option<String> {
    let text = page.text();
    let rest = text.split(&format!("name=\"{name}\"")).nth(1)?.split("value=\"").nth(1)?;
    rest.split('"').next().map(str::to_owned)
}

impl Drop for RealProvider {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

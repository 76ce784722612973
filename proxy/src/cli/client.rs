//! The admin API, as commands use it.

use std::env;
use std::fs;
use std::future::Future;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use http::{Method, StatusCode};
use reqwest::RequestBuilder;
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Mutex;
use tokio::time::timeout;
use vestibule_config::admin_url;

use super::failure::Failure;
use super::{Global, files};

/// Longer than the server's own deadline of a query.
const TIMEOUT: Duration = Duration::from_secs(20);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// An answer that goes on may take so long.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 86_400);

/// But says something in this time: a tail does every ten seconds, an export every second.
const SILENCE: Duration = Duration::from_secs(45);

/// The admin token is taken from here only: arguments are seen by everybody on the machine.
const TOKEN_VARIABLE: &str = "VESTIBULE_ADMIN_TOKEN";

/// Speaks with one admin port.
pub(super) struct Client {
    http: reqwest::Client,
    runtime: Runtime,
    base: String,
    token: Option<String>,
    /// Asked for once, so that none is lost between two waits.
    interrupts: Mutex<Interrupts>,
}

/// An answer that goes on.
pub(super) struct Body(reqwest::Response);

/// What the server said.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: String,
}

impl Client {
    pub(super) fn new(global: &Global) -> Result<Self, Failure> {
        Self::at(&base(global))
    }

    /// Of the admin port at this address.
    pub(super) fn at(base: &str) -> Result<Self, Failure> {
        let missing = || Failure::Usage(format!("set {TOKEN_VARIABLE} to a token of [admin.tokens]"));
        Self::with_token_at(base)?.ok_or_else(missing)
    }

    /// Absent where no token is set.
    pub(super) fn with_token(global: &Global) -> Result<Option<Self>, Failure> {
        Self::with_token_at(&base(global))
    }

    fn with_token_at(base: &str) -> Result<Option<Self>, Failure> {
        let token = env::var(TOKEN_VARIABLE).ok().filter(|token| !token.trim().is_empty());
        let with = |token: String| Ok(Self { token: Some(token.trim().to_owned()), ..Self::anonymous(base)? });
        token.map(with).transpose()
    }

    /// For what needs none.
    pub(super) fn without_token(global: &Global) -> Result<Self, Failure> {
        Self::anonymous(&base(global))
    }

    fn anonymous(base: &str) -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("making a runtime")?;
        let base = base.trim_end_matches('/').to_owned();
        // No proxy of the environment and no redirect: the token is for this address alone.
        let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        // The system's certificates are asked for where they are needed only; a small container has none.
        let http = if base.starts_with("https:") { http } else { http.tls_certs_only([]) };
        let http = http.connect_timeout(CONNECT_TIMEOUT).timeout(TIMEOUT).build().context("making an HTTP client")?;
        let interrupts = Mutex::new(Interrupts::heard_by(&runtime).context("listening to signals")?);
        Ok(Self { http, runtime, base, token: None, interrupts })
    }

    pub(super) fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Answer, Failure> {
        self.send(Method::GET, path, query)
    }

    /// Any answer is good here, a refusal too; see [`Answer::json`].
    pub(super) fn send(&self, method: Method, path: &str, query: &[(&str, &str)]) -> Result<Answer, Failure> {
        self.answer(self.request(method, path, query)?)
    }

    /// With a body.
    pub(super) fn send_json(&self, method: Method, path: &str, body: &Value) -> Result<Answer, Failure> {
        self.answer(self.request(method, path, &[])?.json(body))
    }

    /// Of what a path names by its id.
    pub(super) fn delete(&self, path: &str, id: &str) -> Result<Answer, Failure> {
        let id = percent_encoding::utf8_percent_encode(id, percent_encoding::NON_ALPHANUMERIC);
        self.send(Method::DELETE, &format!("{path}/{id}"), &[])
    }

    fn answer(&self, request: RequestBuilder) -> Result<Answer, Failure> {
        self.wait(async { Answer::read(request.send().await?).await })?.map_err(|error| self.unreachable(error))
    }

    /// An answer that is read as it comes, of which nobody knows how long it takes; or a refusal, read whole. To be
    /// awaited within [`Self::wait`].
    pub(super) async fn open(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        header: Option<(&str, &str)>,
    ) -> Result<Result<Body, Answer>, Failure> {
        let mut request = self.request(method, path, query)?.timeout(LONGEST);
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        let answer = async {
            let response = request.send().await?;
            if response.status().is_success() {
                return Ok(Ok(Body(response)));
            }
            Ok(Err(Answer::read(response).await?))
        };
        match timeout(TIMEOUT, answer).await {
            Ok(answer) => answer.map_err(|error| self.unreachable(error)),
            Err(_) => {
                Err(Failure::Unreachable(format!("no answer from the admin port at {} in {TIMEOUT:?}", self.base)))
            }
        }
    }

    /// Where the admin port is.
    pub(super) fn base(&self) -> &str {
        &self.base
    }

    fn request(&self, method: Method, path: &str, query: &[(&str, &str)]) -> Result<RequestBuilder, Failure> {
        let mut url = reqwest::Url::parse(&format!("{}{path}", self.base))
            .map_err(|error| Failure::Usage(format!("{:?} is not an admin URL: {error}", self.base)))?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut request = self.http.request(method, url);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        Ok(request)
    }

    /// Does work that the person at the terminal, or whoever started the program, may end.
    pub(super) fn wait<T>(&self, work: impl Future<Output = T>) -> Result<T, Failure> {
        self.runtime.block_on(async {
            let mut interrupts = self.interrupts.lock().await;
            tokio::select! {
                done = work => Ok(done),
                () = interrupts.next() => Err(Failure::Interrupted),
            }
        })
    }

    fn unreachable(&self, error: reqwest::Error) -> Failure {
        let cause = anyhow::Error::new(error.without_url());
        Failure::Unreachable(format!("no answer from the admin port at {}: {cause:#}; does the server run?", self.base))
    }
}

/// INT and TERM.
struct Interrupts {
    interrupt: Signal,
    terminate: Signal,
}

impl Interrupts {
    fn heard_by(runtime: &Runtime) -> std::io::Result<Self> {
        let _within = runtime.enter();
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Also one that came while nobody waited.
    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

impl Body {
    /// What came next; none at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        let broken = |cause: &str| Failure::Unreachable(format!("the admin port's answer broke off: {cause}"));
        match timeout(SILENCE, self.0.chunk()).await {
            Ok(Ok(bytes)) => Ok(bytes),
            Ok(Err(error)) => Err(broken(&format!("{:#}", anyhow::Error::new(error.without_url())))),
            Err(_) => Err(broken(&format!("nothing came for {SILENCE:?}"))),
        }
    }
}

impl Answer {
    async fn read(response: reqwest::Response) -> reqwest::Result<Self> {
        let status = response.status();
        Ok(Self { status, body: response.text().await? })
    }

    /// The body of a good answer, or what the problem says.
    pub(super) fn json(&self) -> Result<Value, Failure> {
        let body = serde_json::from_str::<Value>(&self.body);
        if self.status.is_success() {
            return Ok(body.context("the admin port's answer is not JSON; is this its address?")?);
        }
        let detail = body.ok().and_then(|body| body.get("detail").and_then(Value::as_str).map(str::to_owned));
        let detail = detail.unwrap_or_else(|| "no reason given".to_owned());
        if self.status == StatusCode::BAD_REQUEST {
            // The server read what was typed, and says what is wrong with it.
            return Err(Failure::Usage(detail));
        }
        Err(Failure::failed(format!("the server answers {}: {detail}", self.status.as_u16())))
    }
}

/// What was said, else what the file says, else the default. The file may be broken otherwise: `reload` is asked for
/// to learn how.
fn base(global: &Global) -> String {
    let configured = || admin_url(&fs::read_to_string(files::path(global).ok()?).ok()?);
    let said = global.admin_url.clone().or_else(configured);
    said.unwrap_or_else(|| "http://127.0.0.1:9180".to_owned())
}

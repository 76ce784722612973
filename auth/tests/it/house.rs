//! A house to guard: configurations, visitors, and what they are told.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use http::{HeaderMap, HeaderValue, Method};
use vestibule_auth::hash::hash_secret;
use vestibule_auth::sso::NoBackChannel;
use vestibule_auth::{
    Auth, Credential, Decision, Hand, Kind, Outcome, Policy, Refusal, RequestView, Secret, SignIn, Verdict,
};
use vestibule_config::Settings;
use zeroize::Zeroizing;

/// Everybody's password, and every shared one.
pub(crate) const PASSWORD: &str = "correct horse battery";
/// Everybody's PIN, and every shared one.
pub(crate) const PIN: &str = "271828";
/// An address without rules, and without a place.
pub(crate) const HOME: &str = "10.1.2.3";
/// In the example database: Germany.
pub(crate) const GERMANY: &str = "203.0.113.7";

pub(crate) struct House {
    pub(crate) auth: Auth,
    pub(crate) clock: Arc<Hand>,
    folder: tempfile::TempDir,
}

impl House {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::at(folder, "2026-06-01T12:00:00Z".parse().unwrap())
    }

    fn at(folder: tempfile::TempDir, now: jiff::Timestamp) -> Self {
        let clock = Arc::new(Hand::at(now));
        let auth = Auth::open(folder.path(), clock.clone(), Arc::new(NoBackChannel)).unwrap();
        Self { auth, clock, folder }
    }

    /// Closed and opened again.
    pub(crate) fn restart(self) -> Self {
        use vestibule_auth::Clock;
        self.auth.close().unwrap();
        Self::at(self.folder, self.clock.now())
    }

    /// What a process finds that follows one that was killed: the files as they are now, nothing closed.
    pub(crate) fn after_a_kill(&self) -> Self {
        use vestibule_auth::Clock;
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        std::fs::create_dir(&state).unwrap();
        for file in std::fs::read_dir(self.folder.path().join("state")).unwrap().map(Result::unwrap) {
            std::fs::copy(file.path(), state.join(file.file_name())).unwrap();
        }
        Self::at(folder, self.clock.now())
    }

    pub(crate) fn settings(&self, text: &str) -> Settings {
        self.settings_with("", text)
    }

    /// With further lines in `[server]`.
    pub(crate) fn settings_with(&self, server: &str, text: &str) -> Settings {
        use vestibule_auth::Clock;
        let head = format!(
            "[server]\ndata_dir = {:?}\nlisten = [{{ address = \"127.0.0.1:0\" }}]\n{server}\n",
            self.folder.path().to_str().unwrap()
        );
        let text = format!("{head}{}", fill(text));
        vestibule_config::load_text(&text, self.clock.now())
            .unwrap_or_else(|report| panic!("{text}\n{}", report.render(false)))
    }

    pub(crate) fn policy(&self, text: &str) -> Policy {
        self.auth.policy(&self.settings(text))
    }

    /// Signs in and takes the cookie's value.
    pub(crate) async fn cookie(&self, policy: &Policy, circuit: &str, credential: Credential) -> String {
        let visit = Visit::from(HOME);
        match policy.gate(circuit).unwrap().sign_in(credential, &visit.view()).await {
            Outcome::Verified(verified) => verified.open(None).unwrap().value.to_string(),
            other @ (Outcome::Failed(..) | Outcome::Forbidden(..) | Outcome::Limited(..)) => {
                panic!("{circuit}: {}", told(&other))
            }
        }
    }
}

/// Hashes are slow to make, so that one of each serves all.
fn fill(text: &str) -> String {
    static HASHES: OnceLock<(String, String)> = OnceLock::new();
    let (password, pin) = HASHES.get_or_init(|| (hash(PASSWORD), hash(PIN)));
    let places = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/demo/places.mmdb");
    text.replace("PASSWORD_HASH", &format!("{password:?}"))
        .replace("PIN_HASH", &format!("{pin:?}"))
        .replace("PLACES", &format!("{places:?}"))
}

pub(crate) fn hash(secret: &str) -> String {
    hash_secret(&Zeroizing::new(secret.to_owned())).unwrap()
}

pub(crate) fn password(email: &str) -> Credential {
    password_of(email, PASSWORD)
}

pub(crate) fn password_of(email: &str, password: &str) -> Credential {
    let secret = Secret::Password(Zeroizing::new(password.to_owned()));
    Credential::Own { email: email.to_owned(), secret }
}

pub(crate) fn pin(email: &str) -> Credential {
    Credential::Own { email: email.to_owned(), secret: Secret::Pin(Zeroizing::new(PIN.to_owned())) }
}

pub(crate) fn shared_pin(pin: &str) -> Credential {
    Credential::Shared(Secret::Pin(Zeroizing::new(pin.to_owned())))
}

/// One request from somewhere, with or without a cookie.
pub(crate) struct Visit {
    headers: HeaderMap,
    client: IpAddr,
    cookie: Option<String>,
    method: Method,
}

impl Visit {
    pub(crate) fn from(client: &str) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert("user-agent", HeaderValue::from_static("test"));
        Self { headers, client: client.parse().unwrap(), cookie: None, method: Method::GET }
    }

    pub(crate) fn with(mut self, cookie: &str) -> Self {
        self.cookie = Some(cookie.to_owned());
        self
    }

    pub(crate) fn by(mut self, method: &str) -> Self {
        self.method = method.parse().unwrap();
        self
    }

    pub(crate) fn showing(mut self, header: &'static str, value: &str) -> Self {
        self.headers.append(header, HeaderValue::from_str(value).unwrap());
        self
    }

    pub(crate) fn view(&self) -> RequestView<'_> {
        let (host, path) = ("wiki.example.net", "/");
        let (headers, client, cookie) = (&self.headers, self.client, self.cookie.as_deref());
        RequestView { method: &self.method, host, path, headers, client, cookie }
    }

    pub(crate) fn decide(&self, policy: &Policy, circuit: &str) -> Decision {
        policy.gate(circuit).unwrap().decide(&self.view())
    }

    pub(crate) fn answer(&self, policy: &Policy, circuit: &str) -> String {
        answer(&self.decide(policy, circuit).verdict)
    }

    pub(crate) async fn sign_in(&self, policy: &Policy, circuit: &str, credential: Credential) -> String {
        told(&policy.gate(circuit).unwrap().sign_in(credential, &self.view()).await)
    }
}

pub(crate) fn answer(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Pass(_) => "allow".to_owned(),
        Verdict::Preflight(_) => "preflight".to_owned(),
        Verdict::Refuse(refusal) => refused(refusal),
    }
}

pub(crate) fn refused(refusal: &Refusal) -> String {
    let kind = match refusal.kind {
        Kind::SignIn => "login",
        Kind::Credential => "401",
        Kind::Forbidden => "403",
        Kind::Limited(_) => "429",
        Kind::Unavailable(_) => "503",
        Kind::NotFound => "404",
    };
    format!("{kind} {}", refusal.reason.code())
}

/// What became of an attempt: its result, who it was, and the reason.
pub(crate) fn told(outcome: &Outcome) -> String {
    let who = |sign_in: &SignIn| format!("{:?}", sign_in.user_id.as_deref().unwrap_or("nobody"));
    match outcome {
        Outcome::Verified(verified) => format!("verified {}", who(&verified.sign_in)),
        Outcome::Failed(sign_in, refusal) => format!("failed {} {}", who(sign_in), refused(refusal)),
        Outcome::Forbidden(sign_in, refusal) => format!("forbidden {} {}", who(sign_in), refused(refusal)),
        Outcome::Limited(sign_in, refusal) => format!("limited {} {}", who(sign_in), refused(refusal)),
    }
}

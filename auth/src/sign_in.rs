//! One attempt to sign in with something that a person types.

use std::net::IpAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;

use vestibule_config::SignInWay;
use vestibule_config::user::User;
use zeroize::Zeroizing;

use crate::account::{own_hash, state_refuses};
use crate::attempts::Try;
use crate::caller::Method;
use crate::core::Core;
use crate::error::Error;
use crate::gate::Gate;
use crate::request::RequestView;
use crate::session::{Draft, Passed, Session, SessionCookie};
use crate::verdict::{Kind, Reason, Refusal};

/// Longest account name that is looked at, in bytes (RFC 5321: 64 + 1 + 255).
const MAX_EMAIL_BYTES: usize = 320;

/// Of the User-Agent, in bytes.
const MAX_USER_AGENT_BYTES: usize = 256;

/// How long a client waits where the hash pool is full: 64 hashes take about this on one core.
const POOL_WAIT: Duration = Duration::from_secs(2);

/// What was typed, and where.
pub enum Credential {
    /// A person's own password or PIN.
    Own {
        /// As typed; folded before any comparison.
        email: String,
        /// Theirs.
        secret: Secret,
    },
    /// The circuit's own password or PIN.
    Shared(Secret),
}

impl Credential {
    /// What is tried.
    pub fn method(&self) -> Method {
        let (Self::Own { email: _, secret } | Self::Shared(secret)) = self;
        match secret {
            Secret::Password(_) => Method::Password,
            Secret::Pin(_) => Method::Pin,
        }
    }
}

/// A secret as typed; longer than 1 KiB is a failure.
pub enum Secret {
    /// Any text.
    Password(Zeroizing<String>),
    /// Digits.
    Pin(Zeroizing<String>),
}

/// What became of an attempt, with what its entry needs.
#[derive(Debug, Clone)]
pub struct SignIn {
    /// Folded as typed, also when no such account exists; absent for a shared secret.
    pub email: Option<Arc<str>>,
    /// Absent unless the account exists or the secret is shared.
    pub user_id: Option<Arc<str>>,
    /// What was tried.
    pub method: Method,
    /// Where, for [`Method::Sso`].
    pub provider: Option<Arc<str>>,
    /// What let the person in where the circuit's own policy would not: `grants.ID`.
    pub rule: Option<Arc<str>>,
    /// This failure locked the account for the address.
    pub locked: bool,
}

impl From<&Session> for SignIn {
    fn from(session: &Session) -> Self {
        Self {
            email: session.email.clone(),
            user_id: Some(session.user_id.clone()),
            method: session.method,
            provider: session.provider.clone(),
            rule: None,
            locked: false,
        }
    }
}

/// What became of an attempt.
pub enum Outcome {
    /// The credential is good and the policy passes; nothing is open yet.
    Verified(Box<Verified>),
    /// The credential is not good, or the account may not sign in. The client learns `invalid_credentials` only.
    Failed(SignIn, Refusal),
    /// The credential is good and the policy refuses: 403 with its reason.
    Forbidden(SignIn, Refusal),
    /// Not looked at: limits (429) or a full hash queue (503).
    Limited(SignIn, Refusal),
}

/// A good attempt that waits for its record.
pub struct Verified {
    /// For the entry.
    pub sign_in: SignIn,
    /// Why the person comes, where the circuit asks.
    pub purpose: Option<String>,
    /// What let it go on although nobody answered: `hooks.NAME.on_failure`.
    pub exception: Option<String>,
    /// It may wait for a person in there.
    core: Weak<Core>,
    pub(crate) draft: Draft,
}

impl Verified {
    pub(crate) fn new(sign_in: SignIn, core: &Arc<Core>, draft: Draft) -> Self {
        Self { sign_in, purpose: None, exception: None, core: Arc::downgrade(core), draft }
    }

    /// The id that the session will have, for the attempt's entry.
    pub fn session_id(&self) -> &crate::session::SessionId {
        &self.draft.id
    }

    /// The same at the login host: good there, and for every circuit that takes it.
    #[must_use]
    pub fn for_all_hosts(mut self, login: &Gate) -> Self {
        self.draft.circuit = login.name.clone();
        self.draft.limits = login.circuit.session;
        self
    }

    /// Makes the session, on disk when this returns (one sync: call it where blocking is allowed, after the attempt
    /// is on disk). `replaces` is ended. Where the circuit's `max_age` is zero the session is over at once, so that
    /// every request asks again.
    ///
    /// # Errors
    /// When the state database refuses or holds as many sessions as it may; then there is no session.
    pub fn open(self, replaces: Option<&Session>) -> Result<SessionCookie, Error> {
        let core = self.core.upgrade().ok_or(Error::Closed)?;
        core.sessions.store.create(self.draft, replaces)
    }
}

impl Gate {
    /// One attempt: limits, then the credential, then the policy. Makes no session: the caller records the attempt
    /// first and then calls [`crate::Verified::open`].
    pub async fn sign_in(&self, credential: Credential, request: &RequestView<'_>) -> Outcome {
        let closed = self.closed().or_else(|| self.address_rules_refuse(request));
        let (account, way, secret) = take_apart(credential);
        let user = account.as_deref().and_then(|email| self.people.get(email));
        let mut sign_in = self.describe(account.as_ref(), user, way);
        if let Some(refusal) = closed {
            return Outcome::Forbidden(sign_in, refusal);
        }
        let attempt = Try { circuit: &self.name, address: request.client, account: account.as_deref() };
        let admitted = match self.attempts.admit(attempt).await {
            Ok(admitted) => admitted,
            Err(refusal) => return Outcome::Limited(sign_in, refusal),
        };
        let wanted = match &account {
            Some(_) => self.own(user, way),
            None => self.shared_hash(way).ok_or(wrong(way)),
        };
        let Ok(good) = self.core.pool.verify(secret, wanted.ok().map(|hash| hash.expose())).await else {
            admitted.forgive();
            let busy = self.refuse(Reason::HashQueueFull, Kind::Unavailable(POOL_WAIT), "login");
            return Outcome::Limited(sign_in, busy);
        };
        let hash = match wanted {
            Ok(hash) if good => hash,
            Ok(_) => return self.fail(sign_in, admitted, wrong(way)).await,
            Err(reason) => return self.fail(sign_in, admitted, reason).await,
        };
        self.attempts.succeeded(admitted);
        match user.map(|user| self.admits(user.email.as_str(), &user.groups, Some(self.core.clock.now()))).transpose() {
            Ok(grant) => sign_in.rule = grant.flatten().map(|grant| grant.rule().into()),
            Err(refusal) => return Outcome::Forbidden(sign_in, refusal),
        }
        let draft = self.draft(&sign_in, self.fingerprint(hash), request);
        Outcome::Verified(Box::new(Verified::new(sign_in, &self.core, draft)))
    }

    async fn fail(&self, mut sign_in: SignIn, admitted: crate::attempts::Admitted, reason: Reason) -> Outcome {
        sign_in.locked = self.attempts.failed(admitted, &self.core.state).await;
        let key = if sign_in.email.is_some() { "login" } else { "shared" };
        Outcome::Failed(sign_in, self.refuse(reason, Kind::SignIn, key))
    }

    /// The hash to compare with, or why there is none; either costs the same.
    fn own<'a>(
        &self,
        user: Option<&'a User>,
        way: SignInWay,
    ) -> Result<&'a vestibule_config::secret::PasswordHash, Reason> {
        let user = user.ok_or(Reason::UserNotFound)?;
        if let Some(reason) = state_refuses(user) {
            return Err(reason);
        }
        own_hash(user, way).filter(|_| self.names(way)).ok_or(Reason::UserNotFound)
    }

    fn describe(&self, account: Option<&Arc<str>>, user: Option<&User>, way: SignInWay) -> SignIn {
        let method = match way {
            SignInWay::Password => Method::Password,
            SignInWay::Pin => Method::Pin,
        };
        let user_id = match account {
            None => Some(format!("shared:{}", self.name).into()),
            Some(_) => user.map(|user| format!("local:{}", user.email).into()),
        };
        SignIn { email: account.cloned(), user_id, method, provider: None, rule: None, locked: false }
    }

    pub(crate) fn draft(&self, sign_in: &SignIn, fingerprint: String, request: &RequestView<'_>) -> Draft {
        let SignIn { email, user_id, method, provider: _, rule: _, locked: _ } = sign_in;
        let (cookie, id) = self.core.sessions.store.new_cookie();
        let source_ip: IpAddr = request.client;
        Draft {
            cookie,
            id,
            circuit: self.name.clone(),
            email: email.clone(),
            user_id: user_id.clone().unwrap_or_else(|| self.name.clone()),
            method: *method,
            limits: self.circuit.session,
            source_ip,
            user_agent: user_agent(request),
            fingerprint,
            provided: None,
            passed: Passed::default(),
            parent: None,
        }
    }
}

/// The folded account, the way and the secret.
fn take_apart(credential: Credential) -> (Option<Arc<str>>, SignInWay, Zeroizing<String>) {
    let (account, secret) = match credential {
        Credential::Own { email, secret } => (Some(fold(&email)), secret),
        Credential::Shared(secret) => (None, secret),
    };
    let (way, secret) = match secret {
        Secret::Password(secret) => (SignInWay::Password, secret),
        Secret::Pin(secret) => (SignInWay::Pin, secret),
    };
    (account, way, secret)
}

/// One spelling for the account, its limits and its entries.
pub(crate) fn fold(email: &str) -> Arc<str> {
    let folded = cut(email.trim(), MAX_EMAIL_BYTES).to_lowercase();
    cut(&folded, MAX_EMAIL_BYTES).into()
}

fn wrong(way: SignInWay) -> Reason {
    match way {
        SignInWay::Password => Reason::InvalidPassword,
        SignInWay::Pin => Reason::InvalidPin,
    }
}

fn user_agent(request: &RequestView<'_>) -> String {
    let value = request.headers.get(http::header::USER_AGENT);
    let text = value.map(|value| String::from_utf8_lossy(value.as_bytes())).unwrap_or_default();
    cut(&text, MAX_USER_AGENT_BYTES).to_owned()
}

fn cut(text: &str, most_bytes: usize) -> &str {
    let mut end = text.len().min(most_bytes);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.split_at(end).0
}

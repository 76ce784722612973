//! The way back from the provider.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use openidconnect::core::{CoreGenderClaim, CoreIdToken, CoreTokenResponse};
use openidconnect::{
    AccessToken, AdditionalClaims, AuthorizationCode, OAuth2TokenResponse as _, PkceCodeVerifier, RequestTokenError,
    SubjectIdentifier, TokenResponse as _, UserInfoClaims, UserInfoError,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::directory::About;
use super::person::{Person, Told};
use super::provider::Provider;
use super::seal::{Tokens, seal_tokens};
use super::starts::Started;
use super::token::{self, Fault};
use super::{Step, Took};
use crate::account::state_refuses;
use crate::caller::Method;
use crate::core::Core;
use crate::gate::Gate;
use crate::request::RequestView;
use crate::session::Provided;
use crate::sign_in::{Outcome, SignIn, Verified};
use crate::verdict::{Kind, Reason, Refusal};

/// What the provider sent with the browser.
#[derive(Debug, Clone, Copy, Default)]
pub struct Callback<'a> {
    /// Good once, for tokens.
    pub code: Option<&'a str>,
    /// RFC 9207: who sends it.
    pub iss: Option<&'a str>,
    /// Why there is no code.
    pub error: Option<&'a str>,
}

/// What became of a sign-in at a provider.
pub struct Finished {
    /// As of every other credential.
    pub outcome: Outcome,
    /// What was done on the way, in order.
    pub steps: Vec<Took>,
}

/// One run from a code or refresh token to a person.
pub(super) struct Run<'a> {
    core: &'a Core,
    provider: &'a Provider,
    steps: Vec<Took>,
    since: Duration,
}

/// What the library leaves of the claims in a provider's answer about a person.
#[derive(Debug, Serialize, Deserialize)]
struct Rest {
    #[serde(flatten)]
    all: BTreeMap<String, Value>,
}

impl AdditionalClaims for Rest {}

/// Why a run ended.
pub(super) enum Halt {
    Refused(Refusal),
    /// The person is known, and may not come in by this provider.
    Person(String, Refusal),
}

impl From<Refusal> for Halt {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl Gate {
    /// Whether one more callback may come from this address: ten a minute, fifteen at once.
    ///
    /// # Errors
    /// 429.
    pub fn admit_callback(&self, request: &RequestView<'_>) -> Result<(), Refusal> {
        self.attempts.admit_callback(request.client)
    }

    /// The started sign-in that a callback answers; from now on it is used.
    ///
    /// # Errors
    /// When there is none for this browser and circuit, or not any more.
    pub fn take_started(&self, state: Option<&str>, browser: Option<&str>) -> Result<Started, Refusal> {
        let now = self.core.clock.elapsed();
        let take = |(state, browser)| self.core.starts.take(state, browser, &self.name, now);
        state.zip(browser).and_then(take).ok_or_else(|| self.refuse(Reason::SsoStateInvalid, Kind::SignIn, "login"))
    }

    /// Everything from the code to a session that waits for its record. At most some requests to the provider, each
    /// bounded by the back channel.
    pub async fn finish_sso(&self, started: Started, callback: Callback<'_>, request: &RequestView<'_>) -> Finished {
        let provider = Some(started.provider.clone());
        let mut who = SignIn { email: None, user_id: None, method: Method::Sso, provider, rule: None, locked: false };
        let closed = self.closed().or_else(|| self.address_rules_refuse(request));
        let provider = self.provider(&started.provider);
        let (Some(provider), None) = (provider, &closed) else {
            let refusal = closed.unwrap_or_else(|| self.refuse(Reason::SsoStateInvalid, Kind::SignIn, "login"));
            return Finished { outcome: Outcome::Forbidden(who, refusal), steps: Vec::new() };
        };
        let mut run = Run::new(&self.core, provider);
        let outcome = match run.person(&started, callback).await {
            Ok((person, tokens)) => {
                who.email = Some(person.email.shared());
                who.user_id = Some(format!("{}:{}", provider.name(), person.subject).into());
                self.welcome(who, provider, person, &tokens, request)
            }
            Err(Halt::Person(email, refusal)) => {
                who.email = Some(crate::sign_in::fold(&email));
                refused(who, refusal)
            }
            Err(Halt::Refused(refusal)) => refused(who, refusal),
        };
        Finished { outcome, steps: run.steps }
    }

    fn welcome(
        &self,
        mut who: SignIn,
        provider: &Provider,
        person: Person,
        tokens: &Tokens,
        request: &RequestView<'_>,
    ) -> Outcome {
        let user = self.people.get(person.email.as_str());
        if let Some(reason) = user.and_then(state_refuses) {
            let refusal = Refusal { reason, kind: Kind::SignIn, rule: "users.state".to_owned() };
            return Outcome::Failed(who, refusal);
        }
        match self.admits(person.email.as_str(), &self.all_groups(&person.groups, user), Some(self.core.clock.now())) {
            Ok(grant) => who.rule = grant.map(|grant| grant.rule().into()),
            Err(refusal) => return Outcome::Forbidden(who, refusal),
        }
        let mut draft = self.draft(&who, provider.fingerprint.clone(), request);
        draft.provided = Some(Provided {
            provider: provider.name().to_owned(),
            groups: person.groups,
            sid: person.sid,
            sealed: seal_tokens(tokens, &draft.cookie),
            checked: self.core.clock.now(),
        });
        Outcome::Verified(Box::new(Verified::new(who, &self.core, draft)))
    }
}

/// A provider that does not answer, or a person who is known and not let in, is told so; else it is a failed sign-in.
fn refused(who: SignIn, refusal: Refusal) -> Outcome {
    match refusal.kind {
        Kind::SignIn | Kind::Credential | Kind::Limited(_) | Kind::NotFound => Outcome::Failed(who, refusal),
        Kind::Forbidden | Kind::Unavailable(_) => Outcome::Forbidden(who, refusal),
    }
}

impl<'a> Run<'a> {
    pub(super) fn new(core: &'a Core, provider: &'a Provider) -> Self {
        Self { core, provider, steps: Vec::new(), since: core.clock.elapsed() }
    }

    /// What was done since the last step was this one.
    fn took(&mut self, step: Step) {
        let now = self.core.clock.elapsed();
        self.steps.push(Took { step, time: now.saturating_sub(self.since) });
        self.since = now;
    }

    /// Why is told to the operator; what the provider or the browser sent is not.
    fn broken(&self, step: Step, why: &str) -> Refusal {
        tracing::warn!(provider = self.provider.name(), step = step.code(), why, "sign-in at a provider failed");
        self.provider.refuse(Reason::SsoError, Kind::SignIn, step.code())
    }

    async fn about(&mut self) -> Result<Arc<About>, Refusal> {
        self.provider.about().await.ok_or_else(|| self.provider.unavailable("issuer"))
    }

    pub(super) async fn person(&mut self, started: &Started, callback: Callback<'_>) -> Result<(Person, Tokens), Halt> {
        let about = self.about().await?;
        self.check_issuer(&about, callback.iss)?;
        let Some(code) = callback.code.filter(|_| callback.error.is_none()) else {
            return Err(self.broken(Step::Callback, callback.error.map_or("no code", known_error)).into());
        };
        let unavailable = || self.provider.unavailable(Step::Token.code());
        let client = self.provider.client(&about, Some(started.redirect_uri.clone())).ok_or_else(unavailable)?;
        let request = client
            .exchange_code(AuthorizationCode::new(code.to_owned()))
            .set_pkce_verifier(PkceCodeVerifier::new(started.verifier.to_string()));
        let answer = request.request_async(&self.provider.door).await;
        self.took(Step::Token);
        let answer = answer.map_err(|error| self.no_tokens(&error))?;
        let id = answer.id_token().ok_or_else(|| self.broken(Step::Token, "no ID token"))?;
        let told = self.told(&about, id, Some(&started.nonce), &answer).await?;
        let tokens =
            Tokens { refresh: answer.refresh_token().map(|token| token.secret().clone()), id: Some(id.to_string()) };
        let email = told.email.clone();
        match self.provider.person(told) {
            Ok(person) => Ok((person, tokens)),
            Err(refusal) => Err(match email {
                Some(email) => Halt::Person(email, refusal),
                None => Halt::Refused(refusal),
            }),
        }
    }

    /// RFC 9207: a callback that names its sender must name this provider, and must name it where the provider says
    /// that it does. Another provider's code goes nowhere.
    fn check_issuer(&self, about: &About, iss: Option<&str>) -> Result<(), Refusal> {
        let announced = about.metadata.additional_metadata().authorization_response_iss_parameter_supported;
        match iss {
            Some(iss) if *iss == *self.provider.settings.issuer => Ok(()),
            None if !announced => Ok(()),
            Some(_) => Err(self.broken(Step::Callback, "it comes from another issuer")),
            None => Err(self.broken(Step::Callback, "it does not say from which issuer it comes")),
        }
    }

    pub(super) fn no_tokens<T: openidconnect::ErrorResponse + 'static>(
        &self,
        error: &RequestTokenError<super::Unreachable, T>,
    ) -> Refusal {
        match error {
            RequestTokenError::Request(error) => {
                tracing::warn!(provider = self.provider.name(), %error, "provider cannot be asked for tokens");
                self.provider.unavailable(Step::Token.code())
            }
            RequestTokenError::ServerResponse(_) => self.broken(Step::Token, "the provider refuses the code"),
            RequestTokenError::Parse(..) | RequestTokenError::Other(_) => {
                self.broken(Step::Token, "the answer is none that a token endpoint gives")
            }
        }
    }

    /// What the provider says of the person: by the token, and by its own answer where that lacks something.
    pub(super) async fn told(
        &mut self,
        about: &Arc<About>,
        id: &CoreIdToken,
        nonce: Option<&str>,
        answer: &CoreTokenResponse,
    ) -> Result<Told, Refusal> {
        let claims = self.claims(about, id, nonce).await?;
        let mut told = Told {
            groups: self.provider.groups(&claims.all),
            sid: claims.all.get("sid").and_then(Value::as_str).map(str::to_owned),
            subject: claims.subject,
            email: claims.email,
            email_verified: claims.email_verified,
        };
        let lacks_groups = self.provider.settings.groups_claim.is_some() && told.groups.is_none();
        let can_be_asked = about.metadata.userinfo_endpoint().is_some();
        if (told.email.is_none() || lacks_groups) && can_be_asked {
            self.ask_more(about, answer.access_token(), &mut told).await?;
        }
        Ok(told)
    }

    async fn claims(
        &mut self,
        about: &Arc<About>,
        id: &CoreIdToken,
        nonce: Option<&str>,
    ) -> Result<token::Claims, Refusal> {
        let now = self.core.clock.now();
        let mut checked = token::check(id, self.provider, about, nonce, now);
        if matches!(checked, Err(Fault::UnknownKey)) {
            let newer = self.provider.directory.keys_again(&self.provider.door, about).await;
            self.took(Step::Keys);
            if let Some(newer) = newer {
                checked = token::check(id, self.provider, &newer, nonce, now);
            }
        }
        self.took(Step::Claims);
        checked.map_err(|fault| match fault {
            Fault::UnknownKey => self.broken(Step::Keys, "no key of the provider is the one that the token names"),
            Fault::Breaks(rule) => self.broken(Step::Claims, rule),
        })
    }

    /// The provider's own answer about the person of the token, and about nobody else.
    async fn ask_more(&mut self, about: &About, access: &AccessToken, told: &mut Told) -> Result<(), Refusal> {
        let broken = |run: &Self, why| run.broken(Step::UserInfo, why);
        // The library takes it for granted.
        if !access.secret().bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(broken(self, "the access token cannot be sent"));
        }
        let unavailable = || self.provider.unavailable(Step::UserInfo.code());
        let client = self.provider.client(about, None).ok_or_else(unavailable)?;
        let url = about.metadata.userinfo_endpoint().ok_or_else(unavailable)?.clone();
        let subject = SubjectIdentifier::new(told.subject.clone());
        let client = client.set_user_info_url(url);
        let request = client.user_info(access.clone(), Some(subject));
        let answer: Result<UserInfoClaims<Rest, CoreGenderClaim>, _> = request.request_async(&self.provider.door).await;
        self.took(Step::UserInfo);
        let claims = match answer {
            Ok(claims) => claims,
            Err(UserInfoError::Request(error)) => {
                tracing::warn!(provider = self.provider.name(), %error, "provider cannot be asked about a person");
                return Err(self.provider.unavailable(Step::UserInfo.code()));
            }
            Err(_) => return Err(broken(self, "the answer is none about this person")),
        };
        if told.email.is_none() {
            told.email = claims.email().map(|email| email.as_str().to_owned());
            told.email_verified = claims.email_verified() == Some(true);
        }
        if told.groups.is_none() {
            told.groups = self.provider.groups(&claims.additional_claims().all);
        }
        Ok(())
    }
}

/// Errors that the specifications name; another is not repeated.
fn known_error(error: &str) -> &'static str {
    const KNOWN: [&str; 11] = [
        "access_denied",
        "invalid_request",
        "unauthorized_client",
        "unsupported_response_type",
        "invalid_scope",
        "server_error",
        "temporarily_unavailable",
        "interaction_required",
        "login_required",
        "account_selection_required",
        "consent_required",
    ];
    KNOWN.into_iter().find(|known| *known == error).unwrap_or("an error of its own")
}

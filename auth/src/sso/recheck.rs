//! Whether the provider still knows a person who is signed in already.

use std::time::Duration;

use openidconnect::core::CoreErrorResponseType;
use openidconnect::{OAuth2TokenResponse as _, RefreshToken, RequestTokenError, TokenResponse as _};

use super::finish::Run;
use super::provider::Provider;
use super::seal::{self, Tokens};
use crate::caller::Method;
use crate::core::Core;
use crate::gate::Gate;
use crate::request::RequestView;
use crate::session::{Found, Live, SessionFilter, State};
use crate::verdict::{Kind, Reason, Refusal};

/// A provider that did not answer is asked again for the same session after this long.
const AGAIN_AFTER: Duration = Duration::from_secs(10);

/// What a check gave.
#[derive(Debug)]
pub enum Rechecked {
    /// The session is as good as before; what is decided now counts.
    Known,
    /// The provider does not know the person any more: the session is over.
    Gone,
    /// It has not answered for two periods; until it does, the session opens nothing.
    Unanswered(Refusal),
}

impl Gate {
    /// Whether it is time to ask the provider of a session.
    pub(crate) fn is_recheck_due(&self, live: &Live) -> bool {
        if live.session.method != Method::Sso {
            return false;
        }
        match self.core.sessions.store.root_of(live) {
            Ok(Some((_, root))) => self.is_due(&root),
            Ok(None) | Err(_) => self.is_due(live),
        }
    }

    fn is_due(&self, live: &Live) -> bool {
        self.period(live).is_some_and(|every| live.is_unchecked_for(every, self.now()))
    }

    /// Asks the provider about the session that a request names; one question at a time for one session.
    pub async fn recheck(&self, request: &RequestView<'_>) -> Rechecked {
        let Some(cookie) = request.cookie else { return Rechecked::Known };
        let Found::Live(live) = self.core.sessions.store.find(cookie, &self.name, &self.circuit.session) else {
            return Rechecked::Known;
        };
        let Some((live, cookie)) = self.sign_in_behind(&live, cookie) else { return Rechecked::Known };
        let _turn = live.checking.lock().await;
        let (true, Some(provider)) = (self.is_due(&live), live.provider().and_then(|name| self.provider(name))) else {
            return Rechecked::Known;
        };
        let Some(tokens) = live.sealed().and_then(|sealed| seal::open(sealed, &cookie)) else {
            return Rechecked::Known;
        };
        if live.is_asked_again_only_later(self.core.clock.elapsed()) {
            return self.unanswered(&live, provider);
        }
        match self.ask(provider, &live, tokens, &cookie).await {
            Ok(()) => Rechecked::Known,
            Err(refusal) if refusal.reason == Reason::ProviderUnavailable => {
                live.ask_again_at(self.core.clock.elapsed() + AGAIN_AFTER);
                self.unanswered(&live, provider)
            }
            Err(_) => {
                self.end(&live).await;
                Rechecked::Gone
            }
        }
    }

    fn now(&self) -> jiff::Timestamp {
        self.core.clock.now()
    }

    /// Absent where nobody is to be asked, or nobody can be.
    fn period(&self, live: &Live) -> Option<Duration> {
        let every = self.provider(live.provider()?)?.settings.recheck?;
        live.sealed().map(|_| every)
    }

    fn unanswered(&self, live: &Live, provider: &Provider) -> Rechecked {
        let long = self.period(live).is_some_and(|every| live.is_unchecked_for(every.saturating_mul(2), self.now()));
        if long { Rechecked::Unanswered(provider.unavailable("recheck")) } else { Rechecked::Known }
    }

    /// The refresh token for new ones, and what they say of the person.
    async fn ask(&self, provider: &Provider, live: &Live, tokens: Tokens, cookie: &str) -> Result<(), Refusal> {
        let Tokens { refresh: Some(refresh), id } = tokens else {
            live.note_check(self.now());
            return Ok(());
        };
        let mut run = Run::new(&self.core, provider);
        let about = provider.about().await.ok_or_else(|| provider.unavailable("issuer"))?;
        let client = provider.client(&about, None).ok_or_else(|| provider.unavailable("issuer"))?;
        let token = RefreshToken::new(refresh.clone());
        let answer = client.exchange_refresh_token(&token).request_async(&provider.door).await;
        // Anything else than a plain no is the provider's fault or ours, and not the person's.
        let answer = answer.map_err(|error| {
            let refused = matches!(&error, RequestTokenError::ServerResponse(response)
                if *response.error() == CoreErrorResponseType::InvalidGrant);
            if refused { run.no_tokens(&error) } else { provider.unavailable("recheck") }
        })?;
        let mut groups = live.groups();
        if let Some(id) = answer.id_token() {
            let told = run.told(&about, id, None, &answer).await.map_err(|_| provider.unavailable("recheck"))?;
            let person = provider.person(told)?;
            let user_id = format!("{}:{}", provider.name(), person.subject);
            if *live.session.user_id != *user_id || live.session.email.as_deref() != Some(person.email.as_str()) {
                return Err(provider.refuse(Reason::AccountMismatch, Kind::SignIn, "claims"));
            }
            groups = person.groups;
        }
        let refresh = answer.refresh_token().map_or(refresh, |token| token.secret().clone());
        let sealed = seal::seal_tokens(&Tokens { refresh: Some(refresh), id }, cookie);
        self.core.sessions.store.checked(&live.session.id, groups, sealed, self.now()).map_err(|error| {
            tracing::error!(error = &error as &dyn std::error::Error, "a check cannot be stored");
            provider.unavailable("recheck")
        })?;
        // Requests that waited for their turn hold what was known before.
        live.note_check(self.now());
        Ok(())
    }

    async fn end(&self, live: &Live) {
        let filter = SessionFilter { id: Some(live.session.id.as_str().to_owned()), email: None, circuit: None };
        let core: std::sync::Arc<Core> = self.core.clone();
        let ended = tokio::task::spawn_blocking(move || core.sessions.end(&filter, State::Revoked)).await;
        if let Ok(Err(error)) = ended {
            tracing::error!(error = &error as &dyn std::error::Error, "session cannot be ended");
        }
    }
}

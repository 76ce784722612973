//! The way to the provider.

use std::net::IpAddr;
use std::sync::Arc;

use openidconnect::core::{CoreAuthPrompt, CoreAuthenticationFlow};
use openidconnect::{AuthorizationRequest, CsrfToken, Nonce, PkceCodeChallenge, Scope};
use zeroize::Zeroizing;

use super::provider::Provider;
use super::starts::Started;
use crate::core::Core;
use crate::gate::Gate;
use crate::keyed::{sha256, token};
use crate::limit::Key;
use crate::pending::Waiting;
use crate::request::RequestView;
use crate::verdict::Refusal;

/// Random bytes of a state and of a nonce.
const RANDOM_BYTES: u32 = 32;

/// What a sign-in begins with.
pub struct Begin<'a> {
    /// Of the circuit's `login`.
    pub provider: &'a str,
    /// Where the provider sends the browser: scheme, host and port as the client sees them, and the callback's path.
    pub redirect_uri: String,
    /// Where the person wants to be in the end; checked by the caller.
    pub back: &'a str,
    /// The browser's cookie, if it has one already.
    pub browser: Option<&'a str>,
    /// The attempt's id.
    pub attempt: &'a str,
    /// The provider lets the person choose an account.
    pub another: bool,
}

/// A sign-in that began.
pub struct Begun {
    /// The provider's address, with everything that it needs to know.
    pub location: String,
    /// For the browser: what the callback must bring again.
    pub browser: Zeroizing<String>,
}

impl Gate {
    /// A provider's label, where `login` names it.
    pub fn provider_label(&self, name: &str) -> Option<&Arc<str>> {
        self.provider(name).map(|provider| &provider.settings.label)
    }

    pub(crate) fn provider(&self, name: &str) -> Option<&Arc<Provider>> {
        let named = self.ways().is_some_and(|ways| ways.providers.iter().any(|provider| provider.as_str() == name));
        self.providers.get(name).filter(|_| named)
    }

    /// Begins a sign-in. Absent where `login` does not name the provider.
    pub async fn begin_sso(&self, begin: Begin<'_>, request: &RequestView<'_>) -> Option<Result<Begun, Refusal>> {
        let provider = self.provider(begin.provider)?;
        if let Some(refusal) = self.closed().or_else(|| self.address_rules_refuse(request)) {
            return Some(Err(refusal));
        }
        Some(self.begin_at(provider, begin, request).await)
    }

    async fn begin_at(
        &self,
        provider: &Provider,
        begin: Begin<'_>,
        request: &RequestView<'_>,
    ) -> Result<Begun, Refusal> {
        begin_at(&self.core, &self.name, provider, begin, request.client).await
    }
}

/// The way to a provider, remembered for `place`: a circuit, the login host, or the admin port's pages.
pub(super) async fn begin_at(
    core: &Core,
    place: &Arc<str>,
    provider: &Provider,
    begin: Begin<'_>,
    client: IpAddr,
) -> Result<Begun, Refusal> {
    let unavailable = || provider.unavailable("issuer");
    let about = provider.about().await.ok_or_else(unavailable)?;
    let asking = provider.client(&about, Some(begin.redirect_uri.clone())).ok_or_else(unavailable)?;
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let scopes = provider.settings.scopes.iter().filter(|scope| *scope != "openid").cloned().map(Scope::new);
    let asked = asking
        .authorize_url(
            CoreAuthenticationFlow::AuthorizationCode,
            || CsrfToken::new_random_len(RANDOM_BYTES),
            || Nonce::new_random_len(RANDOM_BYTES),
        )
        .add_scopes(scopes)
        .set_pkce_challenge(challenge);
    let prompt = begin.another.then_some(CoreAuthPrompt::SelectAccount);
    let (url, state, nonce) = prompt.into_iter().fold(asked, AuthorizationRequest::add_prompt).url();
    let browser = Zeroizing::new(begin.browser.map_or_else(token, str::to_owned));
    let started = Started {
        circuit: place.clone(),
        provider: provider.settings.name.shared(),
        nonce: Zeroizing::new(nonce.secret().clone()),
        verifier: Zeroizing::new(verifier.into_secret()),
        redirect_uri: begin.redirect_uri,
        back: begin.back.to_owned(),
        attempt: begin.attempt.to_owned(),
    };
    core.starts.put(Waiting {
        key: sha256(state.secret().as_bytes()),
        browser: sha256(browser.as_bytes()),
        address: Key::address(client),
        at: core.clock.elapsed(),
        what: started,
    });
    Ok(Begun { location: url.into(), browser })
}

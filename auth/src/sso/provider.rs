//! A provider of the configuration, ready to be asked.

use std::sync::Arc;

use openidconnect::core::{CoreClient, CoreClientAuthMethod};
use openidconnect::{AuthType, ClientId, ClientSecret, EndpointNotSet, EndpointSet, IssuerUrl, RedirectUrl, TokenUrl};

use super::back_channel::Door;
use super::directory::{About, Directory};
use crate::core::Core;
use crate::keyed::{Purpose, hex};
use crate::verdict::{Kind, Reason, Refusal};

/// One of `[providers]`.
pub(crate) struct Provider {
    pub(super) settings: Arc<vestibule_config::provider::Provider>,
    pub(super) directory: Arc<Directory>,
    pub(super) door: Door,
    /// Of issuer and client: sessions of another registration are none of this one's.
    pub(crate) fingerprint: String,
}

/// As the code flow needs it.
pub(super) type Client =
    CoreClient<EndpointSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointSet, EndpointNotSet>;

impl Provider {
    pub(crate) fn new(core: &Core, settings: &Arc<vestibule_config::provider::Provider>) -> Self {
        let channel = &core.back_channel;
        let channel = settings.ca.as_ref().map_or_else(|| channel.clone(), |ca| channel.vouched_for_by(&ca.all));
        let registration = format!("{}\n{}", settings.issuer, settings.client_id);
        Self {
            settings: settings.clone(),
            directory: core.directories.of(&settings.issuer, &core.clock),
            door: Door::new(channel, &settings.issuer),
            fingerprint: hex(&core.keyed.hash(Purpose::Fingerprint, registration.as_bytes())),
        }
    }

    /// Of the configuration.
    pub(crate) fn name(&self) -> &str {
        self.settings.name.as_str()
    }

    /// Whether it may speak for addresses of a domain.
    pub(crate) fn speaks_for(&self, domain: &str) -> bool {
        self.settings.speaks_for(domain)
    }

    /// Absent while it says nothing that can be believed.
    pub(super) async fn about(&self) -> Option<Arc<About>> {
        self.directory.about(&self.door).await
    }

    /// Absent where its endpoints are such as nobody may be sent to.
    pub(super) fn client(&self, about: &About, redirect_uri: Option<String>) -> Option<Client> {
        let metadata = &about.metadata;
        let token: TokenUrl = metadata.token_endpoint()?.clone();
        let authorization = metadata.authorization_endpoint().clone();
        if !self.door.admits(&authorization.as_str().parse().ok()?) {
            return None;
        }
        let issuer = IssuerUrl::new(self.settings.issuer.to_string()).ok()?;
        let client = CoreClient::new(ClientId::new(self.settings.client_id.to_string()), issuer, about.keys.clone());
        let mut client = client.set_auth_uri(authorization).set_token_uri(token).set_auth_type(auth_type(about));
        if let Some(secret) = &self.settings.client_secret {
            client = client.set_client_secret(ClientSecret::new(secret.expose().to_owned()));
        }
        if let Some(redirect_uri) = redirect_uri {
            client = client.set_redirect_uri(RedirectUrl::new(redirect_uri).ok()?);
        }
        Some(client)
    }

    /// `providers.corp.KEY` as what decided.
    pub(super) fn refuse(&self, reason: Reason, kind: Kind, key: &str) -> Refusal {
        Refusal { reason, kind, rule: format!("providers.{}.{key}", self.name()) }
    }

    pub(super) fn unavailable(&self, key: &str) -> Refusal {
        self.refuse(Reason::ProviderUnavailable, Kind::Unavailable(crate::gate::ASK_AGAIN), key)
    }
}

/// The secret goes into the header, unless the provider takes it in the body only.
fn auth_type(about: &About) -> AuthType {
    let methods = about.metadata.token_endpoint_auth_methods_supported();
    let takes = |method: &CoreClientAuthMethod| methods.is_some_and(|methods| methods.contains(method));
    let body_only = takes(&CoreClientAuthMethod::ClientSecretPost) && !takes(&CoreClientAuthMethod::ClientSecretBasic);
    if body_only { AuthType::RequestBody } else { AuthType::BasicAuth }
}

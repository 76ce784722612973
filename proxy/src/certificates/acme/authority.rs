//! The account at an authority, and the way there: the bounds of [`Network`] hold for each request.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use bytes::Bytes;
use http::Request;
use instant_acme::{Account, BodyWrapper, BytesResponse, Error, HttpClient, NewAccount, Problem};
use jiff::Timestamp;
use tokio::sync::Mutex;
use vestibule_auth::Clock;
use vestibule_auth::sso::BackChannel as _;
use vestibule_config::tls;

use super::folder::Folder;
use super::hold::Hold;
use crate::back_channel::Network;

/// No request of ours is longer.
const BODY_BYTES: usize = 64 * 1024;
/// What an authority says of itself is not kept beyond this many characters.
const TOLD_MAX: usize = 500;
/// The authority has no such account.
const ACCOUNT_GONE: &str = "urn:ietf:params:acme:error:accountDoesNotExist";

/// One authority.
pub(super) struct Authority {
    settings: tls::Acme,
    pub(super) folder: Folder,
    way: Way,
    /// Held while it is made, so that there is one.
    account: Mutex<Option<Account>>,
}

impl Authority {
    pub(super) fn new(settings: tls::Acme, folder: Folder, clock: Arc<dyn Clock>) -> Self {
        let further = settings.ca.as_ref().map(|ca| &ca.all);
        let way = Way { network: Arc::new(Network::with_further(further)), hold: Arc::new(Hold::new(clock)) };
        Self { settings, folder, way, account: Mutex::default() }
    }

    /// Whether these settings lead to the same one in the same way.
    pub(super) fn is_of(&self, settings: &tls::Acme) -> bool {
        let tls::Acme { email, directory, ca, hosts: _any } = settings;
        (email, directory, ca) == (&self.settings.email, &self.settings.directory, &self.settings.ca)
    }

    /// Until when it asks not to be asked.
    pub(super) fn held_until(&self) -> Option<Timestamp> {
        self.way.hold.until()
    }

    /// The account of this process: the kept one, or a new one, which is kept. Writing `[tls.acme]` is to agree with the
    /// authority's terms.
    ///
    /// # Errors
    /// When the authority cannot be reached or refuses, or the account cannot be kept.
    pub(super) async fn account(&self) -> Result<Account, Error> {
        let mut account = self.account.lock().await;
        if let Some(account) = &*account {
            return Ok(account.clone());
        }
        let builder = Account::builder_with_http(Box::new(self.way.clone()));
        let made = match self.folder.account().map_err(other)? {
            Some(kept) => builder.from_credentials(kept).await?,
            None => {
                let contact = self.settings.email.as_ref().map(|email| format!("mailto:{email}"));
                let contact: Vec<_> = contact.as_deref().into_iter().collect();
                let new = NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
                let (made, credentials) = builder.create(&new, self.settings.directory.to_string(), None).await?;
                self.folder.keep_account(&credentials).map_err(other)?;
                tracing::info!(directory = &*self.settings.directory, "account made for certificates");
                made
            }
        };
        *account = Some(made.clone());
        Ok(made)
    }

    /// After a failure what it says of itself is asked for anew, and an account that it does not know is forgotten.
    pub(super) async fn failed(&self, error: &Error) {
        *self.account.lock().await = None;
        let Error::Api(problem) = error else { return };
        if problem.r#type.as_deref() == Some(ACCOUNT_GONE)
            && let Err(error) = self.folder.forget_account()
        {
            tracing::error!(%error, "an account that the authority does not know cannot be removed");
        }
    }
}

/// In the authority's own words, where it has any.
pub(super) fn told(error: &Error) -> String {
    let text = if let Error::Api(problem) = error { refused(problem) } else { error.to_string() };
    text.chars().take(TOLD_MAX).collect()
}

fn refused(problem: &Problem) -> String {
    format!("the authority refuses ({}): {}", kind(problem), details(problem).collect::<Vec<_>>().join("; "))
}

/// `malformed`.
pub(super) fn kind(problem: &Problem) -> &str {
    problem.r#type.as_deref().and_then(|kind| kind.rsplit(':').next()).unwrap_or_default()
}

/// What it says for people, of the whole and of its parts.
pub(super) fn details(problem: &Problem) -> impl Iterator<Item = &str> {
    let parts = problem.subproblems.iter().filter_map(|part| part.detail.as_deref());
    problem.detail.as_deref().into_iter().chain(parts)
}

fn other(error: anyhow::Error) -> Error {
    Error::Other(error.into())
}

/// The project's HTTP client, as the library wants it.
#[derive(Clone)]
struct Way {
    network: Arc<Network>,
    hold: Arc<Hold>,
}

impl HttpClient for Way {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let Self { network, hold } = self.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let body = to_bytes(Body::new(body), BODY_BYTES).await.map_err(|error| Error::Other(error.into()))?;
            let answer = network.send(Request::from_parts(parts, body.to_vec())).await;
            let answer =
                answer.map_err(|unreachable| Error::Other(format!("the authority: {}", unreachable.0).into()))?;
            let (parts, body) = answer.into_parts();
            hold.heed(parts.status, &parts.headers);
            Ok(BytesResponse { parts, body: Box::new(Bytes::from(body)) })
        })
    }
}

//! What a provider says of itself and its keys, remembered over reloads.
//!
//! Asked when it is needed first, so that a provider that is down stops nothing but its own sign-ins. One question at
//! a time: whoever needs the answer meanwhile waits for the same one.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use openidconnect::core::{
    CoreAuthDisplay, CoreClaimName, CoreClaimType, CoreClientAuthMethod, CoreGrantType, CoreJsonWebKey,
    CoreJsonWebKeySet, CoreJweContentEncryptionAlgorithm, CoreJweKeyManagementAlgorithm, CoreResponseMode,
    CoreResponseType, CoreSubjectIdentifierType,
};
use openidconnect::{AdditionalProviderMetadata, IssuerUrl, JsonWebKeySet, ProviderMetadata};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::back_channel::Door;
use crate::clock::Clock;

/// What is known is asked for again after this long.
const FRESH: Duration = Duration::from_secs(3600);
/// It serves on for so long while the provider does not answer.
const STALE: Duration = Duration::from_secs(24 * 3600);
/// A provider that did not answer is left alone for this long.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// Keys are fetched again for an unknown one at most this often.
const KEYS_AGAIN_AFTER: Duration = Duration::from_secs(10);
/// Keys of one provider; one with more is not believed.
const KEYS_MAX: usize = 100;

/// What the library's own description of a provider lacks.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct More {
    /// RFC 9207: the callback names the issuer.
    #[serde(default)]
    pub(super) authorization_response_iss_parameter_supported: bool,
    pub(super) end_session_endpoint: Option<String>,
}

impl AdditionalProviderMetadata for More {}

type Metadata = ProviderMetadata<
    More,
    CoreAuthDisplay,
    CoreClientAuthMethod,
    CoreClaimName,
    CoreClaimType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    CoreJsonWebKey,
    CoreResponseMode,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;

/// One provider's description and keys at one time.
pub(super) struct About {
    pub(super) metadata: Metadata,
    pub(super) keys: CoreJsonWebKeySet,
}

/// Of one issuer.
pub(crate) struct Directory {
    issuer: Arc<str>,
    clock: Arc<dyn Clock>,
    known: tokio::sync::Mutex<Known>,
}

#[derive(Default)]
struct Known {
    about: Option<(Arc<About>, Duration)>,
    failed_at: Option<Duration>,
    keys_at: Duration,
}

/// Every issuer that some living configuration names.
#[derive(Default)]
pub(crate) struct Directories(Mutex<HashMap<Arc<str>, Weak<Directory>>>);

impl Directories {
    pub(crate) fn of(&self, issuer: &Arc<str>, clock: &Arc<dyn Clock>) -> Arc<Directory> {
        let mut known = self.0.lock();
        if let Some(directory) = known.get(issuer).and_then(Weak::upgrade) {
            return directory;
        }
        known.retain(|_, directory| directory.strong_count() > 0);
        let (issuer, clock) = (issuer.clone(), clock.clone());
        let directory = Arc::new(Directory { issuer: issuer.clone(), clock, known: tokio::sync::Mutex::default() });
        known.insert(issuer, Arc::downgrade(&directory));
        directory
    }
}

impl Directory {
    /// What is known now; absent while the provider says nothing that can be believed.
    pub(super) async fn about(&self, door: &Door) -> Option<Arc<About>> {
        let mut known = self.known.lock().await;
        let now = self.clock.elapsed();
        let within = |since: Duration, time: Duration| now.saturating_sub(since) < time;
        if let Some((about, _)) = known.about.as_ref().filter(|(_, since)| within(*since, FRESH)) {
            return Some(about.clone());
        }
        if !known.failed_at.is_some_and(|at| within(at, RETRY_AFTER)) {
            match self.ask(door).await {
                Ok(about) => {
                    let (about, at) = (Arc::new(about), self.clock.elapsed());
                    *known = Known { about: Some((about.clone(), at)), failed_at: None, keys_at: at };
                    return Some(about);
                }
                Err(error) => {
                    tracing::warn!(issuer = &*self.issuer, error, "provider cannot be asked");
                    known.failed_at = Some(self.clock.elapsed());
                }
            }
        }
        let stale = known.about.as_ref().filter(|(_, since)| within(*since, STALE));
        stale.map(|(about, _)| about.clone())
    }

    /// Newer keys than those of `seen`, which lacked the one that a token names; absent where there are none, or where
    /// it was asked just now.
    pub(super) async fn keys_again(&self, door: &Door, seen: &Arc<About>) -> Option<Arc<About>> {
        let mut known = self.known.lock().await;
        let (about, since) = known.about.clone()?;
        if !Arc::ptr_eq(&about, seen) {
            return Some(about);
        }
        let now = self.clock.elapsed();
        if now.saturating_sub(known.keys_at) < KEYS_AGAIN_AFTER {
            return None;
        }
        known.keys_at = now;
        match JsonWebKeySet::fetch_async(about.metadata.jwks_uri(), door).await {
            Ok(keys) if keys.keys().len() <= KEYS_MAX => {
                let newer = Arc::new(About { metadata: about.metadata.clone(), keys });
                known.about = Some((newer.clone(), since));
                Some(newer)
            }
            Ok(_) => None,
            Err(error) => {
                tracing::warn!(issuer = &*self.issuer, %error, "keys of a provider cannot be fetched");
                None
            }
        }
    }

    /// The library refuses a description that names another issuer.
    async fn ask(&self, door: &Door) -> Result<About, String> {
        let issuer = IssuerUrl::new(self.issuer.to_string()).map_err(|error| error.to_string())?;
        let metadata = Metadata::discover_async(issuer, door).await.map_err(|error| described(&error))?;
        let keys = metadata.jwks().clone();
        if keys.keys().len() > KEYS_MAX {
            return Err(format!("it has more than {KEYS_MAX} keys"));
        }
        Ok(About { metadata, keys })
    }
}

/// An error with its causes, which the library's texts leave out.
fn described(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

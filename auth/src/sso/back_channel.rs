//! The way to providers.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use openidconnect::{AsyncHttpClient, HttpRequest, HttpResponse};

/// Sends requests to providers; implemented where sockets are.
///
/// What an implementation must do: end in ten seconds, take no body beyond 1 MiB, follow no redirect, verify
/// certificates.
pub trait BackChannel: Send + Sync + 'static {
    /// One request and its whole answer.
    fn send(&self, request: HttpRequest) -> Answer<'_>;

    /// The same way, to those alone for whom these authorities vouch, in place of the system's; each in DER.
    fn vouched_for_by(&self, authorities: &Arc<[Vec<u8>]>) -> Arc<dyn BackChannel>;
}

/// What [`BackChannel::send`] gives.
pub type Answer<'a> = Pin<Box<dyn Future<Output = Result<HttpResponse, Unreachable>> + Send + 'a>>;

/// No answer that could be used: no connection, too late, too long, or the provider's own failure. Never what was sent.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the provider does not answer: {0}")]
pub struct Unreachable(pub String);

/// Reaches nobody, for those who need no provider.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoBackChannel;

impl BackChannel for NoBackChannel {
    fn send(&self, _request: HttpRequest) -> Answer<'_> {
        Box::pin(async { Err(Unreachable("there is no back channel".to_owned())) })
    }

    fn vouched_for_by(&self, _authorities: &Arc<[Vec<u8>]>) -> Arc<dyn BackChannel> {
        Arc::new(Self)
    }
}

/// The back channel as one provider may use it: over https, and without it on this machine only where the issuer
/// itself is there. Whatever the provider names as its endpoints, nothing else is asked.
pub(super) struct Door {
    channel: Arc<dyn BackChannel>,
    local: bool,
}

impl Door {
    pub(super) fn new(channel: Arc<dyn BackChannel>, issuer: &str) -> Self {
        Self { channel, local: issuer.starts_with("http:") }
    }

    /// Whether a browser or we may be sent there.
    pub(super) fn admits(&self, uri: &http::Uri) -> bool {
        match uri.scheme_str() {
            Some("https") => uri.host().is_some(),
            Some("http") => self.local && uri.host().is_some_and(is_loopback),
            _ => false,
        }
    }
}

impl<'c> AsyncHttpClient<'c> for Door {
    type Error = Unreachable;
    type Future = Answer<'c>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        if !self.admits(request.uri()) {
            return Box::pin(async { Err(Unreachable("its address is neither https nor this machine".to_owned())) });
        }
        Box::pin(async {
            let answer = self.channel.send(request).await?;
            if answer.status().is_server_error() {
                return Err(Unreachable(format!("it says {}", answer.status().as_u16())));
            }
            Ok(answer)
        })
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    address.is_ok_and(|address| address.is_loopback()) || host == "localhost" || host.ends_with(".localhost")
}

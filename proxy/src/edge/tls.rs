//! TLS: the handshake, and what requests are told of it.

use std::any::Any;
use std::cell::RefCell;
use std::sync::Arc;

use async_trait::async_trait;
use pingora::listeners::tls::{Acceptor, TlsSettings};
use pingora::listeners::{ALPN, TlsAccept};
use pingora::protocols::Stream;
use pingora::protocols::tls::{SslDigest, TlsRef};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::wire::Wire;
use crate::certificates::Certificates;

/// One handshake that was agreed on; kept with its connection.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Tls {
    /// The name that the client asked for, in lower case; a handshake without one is not agreed on.
    pub(crate) name: Box<str>,
    /// Version and cipher suite, as entries tell them: `TLSv1.3 TLS13_AES_256_GCM_SHA384`.
    pub(crate) description: Box<str>,
}

impl Tls {
    /// Of a connection; absent in clear.
    pub(crate) fn of(digest: Option<&SslDigest>) -> Option<Arc<Self>> {
        digest?.extension.get::<Arc<Self>>().cloned()
    }
}

/// Why there is no TLS connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// There is no certificate for this name; `None`: the client named no host.
    NoCertificate(Option<Box<str>>),
    /// The client left, or did not take what it was offered.
    Declined,
    /// No TLS, or none that we speak.
    Broken,
}

/// Agrees on TLS 1.2 or 1.3, and on HTTP/2 or HTTP/1.
pub(super) fn acceptor(certificates: Arc<Certificates>) -> pingora::Result<Acceptor> {
    let mut settings = TlsSettings::with_callbacks(Box::new(Agreed))?;
    settings.set_alpn(ALPN::H2H1);
    settings.set_cert_resolver(Arc::new(Asked(certificates)));
    Ok(settings.build())
}

/// The whole handshake; the caller sets its time.
pub(super) async fn handshake(acceptor: &Acceptor, wire: Wire) -> Result<Stream, Failure> {
    let shaking = async {
        match acceptor.tls_handshake(wire).await {
            Ok(stream) => Ok(Box::new(stream) as Stream),
            Err(error) => match UNSERVED.with(RefCell::take) {
                Some(Unserved(name)) => Err(Failure::NoCertificate(name)),
                None => Err(failure(&error)),
            },
        }
    };
    UNSERVED.scope(RefCell::default(), shaking).await
}

/// A name for which there is no certificate.
struct Unserved(Option<Box<str>>);

tokio::task_local! {
    /// The handshake's error does not tell the name, so that the one who looks for certificates leaves it here.
    static UNSERVED: RefCell<Option<Unserved>>;
}

/// Pingora keeps of the cause its text only.
fn failure(error: &pingora::Error) -> Failure {
    let text = error.to_string();
    let by_client = ["eof", "received fatal alert", "reset by peer", "roken pipe"];
    if by_client.iter().any(|part| text.contains(part)) { Failure::Declined } else { Failure::Broken }
}

/// Looks for a certificate, and remembers where there was none.
#[derive(Debug)]
struct Asked(Arc<Certificates>);

impl ResolvesServerCert for Asked {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().map(|name| name.to_ascii_lowercase().into_boxed_str());
        let found = self.0.resolve(hello);
        if found.is_none() {
            // Outside a handshake of ours nobody asks.
            let _ = UNSERVED.try_with(|unserved| unserved.replace(Some(Unserved(name))));
        }
        found
    }
}

struct Agreed;

#[async_trait]
impl TlsAccept for Agreed {
    async fn handshake_complete_callback(&self, agreed: &TlsRef) -> Option<Arc<dyn Any + Send + Sync>> {
        let name = agreed.server_name().unwrap_or_default().to_ascii_lowercase().into();
        let version = agreed.version().unwrap_or_default().replace("TLSv1_", "TLSv1.");
        let cipher = agreed.current_cipher_name().unwrap_or_default();
        Some(Arc::new(Arc::new(Tls { name, description: format!("{version} {cipher}").into() })))
    }
}

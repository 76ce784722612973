//! TLS of the admin port.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::state::State;

/// A client's connection, with TLS or without.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}

/// The connection as it is, or with TLS where `[admin] tls` is in force; absent where that is not agreed on in time.
pub(super) async fn agreed(state: &Arc<State>, stream: TcpStream, time: Duration) -> Option<Box<dyn Duplex>> {
    if state.live.load().settings.admin.tls.is_none() {
        return Some(Box::new(stream));
    }
    let accepted = timeout(time, acceptor(state.clone()).accept(stream)).await;
    Some(Box::new(accepted.ok()?.ok()?))
}

/// Made for each connection: there are few, and no session is worth keeping.
fn acceptor(state: Arc<State>) -> TlsAcceptor {
    let mut config = ServerConfig::builder().with_no_client_auth().with_cert_resolver(Arc::new(InForce(state)));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

/// The certificate of the settings in force, whatever name is asked for.
struct InForce(Arc<State>);

impl ResolvesServerCert for InForce {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let live = self.0.live.load();
        live.settings.admin.tls.as_ref().map(|tls| tls.certificate.certified().clone())
    }
}

impl fmt::Debug for InForce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InForce")
    }
}

//! The certificates that handshakes are answered with, by the name that they ask for.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

/// Lives as long as the process; what is in it is swapped whole.
#[derive(Default)]
pub(crate) struct Certificates {
    /// Lower-case hosts, and `*.` and a domain for each host with one more label.
    by_host: ArcSwap<HashMap<Box<str>, Arc<CertifiedKey>>>,
}

impl Certificates {
    /// The one for a host: its own, else that of the wildcard above it.
    fn find(&self, host: &str) -> Option<Arc<CertifiedKey>> {
        let by_host = self.by_host.load();
        let wildcard = || by_host.get(format!("*.{}", host.split_once('.')?.1).as_str());
        by_host.get(host).or_else(wildcard).cloned()
    }
}

impl ResolvesServerCert for Certificates {
    /// None: the handshake ends with an alert. A client that names no host gets none either, as no name is the
    /// neutral one.
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.find(&hello.server_name()?.to_ascii_lowercase())
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificates({})", self.by_host.load().len())
    }
}

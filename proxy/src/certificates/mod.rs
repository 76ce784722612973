//! The certificates that handshakes are answered with, by the name that they ask for.
//!
//! Own ones come with the configuration, which has read and checked them; those of an authority are kept and renewed by
//! [`acme`]. What handshakes look at is made anew, whole, whenever either changes. A connection keeps what it began with.

pub(crate) mod acme;
mod status;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::state::Live;

pub(crate) use status::{of_all, of_circuit, seconds_left, seconds_to_renewal};

/// Lives as long as the process; what is in it is swapped whole.
#[derive(Default)]
pub(crate) struct Certificates {
    /// Lower-case hosts, and `*.` and a domain for each host with one more label.
    by_host: ArcSwap<HashMap<Box<str>, Arc<CertifiedKey>>>,
    /// Held while they are made anew, so that the latest configuration wins.
    turn: Mutex<()>,
    /// Those of an authority.
    pub(crate) acme: acme::Acme,
}

impl Certificates {
    /// Takes those of the configuration in force, and for its other hosts those that an authority made. Reads files.
    pub(crate) fn refresh(&self, live: &ArcSwap<Live>) {
        let _turn = self.turn.lock();
        let live = live.load();
        let tls = &live.settings.tls;
        self.acme.adopt(tls.acme.as_ref(), &live.settings.server.data_dir);
        let ordered = self.acme.certified();
        let own = tls.certificates.values().flat_map(|own| {
            let certified = own.certificate.certified();
            own.hosts.iter().map(move |host| (host.as_str().into(), certified.clone()))
        });
        self.by_host.store(Arc::new(ordered.into_iter().chain(own).collect()));
    }

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

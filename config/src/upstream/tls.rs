//! How an upstream over `https` is known, and how this program is known to it.

use crate::certificate::{Certificates, Identification};
use crate::name::Host;
use crate::secret::Secret;
use crate::shape::{At, Field, Reading};
use crate::text::Span;

/// TLS to an upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamTls {
    /// What the certificate is verified for, and what the handshake asks for: `sni`, or the URL's host.
    pub name: String,
    /// False with `insecure = true` only: then any certificate will do.
    pub verify: bool,
    /// In place of the system's authorities.
    pub authorities: Option<Certificates>,
    /// For an upstream that asks who connects.
    pub client: Option<Identification>,
}

/// What the table says of it.
pub(super) struct RawTls {
    pub(super) sni: Field<Host>,
    pub(super) ca: Field<Certificates>,
    pub(super) insecure: Field<bool>,
    pub(super) client_cert: Field<Certificates>,
    pub(super) client_key: Field<At<Secret>>,
}

impl RawTls {
    /// `host` is the URL's; absent for one over plain HTTP, where nothing of it may stand.
    pub(super) fn check(self, host: Option<String>, table: Span, reading: &mut Reading<'_>) -> Option<UpstreamTls> {
        let Some(host) = host else {
            self.refuse(reading);
            return None;
        };
        let Self { sni, ca, insecure, client_cert, client_key } = self;
        let key = insecure.key().unwrap_or(table);
        let insecure = insecure.or(false);
        if insecure {
            let message =
                "the certificate of this upstream is not verified: who is between can read and change everything";
            reading
                .findings
                .warning(key, message)
                .help("write ca = \"…\", the authority that made it, in place of insecure");
        }
        if insecure && let Some(key) = ca.key() {
            reading.findings.warning(key, "\"ca\" has no effect with insecure = true");
        }
        Some(UpstreamTls {
            name: sni.optional().map_or(host, |name| name.to_string()),
            verify: !insecure,
            authorities: ca.optional(),
            client: client(client_cert, client_key, table, reading),
        })
    }

    /// Who writes these keys believes that there is TLS.
    fn refuse(&self, reading: &mut Reading<'_>) {
        let insecure = self.insecure.key().filter(|_| self.insecure.as_ref() == Some(&true));
        let keys = [
            ("sni", self.sni.key()),
            ("ca", self.ca.key()),
            ("insecure", insecure),
            ("client_cert", self.client_cert.key()),
            ("client_key", self.client_key.key()),
        ];
        for (name, key) in keys {
            if let Some(key) = key {
                let message = format!("{name:?} is about TLS, and this upstream has none");
                reading.findings.error(key, message).help("write a URL that begins with https://, or leave it out");
            }
        }
    }
}

fn client(
    chain: Field<Certificates>,
    key: Field<At<Secret>>,
    table: Span,
    reading: &mut Reading<'_>,
) -> Option<Identification> {
    if chain.is_absent() && key.is_absent() {
        return None;
    }
    let chain = chain.required("client_cert", "\"client.pem\"", table, reading);
    let key = key.required("client_key", "{ file = \"client.key\" }", table, reading);
    Identification::check(chain?, &key?, reading)
}

//! Files of certificates: authorities that are trusted, and a chain by which this program says who it is.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;
use zeroize::Zeroizing;

use super::pem::{self, FILE_BYTES_MAX, Unusable};
use crate::secret::Secret;
use crate::shape::{At, Reading, Shape};
use crate::tree::Node;

/// The certificates of one file, each in DER, in the file's order; at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificates {
    /// As written, from the main file's folder on.
    pub path: PathBuf,
    /// In DER.
    pub all: Arc<[Vec<u8>]>,
}

/// A certificate by which this program says who it is, and its key.
#[derive(Clone, PartialEq, Eq)]
pub struct Identification {
    /// The leaf first.
    pub chain: Certificates,
    key: Zeroizing<Vec<u8>>,
}

impl Identification {
    /// In DER, for handshakes only.
    pub fn expose_key(&self) -> &[u8] {
        &self.key
    }

    /// The key must be the leaf's.
    pub(crate) fn check(chain: Certificates, key: &At<Secret>, reading: &mut Reading<'_>) -> Option<Self> {
        let certificates = chain.all.iter().map(|der| CertificateDer::from(der.clone())).collect();
        match pem::key_of(certificates, key.value.expose()) {
            Ok((_, key)) => Some(Self { chain, key: Zeroizing::new(key.secret_der().to_vec()) }),
            Err(unusable) => {
                let help = "write the private key that the certificate was made for, in PEM and without a password";
                reading.findings.error(key.span, format!("this key is of no use: {unusable}")).help(help);
                None
            }
        }
    }
}

impl fmt::Debug for Identification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identification").field("chain", &self.chain.path).finish_non_exhaustive()
    }
}

impl Shape for Certificates {
    fn read(node: Node, reading: &mut Reading<'_>) -> Option<Self> {
        let file = At { span: node.span, value: PathBuf::read(node, reading)? };
        let text = reading.text_of(&file, FILE_BYTES_MAX)?;
        match certificates(&text) {
            Ok(all) => Some(Self { path: file.value, all }),
            Err(unusable) => {
                let message = format!("{:?} is of no use: {unusable}", file.value.display().to_string());
                let finding = reading.findings.error(file.span, message);
                finding.help("write a file that begins with \"-----BEGIN CERTIFICATE-----\"");
                None
            }
        }
    }

    fn schema() -> serde_json::Value {
        PathBuf::schema()
    }
}

fn certificates(text: &str) -> Result<Arc<[Vec<u8>]>, Unusable> {
    let chain = pem::chain(text)?;
    chain.iter().all(is_readable).then_some(()).ok_or(Unusable::Damaged)?;
    Ok(chain.into_iter().map(|certificate| certificate.to_vec()).collect())
}

/// By both who will read it: the one verifies, the other describes.
fn is_readable(certificate: &CertificateDer<'static>) -> bool {
    RootCertStore::empty().add(certificate.clone()).is_ok() && X509Certificate::from_der(certificate).is_ok()
}

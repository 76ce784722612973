//! Certificates and keys of connections to upstreams, in PEM files.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;
use zeroize::Zeroizing;

use crate::secret::Secret;
use crate::shape::{At, Reading, Shape};
use crate::tree::Node;

/// A file is not read beyond this; a bundle of all public authorities has a quarter of it.
const FILE_BYTES_MAX: usize = 1 << 20;

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
        match own_key(&chain, key.value.expose()) {
            Ok(key) => Some(Self { chain, key }),
            Err(wrong) => {
                let help = "write the private key that the certificate was made for, in PEM and without a password";
                reading.findings.error(key.span, wrong).help(help);
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
        let span = node.span;
        let path = PathBuf::read(node, reading)?;
        reading.files.push(path.clone());
        let text = match reading.source.read(&path) {
            Ok(text) if text.len() <= FILE_BYTES_MAX => text,
            Ok(_) => {
                reading.findings.error(span, format!("{:?} is too long for certificates", path.display().to_string()));
                return None;
            }
            Err(error) => {
                reading.findings.error(span, format!("cannot read {:?}: {error}", path.display().to_string()));
                return None;
            }
        };
        reading.revision.add(&text);
        match certificates(&text) {
            Ok(all) => Some(Self { path, all }),
            Err(wrong) => {
                let finding = reading.findings.error(span, format!("{wrong} in {:?}", path.display().to_string()));
                finding.help("write a file that begins with \"-----BEGIN CERTIFICATE-----\"");
                None
            }
        }
    }

    fn schema() -> serde_json::Value {
        PathBuf::schema()
    }
}

fn certificates(text: &str) -> Result<Arc<[Vec<u8>]>, &'static str> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    let found = found.map_err(|_| "there is a damaged certificate")?;
    if found.is_empty() {
        return Err("there is no certificate");
    }
    found.iter().all(is_readable).then_some(()).ok_or("there is a certificate that cannot be read")?;
    Ok(found.into_iter().map(|certificate| certificate.to_vec()).collect())
}

/// By both who will read it: the one verifies, the other describes.
fn is_readable(certificate: &CertificateDer<'static>) -> bool {
    RootCertStore::empty().add(certificate.clone()).is_ok() && X509Certificate::from_der(certificate).is_ok()
}

fn own_key(chain: &Certificates, pem: &str) -> Result<Zeroizing<Vec<u8>>, &'static str> {
    let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| "this is no private key")?;
    let signing = any_supported_type(&key).map_err(|_| "this kind of private key cannot be used")?;
    let certificates = chain.all.iter().map(|der| CertificateDer::from(der.clone())).collect();
    let matches = CertifiedKey::new(certificates, signing).keys_match();
    matches.map_err(|_| "this private key is another certificate's")?;
    Ok(Zeroizing::new(key.secret_der().to_vec()))
}

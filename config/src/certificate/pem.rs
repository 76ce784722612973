//! What texts in PEM hold: certificates, and the private key of the first of them.

use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

/// A file is not read beyond this; a bundle of all public authorities has a quarter of it.
pub(super) const FILE_BYTES_MAX: usize = 1 << 20;

/// Why a chain and a key are of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// No PEM block of a certificate.
    #[error("there is no certificate in PEM form")]
    NoCertificate,
    /// No PEM block of a private key.
    #[error("there is no private key in PEM form")]
    NoKey,
    /// Not X.509 in DER.
    #[error("its certificate cannot be read")]
    Damaged,
    /// A key of a kind or size that TLS does not use.
    #[error("its private key is none that TLS can use")]
    KeyUnknown,
    /// The key is another certificate's.
    #[error("the private key belongs to another certificate")]
    KeyOfAnother,
}

impl Unusable {
    /// Whether it is said of the key's text, not of the chain's.
    pub(super) fn is_about_key(self) -> bool {
        matches!(self, Self::NoKey | Self::KeyUnknown)
    }
}

/// Every certificate of a text, at least one.
///
/// # Errors
/// When there is none, or one is damaged.
pub(super) fn chain(text: &str) -> Result<Vec<CertificateDer<'static>>, Unusable> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    let chain = chain.map_err(|_| Unusable::Damaged)?;
    if chain.is_empty() { Err(Unusable::NoCertificate) } else { Ok(chain) }
}

/// The key of a text, ready to sign and as it is in DER; it is that of the chain's first certificate.
///
/// # Errors
/// When there is none that TLS can use, or it is another certificate's.
pub(super) fn key_of(
    chain: Vec<CertificateDer<'static>>,
    text: &str,
) -> Result<(CertifiedKey, PrivateKeyDer<'static>), Unusable> {
    let key = PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|_| Unusable::NoKey)?;
    let signing = any_supported_type(&key).map_err(|_| Unusable::KeyUnknown)?;
    let certified = CertifiedKey::new(chain, signing);
    // A key that cannot tell its public half is none that was made here.
    certified.keys_match().map_err(|_| Unusable::KeyOfAnother)?;
    Ok((certified, key))
}

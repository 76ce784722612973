//! A certificate with its chain and its key, read from PEM: they belong together, and what it says is known.

mod file;
mod pem;

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use rustls::sign::CertifiedKey;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::secret::Secret;
use crate::shape::{At, Reading};

pub use file::{Certificates, Identification};
pub use pem::Unusable;

/// One chain and the key of its first certificate.
#[derive(Clone)]
pub struct Certificate {
    certified: Arc<CertifiedKey>,
    /// Common name of who signed it; its whole name where it has none.
    pub issuer: Arc<str>,
    /// Lower-case hex, two digits a byte.
    pub serial: Arc<str>,
    /// It is good from then on.
    pub not_before: Timestamp,
    /// It is over from then on.
    pub not_after: Timestamp,
    /// Names and addresses that it is made for, in lower case; `*.` stands for one label.
    pub names: Vec<String>,
    /// What names it at the authority that made it; absent where it does not name the authority's key.
    pub id: Option<AuthorityId>,
}

/// The key that signed a certificate, and the certificate's number, both as its DER has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorityId {
    /// The key's identifier.
    pub key: Vec<u8>,
    /// The serial number.
    pub serial: Vec<u8>,
}

impl Certificate {
    /// Reads a chain, its own certificate first, and the key. They may be of the same text.
    ///
    /// # Errors
    /// When one of them cannot be read, or they do not belong together.
    pub fn read(chain: &str, key: &str) -> Result<Self, Unusable> {
        let (certified, _) = pem::key_of(pem::chain(chain)?, key)?;
        Self::describe(certified)
    }

    fn describe(certified: CertifiedKey) -> Result<Self, Unusable> {
        let leaf = certified.cert.first().ok_or(Unusable::NoCertificate)?.clone();
        let (_, leaf) = X509Certificate::from_der(&leaf).map_err(|_| Unusable::Damaged)?;
        let common = leaf.issuer().iter_common_name().next().and_then(|name| name.as_str().ok());
        let seconds = |seconds| Timestamp::from_second(seconds).map_err(|_| Unusable::Damaged);
        Ok(Self {
            issuer: common.map_or_else(|| leaf.issuer().to_string().into(), Arc::from),
            serial: hex(leaf.raw_serial()).into(),
            not_before: seconds(leaf.validity().not_before.timestamp())?,
            not_after: seconds(leaf.validity().not_after.timestamp())?,
            names: names(&leaf),
            id: authority_id(&leaf),
            certified: Arc::new(certified),
        })
    }

    /// What a handshake presents.
    pub fn certified(&self) -> &Arc<CertifiedKey> {
        &self.certified
    }

    /// The whole chain in DER, one certificate behind the other.
    pub(crate) fn chain(&self) -> Vec<u8> {
        self.certified.cert.iter().flat_map(|certificate| certificate.to_vec()).collect()
    }

    /// The public half of its key, in DER.
    pub(crate) fn public_key(&self) -> Vec<u8> {
        self.certified.key.public_key().map(|key| key.to_vec()).unwrap_or_default()
    }

    /// Whether clients take it for `host`: an exact name, an address, or `*.` and a domain.
    pub fn covers(&self, host: &str) -> bool {
        let wildcard = wildcard_of(host);
        self.names.iter().any(|name| name == host || wildcard.as_ref() == Some(name))
    }

    /// Whether both are the same certificate.
    pub fn is_same(&self, other: &Self) -> bool {
        self.certified.cert == other.certified.cert
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({})", self.serial)
    }
}

/// The pair that settings name; reports what is wrong with it.
pub(crate) fn read_files(cert: &At<PathBuf>, key: &At<Secret>, reading: &mut Reading<'_>) -> Option<Certificate> {
    let text = reading.text_of(cert, pem::FILE_BYTES_MAX)?;
    match Certificate::read(&text, key.value.expose()) {
        Ok(certificate) => Some(certificate),
        Err(unusable) => {
            let message = format!("this certificate is of no use: {unusable}");
            reading.findings.error(if unusable.is_about_key() { key.span } else { cert.span }, message);
            None
        }
    }
}

/// The wildcard that stands for a name; it stands for one label.
pub(crate) fn wildcard_of(host: &str) -> Option<String> {
    let (label, domain) = host.split_once('.')?;
    (label != "*").then(|| format!("*.{domain}"))
}

fn names(leaf: &X509Certificate<'_>) -> Vec<String> {
    let names = leaf.subject_alternative_name().ok().flatten();
    let names = names.into_iter().flat_map(|names| &names.value.general_names);
    let name = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        GeneralName::IPAddress(octets) => address(octets).map(|address| address.to_string()),
        GeneralName::OtherName(..)
        | GeneralName::RFC822Name(_)
        | GeneralName::X400Address(_)
        | GeneralName::DirectoryName(_)
        | GeneralName::EDIPartyName(_)
        | GeneralName::URI(_)
        | GeneralName::RegisteredID(_) => None,
    };
    names.filter_map(name).collect()
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(octets).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from)).ok()
}

fn authority_id(leaf: &X509Certificate<'_>) -> Option<AuthorityId> {
    let key = leaf.extensions().iter().find_map(|extension| {
        let ParsedExtension::AuthorityKeyIdentifier(authority) = extension.parsed_extension() else { return None };
        authority.key_identifier.as_ref()
    });
    Some(AuthorityId { key: key?.0.to_vec(), serial: leaf.raw_serial().to_vec() })
}

/// Without the zero that DER puts before a high bit.
fn hex(serial: &[u8]) -> String {
    let serial = serial.strip_prefix(&[0]).filter(|rest| !rest.is_empty()).unwrap_or(serial);
    serial.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(names: &[&str]) -> (String, String) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    #[test]
    fn a_pair_is_read_with_what_it_says() {
        let (chain, key) = made(&["Wiki.example.net", "*.corp.example.net", "192.0.2.7"]);
        let read = Certificate::read(&chain, &key).unwrap();
        for host in ["wiki.example.net", "a.corp.example.net", "*.corp.example.net", "192.0.2.7"] {
            assert!(read.covers(host), "{host}: {:?}", read.names);
        }
        for host in ["corp.example.net", "a.b.corp.example.net", "*.example.net", "example.net", "192.0.2.8", ""] {
            assert!(!read.covers(host), "{host}");
        }
        assert!(read.not_before < read.not_after && read.serial.len().is_multiple_of(2));
        assert!(
            Certificate::read(&format!("{key}{chain}"), &format!("{chain}{key}")).is_ok(),
            "one text may hold both"
        );
    }

    #[test]
    fn what_does_not_belong_together_is_told() {
        let ((chain, key), (_, other)) = (made(&["a.test"]), made(&["a.test"]));
        let damaged = chain.replacen("MII", "AAA", 1);
        let broken = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        for (chain, key, why) in [
            (chain.as_str(), other.as_str(), Unusable::KeyOfAnother),
            ("", &key, Unusable::NoCertificate),
            (&key, &key, Unusable::NoCertificate),
            (&chain, "", Unusable::NoKey),
            (&chain, &chain, Unusable::NoKey),
            (&chain, broken, Unusable::KeyUnknown),
            (&damaged, &key, Unusable::KeyOfAnother),
        ] {
            assert_eq!(Certificate::read(chain, key).unwrap_err(), why);
        }
    }
}

//! `[tls]`: certificates. Nothing of it works yet; its shape is checked, so that a slip in it is found.

use std::path::PathBuf;

use crate::name::{Email, Name};
use crate::secret::SecretReference;
use crate::shape::{Named, shape};

shape! {
    /// What `[tls]` may say.
    pub(crate) unread struct RawTls {
        acme: RawAcme,
        certificates: Named<Name, RawCertificate>,
    }
}

shape! {
    unread struct RawAcme {
        email: Email,
        directory: String,
        ca: PathBuf,
    }
}

shape! {
    unread struct RawCertificate {
        hosts: Vec<String>,
        cert: PathBuf,
        key: SecretReference,
    }
}

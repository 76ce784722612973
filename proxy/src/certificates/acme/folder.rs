//! What is kept of an authority on disk, in `data_dir/acme`, a folder for each: the account, and each host's key and
//! chain in one file, so that they are replaced together.

use std::fmt::Write as _;
use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use aws_lc_rs::digest::{SHA256, digest};
use instant_acme::AccountCredentials;
use tempfile::NamedTempFile;
use vestibule_config::Host;
use vestibule_config::certificate::Certificate;
use zeroize::Zeroizing;

/// Bytes of a directory's hash that name its folder.
const NAME_BYTES: usize = 8;

/// Of one authority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Folder(PathBuf);

impl Folder {
    /// Another directory has another account and other certificates.
    pub(super) fn of(data_dir: &Path, directory: &str) -> Self {
        let mut name = String::new();
        for byte in digest(&SHA256, directory.as_bytes()).as_ref().iter().take(NAME_BYTES) {
            // Writing to a string does not fail.
            let _ = write!(name, "{byte:02x}");
        }
        Self(data_dir.join("acme").join(name))
    }

    /// The account; absent before the first.
    ///
    /// # Errors
    /// When it cannot be read, or the file holds something else.
    pub(super) fn account(&self) -> anyhow::Result<Option<AccountCredentials>> {
        let Some(text) = self.read("account.json")? else { return Ok(None) };
        serde_json::from_str(&text)
            .with_context(|| format!("{:?} is no account", self.0.join("account.json")))
            .map(Some)
    }

    /// # Errors
    /// When it cannot be written.
    pub(super) fn keep_account(&self, account: &AccountCredentials) -> anyhow::Result<()> {
        let text = Zeroizing::new(serde_json::to_string(account)?);
        Ok(self.write("account.json", &text)?)
    }

    /// The authority does not know it any more.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub(super) fn forget_account(&self) -> io::Result<()> {
        fs::remove_file(self.0.join("account.json"))
    }

    /// A host's certificate; absent before the first, and where the file is damaged, which is told: another is ordered.
    pub(super) fn certificate(&self, host: &Host) -> Option<Certificate> {
        let text = self.read(&file_of(host));
        let read = text.and_then(|text| {
            let Some(text) = text else { return Ok(None) };
            let certificate = Certificate::read(&text, &text)?;
            anyhow::ensure!(certificate.covers(host.as_str()), "it is made for {:?}", certificate.names);
            Ok(Some(certificate))
        });
        read.unwrap_or_else(|error| {
            tracing::warn!(%host, error = format!("{error:#}"), "the kept certificate is of no use");
            None
        })
    }

    /// Key and chain, as PEM.
    ///
    /// # Errors
    /// When they cannot be written; what was there stays.
    pub(super) fn keep_certificate(&self, host: &Host, text: &str) -> io::Result<()> {
        self.write(&file_of(host), text)
    }

    fn read(&self, name: &str) -> anyhow::Result<Option<Zeroizing<String>>> {
        let path = self.0.join(name);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(Zeroizing::new(text))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("reading {path:?}")),
        }
    }

    /// There whole, and for nobody else to read, or not at all.
    fn write(&self, name: &str, text: &str) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.0)?;
        let mut new = NamedTempFile::new_in(&self.0)?;
        new.write_all(text.as_bytes())?;
        new.as_file().sync_all()?;
        new.persist(self.0.join(name))?;
        File::open(&self.0)?.sync_all()
    }
}

/// A host has neither slashes nor a dot at its beginning.
fn file_of(host: &Host) -> String {
    format!("{host}.pem")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::rig::{Rig, example};

    #[test]
    fn a_certificate_is_kept_for_its_host_alone_and_from_others() {
        let folder = tempfile::tempdir().unwrap();
        let kept = Folder::of(folder.path(), "https://ca.test/dir");
        let text = example().replace("open.localhost", "wiki.example.net");
        let rig = Rig::new(&text);
        let hosts = &rig.state.live.load().settings.circuits["open"].hosts;
        let made = rcgen::generate_simple_self_signed([hosts[0].to_string()]).unwrap();
        let pem = format!("{}{}", made.signing_key.serialize_pem(), made.cert.pem());
        assert!(kept.certificate(&hosts[0]).is_none());
        kept.keep_certificate(&hosts[0], &pem).unwrap();
        assert!(kept.certificate(&hosts[0]).is_some());
        assert!(Folder::of(folder.path(), "https://other.test/dir").certificate(&hosts[0]).is_none());
        let path = kept.0.join("wiki.example.net.pem");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(&kept.0), mode(kept.0.parent().unwrap())), (0o600, 0o700, 0o700));

        fs::write(&path, &pem[..pem.len() / 2]).unwrap();
        assert!(kept.certificate(&hosts[0]).is_none(), "half a file is none");
        let other = rcgen::generate_simple_self_signed(["other.example.net".to_owned()]).unwrap();
        kept.keep_certificate(&hosts[0], &format!("{}{}", other.signing_key.serialize_pem(), other.cert.pem()))
            .unwrap();
        assert!(kept.certificate(&hosts[0]).is_none(), "another host's is none");
    }
}

//! Certificates of an authority (ACME, RFC 8555): one for each host, ordered, kept on disk, renewed in time.
//!
//! `run` looks what is due. An order goes: account (`authority`), question and answer (`challenges`), certificate
//! (`order`), disk (`folder`), handshakes. `schedule` says when: by the authority's advice (ARI, RFC 9773) where it
//! gives any, else by lifetime, and later and later after failures.

mod authority;
mod challenges;
mod folder;
mod held;
mod hold;
mod order;
mod run;
mod schedule;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use parking_lot::RwLock;
use rustls::sign::CertifiedKey;
use tokio::sync::Notify;
use vestibule_config::{Host, tls};

use challenges::Challenges;
use folder::Folder;
pub(crate) use held::Held;
pub(crate) use run::run;

/// What is known of the hosts that certificates are ordered for; one in [`super::Certificates`].
#[derive(Default)]
pub(crate) struct Acme {
    table: RwLock<Table>,
    /// Questions of the authority that are awaited.
    pub(crate) challenges: Challenges,
    changed: Notify,
}

/// Bounded by the configuration: what it does not name any more is dropped.
#[derive(Default)]
struct Table {
    /// Of the authority that all of them are from; absent where none is asked.
    folder: Option<Folder>,
    hosts: BTreeMap<Host, Held>,
}

impl Acme {
    /// Another configuration is in force: hosts that are new are looked up on disk, and what is missing is ordered.
    pub(super) fn adopt(&self, settings: Option<&tls::Acme>, data_dir: &Path) {
        let mut table = self.table.write();
        let folder = settings.map(|acme| Folder::of(data_dir, &acme.directory));
        if table.folder != folder {
            *table = Table { folder, hosts: BTreeMap::new() };
        }
        let wanted = settings.map_or(&[][..], |acme| &acme.hosts);
        let Table { folder: Some(folder), hosts } = &mut *table else { return };
        hosts.retain(|host, _| wanted.contains(host));
        for host in wanted {
            hosts.entry(host.clone()).or_insert_with(|| Held::found(folder.certificate(host)));
        }
        drop(table);
        self.changed.notify_one();
    }

    /// What is held for a host; absent where nothing is ordered for it.
    pub(super) fn held<T>(&self, host: &Host, tell: impl FnOnce(&Held) -> T) -> Option<T> {
        self.table.read().hosts.get(host).map(tell)
    }

    /// For handshakes, by host.
    pub(super) fn certified(&self) -> Vec<(Box<str>, Arc<CertifiedKey>)> {
        let table = self.table.read();
        let held = table.hosts.iter();
        let certified = held.filter_map(|(host, held)| Some((host, held.certificate.as_ref()?)));
        certified.map(|(host, certificate)| (host.as_str().into(), certificate.certified().clone())).collect()
    }

    /// Notes what became of a host, unless it is another authority's by now.
    fn note(&self, folder: &Folder, host: &Host, note: impl FnOnce(&mut Held)) {
        let mut table = self.table.write();
        if table.folder.as_ref() == Some(folder)
            && let Some(held) = table.hosts.get_mut(host)
        {
            note(held);
        }
    }
}

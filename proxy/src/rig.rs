//! For tests: the shared state over real parts, in a temporary folder, with a clock that is moved by hand.

use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use aws_lc_rs::digest::{SHA256, digest};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::watch;
use vestibule_auth::sso::NoBackChannel;
use vestibule_auth::{Auth, Clock, Credential, Hand, Outcome, RequestView, Secret};
use vestibule_config::FileSource;
use vestibule_logstore::note::Signer;
use vestibule_logstore::{Log, Options, Query, Store};

use crate::alerts::Alerts;
use crate::anchors::Anchoring;
use crate::attempt::{Opened, Refused};
use crate::back_channel::Network;
use crate::edge::Flood;
use crate::exceeded::Exceeded;
use crate::mail::Mailer;
use crate::metrics::Metrics;
use crate::reload::Reloads;
use crate::scrub::Scrub;
use crate::signing::Signing;
use crate::state::{Live, State};

/// A state and what it stands on.
pub(crate) struct Rig {
    pub(crate) state: Arc<State>,
    pub(crate) clock: Arc<Hand>,
    pub(crate) file: PathBuf,
    _folder: TempDir,
}

/// Two circuits and four tokens, each of whose secrets is its name.
pub(crate) fn example() -> String {
    let pin_hash = vestibule_auth::hash::hash_secret(&"123456".to_owned().into()).unwrap();
    let token = |name: &str, role: &str, logs: &str| {
        let digest = digest(&SHA256, name.as_bytes());
        let hex: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("[admin.tokens.{name}]\nrole = \"{role}\"\nhash = \"sha256:{hex}\"\n{logs}\n")
    };
    format!(
        "[server]\ndata_dir = \"data\"\nlisten = [{{ address = \"127.0.0.1:8080\" }}]\n\
         [circuits.open]\nhosts = [\"open.localhost\"]\nupstream = \"http://127.0.0.1:3000\"\naccess = \"public\"\n\
         [circuits.preview]\nhosts = [\"preview.localhost\"]\nupstream = \"http://127.0.0.1:3000\"\n\
         access = \"allowlist\"\nallow = [\"maya@example.net\"]\nlogin = [\"pin\"]\n\
         shared = {{ pin_hash = \"{pin_hash}\" }}\n\
         [users.\"maya@example.net\"]\npin_hash = \"{pin_hash}\"\n\
         [admin]\nhosts = [\"logs.example.net\"]\n{}{}{}{}",
        token("reader", "reader", ""),
        token("auditor", "auditor", ""),
        token("admin", "admin", ""),
        token("narrow", "admin", "logs = [\"access\"]"),
    )
}

impl Rig {
    /// Opens everything on this file.
    pub(crate) fn new(text: &str) -> Self {
        // Whoever was first has made it the process's own.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("vestibule.toml");
        fs::write(&file, text).unwrap();
        let clock = Arc::new(Hand::at("2026-11-23T12:00:00Z".parse().unwrap()));
        let settings = vestibule_config::load(&file, &FileSource::new(|_| None, clock.now()));
        let settings = settings.unwrap_or_else(|report| panic!("{}", report.render(false)));
        let auth = Auth::open(folder.path(), clock.clone(), Arc::new(NoBackChannel)).unwrap();
        let options = Options { sync: settings.logs.sync, queue_entries: 1000, queue_bytes: 1 << 20 };
        let store = Store::open(&folder.path().join("logs"), options).unwrap();
        let live = ArcSwap::from_pointee(Live::new(settings, &auth, None, clock.now()));
        let state = Arc::new(State {
            live,
            auth,
            certificates: Arc::default(),
            flood: Flood::default(),
            metrics: Metrics::new(),
            request_ids: store.request_ids(),
            store,
            signer: Signing::of(Signer::from_seed(&[7; 32]).unwrap(), folder.path()),
            anchoring: Anchoring::default(),
            clock: clock.clone(),
            data_dir: folder.path().to_owned(),
            config_path: file.clone(),
            reloads: Reloads::default(),
            refused: Refused::default(),
            turns: crate::attempt::Turns::default(),
            opened: Opened::default(),
            exceeded: Exceeded::default(),
            lasting: Arc::default(),
            mailer: Mailer::default(),
            alerts: Alerts::default(),
            scrub: Scrub::default(),
            network: Arc::new(Network::default()),
            serving: true.into(),
            stopping: watch::Sender::new(false),
        });
        Self { state, clock, file, _folder: folder }
    }

    /// Puts another text into the main file.
    pub(crate) fn write(&self, text: &str) {
        fs::write(&self.file, text).unwrap();
    }

    /// Signs in to `preview` with its PIN.
    pub(crate) async fn sign_in(&self) {
        let live = self.state.live.load_full();
        let request = RequestView {
            method: &http::Method::POST,
            host: "preview.localhost",
            path: "/.vestibule/login",
            headers: &http::HeaderMap::new(),
            client: IpAddr::from([192, 0, 2, 1]),
            cookie: None,
        };
        let credential = Credential::Shared(Secret::Pin("123456".to_owned().into()));
        let outcome = live.policy.gate("preview").unwrap().sign_in(credential, &request).await;
        let Outcome::Verified(verified) = outcome else { panic!("the PIN is good") };
        verified.open(None).unwrap();
    }

    /// What a log holds that matches, newest first.
    pub(crate) fn entries(&self, log: Log, filters: &[(&str, &str)]) -> Vec<Value> {
        let filters: Vec<_> = filters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let query = Query::parse(log, &filters, self.clock.now()).unwrap();
        let page = self.state.store.query(&query).unwrap();
        page.rows.iter().map(|row| serde_json::from_str(&row.to_json()).unwrap()).collect()
    }
}

/// Waits for what happens on another thread; at most five seconds.
pub(crate) async fn until(mut met: impl FnMut() -> bool) {
    for _ in 0..500 {
        if met() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("it did not happen within five seconds");
}

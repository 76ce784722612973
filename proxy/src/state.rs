//! What all parts of the running program share.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arc_swap::ArcSwap;
use http::HeaderValue;
use tokio::sync::watch;
use vestibule_auth::sso::BackChannel;
use vestibule_auth::{Auth, Clock, Policy};
use vestibule_config::Settings;
use vestibule_logstore::{RequestIds, Store};

use crate::alerts::Alerts;
use crate::anchors::Anchoring;
use crate::attempt::{Opened, Refused, Turns};
use crate::certificates::Certificates;
use crate::edge::Flood;
use crate::exceeded::Exceeded;
use crate::hsts;
use crate::mail::Mailer;
use crate::metrics::Metrics;
use crate::reload::Reloads;
use crate::routes::Routes;
use crate::scrub::Scrub;
use crate::signing::Signing;
use crate::tunnel::Lasting;

/// Lives as long as the process.
pub(crate) struct State {
    /// Swapped whole at a reload; a request loads it once and keeps it.
    pub(crate) live: ArcSwap<Live>,
    /// Sessions, limiters, lock-outs.
    pub(crate) auth: Auth,
    /// The three logs.
    pub(crate) store: Store,
    /// Signs their heads.
    pub(crate) signer: Signing,
    /// How sending them elsewhere goes; `Anchoring::default()`.
    pub(crate) anchoring: Anchoring,
    /// What handshakes are answered with; `Arc::default()`, and `refresh` once a configuration is in force.
    pub(crate) certificates: Arc<Certificates>,
    /// Refusals that came in floods; `Flood::default()`, kept going by [`crate::edge::run_flood`] and emptied by
    /// [`Flood::flush`] before the store is closed.
    pub(crate) flood: Flood,
    /// Counters.
    pub(crate) metrics: Metrics,
    /// Sessions whose refusal by a policy is recorded; `Refused::default()`.
    pub(crate) refused: Refused,
    /// Firsts of machines that are being recorded; `Turns::default()`.
    pub(crate) turns: Turns,
    /// Attempts whose next step is awaited; `Opened::default()`.
    pub(crate) opened: Opened,
    /// Refusals by limits, for the audit log; `Exceeded::default()`, kept going by [`crate::exceeded::run`] and
    /// emptied by [`Exceeded::flush_all`] before the store is closed.
    pub(crate) exceeded: Exceeded,
    /// Requests that last, asked about again by [`crate::tunnel::run`]; empty at first.
    pub(crate) lasting: Arc<Lasting>,
    /// Messages to people; `Mailer::default()`, sent by [`crate::mail::run`].
    pub(crate) mailer: Mailer,
    /// What somebody outside is told of; `Alerts::default()`, sent by [`crate::alerts::run`].
    pub(crate) alerts: Alerts,
    /// The slow look at what is stored; `Scrub::default()`, kept going by [`crate::scrub::start`].
    pub(crate) scrub: Scrub,
    /// The way to others.
    pub(crate) network: Arc<dyn BackChannel>,
    /// Names of requests.
    pub(crate) request_ids: RequestIds,
    /// The one clock.
    pub(crate) clock: Arc<dyn Clock>,
    /// Where the databases are.
    pub(crate) data_dir: PathBuf,
    /// The main file, for reloads.
    pub(crate) config_path: PathBuf,
    /// Serialises reloads and remembers how the last one went.
    pub(crate) reloads: Reloads,
    /// True once TERM and INT are heeded; before that they would end the process without closing the logs, so
    /// `/readyz` answers 503.
    pub(crate) serving: AtomicBool,
    /// True from the first TERM on.
    pub(crate) stopping: watch::Sender<bool>,
}

/// One configuration, ready to decide.
pub(crate) struct Live {
    /// As checked.
    pub(crate) settings: Settings,
    /// Gates.
    pub(crate) policy: Policy,
    /// Hosts to circuits.
    pub(crate) routes: Routes,
    /// What every answer over https says of it.
    pub(crate) hsts: Option<HeaderValue>,
    /// When it was put in force.
    pub(crate) since: jiff::Timestamp,
}

impl Live {
    /// One configuration in force. `previous` hands on what a reload must not lose.
    pub(crate) fn new(settings: Settings, auth: &Auth, previous: Option<&Self>, now: jiff::Timestamp) -> Self {
        let policy = auth.policy(&settings);
        let routes = Routes::new(&settings, &policy, previous.map(|previous| &previous.routes));
        Self { hsts: hsts::value(&settings), settings, policy, routes, since: now }
    }

    /// Last uses of tokens that this configuration does not have are forgotten; once it is in force.
    pub(crate) fn forget_other_tokens(&self, auth: &Auth) {
        let (services, admins) = (&self.settings.service_tokens, &self.settings.admin.tokens);
        auth.uses().keep(|name| match name.split_once(':') {
            Some(("service", name)) => services.contains_key(name),
            Some(("admin", name)) => admins.contains_key(name),
            Some(_) | None => false,
        });
    }
}

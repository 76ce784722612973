//! Puts the parts together, serves, drains.

use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use anyhow::Context as _;
use arc_swap::ArcSwap;
use pingora::prelude::Server;
use pingora::proxy::http_proxy;
use pingora::server::RunArgs;
use pingora::server::configuration::ServerConf;
use pingora::services::background::background_service;
use tokio::sync::watch;
use vestibule_auth::{Auth, Clock, SystemClock};
use vestibule_config::{FileSource, Settings};
use vestibule_logstore::{Options, Store, checkpoint};

use crate::admin;
use crate::alerts::{self, Alerts};
use crate::anchors::{self, Anchoring};
use crate::attempt::{Opened, Refused};
use crate::audit::{Act, Actor};
use crate::back_channel::Network;
use crate::backup;
use crate::drain::Drain;
use crate::edge::{Edge, Flood, Listening, Socket, bind, bind_all};
use crate::exceeded::Exceeded;
use crate::explain;
use crate::housekeeping::{self, Housekeeping};
use crate::lines;
use crate::mail::Mailer;
use crate::metrics::Metrics;
use crate::reload::{self, Reloads};
use crate::scrub::{self, Scrub};
use crate::signing::Signing;
use crate::state::{Live, State};

/// Entries that wait for the log's writer, per lane, and their bytes; one more is dropped and counted, or waited for.
const QUEUE_ENTRIES: usize = 65_536;
const QUEUE_BYTES: usize = 64 << 20;

/// A stop waits so long for the places of anchors.
const LAST_HEADS: Duration = Duration::from_secs(10);

/// Upstream connections that are kept open, per thread.
const POOLED_CONNECTIONS: usize = 256;

/// Serves until TERM or INT, drains, and closes the logs.
///
/// # Errors
/// When it cannot start: the configuration has problems (a [`vestibule_config::Report`]), a port is taken, a folder
/// cannot be written. When the logs cannot be closed.
pub(crate) fn serve(config_path: &Path) -> anyhow::Result<()> {
    let clock = Arc::new(SystemClock::default());
    let source = FileSource::new(|name| std::env::var(name).ok(), clock.now());
    let settings = vestibule_config::load(config_path, &source).map_err(anyhow::Error::new)?;
    if !settings.warnings.is_empty() {
        tracing::warn!("the configuration has warnings\n{}", settings.report().brief());
    }
    let listeners = bind_all(&settings.server.listen)?;
    let admin_listener = bind(settings.admin.listen)?;
    let state = Arc::new(open(settings, config_path, clock)?);
    state.certificates.refresh(&state.live);

    let key = state.signer.read().public_key().print(&checkpoint::name(state.store.uuid()));
    tracing::info!(key, "heads of the logs are signed; keep this key elsewhere, for vestibule verify --key");
    let lines = lines::start(state.clone()).context("starting the lines of entries")?;
    let scrubbing = scrub::start(state.clone()).context("starting the scrub of the logs")?;
    note(&state, "system.start")?;
    reload::start(state.clone()).context("watching the configuration")?;
    let admin = admin::start(state.clone(), admin_listener).context("starting the admin port")?;
    if let Err(error) = alerts::take_up(&state) {
        tracing::warn!(error = format!("{error:#}"), "alerts that waited cannot be taken up");
    }
    run(&state, listeners)?;

    scrubbing.finish();
    state.exceeded.flush_all(&state.store);
    state.flood.flush(&state, true);
    alerts::park(&state);
    let noted = note(&state, "system.stop");
    admin.stop();
    lines.finish();
    let signed = state.store.sign(&state.signer.read(), state.clock.now()).context("signing the logs");
    send_last_heads(&state);
    let logs = state.store.close().context("closing the logs");
    let sessions = state.auth.close().context("closing the state database");
    noted.and(signed).and(logs).and(sessions)
}

/// A place that is away, or hangs, must not keep the server from stopping: what it lacks is sent after the next start.
fn send_last_heads(state: &Arc<State>) {
    let (sent, outcome) = mpsc::channel();
    let sending = state.clone();
    std::thread::spawn(move || sent.send(anchors::now(&sending, "stop")));
    match outcome.recv_timeout(LAST_HEADS) {
        Ok(Ok(_)) => (),
        Ok(Err(error)) => tracing::warn!(error = format!("{error:#}"), "the last heads wait for the next start"),
        Err(_) => tracing::warn!("a place of anchors does not answer; the last heads wait for the next start"),
    }
}

/// The log store of a data folder.
pub(crate) fn open_logs(data_dir: &Path, sync: Duration) -> Result<Store, vestibule_logstore::Error> {
    let options = Options { sync, queue_entries: QUEUE_ENTRIES, queue_bytes: QUEUE_BYTES };
    Store::open(&data_dir.join("logs"), options)
}

fn open(settings: Settings, config_path: &Path, clock: Arc<SystemClock>) -> anyhow::Result<State> {
    let data_dir = settings.server.data_dir.clone();
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&data_dir);
    made.with_context(|| format!("data folder {data_dir:?} cannot be made"))?;
    backup::look_after(&data_dir)?;
    let store = open_logs(&data_dir, settings.logs.sync)?;
    housekeeping::keep_as(&store, &settings.logs);
    let network = Arc::new(Network::default());
    let auth = Auth::open(&data_dir, clock.clone(), network.clone())?;
    let live = Live::new(settings, &auth, None, clock.now());
    let failed = explain::failures(&live, &*clock);
    if !failed.is_empty() {
        return Err(anyhow::Error::new(live.settings.refused(failed)));
    }
    live.forget_other_tokens(&auth);
    let metrics = Metrics::new();
    metrics.expect(&live.settings, None);
    Ok(State {
        live: ArcSwap::from_pointee(live),
        auth,
        metrics,
        certificates: Arc::default(),
        flood: Flood::default(),
        refused: Refused::default(),
        turns: crate::attempt::Turns::default(),
        opened: Opened::default(),
        exceeded: Exceeded::default(),
        lasting: Arc::default(),
        mailer: Mailer::default(),
        alerts: Alerts::default(),
        scrub: Scrub::default(),
        network,
        request_ids: store.request_ids(),
        signer: Signing::open(&data_dir, &store)?,
        anchoring: Anchoring::default(),
        store,
        clock,
        data_dir,
        config_path: config_path.to_owned(),
        reloads: Reloads::default(),
        serving: false.into(),
        stopping: watch::Sender::new(false),
    })
}

/// Pingora, from its start to the end of the drain.
fn run(state: &Arc<State>, sockets: Vec<Socket>) -> anyhow::Result<()> {
    let conf = ServerConf {
        threads: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        upstream_keepalive_pool_size: POOLED_CONNECTIONS,
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(None, conf);
    server.bootstrap();
    let edge = Edge::new(state, |gateway| http_proxy(&server.configuration, gateway)).context("setting up TLS")?;
    let drain = Drain { state: state.clone(), open: edge.gauge() };
    server.add_service(Listening::new(edge, sockets, state.stopping.subscribe()));
    server.add_service(background_service("housekeeping", Housekeeping::new(state.clone())));
    server.run(RunArgs { shutdown_signal: Box::new(drain) });
    Ok(())
}

/// Start and stop are entries of the audit log, on disk before anything follows.
fn note(state: &State, action: &str) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().context("making a runtime")?;
    let details = serde_json::json!({ "version": env!("CARGO_PKG_VERSION") }).to_string();
    let act = Act {
        actor: &Actor::system(state.clock.now()),
        action_type: "admin",
        action,
        resource_type: "system",
        resource: None,
        status: "success",
        http_status: None,
        before: None,
        after: None,
        details: Some(&details),
        count: 1,
    };
    runtime.block_on(act.commit(state)).with_context(|| format!("recording {action}"))?;
    Ok(())
}

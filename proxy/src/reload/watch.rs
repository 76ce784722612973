//! When to reload: HUP, or files that are not what they were.
//!
//! An event of the file system is a hint only: editors replace files, containers mount single ones, clusters swap
//! links. What counts is the content, compared after [`QUIET`] without further events, and every [`POLL`] anyway.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until, timeout};

use super::files::{self, Loaded, Reading};
use super::{Cause, reload};
use crate::audit::Actor;
use crate::overlay::Texts;
use crate::state::State;

/// An editor writes in several steps; after this long without another the file is taken as whole.
const QUIET: Duration = Duration::from_millis(250);

/// Catches what no event tells. With [`QUIET`] and one check it stays within the promised two seconds.
const POLL: Duration = Duration::from_millis(1500);

/// Watches the files and listens for HUP on a thread of its own, until [`State::stopping`]. When this returns what is in
/// force is kept among the revisions, before anybody can change it.
///
/// # Errors
/// When the thread, its runtime or the signal handler cannot be made.
pub(crate) fn start(state: Arc<State>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(2).build()?;
    let hangup = {
        let _entered = runtime.enter();
        signal(SignalKind::hangup())?
    };
    state.metrics.reloaded(true);
    let (read, is_read) = mpsc::channel::<()>();
    let watching = async move {
        first_reading(&state).await;
        drop(read);
        run(state, hangup).await;
    };
    std::thread::Builder::new().name("reload".to_owned()).spawn(move || runtime.block_on(watching))?;
    // It is told by dropping the other side.
    let _told = is_read.recv();
    Ok(())
}

async fn run(state: Arc<State>, mut hangup: Signal) {
    let mut stopping = state.stopping.subscribe();
    let events = Arc::new(Notify::new());
    let mut folders = Folders::new(events.clone());
    loop {
        folders.watch(&state).await;
        tokio::select! {
            _ = stopped(&mut stopping) => return,
            received = hangup.recv() => match received {
                Some(()) => ask(&state, Cause::Signal).await,
                None => return,
            },
            () = hint(&events) => if !current(&state).await { ask(&state, Cause::File).await },
        }
    }
}

async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // An error says that the sender is gone, and with it the program.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

async fn ask(state: &Arc<State>, cause: Cause) {
    let actor = Actor::system(state.clock.now());
    reload(state, cause, &actor).await;
}

/// Returns when a look at the files is due.
async fn hint(events: &Notify) {
    let poll = Instant::now() + POLL;
    tokio::select! {
        () = sleep_until(poll) => return,
        () = events.notified() => (),
    }
    // A folder that never rests must not put off the look for ever.
    while Instant::now() < poll && timeout(QUIET, events.notified()).await.is_ok() {}
}

/// What the server read at its start is not known here, so it is read again; a file that changed in between has
/// another revision than the one in force.
async fn first_reading(state: &Arc<State>) {
    let (path, now, live) = (state.config_path.clone(), state.clock.now(), state.live.load_full());
    let load = move || files::load(&path, now, &live.settings, Texts::new());
    let Ok(Loaded { settings, reading, files }) = tokio::task::spawn_blocking(load).await else { return };
    let mut turn = state.reloads.turn.lock().await;
    let in_force = state.live.load().settings.revision.clone();
    if turn.is_none() && settings.is_ok_and(|settings| settings.revision == in_force) {
        super::keep(state, "start", &Actor::system(now), files).await;
        *turn = Some(reading);
    }
}

async fn current(state: &Arc<State>) -> bool {
    let turn = state.reloads.turn.lock().await;
    let (reading, now) = (turn.clone(), state.clock.now());
    drop(turn);
    let look = move || reading.is_some_and(|reading: Reading| reading.is_current(now));
    tokio::task::spawn_blocking(look).await.unwrap_or(true)
}

/// The folders that are watched now; they follow the includes.
struct Folders {
    /// Absent where the system has no more watches to give: polling remains.
    watcher: Option<RecommendedWatcher>,
    watched: Vec<PathBuf>,
}

impl Folders {
    fn new(events: Arc<Notify>) -> Self {
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            // Our own reading is an access too; it must not wake us to read again.
            if !event.is_ok_and(|event| event.kind.is_access()) {
                events.notify_one();
            }
        });
        if let Err(error) = &watcher {
            tracing::warn!(%error, "files are polled, not watched");
        }
        Self { watcher: watcher.ok(), watched: Vec::new() }
    }

    async fn watch(&mut self, state: &Arc<State>) {
        let wanted = state.reloads.turn.lock().await.as_ref().map(Reading::folders).unwrap_or_default();
        let Some(watcher) = self.watcher.as_mut().filter(|_| wanted != self.watched) else { return };
        for gone in self.watched.iter().filter(|folder| !wanted.contains(folder)) {
            // A folder that is gone from the disk has lost its watch already.
            let _ = watcher.unwatch(gone);
        }
        for new in wanted.iter().filter(|folder| !self.watched.contains(folder)) {
            if let Err(error) = watcher.watch(new, RecursiveMode::NonRecursive) {
                tracing::debug!(folder = %new.display(), %error, "folder is polled, not watched");
            }
        }
        self.watched = wanted;
    }
}

//! `[logs] stdout`: every entry also as a line of JSON on standard output, for whoever collects lines.
//!
//! A thread of its own follows the logs, so that a reader of the lines that is slow, or hangs, holds up nothing else. It
//! writes what is in the store already, in the order of each log.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use tokio::runtime;
use tokio::sync::watch;
use tokio::time::timeout;
use vestibule_logstore::{Log, QueryError};

use crate::follow::{Follow, News};
use crate::state::State;

/// The setting is looked at so often while nothing is written.
const LOOK: Duration = Duration::from_secs(1);

/// A stop waits so long for a reader to take the last lines.
const LAST_LINES: Duration = Duration::from_secs(2);

/// The thread that writes.
pub(crate) struct Lines {
    stop: watch::Sender<bool>,
    ended: mpsc::Receiver<()>,
}

/// Why lines end before the process does.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("standard output takes no more lines of entries until the next start")]
    Output(#[from] io::Error),
    #[error("entries cannot be read; no more lines of them until the next start")]
    Store(#[from] QueryError),
}

/// Begins with what is appended from now on.
///
/// # Errors
/// When the system has no thread for it.
pub(crate) fn start(state: Arc<State>) -> io::Result<Lines> {
    let (stop, stopping) = watch::channel(false);
    let (end, ended) = mpsc::channel();
    let runtime = runtime::Builder::new_current_thread().enable_time().build()?;
    std::thread::Builder::new().name("lines".to_owned()).spawn(move || {
        if let Err(error) = runtime.block_on(run(&state, stopping)) {
            tracing::warn!(error = &error as &dyn std::error::Error, "lines of entries end");
        }
        drop(end);
    })?;
    Ok(Lines { stop, ended })
}

impl Lines {
    /// Once nothing is appended any more: writes what is left, and waits for it no longer than 2 s.
    pub(crate) fn finish(self) {
        self.stop.send_replace(true);
        if self.ended.recv_timeout(LAST_LINES) == Err(mpsc::RecvTimeoutError::Timeout) {
            tracing::warn!("standard output does not take the last lines of entries");
        }
    }
}

async fn run(state: &State, mut stopping: watch::Receiver<bool>) -> Result<(), Broken> {
    let mut news = state.store.watch();
    let mut followed = ends(state);
    loop {
        let last = *stopping.borrow_and_update();
        news.borrow_and_update();
        let on = state.live.load().settings.logs.stdout;
        if on {
            followed.iter_mut().try_for_each(|follow| write(state, follow))?;
        } else {
            followed = ends(state);
        }
        if last {
            return Ok(());
        }
        // Either way the setting may have changed.
        let _ = timeout(LOOK, async {
            tokio::select! {
                _ = news.changed(), if on => (),
                _ = stopping.changed() => (),
            }
        })
        .await;
    }
}

fn ends(state: &State) -> [(Log, Follow); 3] {
    Log::ALL.map(|log| (log, Follow::from(log, state.store.end(log))))
}

fn write(state: &State, (log, follow): &mut (Log, Follow)) -> Result<(), Broken> {
    while !follow.is_at_end(&state.store) {
        let lines: String = follow.read(&state.store)?.iter().map(|news| line(*log, news)).collect();
        let mut out = io::stdout().lock();
        out.write_all(lines.as_bytes())?;
        out.flush()?;
    }
    Ok(())
}

/// The entry as the admin port shows it, with the name of its log in front.
fn line(log: Log, news: &News) -> String {
    let log = log.name();
    match news {
        News::Entry(row) => format!("{{\"log\":\"{log}\",{}\n", row.to_json().trim_start_matches('{')),
        News::Gap { from, to } => format!("{{\"log\":\"{log}\",\"gap\":{{\"from\":{from},\"to\":{to}}}}}\n"),
    }
}

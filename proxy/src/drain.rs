//! Stops when the last request has ended.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use pingora::server::{ShutdownSignal, ShutdownSignalWatch};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, sleep, timeout_at};

use crate::edge::Gauge;
use crate::state::State;

/// How often the drain looks whether the last connection has ended.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Tells Pingora to end when nothing is left to do.
pub(crate) struct Drain {
    /// Has the grace period and the stop.
    pub(crate) state: Arc<State>,
    /// Open connections.
    pub(crate) open: Gauge,
}

#[async_trait]
impl ShutdownSignalWatch for Drain {
    async fn recv(&self) -> ShutdownSignal {
        self.wait_for_stop().await;
        tracing::info!(connections = self.open.open(), "stopping");
        let grace = self.state.live.load().settings.server.shutdown_grace;
        self.state.stopping.send_replace(true);
        tokio::select! {
            () = self.drained(Instant::now() + grace) => (),
            () = wait_for_interrupt() => tracing::warn!("stopping now"),
        }
        ShutdownSignal::FastShutdown
    }
}

impl Drain {
    async fn wait_for_stop(&self) {
        let mut term = signal(SignalKind::terminate()).expect("TERM can be caught");
        let mut int = signal(SignalKind::interrupt()).expect("INT can be caught");
        self.state.serving.store(true, Ordering::Release);
        tokio::select! {
            _ = term.recv() => (),
            _ = int.recv() => (),
        }
    }

    async fn drained(&self, deadline: Instant) {
        let ended = async {
            while self.open.open() > 0 {
                sleep(LOOK_EVERY).await;
            }
        };
        if timeout_at(deadline, ended).await.is_err() {
            tracing::warn!(connections = self.open.open(), "grace period is over");
        }
    }
}

async fn wait_for_interrupt() {
    signal(SignalKind::interrupt()).expect("INT can be caught").recv().await;
}

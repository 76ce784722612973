//! Listens on sockets that are bound already, and stops when the last request has ended.

use std::os::fd::RawFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use pingora::server::{ListenFds, ShutdownSignal, ShutdownSignalWatch, ShutdownWatch};
use pingora::services::{ServiceReadyNotifier, ServiceWithDependents};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, sleep, timeout_at};

use crate::edge::Gauge;
use crate::state::State;

/// How often the drain looks whether the last connection has ended.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A service with our own stop, because Pingora's always waits for its whole grace period.
pub(crate) struct Drainable<S> {
    /// The listening service.
    pub(crate) inner: S,
    /// True from the first TERM on.
    pub(crate) stopping: ShutdownWatch,
    /// Address, as the service was told it, and bound socket.
    pub(crate) sockets: Vec<(String, RawFd)>,
}

/// Tells Pingora to end when nothing is left to do.
pub(crate) struct Drain {
    /// Has the grace period and the stop.
    pub(crate) state: Arc<State>,
    /// Open connections.
    pub(crate) open: Gauge,
}

#[async_trait]
impl<S: ServiceWithDependents + 'static> ServiceWithDependents for Drainable<S> {
    async fn start_service(
        &mut self,
        fds: Option<ListenFds>,
        _shutdown: ShutdownWatch,
        listeners_per_fd: usize,
        ready: ServiceReadyNotifier,
    ) {
        if let Some(table) = &fds {
            let mut table = table.lock();
            for (address, socket) in &self.sockets {
                table.add(address.clone(), *socket);
            }
        }
        self.inner.start_service(fds, self.stopping.clone(), listeners_per_fd, ready).await;
    }

    fn name(&self) -> &str {
        self.inner.name()
    }

    fn threads(&self) -> Option<usize> {
        self.inner.threads()
    }
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

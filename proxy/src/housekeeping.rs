//! What has to be done from time to time.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pingora::server::ShutdownWatch;
use pingora::services::background::BackgroundService;
use tokio::time::{MissedTickBehavior, interval};

use crate::exceeded;
use crate::state::State;

/// Sessions that are over are taken away.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// Names of upstreams are looked up again, so that a moved backend is found.
const LOOK_UP_EVERY: Duration = Duration::from_secs(10);

/// Runs beside the gateway, until the process ends.
pub(crate) struct Housekeeping {
    state: Arc<State>,
}

impl Housekeeping {
    /// Started with the server.
    pub(crate) fn new(state: Arc<State>) -> Self {
        Self { state }
    }

    async fn sweep(&self) {
        let mut ticks = every(SWEEP_EVERY);
        loop {
            ticks.tick().await;
            let auth = self.state.auth.clone();
            if let Err(error) = tokio::task::spawn_blocking(move || auth.sweep()).await {
                tracing::error!(%error, "sweeping sessions failed");
            }
        }
    }

    async fn look_up(&self) {
        let mut ticks = every(LOOK_UP_EVERY);
        loop {
            ticks.tick().await;
            let live = self.state.live.load_full();
            for route in live.routes.all() {
                route.target.look_up().await;
            }
        }
    }
}

#[async_trait]
impl BackgroundService for Housekeeping {
    async fn start(&self, _shutdown: ShutdownWatch) {
        tokio::join!(self.sweep(), self.look_up(), exceeded::run(self.state.clone()));
    }
}

fn every(period: Duration) -> tokio::time::Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

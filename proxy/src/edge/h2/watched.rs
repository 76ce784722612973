//! A connection whose frames are looked at as they pass. Where they are a flood nothing more is read of it.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use pingora::protocols::Stream;
use tokio::io::{AsyncRead as _, ReadBuf};
use tokio::sync::Notify;
use vestibule_auth::Clock;

use super::frames::{Flood, Frames};
use crate::edge::around::Between;

/// See the module.
pub(super) struct Watched {
    frames: Frames,
    clock: Arc<dyn Clock>,
    alarm: Arc<Alarm>,
}

/// What was noticed, for whoever serves the connection.
#[derive(Debug, Default)]
pub(super) struct Alarm {
    flood: OnceLock<Flood>,
    raised: Notify,
}

impl Alarm {
    /// Waits until there is one.
    pub(super) async fn raised(&self) -> Flood {
        loop {
            if let Some(flood) = self.flood.get() {
                return *flood;
            }
            self.raised.notified().await;
        }
    }

    fn raise(&self, flood: Flood) {
        self.flood.get_or_init(|| flood);
        self.raised.notify_one();
    }
}

impl Watched {
    pub(super) fn new(clock: &Arc<dyn Clock>) -> (Self, Arc<Alarm>) {
        let (frames, clock, alarm) = (Frames::new(clock.elapsed()), clock.clone(), Arc::<Alarm>::default());
        (Self { frames, clock, alarm: alarm.clone() }, alarm)
    }
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched").field("frames", &self.frames).finish_non_exhaustive()
    }
}

impl Between for Watched {
    fn poll_read(&mut self, from: &mut Stream, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.alarm.flood.get().is_some() {
            return Poll::Pending;
        }
        let before = into.filled().len();
        ready!(Pin::new(from).poll_read(cx, into))?;
        let now = self.clock.elapsed();
        let came = into.filled().get(before..).unwrap_or_default();
        if let Some(flood) = self.frames.came(came, now) {
            // Who serves it hears of the alarm, and says goodbye.
            self.alarm.raise(flood);
            into.set_filled(before);
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    fn wrote(&mut self, bytes: usize) {
        self.frames.answered(bytes);
    }
}

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

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use vestibule_auth::SystemClock;

    use super::*;
    use crate::edge::around::Around;

    const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    const PING: [u8; 17] = [0, 0, 8, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

    #[tokio::test]
    async fn nothing_of_a_flood_is_passed_on_nor_of_what_comes_after_it() {
        let (mut client, server) = tokio::io::duplex(1 << 20);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
        let (watched, alarm) = Watched::new(&clock);
        let mut server = Around::new(Box::new(server), watched);
        let sound = [PREFACE.as_slice(), &PING].concat();
        client.write_all(&sound).await.unwrap();
        let mut read = vec![0; sound.len()];
        server.read_exact(&mut read).await.unwrap();
        assert_eq!(read, sound, "what is no flood passes as it is");

        let mut memory = vec![0; 1 << 20];
        let mut into = ReadBuf::new(&mut memory);
        for part in [PING.repeat(20_000), PREFACE.to_vec()] {
            client.write_all(&part).await.unwrap();
            let polled = poll_fn(|cx| Poll::Ready(Pin::new(&mut server).poll_read(cx, &mut into).is_ready()));
            assert_eq!((polled.await, into.filled().len()), (false, 0));
        }
        assert_eq!(alarm.raised().await, Flood::Control);
    }
}

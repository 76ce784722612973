//! Answers that go on: written piece by piece, at the pace of their readers, as long as their tokens are good.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use hyper::body::Frame;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};

use super::door::Pass;
use super::problem::Problem;
use crate::state::State;

pub(super) const EXPORT: &str = "export";
pub(super) const TAIL: &str = "tail";

/// The kinds of these answers.
pub(crate) const STREAMS: [&str; 2] = [EXPORT, TAIL];

/// Pieces that wait for their reader; whoever writes one more waits.
const PIECES: usize = 2;

/// A reader that takes nothing for so long is cut off.
const STALL: Duration = Duration::from_secs(60);

/// How often the token of a running answer is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// How many answers of a kind may run at the same time.
pub(super) struct Places {
    kind: &'static str,
    free: Arc<Semaphore>,
    count: usize,
}

/// One running answer.
pub(super) struct Place {
    kind: &'static str,
    state: Arc<State>,
    _permit: OwnedSemaphorePermit,
}

impl Places {
    pub(super) fn new(kind: &'static str, count: usize) -> Self {
        Self { kind, free: Arc::new(Semaphore::new(count)), count }
    }

    /// Nobody waits: an answer may go on for hours.
    pub(super) fn take(&self, state: &Arc<State>) -> Result<Place, Problem> {
        let Self { kind, count, .. } = self;
        let permit = self.free.clone().try_acquire_owned();
        let permit = permit.map_err(|_| Problem::busy(&format!("{count} answers of the kind {kind} run already")))?;
        state.metrics.stream_opened(kind);
        Ok(Place { kind, state: state.clone(), _permit: permit })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.state.metrics.stream_closed(self.kind);
    }
}

/// The writing end of a body.
#[derive(Debug)]
pub(super) struct Feed(Sender<Part>);

#[derive(Debug)]
enum Part {
    Piece(Bytes),
    End,
}

/// The reader has gone, or reads nothing any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gone;

impl Feed {
    /// A body, and what feeds it.
    pub(super) fn new() -> (Self, Body) {
        let (to, from) = channel(PIECES);
        (Self(to), Body::new(Pieces { from, ended: false }))
    }

    /// Waits until the reader has room, at most [`STALL`].
    pub(super) async fn put(&self, piece: impl Into<Bytes>) -> Result<(), Gone> {
        self.send(Part::Piece(piece.into())).await
    }

    /// Ends the body well. One whose feed is dropped without it breaks off, so that nobody takes a part for the whole.
    pub(super) async fn finish(self) -> Result<(), Gone> {
        self.send(Part::End).await
    }

    async fn send(&self, part: Part) -> Result<(), Gone> {
        match timeout(STALL, self.0.send(part)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Gone),
        }
    }

    /// Returns when nobody reads any more.
    pub(super) async fn gone(&self) {
        self.0.closed().await;
    }
}

/// Returns when the token is no longer let in.
pub(super) async fn shut(pass: &Pass, state: &State) {
    while pass.still_opens(state) {
        sleep(LOOK).await;
    }
}

struct Pieces {
    from: Receiver<Part>,
    ended: bool,
}

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        self.from.poll_recv(context).map(|part| {
            self.ended = !matches!(part, Some(Part::Piece(_)));
            match part {
                Some(Part::Piece(piece)) => Some(Ok(Frame::data(piece))),
                Some(Part::End) => None,
                None => Some(Err(io::Error::other("the answer was broken off"))),
            }
        })
    }
}

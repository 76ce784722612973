//! The part of a connection that is one request: who serves it reads no further, and what comes after it is kept for the
//! next one.

use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use pingora::protocols::Stream;
use tokio::io::{AsyncRead as _, AsyncReadExt as _, ReadBuf};

use super::around::Between;
use super::chunks::{Chunks, Malformed};
use super::head::Body;

/// Kept of what comes after a request while it is served, in bytes. With more nothing is read, and it is not noticed
/// either that the client leaves.
const NEXT_MAX: usize = 1024;

/// See the module.
#[derive(Debug)]
pub(super) struct Message {
    left: Left,
    next: BytesMut,
}

/// What is still to come of a request.
#[derive(Debug)]
pub(super) enum Left {
    /// All that comes, as between requests and in tunnels.
    All,
    /// So many bytes.
    Bytes(u64),
    Chunks(Chunks),
}

impl Left {
    /// After the head.
    pub(super) fn of(body: Body) -> Self {
        match body {
            Body::Length(length) => Self::Bytes(length),
            Body::Chunked => Self::Chunks(Chunks::new()),
            Body::Upgrade => Self::All,
        }
    }

    /// How many of these bytes are the request's.
    pub(super) fn take(&mut self, came: &[u8]) -> Result<usize, Malformed> {
        match self {
            Self::All => Ok(came.len()),
            Self::Chunks(chunks) => chunks.take(came),
            Self::Bytes(left) => {
                let taken = usize::try_from(*left).map_or(came.len(), |left| left.min(came.len()));
                *left -= taken as u64;
                Ok(taken)
            }
        }
    }

    fn is_over(&self) -> bool {
        match self {
            Self::All => false,
            Self::Bytes(left) => *left == 0,
            Self::Chunks(chunks) => chunks.are_over(),
        }
    }
}

impl Message {
    /// Before the first request.
    pub(super) fn none() -> Self {
        Self { left: Left::All, next: BytesMut::new() }
    }

    /// A request begins, of which this is not read yet.
    pub(super) fn begins(&mut self, left: Left) {
        self.left = left;
    }

    /// It was served; what came after it.
    pub(super) fn ends(&mut self) -> BytesMut {
        self.left = Left::All;
        self.next.split()
    }

    /// Waits for the client to leave, as who serves the request does when all of it came.
    fn poll_next(&mut self, from: &mut Stream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.next.capacity() == 0 {
            self.next.reserve(NEXT_MAX);
        }
        while self.next.len() < NEXT_MAX {
            if ready!(pin!(from.read_buf(&mut self.next)).poll(cx))? == 0 {
                return Poll::Ready(Ok(()));
            }
        }
        Poll::Pending
    }
}

impl Between for Message {
    fn poll_read(&mut self, from: &mut Stream, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.left.is_over() {
            return self.poll_next(from, cx);
        }
        let before = into.filled().len();
        ready!(Pin::new(from).poll_read(cx, into))?;
        let came = into.filled().get(before..).unwrap_or_default();
        let taken = self.left.take(came).map_err(|malformed| io::Error::new(io::ErrorKind::InvalidData, malformed))?;
        if taken < came.len() {
            self.next.extend_from_slice(came.get(taken..).unwrap_or_default());
            into.set_filled(before + taken);
        }
        Poll::Ready(Ok(()))
    }
}

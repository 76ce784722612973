//! Writes that leave together: small ones wait until they are flushed, and what is too long to wait leaves in one call
//! of the system with what waits.

use std::io::{self, IoSlice};
use std::iter;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::AsyncWrite;

/// As much waits before it is written: a head and a small body, one segment of the network.
const ROOM: usize = 1460;

/// Pieces of one vectored write that leave with what waits; the others are written after them.
const PIECES: usize = 8;

/// See the module.
#[derive(Debug)]
pub(super) struct Gathered<S> {
    stream: S,
    /// At most [`ROOM`].
    waiting: BytesMut,
}

impl<S> Gathered<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, waiting: BytesMut::with_capacity(ROOM) }
    }

    pub(super) const fn get_ref(&self) -> &S {
        &self.stream
    }

    pub(super) const fn get_mut(&mut self) -> &mut S {
        &mut self.stream
    }

    fn has_room(&self, bytes: usize) -> bool {
        self.waiting.len().saturating_add(bytes) <= ROOM
    }
}

impl<S: AsyncWrite + Unpin> Gathered<S> {
    fn poll_waiting(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.waiting.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.waiting))?;
            self.leave(written)?;
        }
        Poll::Ready(Ok(()))
    }

    /// What waits, and behind it as much of `pieces` as is taken with it: so many bytes of them.
    fn poll_with_waiting(&mut self, cx: &mut Context<'_>, pieces: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        while !self.waiting.is_empty() {
            let mut all = [IoSlice::new(&[]); PIECES + 1];
            let both = iter::once(&*self.waiting).chain(pieces.iter().map(|piece| &**piece));
            all.iter_mut().zip(both).for_each(|(place, piece)| *place = IoSlice::new(piece));
            let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, &all))?;
            let behind = written.saturating_sub(self.waiting.len());
            self.leave(written - behind)?;
            if behind > 0 {
                return Poll::Ready(Ok(behind));
            }
        }
        Pin::new(&mut self.stream).poll_write_vectored(cx, pieces)
    }

    fn leave(&mut self, written: usize) -> io::Result<()> {
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.waiting.advance(written);
        Ok(())
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gathered<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        if self.has_room(from.len()) {
            self.waiting.extend_from_slice(from);
            return Poll::Ready(Ok(from.len()));
        }
        self.poll_with_waiting(cx, &[IoSlice::new(from)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        from: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let bytes = from.iter().map(|piece| piece.len()).sum();
        if self.has_room(bytes) {
            from.iter().for_each(|piece| self.waiting.extend_from_slice(piece));
            return Poll::Ready(Ok(bytes));
        }
        self.poll_with_waiting(cx, from)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_waiting(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_waiting(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    /// Takes at most so many bytes in one call, after a refusal each time, and knows what each call took.
    #[derive(Default)]
    struct Calls {
        most: usize,
        is_ready: bool,
        taken: Vec<Vec<u8>>,
    }

    impl AsyncWrite for Calls {
        fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
            self.poll_write_vectored(cx, &[IoSlice::new(from)])
        }

        fn poll_write_vectored(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            from: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            self.is_ready = !self.is_ready;
            if self.is_ready {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let all: Vec<u8> = from.iter().flat_map(|piece| piece.iter().copied()).take(self.most).collect();
            self.taken.push(all);
            Poll::Ready(Ok(self.taken.last().map_or(0, Vec::len)))
        }

        fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    /// The bytes of each call, where a head and a body are written and flushed.
    async fn calls(most: usize, head: usize, body: usize) -> Vec<usize> {
        let mut gathered = Gathered::new(Calls { most, ..Calls::default() });
        let (head, body) = (vec![b'h'; head], vec![b'b'; body]);
        gathered.write_all(&head).await.unwrap();
        gathered.write_all(&body).await.unwrap();
        gathered.flush().await.unwrap();
        assert_eq!(gathered.stream.taken.concat(), [head, body].concat());
        gathered.stream.taken.iter().map(Vec::len).collect()
    }

    #[tokio::test]
    async fn head_and_body_leave_in_one_call_whatever_their_length() {
        assert_eq!(calls(usize::MAX, 200, 1000).await, [1200]);
        assert_eq!(calls(usize::MAX, 200, 65_536).await, [65_736]);
        assert_eq!(calls(usize::MAX, 2000, 1000).await, [2000, 1000]);
        assert_eq!(calls(usize::MAX, 2000, 65_536).await, [2000, 65_536]);
    }

    #[tokio::test]
    async fn what_is_taken_in_parts_arrives_whole_and_in_order() {
        assert_eq!(calls(150, 200, 1400).await.iter().sum::<usize>(), 1600);
        assert_eq!(calls(200, 200, 65_536).await.first(), Some(&200));
        assert_eq!(calls(201, 200, 1500).await.first(), Some(&201));
        assert_eq!(calls(1, 3, 2000).await.len(), 2003);
    }

    #[tokio::test]
    async fn many_pieces_arrive_in_order_too() {
        let mut gathered = Gathered::new(Calls { most: 700, ..Calls::default() });
        gathered.write_all(&[b'h'; 100]).await.unwrap();
        let pieces: Vec<Vec<u8>> = (0..20).map(|number| vec![number; 333]).collect();
        let whole = pieces.concat();
        let mut sent = 0;
        while sent < whole.len() {
            let rest = whole.get(sent..).unwrap();
            let slices: Vec<IoSlice<'_>> = rest.chunks(333).map(IoSlice::new).collect();
            sent += gathered.write_vectored(&slices).await.unwrap();
        }
        gathered.flush().await.unwrap();
        assert_eq!(gathered.stream.taken.concat(), [vec![b'h'; 100], whole].concat());
    }

    #[tokio::test]
    async fn a_stream_that_takes_nothing_is_an_error() {
        let mut gathered = Gathered::new(Calls::default());
        gathered.write_all(b"head").await.unwrap();
        assert_eq!(gathered.flush().await.unwrap_err().kind(), io::ErrorKind::WriteZero);
    }
}

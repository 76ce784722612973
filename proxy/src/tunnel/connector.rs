//! Connections to upstreams for upgrade requests.
//!
//! Pingora 0.9.1 takes the end of an upgrade request's empty body for the end of the tunnel when the upstream's 101 is
//! read first, which ends some tunnels on a fast upstream at once (issue 946 there). A connection that lets the
//! request's own task run before each first read after a write never comes into that order.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use pingora::connectors::l4::Connect;
use pingora::protocols::l4::socket::SocketAddr;
use pingora::protocols::l4::stream::Stream;
use pingora::protocols::l4::virt::{VirtualSockOpt, VirtualSocket, VirtualSocketStream};
use pingora::{Error, ErrorType, Result};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

/// Makes such connections.
#[derive(Debug)]
pub(crate) struct TunnelConnector {
    /// For the head of the answer. Pingora has one time for the head and for silence later, which is much longer in a
    /// tunnel.
    pub(crate) head_within: Duration,
    /// Whether the head has come.
    pub(crate) answered: Arc<AtomicBool>,
}

#[async_trait]
impl Connect for TunnelConnector {
    async fn connect(&self, address: &SocketAddr) -> Result<Stream> {
        let address = address.as_inet().ok_or_else(|| Error::explain(ErrorType::ConnectError, "not TCP"))?;
        let socket = TcpStream::connect(address).await.map_err(failed)?;
        let wait = Box::pin(sleep(self.head_within));
        let yielding = Yielding { socket, has_written: false, wait, answered: self.answered.clone() };
        Ok(Stream::from(VirtualSocketStream::new(Box::new(yielding))))
    }
}

/// The kinds that the built-in connector tells apart.
#[expect(clippy::wildcard_enum_match_arm, reason = "a list of another crate")]
fn failed(error: io::Error) -> Box<Error> {
    let kind = match error.kind() {
        io::ErrorKind::ConnectionRefused => ErrorType::ConnectRefused,
        io::ErrorKind::TimedOut => ErrorType::ConnectTimedout,
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => ErrorType::ConnectNoRoute,
        _ => ErrorType::ConnectError,
    };
    Error::because(kind, "connecting for an upgrade", error)
}

#[derive(Debug)]
struct Yielding {
    socket: TcpStream,
    has_written: bool,
    wait: Pin<Box<Sleep>>,
    answered: Arc<AtomicBool>,
}

impl Yielding {
    /// The time for the head is over, and there is none.
    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.answered.load(Ordering::Relaxed) {
            return Poll::Pending;
        }
        self.wait.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl VirtualSocket for Yielding {
    fn set_socket_option(&self, option: VirtualSockOpt) -> io::Result<()> {
        // The others are hints, without which the connection works too.
        if matches!(option, VirtualSockOpt::NoDelay) { self.socket.set_nodelay(true) } else { Ok(()) }
    }
}

impl AsyncRead for Yielding {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if std::mem::take(&mut self.has_written) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        match Pin::new(&mut self.socket).poll_read(cx, buffer) {
            Poll::Pending => self.poll_late(cx),
            Poll::Ready(read) => Poll::Ready(read),
        }
    }
}

impl AsyncWrite for Yielding {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.has_written = true;
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

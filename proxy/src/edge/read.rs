//! Reads one whole head within its time and size.

use bytes::{Buf, BytesMut};
use pingora::server::ShutdownWatch;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::{Instant, timeout_at};
use vestibule_auth::Reason;
use vestibule_config::server::Limits;

/// Read at a time; most heads fit.
const READ_BYTES: usize = 4096;

/// Empty lines before a request; old clients send one after a form.
const EMPTY_LINES_MAX: usize = 4;

/// What came.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// A head of this many bytes; what follows it may be in the buffer too.
    Head(usize),
    /// The client left, was idle for too long, or we stop.
    Gone,
    /// Too long, too slow, or certainly no head.
    Bad(Reason),
}

/// Fills `buffer` until it holds a head. The clock of the head starts with its first byte.
pub(super) async fn head<S>(stream: &mut S, buffer: &mut BytesMut, limits: &Limits, shutdown: &ShutdownWatch) -> Read
where
    S: AsyncRead + Unpin,
{
    if buffer.is_empty() && !first_bytes(stream, buffer, limits, shutdown).await {
        return Read::Gone;
    }
    let deadline = Instant::now() + limits.header_timeout;
    let size_max = usize::try_from(limits.header_bytes.0).unwrap_or(usize::MAX);
    let mut scanned = 0;
    loop {
        skip_empty_lines(buffer, &mut scanned);
        match scan(buffer, scanned) {
            Scan::End(end) if end > size_max => return Read::Bad(Reason::HeadTooLarge),
            Scan::End(end) => return Read::Head(end),
            Scan::NoHead => return Read::Bad(Reason::MalformedRequest),
            Scan::More if buffer.len() > size_max => return Read::Bad(Reason::HeadTooLarge),
            Scan::More => scanned = buffer.len(),
        }
        buffer.reserve(READ_BYTES);
        match timeout_at(deadline, stream.read_buf(buffer)).await {
            Ok(Ok(read)) if read > 0 => (),
            Ok(_) => return Read::Gone,
            Err(_) => return Read::Bad(Reason::HeadTimeout),
        }
    }
}

async fn first_bytes<S>(stream: &mut S, buffer: &mut BytesMut, limits: &Limits, shutdown: &ShutdownWatch) -> bool
where
    S: AsyncRead + Unpin,
{
    let mut stopping = shutdown.clone();
    buffer.reserve(READ_BYTES);
    tokio::select! {
        // A request that is already there is served, also while stopping.
        biased;
        read = timeout_at(Instant::now() + limits.idle_timeout, stream.read_buf(buffer)) => {
            matches!(read, Ok(Ok(read)) if read > 0)
        }
        _ = stopping.wait_for(|stopping| *stopping) => false,
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Scan {
    /// The head is this long.
    End(usize),
    /// No end yet.
    More,
    /// It cannot become a head: a bare LF, or a first byte that begins no method.
    NoHead,
}

/// `scanned` bytes were looked at before and have no end.
fn scan(buffer: &[u8], scanned: usize) -> Scan {
    if buffer.first().is_some_and(|first| !first.is_ascii_graphic() && *first != b'\r') {
        return Scan::NoHead;
    }
    let new = buffer.iter().enumerate().skip(scanned);
    for (at, _) in new.filter(|(_, byte)| **byte == b'\n') {
        let read = buffer.get(..=at).unwrap_or_default();
        if !read.ends_with(b"\r\n") {
            return Scan::NoHead;
        }
        if read.ends_with(b"\r\n\r\n") {
            return Scan::End(read.len());
        }
    }
    Scan::More
}

fn skip_empty_lines(buffer: &mut BytesMut, scanned: &mut usize) {
    for _ in 0..EMPTY_LINES_MAX {
        if !buffer.starts_with(b"\r\n") {
            return;
        }
        buffer.advance(2);
        *scanned = 0;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::AsyncWriteExt;
    use tokio::sync::watch;
    use vestibule_config::ByteSize;

    use super::*;

    fn limits() -> Limits {
        Limits {
            header_bytes: ByteSize(64),
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            body_bytes: ByteSize(1024),
            connections: 10,
            connections_per_ip: 10,
        }
    }

    /// What a client's writes become; it leaves after them if `leaves`.
    async fn read(parts: &[&str], pause: Duration, leaves: bool) -> (Read, String) {
        let (mut client, mut server) = tokio::io::duplex(1024);
        let (_stop, shutdown) = watch::channel(false);
        let mut buffer = BytesMut::new();
        let limits = limits();
        let write = async {
            for part in parts {
                client.write_all(part.as_bytes()).await.unwrap();
                tokio::time::sleep(pause).await;
            }
            if !leaves {
                std::future::pending::<()>().await;
            }
            drop(client);
            std::future::pending::<()>().await;
        };
        let read = tokio::select! {
            read = head(&mut server, &mut buffer, &limits, &shutdown) => read,
            () = write => unreachable!("never ends"),
        };
        (read, String::from_utf8_lossy(&buffer).into_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn a_whole_head_is_found_however_it_comes() {
        let none = Duration::ZERO;
        assert_eq!(read(&["GET / HTTP/1.1\r\n\r\n"], none, false).await.0, Read::Head(18));
        assert_eq!(read(&["GET / HT", "TP/1.1\r", "\n", "\r", "\nbody"], none, false).await.0, Read::Head(18));
        assert_eq!(
            read(&["\r\n", "\r\nGET / HTTP/1.1\r\n\r\nrest"], none, false).await,
            (Read::Head(18), "GET / HTTP/1.1\r\n\r\nrest".into())
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_has_a_time_for_all_of_it() {
        let second = Duration::from_secs(2);
        let drip = ["G"; 40];
        assert_eq!(read(&drip, second, false).await.0, Read::Bad(Reason::HeadTimeout));
        assert_eq!(read(&["GET / "], second, true).await.0, Read::Gone);
        assert_eq!(read(&[], second, false).await.0, Read::Gone, "idle");
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_has_a_size() {
        let long = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(64));
        assert_eq!(read(&[&long], Duration::ZERO, false).await.0, Read::Bad(Reason::HeadTooLarge));
        assert_eq!(read(&[&"x".repeat(65)], Duration::ZERO, false).await.0, Read::Bad(Reason::HeadTooLarge));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_no_head_is_refused_at_once() {
        for bad in ["GET / HTTP/1.1\nHost: a\n\n", "\n", "\u{16}\u{3}\u{1}", " GET", "\r\n\r\n\r\n\r\n\r\n\n"] {
            assert_eq!(read(&[bad], Duration::ZERO, false).await.0, Read::Bad(Reason::MalformedRequest), "{bad:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_connection_ends_when_we_stop() {
        let (_client, mut server) = tokio::io::duplex(64);
        let (stop, shutdown) = watch::channel(false);
        let mut buffer = BytesMut::new();
        stop.send(true).unwrap();
        assert_eq!(head(&mut server, &mut buffer, &limits(), &shutdown).await, Read::Gone);
    }
}

//! Reads one whole head within its time and size.

use std::pin::Pin;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use pingora::server::ShutdownWatch;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::{Instant, Sleep, sleep};
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

/// What ends the waiting for a client: time, or our own stop. Made once for a connection, as a timer and a registration
/// for each request would cost more than reading its head.
pub(super) struct Patience {
    /// Goes off at `until` or earlier, and is then set again.
    timer: Pin<Box<Sleep>>,
    until: Instant,
    stop: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Patience {
    pub(super) fn new(shutdown: &ShutdownWatch) -> Self {
        let mut stopping = shutdown.clone();
        // Without anybody who could stop us we stop too.
        let stop = async move { drop(stopping.wait_for(|stopping| *stopping).await) };
        Self { timer: Box::pin(sleep(Duration::ZERO)), until: Instant::now(), stop: Box::pin(stop) }
    }

    fn set(&mut self, time: Duration) {
        self.until = Instant::now() + time;
        if self.timer.is_elapsed() || self.until < self.timer.deadline() {
            self.timer.as_mut().reset(self.until);
        }
    }

    async fn ends(timer: &mut Pin<Box<Sleep>>, until: Instant) {
        loop {
            timer.as_mut().await;
            if until <= Instant::now() {
                return;
            }
            timer.as_mut().reset(until);
        }
    }
}

/// Fills `buffer` until it holds a head. The clock of the head starts with its first byte.
pub(super) async fn head<S>(stream: &mut S, buffer: &mut BytesMut, limits: &Limits, patience: &mut Patience) -> Read
where
    S: AsyncRead + Unpin,
{
    if buffer.is_empty() && !first_bytes(stream, buffer, limits, patience).await {
        return Read::Gone;
    }
    let size_max = usize::try_from(limits.header_bytes.0).unwrap_or(usize::MAX);
    let (mut scanned, mut is_timed) = (0, false);
    loop {
        skip_empty_lines(buffer, &mut scanned);
        match scan(buffer, scanned) {
            Scan::End(end) if end > size_max => return Read::Bad(Reason::HeadTooLarge),
            Scan::End(end) => return Read::Head(end),
            Scan::NoHead => return Read::Bad(Reason::MalformedRequest),
            Scan::More if buffer.len() > size_max => return Read::Bad(Reason::HeadTooLarge),
            Scan::More => scanned = buffer.len(),
        }
        // Most heads come whole and need no time.
        if !std::mem::replace(&mut is_timed, true) {
            patience.set(limits.header_timeout);
        }
        buffer.reserve(READ_BYTES);
        tokio::select! {
            biased;
            read = stream.read_buf(buffer) => if !matches!(read, Ok(read) if read > 0) { return Read::Gone },
            () = Patience::ends(&mut patience.timer, patience.until) => return Read::Bad(Reason::HeadTimeout),
        }
    }
}

async fn first_bytes<S>(stream: &mut S, buffer: &mut BytesMut, limits: &Limits, patience: &mut Patience) -> bool
where
    S: AsyncRead + Unpin,
{
    patience.set(limits.idle_timeout);
    buffer.reserve(READ_BYTES);
    tokio::select! {
        // A request that is already there is served, also while stopping.
        biased;
        read = stream.read_buf(buffer) => matches!(read, Ok(read) if read > 0),
        () = Patience::ends(&mut patience.timer, patience.until) => false,
        () = &mut patience.stop => false,
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
    for at in memchr::memchr_iter(b'\n', buffer.get(scanned..).unwrap_or_default()) {
        let read = buffer.get(..=scanned + at).unwrap_or_default();
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
            ..Limits::default()
        }
    }

    /// What a client's writes become; it leaves after them if `leaves`.
    async fn read(parts: &[&str], pause: Duration, leaves: bool) -> (Read, String) {
        let (mut client, mut server) = tokio::io::duplex(1024);
        let (_stop, shutdown) = watch::channel(false);
        let mut buffer = BytesMut::new();
        let limits = limits();
        let mut patience = Patience::new(&shutdown);
        let write = async {
            for part in parts {
                client.write_all(part.as_bytes()).await.unwrap();
                sleep(pause).await;
            }
            if !leaves {
                std::future::pending::<()>().await;
            }
            drop(client);
            std::future::pending::<()>().await;
        };
        let read = tokio::select! {
            read = head(&mut server, &mut buffer, &limits, &mut patience) => read,
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
        let mut patience = Patience::new(&shutdown);
        assert_eq!(head(&mut server, &mut buffer, &limits(), &mut patience).await, Read::Gone);
    }

    #[tokio::test(start_paused = true)]
    async fn each_head_has_its_own_time_although_a_connection_has_one_timer() {
        let (mut client, mut server) = tokio::io::duplex(1024);
        let (_stop, shutdown) = watch::channel(false);
        let (mut buffer, limits, mut patience) = (BytesMut::new(), limits(), Patience::new(&shutdown));
        for _ in 0..3 {
            let write = async {
                sleep(limits.idle_timeout - Duration::from_secs(1)).await;
                client.write_all(b"GET / ").await.unwrap();
                sleep(limits.header_timeout - Duration::from_secs(1)).await;
                client.write_all(b"HTTP/1.1\r\n\r\n").await.unwrap();
            };
            let (read, ()) = tokio::join!(head(&mut server, &mut buffer, &limits, &mut patience), write);
            assert_eq!(read, Read::Head(18));
            buffer.clear();
        }
        let idle = Instant::now();
        assert_eq!(head(&mut server, &mut buffer, &limits, &mut patience).await, Read::Gone);
        assert_eq!(idle.elapsed().as_secs(), limits.idle_timeout.as_secs());
    }
}

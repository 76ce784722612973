//! Which requests last, and what is remembered of each so that it can be decided again.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, header};
use parking_lot::Mutex;
use vestibule_auth::{Location, Reason, RequestView, Session};

use super::cut::Cut;
use crate::cookie;

/// A request that takes longer is one that lasts.
const LASTS_AFTER: Duration = Duration::from_secs(1);

/// Those that last without being tunnels; one more is ended.
const LASTING_MAX: usize = 65_536;

/// Kinds of answers that are expected to last.
const STREAMS: [&[u8]; 3] = [b"text/event-stream", b"application/grpc", b"multipart/x-mixed-replace"];

/// Those that run now.
#[derive(Debug, Default)]
pub(crate) struct Lasting {
    running: Mutex<HashMap<u64, Arc<Running>>>,
    tunnels: AtomicUsize,
    next: AtomicU64,
}

/// What decisions look at; it holds the session's cookie as long as the request runs.
#[derive(Debug)]
pub(crate) struct Remembered {
    pub(crate) host: Arc<str>,
    pub(crate) path: Box<str>,
    pub(crate) method: Method,
    /// The client's.
    pub(crate) headers: HeaderMap,
    pub(crate) client: IpAddr,
    /// The client's scheme is https.
    pub(crate) secure: bool,
    pub(crate) request_id: HeaderValue,
    pub(crate) location: Option<Arc<Location>>,
    pub(crate) session: Option<Arc<Session>>,
}

impl Remembered {
    /// As it was let in.
    pub(crate) fn view(&self) -> RequestView<'_> {
        RequestView {
            method: &self.method,
            host: &self.host,
            path: &self.path,
            headers: &self.headers,
            client: self.client,
            cookie: cookie::find(&self.headers, self.secure),
        }
    }
}

/// One that runs.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) remembered: Remembered,
    is_tunnel: bool,
    cut: Arc<Cut>,
    /// Bytes of the client.
    received: AtomicU64,
    /// How many of them the last decision knew of.
    seen: AtomicU64,
    over: OnceLock<Reason>,
    /// When the next part of its body must have come, in milliseconds by the clock that never goes back; 0: it need not.
    due_ms: AtomicU64,
    /// Its session's provider is being asked.
    pub(super) is_asking: AtomicBool,
}

impl Running {
    /// Whether something came since this was asked last.
    pub(super) fn is_used(&self) -> bool {
        let received = self.received.load(Ordering::Relaxed);
        self.seen.swap(received, Ordering::Relaxed) != received
    }

    /// The next part of its body should be there.
    pub(super) fn is_overdue(&self, now: Duration) -> bool {
        let due = self.due_ms.load(Ordering::Relaxed);
        due > 0 && millis(now) >= due
    }

    /// From now on it may not go on.
    pub(super) fn end(&self, reason: Reason) {
        if self.over.set(reason).is_ok() {
            self.cut.ask();
        }
    }
}

/// One request's place among them, until this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    of: Arc<Lasting>,
    key: u64,
    running: Arc<Running>,
}

impl Place {
    /// Why it may not go on; absent where it may.
    pub(crate) fn over(&self) -> Option<Reason> {
        self.running.over.get().copied()
    }

    /// The next part of the body is awaited until then; absent: none is.
    pub(crate) fn expect_body(&self, until: Option<Duration>) {
        self.running.due_ms.store(until.map_or(0, millis), Ordering::Relaxed);
    }

    /// A part of the body is awaited.
    pub(crate) fn expects_body(&self) -> bool {
        self.running.due_ms.load(Ordering::Relaxed) > 0
    }

    /// Something came from the client.
    pub(crate) fn received(&self, bytes: u64) {
        self.running.received.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.of.running.lock().remove(&self.key);
        if self.running.is_tunnel {
            self.of.tunnels.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

impl Lasting {
    /// A place for a tunnel, which is one of at most `max`; absent where there is none.
    pub(crate) fn tunnel(self: &Arc<Self>, max: usize, remembered: Remembered) -> Option<Place> {
        let before = self.tunnels.fetch_add(1, Ordering::AcqRel);
        // Given back by its drop.
        let place = self.place(true, remembered);
        (before < max).then_some(place)
    }

    /// A place for what is no tunnel; absent where there is none.
    pub(crate) fn enter(self: &Arc<Self>, remembered: Remembered) -> Option<Place> {
        (self.others() < LASTING_MAX).then(|| self.place(false, remembered))
    }

    /// Tunnels, and upgrades that are asked for.
    pub(crate) fn tunnels(&self) -> usize {
        self.tunnels.load(Ordering::Acquire)
    }

    /// What lasts and is no tunnel.
    pub(crate) fn others(&self) -> usize {
        self.running.lock().len().saturating_sub(self.tunnels())
    }

    pub(super) fn all(&self) -> Vec<Arc<Running>> {
        self.running.lock().values().cloned().collect()
    }

    fn place(self: &Arc<Self>, is_tunnel: bool, remembered: Remembered) -> Place {
        let running = Arc::new(Running {
            remembered,
            is_tunnel,
            cut: Cut::current(),
            received: AtomicU64::new(0),
            seen: AtomicU64::new(0),
            over: OnceLock::new(),
            due_ms: AtomicU64::new(0),
            is_asking: AtomicBool::new(false),
        });
        let key = self.next.fetch_add(1, Ordering::Relaxed);
        self.running.lock().insert(key, running.clone());
        Place { of: self.clone(), key, running }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Whether a request is known to last: it has taken its time already, or its answer is of a kind that does.
pub(crate) fn lasts(taken: Duration, answer: Option<&HeaderMap>) -> bool {
    taken >= LASTS_AFTER || answer.is_some_and(is_stream)
}

fn is_stream(answer: &HeaderMap) -> bool {
    let Some(kind) = answer.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes) else { return false };
    STREAMS.iter().any(|stream| kind.get(..stream.len()).is_some_and(|start| start.eq_ignore_ascii_case(stream)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remembered() -> Remembered {
        Remembered {
            host: "a.test".into(),
            path: "/".into(),
            method: Method::GET,
            headers: HeaderMap::new(),
            client: IpAddr::from([192, 0, 2, 1]),
            secure: false,
            request_id: HeaderValue::from_static("r-1"),
            location: None,
            session: None,
        }
    }

    #[test]
    fn tunnels_have_a_cap_and_give_their_places_back() {
        let lasting = Arc::new(Lasting::default());
        let first = lasting.tunnel(2, remembered()).unwrap();
        let second = lasting.tunnel(2, remembered());
        assert!(second.is_some() && lasting.tunnel(2, remembered()).is_none());
        assert_eq!((lasting.tunnels(), lasting.all().len()), (2, 2));
        let other = lasting.enter(remembered());
        assert_eq!((other.is_some(), lasting.others()), (true, 1));
        drop(first);
        assert!(lasting.tunnel(2, remembered()).is_some());
        drop((second, other));
        assert_eq!((lasting.tunnels(), lasting.others(), lasting.all().len()), (0, 0, 0));
    }

    #[test]
    fn the_first_reason_stays_and_bytes_are_a_use() {
        let lasting = Arc::new(Lasting::default());
        let place = lasting.enter(remembered()).unwrap();
        assert!(!place.running.is_used());
        place.received(3);
        assert!(place.running.is_used() && !place.running.is_used());
        assert_eq!(place.over(), None);
        place.running.end(Reason::IpBanned);
        place.running.end(Reason::SessionRevoked);
        assert_eq!(place.over(), Some(Reason::IpBanned));
    }

    #[test]
    fn a_body_is_awaited_until_it_has_come() {
        let place = Arc::new(Lasting::default()).enter(remembered()).unwrap();
        assert!(!place.running.is_overdue(Duration::MAX));
        place.expect_body(Some(Duration::from_secs(5)));
        assert!(!place.running.is_overdue(Duration::from_millis(4999)));
        assert!(place.running.is_overdue(Duration::from_secs(5)));
        assert!(place.expects_body());
        place.expect_body(None);
        assert!(!place.expects_body() && !place.running.is_overdue(Duration::MAX));
    }

    #[test]
    fn streams_are_known_by_their_kind_and_all_else_by_its_time() {
        let kind = |kind: &'static str| HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(kind))]);
        for (answer, expected) in [
            ("text/event-stream", true),
            ("Text/Event-Stream; charset=utf-8", true),
            ("application/grpc+proto", true),
            ("application/grpc-web", true),
            ("multipart/x-mixed-replace; boundary=x", true),
            ("text/html", false),
            ("text/event", false),
        ] {
            assert_eq!(lasts(Duration::ZERO, Some(&kind(answer))), expected, "{answer}");
        }
        assert!(lasts(LASTS_AFTER, None) && !lasts(Duration::ZERO, None));
    }
}

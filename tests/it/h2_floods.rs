//! What a client of HTTP/2 may not do: frames that cost it nothing, streams that it gives up at once, answers that it
//! never takes. Each ends the connection or the stream, leaves an entry, and is a figure; nobody else notices.

use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use harness::h2::{self, END_STREAM, GOAWAY, HEADERS, PING, RST_STREAM, SETTINGS};
use harness::tls::Connection;
use harness::{Authority, Gateway, Setup, Upstream, until};

/// `ENHANCE_YOUR_CALM` (RFC 9113, 7).
const CALM: [u8; 4] = [0, 0, 0, 11];
const HOST: &str = "pub.localhost";

struct Edge {
    gateway: Gateway,
    upstream: Upstream,
    authority: Authority,
}

impl Edge {
    fn start() -> Self {
        Self::with("")
    }

    /// Other limits.
    fn with(limits: &str) -> Self {
        let upstream = Upstream::start();
        let url = format!("\"{}\"", upstream.url());
        Self::over(upstream, &url, limits)
    }

    /// Another upstream.
    fn over(upstream: Upstream, behind: &str, limits: &str) -> Self {
        let authority = Authority::new();
        let circuit = format!("[circuits.pub]\nhosts = [\"{HOST}\"]\nupstream = {behind}\naccess = \"public\"\n");
        let setup = Setup::new(&(circuit + &authority.certificate("house", &[HOST])));
        let setup = setup.server(&format!("trusted_proxies = []\n[server.limits]\n{limits}")).listener("tls = true");
        Self { gateway: setup.start(), upstream, authority }
    }

    /// A connection that has begun.
    fn open(&self) -> Connection {
        let mut connection = self.authority.connect(self.gateway.listener(0), HOST, &["h2"]).unwrap();
        connection.write(&h2::begin()).unwrap();
        connection
    }

    /// Somebody else is served.
    fn serves(&self, target: &str) {
        let answer = self.authority.send(self.gateway.listener(0), HOST, &self.gateway.get(HOST, target));
        assert_eq!(answer.unwrap().status, 200);
    }

    /// What was given up holds no place at the upstream.
    fn is_idle(&self) {
        let is_idle = || (self.gateway.metric("vestibule_upstream_in_flight", &[]) as u64 == 0).then_some(());
        until(Duration::from_secs(2), "free places", is_idle);
    }

    fn ended(&self, cause: &str) -> u64 {
        self.gateway.metric("vestibule_http2_connections_ended_total", &[&format!("cause=\"{cause}\"")]) as u64
    }

    /// The connection was ended for this; so many entries tell of such ends.
    fn is_told(&self, cause: &str, entries: usize) {
        assert_eq!(self.ended(cause), 1, "{cause}");
        let told = self.gateway.logs_when("requests", "reason=malformed_request&status_code=0", entries);
        assert_eq!(told.len(), entries, "{cause}");
        assert!(told[0]["tls"].as_str().is_some_and(|tls| tls.starts_with("TLSv1.3")), "{cause}: {}", told[0]);
    }
}

/// An upstream that takes connections and never answers a handshake: whoever wants to reach it waits.
struct Stuck {
    port: u16,
    /// None once it has let go of them.
    held: Arc<Mutex<Option<Vec<TcpStream>>>>,
}

impl Stuck {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stuck = Self { port: listener.local_addr().unwrap().port(), held: Arc::new(Mutex::new(Some(Vec::new()))) };
        let held = stuck.held.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                held.lock().unwrap().iter_mut().for_each(|held| held.push(stream.try_clone().unwrap()));
            }
        });
        stuck
    }

    fn upstream(&self) -> String {
        format!("{{ url = \"https://127.0.0.1:{}\", insecure = true }}", self.port)
    }

    fn holds(&self, count: usize) {
        let holds = || (self.held.lock().unwrap().as_ref().map_or(0, Vec::len) == count).then_some(());
        until(Duration::from_secs(4), "connections to the upstream", holds);
    }

    fn let_go(&self) {
        self.held.lock().unwrap().take();
    }
}

/// Sends until the other side has had enough; what it says then.
fn flood(connection: &mut Connection, frames: &[u8], times: usize) -> h2::Frame {
    for _ in 0..times {
        if connection.write(frames).is_err() {
            break;
        }
    }
    h2::read_one_of(connection, &[GOAWAY]).unwrap()
}

fn error_of(goaway: &h2::Frame) -> &[u8] {
    &goaway.payload[4..8]
}

#[test]
fn frames_that_carry_nothing_end_the_connection() {
    let edge = Edge::start();
    let head = |stream: u32| {
        let line: [(&str, &[u8]); 4] =
            [(":method", b"POST"), (":scheme", b"https"), (":authority", HOST.as_bytes()), (":path", b"/up")];
        h2::frame(HEADERS, h2::END_HEADERS, stream, &h2::fields(&line))
    };
    let (ping, settings) = (h2::frame(PING, 0, 0, &[0; 8]), h2::frame(SETTINGS, 0, 0, &[]));
    let window = h2::frame(h2::WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]);
    let unknown = h2::frame(0x77, 0, 0, b"abc");
    for (number, frame) in [ping, settings, window, unknown].iter().enumerate() {
        let mut connection = edge.open();
        let goaway = flood(&mut connection, &frame.repeat(100), 100);
        assert_eq!(error_of(&goaway), CALM, "kind {}", frame[3]);
        assert_eq!(edge.ended("control_frames") as usize, number + 1, "kind {}", frame[3]);
    }
    let continuation = h2::frame(h2::CONTINUATION, 0, 1, &[]);
    // What is empty is bounded by the library already.
    for (number, (begin, frame)) in [
        (head(1), h2::frame(h2::DATA, 0, 1, &[])),
        (h2::frame(HEADERS, END_STREAM, 1, &h2::fields(&[(":method", b"GET".as_slice())])), continuation),
    ]
    .iter()
    .enumerate()
    {
        let mut connection = edge.open();
        connection.write(begin).unwrap();
        let goaway = flood(&mut connection, &frame.repeat(100), 200);
        assert_eq!(error_of(&goaway), CALM, "empty {number}");
        assert_eq!(edge.ended("flood") as usize, number + 1, "empty {number}");
    }
    edge.gateway.logs_when("requests", "reason=malformed_request&status_code=0", 6);
    edge.serves("/");
}

#[test]
fn what_a_client_may_ask_for_is_answered() {
    let edge = Edge::start();
    let mut connection = edge.open();
    // As often as a measuring client does.
    for number in 0..1000_u64 {
        connection.write(&h2::frame(PING, 0, 0, &number.to_be_bytes())).unwrap();
        let pong = h2::read_one_of(&mut connection, &[PING, GOAWAY]).unwrap();
        assert_eq!((pong.kind, pong.payload), (PING, number.to_be_bytes().to_vec()));
    }
    connection.write(&h2::get(1, HOST, "/", &[])).unwrap();
    assert_eq!(h2::status(&h2::read_one_of(&mut connection, &[HEADERS]).unwrap()), 200);
}

#[test]
fn windows_that_answer_data_are_no_flood() {
    let edge = Edge::start();
    let mut connection = edge.open();
    connection.write(&h2::get(1, HOST, "/bytes/20000000", &[])).unwrap();
    let window = |stream: u32, bytes: usize| h2::frame(h2::WINDOW_UPDATE, 0, stream, &(bytes as u32).to_be_bytes());
    let mut windows = 0;
    loop {
        let data = h2::read_one_of(&mut connection, &[h2::DATA, GOAWAY]).unwrap();
        assert_eq!(data.kind, h2::DATA, "after {windows} windows");
        if data.flags & END_STREAM != 0 {
            break;
        }
        // As small as a client may make them: eight for each frame of data.
        let (bytes, one) = (data.payload.len().max(1), window(0, 1));
        connection.write(&[window(0, bytes), window(1, bytes), one.repeat(6)].concat()).unwrap();
        windows += 8;
    }
    assert!(windows > 8000, "{windows}");
    assert_eq!(edge.ended("control_frames"), 0);
}

#[test]
fn streams_that_are_given_up_at_once_end_the_connection_and_cost_the_upstream_little() {
    let edge = Edge::start();
    let mut connection = edge.open();
    let mut begun = 0;
    // Each is taken up before it is reset, which no library counts.
    let end = loop {
        let stream = begun * 2 + 1;
        let asked = connection.write(&h2::get(stream, HOST, "/slow/60000", &[]));
        let came = |count: usize| (edge.upstream.count() > count).then_some(());
        if asked.is_err() || begun >= 400 {
            break h2::read_one_of(&mut connection, &[GOAWAY]);
        }
        if begun < 100 {
            until(Duration::from_secs(5), "the upstream's request", || came(begun as usize));
        }
        if connection.write(&h2::frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])).is_err() {
            break h2::read_one_of(&mut connection, &[GOAWAY]);
        }
        begun += 1;
    };
    assert_eq!(error_of(&end.unwrap()), CALM);
    edge.is_told("resets", 1);
    assert!(edge.upstream.count() < 110, "{}", edge.upstream.count());
    edge.is_idle();
    edge.serves("/");
}

#[test]
fn a_client_that_gives_up_some_of_its_streams_goes_on() {
    let edge = Edge::start();
    let mut connection = edge.open();
    for number in 0..400 {
        let stream = number * 2 + 1;
        // Little enough for the windows that the client leaves closed.
        connection.write(&h2::get(stream, HOST, "/bytes/1", &[])).unwrap();
        if number % 3 == 0 {
            connection.write(&h2::frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])).unwrap();
        } else {
            let answer = h2::read_one_of(&mut connection, &[HEADERS, GOAWAY]).unwrap();
            assert_eq!(answer.kind, HEADERS, "{number}");
        }
    }
    assert_eq!(edge.ended("resets"), 0);
}

#[test]
fn an_answer_that_is_never_taken_is_given_up_in_time() {
    let edge = Edge::with("write_timeout = \"2s\"");
    let mut connection = edge.authority.connect(edge.gateway.listener(0), HOST, &["h2"]).unwrap();
    // Windows of streams are closed from the beginning.
    let closed = h2::frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]);
    let begin = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), closed].concat();
    connection.write(&begin).unwrap();
    connection.write(&h2::get(1, HOST, "/bytes/1000", &[])).unwrap();
    connection.write(&h2::get(3, HOST, "/bytes/10000000", &[])).unwrap();
    let start = Instant::now();
    let mut reset = Vec::new();
    while reset.len() < 2 {
        let frame = h2::read_one_of(&mut connection, &[RST_STREAM, h2::DATA]).unwrap();
        assert_eq!(frame.kind, RST_STREAM, "no byte of a body");
        reset.push(frame.stream);
        assert!(start.elapsed() > Duration::from_millis(1900), "{:?}", start.elapsed());
    }
    assert!(start.elapsed() < Duration::from_millis(2600 + 400), "{:?}", start.elapsed());
    reset.sort_unstable();
    assert_eq!(reset, [1, 3]);
    let entries = edge.gateway.logs_when("requests", "reason=client_closed&protocol=HTTP/2", 2);
    assert!(entries.iter().all(|entry| entry["bytes_out"] == 0 && entry["status_code"] == 200), "{entries:?}");
    assert_eq!(edge.gateway.metric("vestibule_denials_total", &["client_closed", "pub"]), 2.0);
    edge.is_idle();
    edge.serves("/");
}

/// Answered by the gateway itself.
const OWN: &str = "/.vestibule/none";
/// As many requests of one connection as run at the same time.
const REQUESTS: u32 = 200;
/// `REFUSED_STREAM` (RFC 9113, 7): nothing was done, and the client may ask again.
const REFUSED: [u8; 4] = [0, 0, 0, 7];

/// A connection with as many requests at the upstream as there may be, half of them on streams that it has reset, and
/// the next stream.
fn crowded(edge: &Edge, stuck: &Stuck) -> (Connection, u32) {
    let (mut connection, mut next) = (edge.open(), 1);
    // Answered, so that those which are reset are less than half of all.
    for _ in 0..10 {
        assert_eq!(ask(&mut connection, &mut next).kind, HEADERS);
    }
    for half in 1..=2 {
        let streams = (0..REQUESTS / 2).map(|number| next + 2 * number);
        let asked: Vec<u8> = streams.clone().flat_map(|stream| h2::get(stream, HOST, "/stuck", &[])).collect();
        connection.write(&asked).unwrap();
        stuck.holds((REQUESTS / 2 * half) as usize);
        // Of the second half one, so that there is room for another stream.
        let given_up = if half == 1 { REQUESTS / 2 } else { 1 };
        for stream in streams.take(given_up as usize) {
            connection.write(&h2::frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])).unwrap();
        }
        next += REQUESTS;
    }
    (connection, next)
}

/// What becomes of one more request: a head, a reset, or the end of the connection.
fn ask(connection: &mut Connection, next: &mut u32) -> h2::Frame {
    let stream = *next;
    *next += 2;
    connection.write(&h2::get(stream, HOST, OWN, &[])).unwrap();
    loop {
        let frame = h2::read_one_of(connection, &[HEADERS, RST_STREAM, GOAWAY]).unwrap();
        if frame.stream == stream || frame.kind == GOAWAY {
            return frame;
        }
    }
}

#[test]
fn requests_whose_streams_were_reset_count_until_they_end_and_one_more_may_be_sent_again() {
    let stuck = Stuck::start();
    let edge = Edge::over(Upstream::start(), &stuck.upstream(), "");
    let (mut connection, mut next) = crowded(&edge, &stuck);
    let refused = ask(&mut connection, &mut next);
    assert_eq!((refused.kind, refused.payload.as_slice()), (RST_STREAM, &REFUSED[..]));
    let entry = &edge.gateway.logs_when("requests", "reason=too_many_in_flight", 1)[0];
    assert_eq!((&entry["path"], &entry["status_code"], &entry["protocol"]), (&OWN.into(), &0.into(), &"HTTP/2".into()));
    assert_eq!(edge.gateway.metric("vestibule_denials_total", &["too_many_in_flight"]), 1.0);
    // Elsewhere it is answered at once, and here as soon as the others have ended.
    let mut other = edge.open();
    assert_eq!(h2::status(&ask(&mut other, &mut 1)), 404);
    stuck.let_go();
    edge.is_idle();
    assert_eq!(h2::status(&ask(&mut connection, &mut next)), 404);
    assert_eq!(edge.ended("refused_streams"), 0);
}

#[test]
fn a_client_that_goes_on_asking_beyond_the_bound_is_told_to_be_calm() {
    let stuck = Stuck::start();
    let edge = Edge::over(Upstream::start(), &stuck.upstream(), "");
    let (mut connection, mut next) = crowded(&edge, &stuck);
    for number in 0..32 {
        let refused = ask(&mut connection, &mut next);
        assert_eq!((refused.kind, refused.payload.as_slice()), (RST_STREAM, &REFUSED[..]), "{number}");
    }
    let mut end = ask(&mut connection, &mut next);
    if end.kind != GOAWAY {
        end = h2::read_one_of(&mut connection, &[GOAWAY]).unwrap();
    }
    assert_eq!(error_of(&end), CALM);
    edge.is_told("refused_streams", 1);
    stuck.let_go();
    edge.is_idle();
    assert_eq!(h2::status(&ask(&mut edge.open(), &mut 1)), 404);
}

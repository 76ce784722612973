//! What a client of HTTP/2 may not do: frames that cost it nothing, streams that it gives up at once, answers that it
//! never takes. Each ends the connection or the stream, leaves an entry, and is a figure; nobody else notices.

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
        let (upstream, authority) = (Upstream::start(), Authority::new());
        let circuit =
            format!("[circuits.pub]\nhosts = [\"{HOST}\"]\nupstream = \"{}\"\naccess = \"public\"\n", upstream.url());
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

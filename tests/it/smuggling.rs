//! Requests within requests: what two readers could understand differently reaches nobody, in clear and over TLS, and no
//! answer reaches another request than its own.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use harness::client::{Connection, raw};
use harness::house::plan;
use harness::{Authority, House, Setup, Upstream, until};

const HOST: &str = "pub.localhost";
/// What must never be a request of its own.
const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nHost: mem.localhost\r\n\r\n";

struct Street {
    house: House,
    authority: Authority,
}

impl Street {
    fn start() -> Self {
        let (upstream, authority) = (Upstream::start(), Authority::new());
        let body = plan(&upstream) + &authority.certificate("house", &[HOST, "mem.localhost"]);
        let gateway = Setup::new(&body).server("trusted_proxies = []").listener("tls = true").start();
        Self { house: House { upstream, gateway }, authority }
    }

    /// What comes back of these bytes until the other side closes: in clear, and over TLS.
    fn ask(&self, bytes: &[u8]) -> [String; 2] {
        let mut secure = self.authority.connect(self.house.gateway.listener(0), HOST, &["http/1.1"]).unwrap();
        // The other side may close before all is written.
        drop(secure.write(bytes));
        [raw(self.house.gateway.proxy(), bytes), secure.read_to_end()]
    }

    /// Refused, with these words in the status line, before anybody behind hears of it.
    #[track_caller]
    fn refuses(&self, head: &str, status: &str) {
        let bytes = format!("{head}\r\n\r\n{HIDDEN}");
        for answer in self.ask(bytes.as_bytes()) {
            assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{head:?}: {answer}");
            assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{head:?}: {answer}");
            assert!(answer.to_lowercase().contains("connection: close"), "{head:?}: {answer}");
        }
        assert_eq!(self.house.upstream.count(), 0, "{head:?}");
    }
}

#[test]
fn framing_that_has_two_readings_is_refused() {
    let street = Street::start();
    let post = |fields: &str| street.refuses(&format!("POST / HTTP/1.1\r\nHost: {HOST}\r\n{fields}"), "400");
    for fields in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Content-Length: 5\r\nContent-Length: 5",
        "Content-Length: 5, 5",
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: +5",
        "Content-Length: -5",
        "Content-Length: 0x5",
        "Content-Length: 5 5",
        "Content-Length:",
        "Content-Length: 99999999999999999999999",
        "Content-Length : 5",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding: identity",
        "Transfer-Encoding:\x0bchunked",
        "Transfer-Encoding : chunked",
        " Transfer-Encoding: chunked",
        "Transfer-Encoding:\r\n chunked",
        "X: y\rTransfer-Encoding: chunked",
        "X: y\nTransfer-Encoding: chunked",
    ] {
        post(fields);
    }
    street.refuses(&format!("POST / HTTP/1.0\r\nHost: {HOST}\r\nTransfer-Encoding: chunked"), "400");
}

#[test]
fn lines_that_have_two_readings_are_refused() {
    let street = Street::start();
    for line in [
        "GET / HTTP/1.10",
        "GET / http/1.1",
        "GET / HTTP/2.0",
        "GET /",
        "GET  / HTTP/1.1",
        "GET\t/ HTTP/1.1",
        "GET / HTTP/1.1 ",
        " GET / HTTP/1.1",
        "G@T / HTTP/1.1",
        "GET private/x HTTP/1.1",
        "GET * HTTP/1.1",
        "GET ftp://pub.localhost/ HTTP/1.1",
        "GET http://mem.localhost/ HTTP/1.1",
        "GET unix:/tmp/x|http://pub.localhost/ HTTP/1.1",
        "GET /#fragment HTTP/1.1",
        "GET /a b HTTP/1.1",
        "GET /a\0b HTTP/1.1",
        "GET /a\x7fb HTTP/1.1",
        "GET /a\tb HTTP/1.1",
    ] {
        street.refuses(&format!("{line}\r\nHost: {HOST}"), "400");
    }
    for host in [
        "",
        "Host:",
        "Host: a, b",
        "Host: a/x",
        "Host: a b",
        "Host: user@pub.localhost",
        "Host: pub.localhost\r\nHost: pub.localhost",
    ] {
        street.refuses(format!("GET / HTTP/1.1\r\n{host}").trim_end(), "400");
    }
    for field in ["X y: z", ": z", "no-colon", "X: a\0b", "X: a\x01b", "X: a\r\n folded"] {
        street.refuses(&format!("GET / HTTP/1.1\r\nHost: {HOST}\r\n{field}"), "400");
    }
    for method in ["TRACE", "TRACK", "CONNECT"] {
        street.refuses(&format!("{method} / HTTP/1.1\r\nHost: {HOST}"), "405");
    }
    street.refuses(&format!("PRI * HTTP/2.0\r\nHost: {HOST}"), "4");
    street.refuses(&format!("{} / HTTP/1.1\r\nHost: {HOST}", "M".repeat(33)), "400");
    street.refuses(&format!("GET /{} HTTP/1.1\r\nHost: {HOST}", "x".repeat(8200)), "414");
    street.refuses(&format!("GET / HTTP/1.1\r\nHost: {HOST}\r\nX: {}", "x".repeat(17 << 10)), "431");
    let many: String = (0..101).map(|number| format!("X-{number}: 1\r\n")).collect();
    street.refuses(&format!("GET / HTTP/1.1\r\nHost: {HOST}\r\n{}", many.trim_end()), "431");
    let entries = street.house.gateway.logs_when("requests", "reason=malformed_request", 20);
    assert!(entries.iter().all(|entry| entry["action"] == "blocked" && entry["origin"] == "proxy_error"));
}

#[test]
fn chunks_that_have_two_readings_end_the_request_and_begin_none() {
    let street = Street::start();
    let long = format!("5;{}\r\nhello\r\n0\r\n\r\n", "x".repeat(70 << 10));
    for chunks in [
        "5\nhello\r\n0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
        "5\r\nhelloX\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        " 5\r\nhello\r\n0\r\n\r\n",
        "5 5\r\nhello\r\n0\r\n\r\n",
        "fffffffffffffffff\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n0\n\r\n",
        "\r\nhello\r\n0\r\n\r\n",
        "5;a\0b\r\nhello\r\n0\r\n\r\n",
        "5;a\nb\r\nhello\r\n0\r\n\r\n",
        "5 \r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n0\r\nX: a\nY: b\r\n\r\n",
        &long,
    ] {
        let head = format!("POST /up HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\n\r\n");
        for answer in street.ask(format!("{head}{chunks}{HIDDEN}").as_bytes()) {
            let shown = &chunks[..chunks.len().min(40)];
            assert!(!answer.contains("HTTP/1.1 200"), "{shown:?}: {answer}");
            assert!(answer.matches("HTTP/1.1 ").count() <= 1, "{shown:?}: {answer}");
        }
    }
    assert_eq!((street.house.upstream.count_of("/hidden"), street.house.upstream.count_of("/up")), (0, 0));
    // Also where the fault comes when the request is on its way already.
    let mut late = Connection::open(street.house.gateway.proxy()).unwrap();
    let head = format!("POST /late HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\n\r\n");
    late.write(format!("{head}5\r\nhello\r\n").as_bytes()).unwrap();
    let is_on_its_way = || (street.house.gateway.metric("vestibule_upstream_in_flight", &[]) == 1.0).then_some(());
    until(Duration::from_secs(5), "the request at the upstream", is_on_its_way);
    late.write(format!("\r\n{HIDDEN}").as_bytes()).unwrap();
    assert_eq!(late.read(false).unwrap().status, 400);
    assert!(late.is_closed());
    let entries = street.house.gateway.logs_when("requests", "path=/late&reason=malformed_request", 1);
    assert_eq!(entries[0]["status_code"], 400);
    assert_eq!(street.house.upstream.count(), 0);
}

#[test]
fn requests_behind_each_other_are_answered_in_their_order() {
    let house = House::start();
    let chunked = |target| {
        format!("POST {target} HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
    };
    let plain = |target| format!("GET {target} HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
    let mut connection = Connection::open(house.gateway.proxy()).unwrap();
    connection.write((chunked("/a") + &plain("/b") + &chunked("/slow/400")).as_bytes()).unwrap();
    // The next ones come while it is served.
    let is_served = || (house.upstream.count_of("/slow/400") == 1).then_some(());
    until(Duration::from_secs(5), "the slow one", is_served);
    connection.write((plain("/c") + &chunked("/d") + &plain("/e")).as_bytes()).unwrap();
    for target in ["/a", "/b", "/slow/400", "/c", "/d", "/e"] {
        let answer = connection.read(false).unwrap();
        let is_its = answer.text() == "at last" || answer.json()["target"] == target;
        assert!(answer.status == 200 && is_its, "{target}: {answer:?}");
    }
    assert_eq!(house.upstream.count(), 6);
}

#[test]
fn trailers_are_no_headers_and_the_next_request_is_its_own() {
    let street = Street::start();
    let trailers = "X-Vestibule-User: forged\r\nContent-Length: 3\r\nX-Own: 1\r\nHost: mem.localhost\r\n";
    let up = format!(
        "POST /up HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\nTrailer: X-Own\r\n\r\n5\r\nhello\r\n0\r\n{trailers}\r\n"
    );
    let mut clear = Connection::open(street.house.gateway.proxy()).unwrap();
    let at = street.house.gateway.listener(0);
    let mut secure = street.authority.connect(at, HOST, &["http/1.1"]).unwrap();
    let next = street.house.get(HOST, "/next");
    let arrived = || {
        let arrived = street.house.upstream.last();
        assert_eq!((arrived.header("x-own"), arrived.header("x-vestibule-user")), (None, None));
        (arrived.target.clone(), arrived.header("host").map(str::to_owned), arrived.body)
    };
    let host = || Some(HOST.to_owned());
    clear.write(up.as_bytes()).unwrap();
    assert_eq!(clear.read(false).unwrap().status, 200);
    assert_eq!(arrived(), ("/up".to_owned(), host(), b"hello".to_vec()));
    assert_eq!(clear.send(&next).unwrap().status, 200);
    assert_eq!(arrived(), ("/next".to_owned(), host(), Vec::new()));
    secure.write(up.as_bytes()).unwrap();
    assert_eq!(secure.read().unwrap().status, 200);
    assert_eq!(arrived(), ("/up".to_owned(), host(), b"hello".to_vec()));
    assert_eq!(secure.send(&next).unwrap().status, 200);
    assert_eq!(arrived(), ("/next".to_owned(), host(), Vec::new()));
}

#[test]
fn a_body_that_we_answer_before_it_came_is_no_request() {
    let street = Street::start();
    for head in [
        format!("POST / HTTP/1.1\r\nHost: mem.localhost\r\nContent-Length: {}\r\n\r\n", HIDDEN.len()),
        format!("POST / HTTP/1.1\r\nHost: mem.localhost\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n", HIDDEN.len()),
    ] {
        let end = if head.contains("chunked") { "\r\n0\r\n\r\n" } else { "" };
        let next = format!("GET /next HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n");
        let answer = raw(street.house.gateway.proxy(), format!("{head}{HIDDEN}{end}{next}").as_bytes());
        assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
        let answers = answer.matches("HTTP/1.1 ").count();
        assert!(answers == 1 || (answers == 2 && answer.contains("HTTP/1.1 200")), "{answer}");
    }
    let paths: Vec<_> =
        street.house.gateway.logs_when("requests", "", 2).iter().map(|entry| entry["path"].clone()).collect();
    assert!(paths.iter().all(|path| path == "/" || path == "/next"), "{paths:?}");
    assert_eq!(street.house.upstream.count_of("/hidden"), 0);
}

/// An upstream that answers every first request of a connection with these bytes, and every other one honestly.
fn liar(lie: &'static [u8]) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, asked) = (listener.local_addr().unwrap(), Arc::<AtomicUsize>::default());
    let count = asked.clone();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let count = count.clone();
            std::thread::spawn(move || {
                let mut read = [0; 4096];
                while stream.read(&mut read).is_ok_and(|bytes| bytes > 0) {
                    count.fetch_add(1, Ordering::Relaxed);
                    let answer = if read.starts_with(b"GET /lie") {
                        lie
                    } else {
                        b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhonest"
                    };
                    if stream.write_all(answer).is_err() {
                        return;
                    }
                }
            });
        }
    });
    (address, asked)
}

#[test]
fn an_answer_of_a_lying_upstream_is_nobody_else_s() {
    let more =
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstale".as_slice();
    let two = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 40\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstale";
    let both = b"HTTP/1.1 200 OK\r\nContent-Length: 40\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstale";
    let head = b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nstale";
    for (number, lie) in [more, two, both, head].into_iter().enumerate() {
        let (address, _) = liar(lie);
        let body =
            format!("[circuits.a]\nhosts = [\"a.localhost\"]\nupstream = \"http://{address}\"\naccess = \"public\"\n");
        let gateway = harness::Gateway::start(&body);
        for _ in 0..10 {
            drop(gateway.get("a.localhost", "/lie").try_send());
            let honest = gateway.get("a.localhost", "/").send();
            assert_eq!((honest.status, honest.text().as_str()), (200, "honest"), "lie {number}");
        }
    }
}

#[test]
fn a_connection_on_which_a_body_broke_off_serves_nobody_else() {
    let house = House::start();
    for number in 0..50 {
        let mut connection = Connection::open(house.gateway.proxy()).unwrap();
        let head = format!("POST /broken-{number} HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 200\r\n\r\n{HIDDEN}");
        connection.write(head.as_bytes()).unwrap();
    }
    for number in 0..50 {
        let target = format!("/clean-{number}");
        let answer = house.get(HOST, &target).send();
        assert_eq!((answer.status, answer.json()["target"].as_str()), (200, Some(target.as_str())));
    }
    until(Duration::from_secs(5), "their entries", || {
        (house.gateway.logs("requests", "path.prefix=/broken&reason=client_closed").len() == 50).then_some(())
    });
    assert_eq!(house.upstream.count(), 50);
    assert_eq!(house.upstream.count_of("/hidden"), 0);
}

//! Bodies pass as they come, both ways, and are counted.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use harness::tls::Authority;
use harness::upstream::TICK;
use harness::{Connection, Gateway, House, Ports, h2, http, until};

#[test]
fn each_server_sent_event_arrives_when_it_is_sent() {
    events_arrive_when_they_are_sent(&House::start().gateway);
}

/// Of `pub.localhost`, over an upstream of the tests.
pub(crate) fn events_arrive_when_they_are_sent(gateway: &Ports) {
    let mut connection = Connection::open(gateway.proxy()).unwrap();
    let start = Instant::now();
    connection.write(&gateway.get("pub.localhost", "/ticks/4").bytes()).unwrap();
    let (status, _) = connection.read_head().unwrap();
    assert_eq!(status, 200);
    let mut times = Vec::new();
    let mut line = String::new();
    while times.len() < 4 && connection.stream().read_line(&mut line).unwrap() > 0 {
        if line.starts_with("data: ") {
            times.push(start.elapsed());
        }
        line.clear();
    }
    assert_eq!(times.len(), 4);
    for (number, time) in times.iter().enumerate() {
        let sent = TICK * u32::try_from(number).unwrap();
        assert!(*time < sent + Duration::from_millis(190), "event {number} after {time:?}");
    }
}

#[test]
fn half_an_upload_is_at_the_upstream_before_the_rest_is_sent() {
    let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", upstream.local_addr().unwrap());
    let circuit = format!("[circuits.pub]\nhosts = [\"pub.localhost\"]\nupstream = \"{url}\"\naccess = \"public\"\n");
    half_an_upload_is_there(&Gateway::start(&circuit), &upstream);
}

/// Of `pub.localhost`, in front of this listener, to which nobody has come yet.
pub(crate) fn half_an_upload_is_there(gateway: &Ports, upstream: &TcpListener) {
    let mut client = Connection::open(gateway.proxy()).unwrap();
    client.write(b"POST /up HTTP/1.1\r\nHost: pub.localhost\r\nContent-Length: 10\r\n\r\nfirst").unwrap();
    upstream.set_nonblocking(true).unwrap();
    let (stream, _) = until(Duration::from_secs(5), "the request at the upstream", || upstream.accept().ok());
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut stream = BufReader::new(stream);
    http::read_head(&mut stream).unwrap();
    let mut half = [0; 5];
    stream.read_exact(&mut half).unwrap();
    assert_eq!(&half, b"first");
    client.write(b"other").unwrap();
    stream.read_exact(&mut half).unwrap();
    assert_eq!(&half, b"other");
    stream.get_mut().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
    assert_eq!(client.read(false).unwrap().status, 200);
}

#[test]
fn an_upload_of_a_mebibyte_is_counted_exactly() {
    let house = House::start();
    let answer = house.gateway.request("POST", "pub.localhost", "/up").body("text/plain", vec![b'a'; 1 << 20]).send();
    assert_eq!(answer.status, 200);
    assert_eq!(house.upstream.last().body.len(), 1 << 20);
    let entry = house.gateway.entry_of(&answer);
    assert_eq!(entry["bytes_in"], 1_048_576);
    assert_eq!(entry["bytes_out"], answer.body.len());
}

#[test]
fn a_download_is_counted_exactly() {
    let house = House::start();
    let answer = house.get("pub.localhost", "/bytes/3000000").send();
    assert_eq!(answer.body.len(), 3_000_000);
    let entry = house.gateway.entry_of(&answer);
    assert_eq!((&entry["bytes_out"], &entry["bytes_in"]), (&3_000_000.into(), &0.into()));
}

#[test]
fn a_chunked_upload_keeps_its_bytes() {
    let house = House::start();
    let mut connection = Connection::open(house.gateway.proxy()).unwrap();
    let head = "POST /up HTTP/1.1\r\nHost: pub.localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
    connection.write(head.as_bytes()).unwrap();
    for _ in 0..3 {
        connection.write(b"5\r\nhello\r\n").unwrap();
    }
    connection.write(b"0\r\n\r\n").unwrap();
    let answer = connection.read(false).unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(house.upstream.last().body, b"hellohellohello");
    assert_eq!(house.gateway.entry_of(&answer)["bytes_in"], 15);
}

#[test]
fn expect_100_continue_is_answered_before_the_body() {
    let house = House::start();
    let mut connection = Connection::open(house.gateway.proxy()).unwrap();
    let head = "POST /up HTTP/1.1\r\nHost: pub.localhost\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";
    connection.write(head.as_bytes()).unwrap();
    assert_eq!(connection.read_head().unwrap().0, 100);
    connection.write(b"hello").unwrap();
    assert_eq!(connection.read(false).unwrap().status, 200);
    assert_eq!(house.upstream.last().body, b"hello");
}

#[test]
fn one_connection_carries_requests_to_several_circuits() {
    let house = House::start();
    let mut connection = Connection::open(house.gateway.proxy()).unwrap();
    for (host, status) in
        [("pub.localhost", 200), ("mem.localhost", 401), ("nope.localhost", 404), ("pub.localhost", 200)]
    {
        let answer = connection.send(&house.get(host, "/")).unwrap();
        assert_eq!(answer.status, status, "{host}");
    }
}

#[test]
fn a_head_request_has_no_body() {
    let house = House::start();
    let mut connection = Connection::open(house.gateway.proxy()).unwrap();
    for host in ["pub.localhost", "mem.localhost", "nope.localhost"] {
        let answer = connection.send(&house.gateway.request("HEAD", host, "/")).unwrap();
        assert!(answer.body.is_empty(), "{host}");
    }
    assert_eq!(connection.send(&house.get("pub.localhost", "/")).unwrap().status, 200, "the framing held");
}

#[test]
fn a_client_that_leaves_is_recorded_as_gone() {
    let house = House::start();
    let mut connection = Connection::open(house.gateway.proxy()).unwrap();
    connection.write(&house.get("pub.localhost", "/slow/2000").header("X-Request-Id", "gone-1").bytes()).unwrap();
    until(Duration::from_secs(2), "the upstream's request", || (house.upstream.count() == 1).then_some(()));
    drop(connection);
    let entry =
        until(Duration::from_secs(5), "its entry", || house.gateway.logs("requests", "request_id=gone-1").pop());
    assert_eq!((&entry["status_code"], &entry["reason"]), (&0.into(), &"client_closed".into()));
}

#[test]
fn a_body_beyond_its_bound_is_413() {
    let house = House::with_server("trusted_proxies = [\"127.0.0.1\"]\n[server.limits]\nbody_bytes = \"64KiB\"");
    let post =
        |bytes: usize| house.gateway.request("POST", "pub.localhost", "/up").body("text/plain", vec![b'a'; bytes]);
    assert_eq!(post(64 << 10).send().status, 200);
    let answer = post((64 << 10) + 1).send();
    assert_eq!((answer.status, answer.reason().as_str()), (413, "body_too_large"));
    assert_eq!(house.upstream.count(), 1);

    let mut connection = Connection::open(house.gateway.proxy()).unwrap();
    connection.write(b"POST /up HTTP/1.1\r\nHost: pub.localhost\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
    let chunk = [format!("{:x}\r\n", 16 << 10).into_bytes(), vec![b'a'; 16 << 10], b"\r\n".to_vec()].concat();
    for _ in 0..6 {
        // The gateway may already have answered and closed.
        drop(connection.write(&chunk));
    }
    let mut answer = Vec::new();
    drop(connection.stream().read_to_end(&mut answer));
    let answer = String::from_utf8_lossy(&answer).into_owned();
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 413"), "{answer}");
    until(Duration::from_secs(3), "its entry", || {
        house.gateway.logs("requests", "reason=body_too_large").get(1).cloned()
    });
}

#[test]
fn a_refused_upload_that_goes_on_is_recorded_within_a_second() {
    let house = House::with_server("trusted_proxies = [\"127.0.0.1\"]\n[server.limits]\nbody_bytes = \"64KiB\"");
    let mut connection = Connection::open(house.gateway.proxy()).unwrap();
    connection.write(b"POST /up HTTP/1.1\r\nHost: pub.localhost\r\nContent-Length: 1000000\r\n\r\nbegun").unwrap();
    let answer = connection.read(false).unwrap();
    let answered = Instant::now();
    assert_eq!((answer.status, answer.header("connection")), (413, Some("close")));
    connection.write(b"and goes on").expect("what still comes is read, so that no reset overtakes the answer");
    assert_eq!(house.gateway.entry_of(&answer)["reason"], "body_too_large");
    assert!(answered.elapsed() < Duration::from_secs(1), "{:?}", answered.elapsed());
    assert!(connection.is_closed());
}

/// The answer to an upload that is begun and goes on by a byte at a time, and how long it took to come.
fn upload_slowly(house: &House, pause: Option<Duration>) -> (harness::Response, Duration) {
    let mut connection = Connection::open(house.gateway.proxy()).unwrap();
    connection.write(b"POST /up HTTP/1.1\r\nHost: pub.localhost\r\nContent-Length: 1000\r\n\r\nb").unwrap();
    let start = Instant::now();
    if let Some(pause) = pause {
        let mut writer = connection.stream().get_ref().try_clone().unwrap();
        std::thread::spawn(move || {
            while writer.write_all(b"b").is_ok() {
                std::thread::sleep(pause);
            }
        });
    }
    let answer = connection.read(false).unwrap();
    (answer, start.elapsed())
}

#[test]
fn a_body_that_stalls_or_drips_is_408_in_time() {
    let house = House::with_server("trusted_proxies = [\"127.0.0.1\"]\n[server.limits]\nbody_timeout = \"2s\"");
    std::thread::scope(|scope| {
        for pause in [None, Some(Duration::from_millis(150))] {
            let house = &house;
            scope.spawn(move || {
                let (answer, after) = upload_slowly(house, pause);
                assert_eq!((answer.status, answer.reason().as_str()), (408, "head_timeout"), "{pause:?}");
                assert!(
                    after > Duration::from_millis(1900) && after < Duration::from_millis(2600),
                    "{pause:?} {after:?}"
                );
                assert_eq!(house.gateway.entry_of(&answer)["reason"], "head_timeout");
            });
        }
        // Slow, but faster than the least rate.
        scope.spawn(|| {
            let mut connection = Connection::open(house.gateway.proxy()).unwrap();
            connection.write(b"POST /up HTTP/1.1\r\nHost: pub.localhost\r\nContent-Length: 8192\r\n\r\n").unwrap();
            for _ in 0..8 {
                connection.write(&[b'b'; 1024]).unwrap();
                std::thread::sleep(Duration::from_millis(400));
            }
            assert_eq!(connection.read(false).unwrap().status, 200);
        });
    });
}

#[test]
fn a_large_chunked_upload_does_not_grow_the_memory() {
    let house = House::start();
    let upload = |mebibytes: usize| {
        let mut connection = Connection::open(house.gateway.proxy()).unwrap();
        connection.write(b"POST /up HTTP/1.1\r\nHost: pub.localhost\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
        let chunk = [b"10000\r\n".as_slice(), &[b'a'; 1 << 16], b"\r\n"].concat();
        (0..mebibytes * 16).for_each(|_| connection.write(&chunk).unwrap());
        connection.write(b"0\r\n\r\n").unwrap();
        let answer = connection.read(false).unwrap();
        assert_eq!(answer.status, 200);
        assert_eq!(house.gateway.entry_of(&answer)["bytes_in"], mebibytes << 20);
    };
    // Each thread of the gateway takes its room with its first requests.
    (0..8).for_each(|_| upload(1));
    let before = house.gateway.peak_memory();
    upload(20);
    // What the system says of a peak is exact to some pages.
    let grown = house.gateway.peak_memory().saturating_sub(before);
    assert!(grown < 8 << 20, "{grown} bytes");
}

#[test]
fn a_body_of_http_2_that_stalls_is_reset_in_time() {
    let (authority, upstream) = (Authority::new(), harness::Upstream::start());
    let plan = harness::house::plan(&upstream) + &authority.certificate("house", &["pub.localhost"]);
    let gateway = harness::Setup::new(&plan)
        .server("trusted_proxies = [\"127.0.0.1\"]\n[server.limits]\nbody_timeout = \"2s\"")
        .listener("tls = true")
        .start();
    let mut connection = authority.connect(gateway.listener(0), "pub.localhost", &["h2"]).unwrap();
    connection.write(&h2::begin()).unwrap();
    let line: [(&str, &[u8]); 4] =
        [(":method", b"POST"), (":scheme", b"https"), (":authority", b"pub.localhost"), (":path", b"/up")];
    connection.write(&h2::frame(h2::HEADERS, h2::END_HEADERS, 1, &h2::fields(&line))).unwrap();
    connection.write(&h2::frame(h2::DATA, 0, 1, b"begun")).unwrap();
    let start = Instant::now();
    let reset = h2::read_one_of(&mut connection, &[h2::RST_STREAM, h2::HEADERS]).unwrap();
    assert_eq!((reset.kind, reset.stream), (h2::RST_STREAM, 1));
    assert!(start.elapsed() > Duration::from_millis(1900), "{:?}", start.elapsed());
    assert!(start.elapsed() < Duration::from_millis(2600 + 200), "{:?}", start.elapsed());
    connection.write(&h2::get(3, "pub.localhost", "/", &[])).unwrap();
    let answer = h2::read_one_of(&mut connection, &[h2::HEADERS]).unwrap();
    assert_eq!((h2::status(&answer), answer.stream), (200, 3), "other streams are not touched");
    let entry = gateway.logs_when("requests", "reason=head_timeout", 1).remove(0);
    assert_eq!((&entry["protocol"], &entry["bytes_in"]), (&"HTTP/2".into(), &5.into()));
}

//! What is no request, over TLS and on HTTP/2.

use harness::h2::{self, GOAWAY, HEADERS, RST_STREAM};

use super::Secure;

/// Names and values.
type Fields<'a> = &'a [(&'a str, &'a [u8])];

#[test]
fn streams_that_are_no_requests_reach_nobody_and_have_an_entry_each() {
    let secure = Secure::start();
    let long = "x".repeat(17 << 10);
    let many: Vec<(String, &[u8])> = (0..101).map(|number| (format!("x-{number}"), b"1".as_slice())).collect();
    let many: Vec<_> = many.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    let target = format!("/{}", "x".repeat(9000));
    let cases: [(&str, &str, &str, Fields<'_>); 10] = [
        ("malformed_request", "pub.localhost", "x", &[]),
        ("malformed_request", "pub.localhost", "*", &[]),
        ("malformed_request", "pub.localhost", "https://mem.localhost/", &[]),
        ("malformed_request", "pub.localhost", "/", &[("host", b"mem.localhost")]),
        ("malformed_request", "a,b", "/", &[]),
        ("malformed_request", "pub.localhost", "/", &[("content-length", b"0"), ("content-length", b"0")]),
        ("malformed_request", "pub.localhost", "/", &[("content-length", b"+0")]),
        ("head_too_large", "pub.localhost", "/", &[("x-long", long.as_bytes())]),
        ("head_too_large", "pub.localhost", "/", &many),
        ("head_too_large", "pub.localhost", &target, &[]),
    ];
    let mut told = Vec::new();
    for (number, (reason, host, path, more)) in cases.iter().enumerate() {
        let mut connection = secure.h2("pub.localhost");
        connection.write(&h2::get(1, host, path, more)).unwrap();
        // The library ends what it does not understand; all else is answered, and told in an entry.
        let Ok(answer) = h2::read_one_of(&mut connection, &[HEADERS, RST_STREAM, GOAWAY]) else { continue };
        if answer.kind == HEADERS {
            assert_ne!(h2::status(&answer), 200, "case {number}");
            told.push(*reason);
            let wanted = told.iter().filter(|one| *one == reason).count();
            let entries = secure.gateway().logs_when("requests", &format!("reason={reason}&protocol=HTTP/2"), wanted);
            assert_eq!(entries.len(), wanted, "case {number}");
            connection.write(&h2::get(3, "nowhere.localhost", "/", &[])).unwrap();
            let next = h2::read_one_of(&mut connection, &[HEADERS]).unwrap();
            assert_eq!(h2::status(&next), 404, "case {number}: the connection goes on");
        }
    }
    assert!(told.len() > 5, "{told:?}");
    // What the library refuses by itself.
    let by_library: [Fields<'_>; 7] = [
        &[("Upper", b"x")],
        &[("connection", b"close")],
        &[("transfer-encoding", b"chunked")],
        &[("te", b"gzip")],
        &[("x-break", b"a\r\nx-evil: 1")],
        &[("x-null", b"a\0b")],
        &[(":path", b"/again")],
    ];
    for more in by_library {
        let mut connection = secure.h2("pub.localhost");
        connection.write(&h2::get(1, "pub.localhost", "/", more)).unwrap();
        let answer = h2::read_one_of(&mut connection, &[HEADERS, RST_STREAM, GOAWAY]);
        assert!(answer.as_ref().map_or(true, |frame| h2::status(frame) != 200), "{more:?}: {answer:?}");
    }
    for method in ["CONNECT", "TRACE"] {
        let line: [(&str, &[u8]); 4] =
            [(":method", method.as_bytes()), (":scheme", b"https"), (":authority", b"pub.localhost"), (":path", b"/")];
        let mut connection = secure.h2("pub.localhost");
        let flags = h2::END_HEADERS | h2::END_STREAM;
        connection.write(&h2::frame(HEADERS, flags, 1, &h2::fields(&line))).unwrap();
        let answer = h2::read_one_of(&mut connection, &[HEADERS, RST_STREAM, GOAWAY]).unwrap();
        assert_ne!(h2::status(&answer), 200, "{method}");
    }
    assert_eq!(secure.house.upstream.count(), 0);
}

#[test]
fn what_is_no_request_over_tls_is_told_so() {
    let secure = Secure::with("hsts = \"1y\"", &["tls = true"]);
    for (head, status) in [
        ("GET / HTTP/1.1\r\nHost: pub.localhost\r\nHost: pub.localhost\r\n\r\n", "400"),
        ("POST / HTTP/1.1\r\nHost: pub.localhost\r\nContent-Length: 5, 5\r\n\r\nhello", "400"),
        ("GET / HTTP/1.1\nHost: pub.localhost\n\n", "400"),
        ("TRACE / HTTP/1.1\r\nHost: pub.localhost\r\n\r\n", "405"),
    ] {
        let mut connection = secure.authority.connect(secure.tls(), "pub.localhost", &["http/1.1"]).unwrap();
        connection.write(head.as_bytes()).unwrap();
        let answer = connection.read_to_end();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{head:?}: {answer}");
        assert!(answer.to_lowercase().contains("strict-transport-security: max-age=31536000"), "{answer}");
    }
    let entries = secure.gateway().logs_when("requests", "reason=malformed_request", 4);
    assert!(entries.iter().all(|entry| entry["tls"].as_str().is_some_and(|tls| tls.starts_with("TLSv1.3"))));
    assert_eq!(secure.house.upstream.count(), 0);
}

#[test]
fn floods_of_frames_end_the_connection_and_nothing_else() {
    let secure = Secure::start();
    let resets: Vec<u8> = (0..1000)
        .flat_map(|number| {
            let stream = number * 2 + 1;
            [h2::get(stream, "pub.localhost", "/", &[("x", &[0; 1])]), h2::frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])]
                .concat()
        })
        .collect();
    let line: [(&str, &[u8]); 1] = [(":method", b"GET")];
    let mut continued = h2::frame(HEADERS, h2::END_STREAM, 1, &h2::fields(&line));
    for number in 0..20_000 {
        continued.extend(h2::frame(h2::CONTINUATION, 0, 1, &h2::fields(&[(&format!("x-{number}"), &[b'x'; 64])])));
    }
    let empty: Vec<u8> = (0..50_000).flat_map(|_| h2::frame(h2::CONTINUATION, 0, 1, &[])).collect();
    let empty = [h2::frame(HEADERS, h2::END_STREAM, 1, &h2::fields(&line)), empty].concat();
    for (what, flood) in [("resets", resets), ("continuations", continued), ("empty continuations", empty)] {
        let mut connection = secure.h2("pub.localhost");
        // The other side ends it while we still write.
        drop(connection.write(&flood));
        let end = h2::read_one_of(&mut connection, &[GOAWAY]);
        assert!(end.as_ref().map_or(true, |frame| frame.kind == GOAWAY), "{what}: {end:?}");
    }
    assert_eq!(secure.get("pub.localhost", "/").status, 200);
}

use pingora::http::RequestHeader;

use super::*;

fn checked(head: &str) -> Result<Body, Fault> {
    check(head.as_bytes())
}

/// A head with these fields beside a good request line and host.
fn with(fields: &str) -> Result<Body, Fault> {
    checked(&format!("POST /x HTTP/1.1\r\nHost: pub.test\r\n{fields}\r\n"))
}

/// A head with this request line.
fn line(line: &str) -> Result<Body, Fault> {
    checked(&format!("{line}\r\nHost: pub.test\r\n\r\n"))
}

#[test]
fn good_heads_are_taken() {
    for good in [
        "GET / HTTP/1.1",
        "GET /a%2Fb?x=1&y=%20+ HTTP/1.1",
        "OPTIONS /x HTTP/1.1",
        "PROPFIND /x HTTP/1.1",
        "GET / HTTP/1.0",
        "GET http://pub.test/x HTTP/1.1",
        "GET http://pub.test?x HTTP/1.1",
        "GET //x HTTP/1.1",
        "GET /\u{e4} HTTP/1.1",
        "GET /x?a={b:[1]}|\\ HTTP/1.1",
    ] {
        assert_eq!(line(good), Ok(Body::Length(0)), "{good}");
    }
    assert_eq!(with("Content-Length: 5\r\n"), Ok(Body::Length(5)));
    assert_eq!(with("content-length:5\t\r\n"), Ok(Body::Length(5)));
    assert_eq!(with("Transfer-Encoding: Chunked\r\n"), Ok(Body::Chunked));
    assert_eq!(with("Upgrade: websocket\r\nConnection: upgrade\r\n"), Ok(Body::Upgrade));
    assert_eq!(with("X-Empty:\r\nX_Under: \u{e4}\t1\r\n"), Ok(Body::Length(0)));
}

#[test]
fn request_lines_with_two_readings_are_refused() {
    for (bad, fault) in [
        ("GET /", Fault::Malformed),
        ("GET  / HTTP/1.1", Fault::Malformed),
        ("GET / HTTP/1.1 ", Fault::Malformed),
        (" GET / HTTP/1.1", Fault::Malformed),
        ("GET\t/\tHTTP/1.1", Fault::Malformed),
        ("GET / HTTP/1.10", Fault::Malformed),
        ("GET / HTTP/2.0", Fault::Malformed),
        ("GET / HTTP/0.9", Fault::Malformed),
        ("GET / http/1.1", Fault::Malformed),
        ("G(T / HTTP/1.1", Fault::Malformed),
        ("GET private/x HTTP/1.1", Fault::Malformed),
        ("GET * HTTP/1.1", Fault::Malformed),
        ("OPTIONS * HTTP/1.1", Fault::Malformed),
        ("PRI * HTTP/1.1", Fault::Malformed),
        ("GET ftp://pub.test/ HTTP/1.1", Fault::Malformed),
        ("GET unix:/x HTTP/1.1", Fault::Malformed),
        ("GET http://prot.test/ HTTP/1.1", Fault::Malformed),
        ("GET http://user@pub.test/ HTTP/1.1", Fault::Malformed),
        ("GET http:///x HTTP/1.1", Fault::Malformed),
        ("GET /x#y HTTP/1.1", Fault::Malformed),
        ("GET /x\u{0} HTTP/1.1", Fault::Malformed),
        ("GET /x\u{7f} HTTP/1.1", Fault::Malformed),
        ("GET /x y HTTP/1.1", Fault::Malformed),
        ("", Fault::Malformed),
        ("CONNECT pub.test:443 HTTP/1.1", Fault::Method),
        ("TRACE / HTTP/1.1", Fault::Method),
        ("track / HTTP/1.1", Fault::Method),
    ] {
        assert_eq!(line(bad), Err(fault), "{bad:?}");
    }
    assert_eq!(line(&format!("{} / HTTP/1.1", "X".repeat(33))), Err(Fault::Malformed));
    assert_eq!(line(&format!("GET /{} HTTP/1.1", "x".repeat(8192))), Err(Fault::Target));
    assert_eq!(check(b"GET /\xff HTTP/1.1\r\nHost: pub.test\r\n\r\n"), Err(Fault::Malformed));
}

#[test]
fn framing_with_two_readings_is_refused() {
    for bad in [
        "Content-Length: 5\r\nContent-Length: 5\r\n",
        "Content-Length: 5, 5\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 0x5\r\n",
        "Content-Length: 5 5\r\n",
        "Content-Length:\r\n",
        "Content-Length: 99999999999999999999\r\n",
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: \u{b}chunked\r\n",
        "Transfer-Encoding:\r\n",
        "Upgrade: websocket\r\nContent-Length: 5\r\n",
        "Upgrade: h2c\r\nTransfer-Encoding: chunked\r\n",
    ] {
        assert_eq!(with(bad), Err(Fault::Malformed), "{bad:?}");
    }
    let old = "POST / HTTP/1.0\r\nHost: pub.test\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(checked(old), Err(Fault::Malformed));
}

#[test]
fn fields_with_two_readings_are_refused() {
    for bad in [
        "NoColon\r\n",
        ": empty\r\n",
        "Name : space\r\n",
        " Fold: x\r\n",
        "X: a\r\n folded\r\n",
        "X: a\r\n\tfolded\r\n",
        "N(me: x\r\n",
        "X: a\u{0}b\r\n",
        "X: a\u{7f}b\r\n",
        "X: a\rb\r\n",
        "X: a\nY: b\r\n",
        "X: a\n\r\nContent-Length: 5\r\n",
        "Host: pub.test\r\n",
    ] {
        assert_eq!(with(bad), Err(Fault::Malformed), "{bad:?}");
    }
    assert_eq!(with(&"X: y\r\n".repeat(100)), Err(Fault::Fields));
    assert_eq!(with(&format!("X: {}\r\n", "y".repeat(16 * 1024))), Err(Fault::Fields));
}

#[test]
fn exactly_one_host_is_wanted() {
    for host in ["", "Host:\r\n", "Host: a, b\r\n", "Host: a b\r\n", "Host: u@a\r\n", "Host: a/x\r\n", "Host: a:x\r\n"]
    {
        assert_eq!(checked(&format!("GET / HTTP/1.1\r\n{host}\r\n")), Err(Fault::Malformed), "{host:?}");
        assert_eq!(checked(&format!("GET / HTTP/1.0\r\n{host}\r\n")), Err(Fault::Malformed), "{host:?}");
    }
}

#[test]
fn every_target_that_is_taken_is_understood_and_kept_by_pingora() {
    for byte in 0..=127_u8 {
        for target in [[b"/a", &[byte][..], b"b"].concat(), [b"/a?b", &[byte][..], b"c"].concat()] {
            if authority(&target).is_ok() {
                let head = RequestHeader::build("GET", &target, None).unwrap();
                assert_eq!(head.raw_path(), target, "{}", target.escape_ascii());
            }
        }
    }
}

#[test]
fn a_glance_takes_what_can_be_shown() {
    assert_eq!(glance(b"GET /x HTTP/1.1\r\nHost"), Some(("GET", "/x")));
    assert_eq!(glance(b"TRACE /x HTTP/1.9\r\n\r\n"), Some(("TRACE", "/x")));
    for bad in [
        &b"GET /x HTTP/1.1"[..],
        b"\x16\x03\x01\x02\n",
        b"GET /\x01 HTTP/1.1\r\n",
        b"GET /x\r\n",
        b"\xff / HTTP/1.1\r\n",
    ] {
        assert_eq!(glance(bad), None, "{}", bad.escape_ascii());
    }
}

#[test]
fn fuzz_a_head_that_is_taken_can_be_read_in_one_way() {
    let seeds: [&[u8]; 4] = [
        b"GET /a?b=c HTTP/1.1\r\nHost: pub.test\r\n\r\n",
        b"POST http://pub.test:80/x HTTP/1.1\r\nHost: pub.test:80\r\nContent-Length: 5\r\n\r\n",
        b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nX-A: b\r\n\r\n",
        b"GET / HTTP/1.0\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    ];
    let words: [&[u8]; 14] = [
        b"\r\n",
        b"\n",
        b"\r",
        b" ",
        b"\t",
        b":",
        b"\0",
        b"Host: b\r\n",
        b"Content-Length: 1\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"HTTP/1.1",
        b"http://",
        b"\r\n\r\n",
        b"\xff",
    ];
    crate::fuzz::fuzz(&seeds, &words, |input| {
        // For entries it must do with everything.
        let _shown = glance(input);
        let Ok(body) = check(input) else { return false };
        let text = String::from_utf8_lossy(input);
        assert!(input.ends_with(b"\r\n\r\n") && text.matches("\r\n\r\n").count() == 1);
        assert_eq!(text.matches('\n').count(), text.matches("\r\n").count());
        let named = |name: &str| {
            let is_it = |line: &&str| line.split(':').next().is_some_and(|found| found.eq_ignore_ascii_case(name));
            text.split("\r\n").skip(1).filter(is_it).count()
        };
        assert_eq!(named("host"), 1);
        assert_eq!(named("transfer-encoding"), usize::from(body == Body::Chunked));
        assert!(named("content-length") <= 1 && named("content-length") + named("transfer-encoding") <= 1);
        true
    });
}

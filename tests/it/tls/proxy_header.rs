//! PROXY headers: who may name a client.

use std::io::Write;
use std::net::TcpStream;

use harness::client::raw;

use super::Secure;

const CLOSING: &[u8] = b"GET /named HTTP/1.1\r\nHost: pub.localhost\r\nConnection: close\r\n\r\n";

#[test]
fn a_proxy_header_names_the_client_in_clear_and_before_tls() {
    let secure = Secure::with(
        "trusted_proxies = [\"127.0.0.1\"]",
        &["tls = true, proxy_protocol = true", "proxy_protocol = true"],
    );
    let plain = secure.gateway().listener(1);
    let v1 = b"PROXY TCP4 203.0.113.7 10.0.0.1 4660 443\r\n".as_slice();
    let v2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb\0\x71\x08\x0a\0\0\x01\x12\x34\x01\xbb".as_slice();
    let local = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0".as_slice();
    for (header, client) in [(v1, "203.0.113.7"), (v2, "203.0.113.8"), (local, "127.0.0.1")] {
        let answer = raw(plain, &[header, CLOSING].concat());
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert_eq!(secure.house.upstream.last().header("x-forwarded-for"), Some(client));

        let mut stream = TcpStream::connect(secure.tls()).unwrap();
        stream.write_all(header).unwrap();
        let mut connection = secure.authority.shake_hands(stream, "pub.localhost", &[]).unwrap();
        assert_eq!(connection.send(&secure.house.get("pub.localhost", "/")).unwrap().status, 200);
        assert_eq!(secure.house.upstream.last().header("x-real-ip"), Some(client));
    }
    // Whom the header names is no trusted proxy: what it says of itself is not believed.
    let forged = b"GET /named HTTP/1.1\r\nHost: pub.localhost\r\nX-Forwarded-For: 6.6.6.6\r\nConnection: close\r\n\r\n";
    raw(plain, &[v1, forged].concat());
    assert_eq!(secure.house.upstream.last().header("x-forwarded-for"), Some("203.0.113.7"));
    let entries = secure.gateway().logs_when("requests", "path=/named&source_ip=203.0.113.7", 2);
    assert_eq!(entries.len(), 2);
    let printed = secure.curl(&["--haproxy-protocol", "-o", "/dev/null", "-w", "%{http_code}"], "pub.localhost", "/");
    assert_eq!(printed, "200");

    let before = secure.house.upstream.count();
    assert_eq!(raw(plain, CLOSING), "");
    assert_eq!(raw(secure.tls(), b"PROXY TCP4 nobody\r\n"), "");
    assert_eq!(secure.gateway().logs_when("requests", "reason=malformed_request", 2)[0]["status_code"], 0);
    assert_eq!(secure.house.upstream.count(), before);
}

#[test]
fn nobody_but_a_trusted_proxy_may_name_a_client() {
    let secure = Secure::with("trusted_proxies = [\"10.0.0.0/8\"]", &["proxy_protocol = true"]);
    assert_eq!(raw(secure.tls(), &[b"PROXY TCP4 203.0.113.7 10.0.0.1 4660 443\r\n", CLOSING].concat()), "");
    let entry = &secure.gateway().logs_when("requests", "reason=ip_restricted", 1)[0];
    assert_eq!((&entry["source_ip"], &entry["origin"]), (&"127.0.0.1".into(), &"rule".into()));
    assert_eq!(secure.house.upstream.count(), 0);
}

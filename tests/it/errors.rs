//! Bad input gets a clear answer, and nothing is lost.

pub(crate) mod disk;
mod start;

use std::time::Duration;

use harness::client::raw;
use harness::{Connection, Gateway, House, Upstream, until};

#[test]
fn a_head_beyond_its_bound_is_431_and_has_an_entry() {
    let house = House::start();
    let answer = house.get("pub.localhost", "/").header("X-Long", &"a".repeat(40 << 10)).send();
    assert_eq!(answer.status, 431);
    let entries = house.gateway.logs_when("requests", "reason=head_too_large", 1);
    assert_eq!((entries.len(), &entries[0]["status_code"]), (1, &431.into()));
    let fits =
        house.get("pub.localhost", "/").header("X-One", &"a".repeat(12 << 10)).header("X-Two", &"b".repeat(12 << 10));
    assert_eq!(fits.send().status, 200);
}

#[test]
fn what_is_no_request_is_400_and_has_an_entry_each() {
    let house = House::start();
    let heads: [&[u8]; 12] = [
        b"GET\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: pub.localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: pub.localhost\r\nHost: mem.localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: pub.localhost\r\nBad Name: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: pub.localhost\r\nX: a\r\n folded\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: user@pub.localhost\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: pub.localhost\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: pub.localhost\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        b"POST / HTTP/1.1\r\nHost: pub.localhost\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: pub.localhost\r\nX: a\0b\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    ];
    for (number, head) in heads.iter().enumerate() {
        let answer = raw(house.gateway.proxy(), head);
        let text = String::from_utf8_lossy(head);
        assert!(answer.starts_with("HTTP/1.1 400") || answer.starts_with("HTTP/1.0 400"), "{text:?}: {answer:?}");
        let count = number + 1;
        let entries = house.gateway.logs_when("requests", "status_code=400", count);
        assert_eq!(entries.len(), count, "{text:?}");
        assert_eq!(entries[0]["action"], "blocked", "{text:?}");
    }
    assert_eq!(house.upstream.count(), 0);
}

#[test]
fn a_head_that_comes_too_slowly_is_408() {
    let house = House::with_server("trusted_proxies = []\n[server.limits]\nheader_timeout = \"1s\"");
    let answer = raw(house.gateway.proxy(), b"GET / HTTP/1.1\r\nHost: pub.loc");
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer:?}");
    assert_eq!(house.gateway.logs_when("requests", "reason=head_timeout", 1)[0]["status_code"], 408);
    assert_eq!(house.upstream.count(), 0);
}

#[test]
fn methods_that_ask_the_proxy_itself_are_refused() {
    let house = House::start();
    for method in ["CONNECT", "TRACE"] {
        let target = if method == "CONNECT" { "pub.localhost:443" } else { "/" };
        let answer =
            raw(house.gateway.proxy(), format!("{method} {target} HTTP/1.1\r\nHost: pub.localhost\r\n\r\n").as_bytes());
        assert!(answer.starts_with("HTTP/1.1 4") || answer.starts_with("HTTP/1.1 501"), "{method}: {answer:?}");
    }
    assert_eq!(house.upstream.count(), 0);
}

#[test]
fn a_host_in_absolute_form_is_the_host() {
    let house = House::start();
    let answer = raw(
        house.gateway.proxy(),
        b"GET http://pub.localhost/abs?q HTTP/1.1\r\nHost: pub.localhost\r\nConnection: close\r\n\r\n",
    );
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(house.upstream.last().target, "/abs?q");
}

#[test]
fn smuggled_requests_do_not_reach_the_upstream() {
    let house = House::start();
    let attempts: [&[u8]; 4] = [
        b"POST / HTTP/1.1\r\nHost: pub.localhost\r\nTransfer-Encoding: xchunked\r\nContent-Length: 4\r\n\r\n1\r\nZ\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: mem.localhost\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: pub.localhost\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: pub.localhost\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: pub.localhost\r\nContent-Length: 0x4\r\n\r\nabcd",
    ];
    for bytes in attempts {
        let answer = raw(house.gateway.proxy(), bytes);
        assert!(
            answer.starts_with("HTTP/1.1 4") || answer.starts_with("HTTP/1.1 501") || answer.is_empty(),
            "{answer:?}"
        );
    }
    assert_eq!(house.upstream.count(), 0);
}

#[test]
fn connections_beyond_the_bound_of_an_address_are_closed() {
    let house = House::with_server("trusted_proxies = []\n[server.limits]\nconnections_per_ip = 4");
    let held: Vec<_> = (0..4)
        .map(|_| {
            // Answered, so that it is surely among those that are counted.
            let mut connection = Connection::open(house.gateway.proxy()).unwrap();
            assert_eq!(connection.send(&house.get("pub.localhost", "/")).unwrap().status, 200);
            connection
        })
        .collect();
    assert!(house.get("pub.localhost", "/").try_send().is_err(), "the fifth is closed without an answer");
    house.gateway.logs_when("requests", "reason=connection_limit", 1);
    drop(held);
    until(Duration::from_secs(3), "room again", || {
        house.get("pub.localhost", "/").try_send().ok().filter(|answer| answer.status == 200)
    });
}

#[test]
fn an_answer_after_which_the_connection_ends_says_so() {
    let upstream = Upstream::start();
    let circuit = |name: &str, url: &str| {
        format!(
            "[circuits.{name}]\nhosts = [\"{name}.localhost\"]\nupstream = {{ url = \"{url}\", timeout = \"1s\" }}\n\
             access = \"public\"\n"
        )
    };
    let closed = format!("http://127.0.0.1:{}", harness::port::free());
    let gateway = Gateway::start(&(circuit("slow", &upstream.url()) + &circuit("gone", &closed)));
    for (host, path, status, kept) in [
        ("gone.localhost", "/", 502, false),
        ("slow.localhost", "/slow/3000", 504, false),
        ("slow.localhost", "/", 200, true),
        ("nowhere.localhost", "/", 404, true),
    ] {
        let mut connection = Connection::open(gateway.proxy()).unwrap();
        let answer = connection.send(&gateway.get(host, path)).unwrap();
        let says = answer.header("connection").map(str::to_owned);
        assert_eq!(
            (answer.status, says.as_deref()),
            (status, Some(if kept { "keep-alive" } else { "close" })),
            "{host}"
        );
        let next = connection.send(&gateway.get("slow.localhost", "/next"));
        assert_eq!(next.is_ok_and(|next| next.status == 200), kept, "{host}");
    }
}

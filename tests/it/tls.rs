//! TLS, HTTP/2, PROXY headers, and the way to https.

mod frames;
mod proxy_header;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use harness::client::encode;
use harness::h2::{self, GOAWAY, HEADERS};
use harness::house::{MAYA, plan};
use harness::secrets::PASSWORD;
use harness::{Authority, Gateway, House, Setup, Upstream, until};

/// Hosts of the standard house that have a certificate; `pub` has two certificates' worth of names.
const HOSTS: [&str; 2] = ["pub.localhost", "mem.localhost"];

/// The standard house with a TLS listener, and who signs its certificates.
struct Secure {
    house: House,
    authority: Authority,
}

impl Secure {
    fn start() -> Self {
        Self::with("trusted_proxies = [\"127.0.0.1\"]\nshutdown_grace = \"10s\"", &["tls = true"])
    }

    /// Other lines in `[server]`, other listeners.
    fn with(server: &str, listeners: &[&str]) -> Self {
        let (upstream, authority) = (Upstream::start(), Authority::new());
        let body = plan(&upstream) + &authority.certificate("house", &HOSTS);
        let setup = listeners.iter().fold(Setup::new(&body).server(server), |setup, with| setup.listener(with));
        Self { house: House { upstream, gateway: setup.start() }, authority }
    }

    fn tls(&self) -> SocketAddr {
        self.house.gateway.listener(0)
    }

    fn gateway(&self) -> &Gateway {
        &self.house.gateway
    }

    /// An answer of HTTP/1 over TLS; the handshake is for the host of the request.
    fn get(&self, host: &str, target: &str) -> harness::Response {
        self.authority.send(self.tls(), host, &self.house.get(host, target)).unwrap()
    }

    /// A connection of HTTP/2 that has begun.
    fn h2(&self, host: &str) -> harness::tls::Connection {
        let mut connection = self.authority.connect(self.tls(), host, &["h2"]).unwrap();
        connection.write(&h2::begin()).unwrap();
        connection
    }

    /// What curl prints, with these arguments in front of the address.
    fn curl(&self, arguments: &[&str], host: &str, target: &str) -> String {
        let port = self.tls().port();
        let output = Command::new("curl")
            .args(["-sS", "--max-time", "20", "--resolve", &format!("{host}:{port}:127.0.0.1"), "--cacert"])
            .arg(self.authority.file())
            .args(arguments)
            .arg(format!("https://{host}:{port}{target}"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

#[test]
fn hosts_are_served_over_tls_with_what_is_strongest() {
    let secure = Secure::start();
    let mut connection = secure.authority.connect(secure.tls(), "pub.localhost", &["h2", "http/1.1"]).unwrap();
    let (version, suite, group, protocol) = connection.agreed();
    assert_eq!((version.as_str(), group.as_str(), protocol.as_str()), ("TLSv1_3", "X25519MLKEM768", "h2"));
    assert!(suite.starts_with("TLS13_"), "{suite}");
    connection.write(&h2::begin()).unwrap();
    connection.write(&h2::get(1, "pub.localhost", "/over-h2?a=1", &[])).unwrap();
    assert_eq!(h2::status(&h2::read_one_of(&mut connection, &[HEADERS]).unwrap()), 200);
    let arrived = secure.house.upstream.last();
    assert_eq!((arrived.target.as_str(), arrived.header("host")), ("/over-h2?a=1", Some("pub.localhost")));
    assert_eq!(arrived.header("x-forwarded-proto"), Some("https"));

    let answer = secure.get("pub.localhost", "/over-h1");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("strict-transport-security"), None, "only where it is wanted");
    let entry = secure.gateway().entry_of(&answer);
    let tls = entry["tls"].as_str().unwrap();
    assert!(tls.starts_with("TLSv1.3 TLS13_"), "{tls}");
    assert_eq!(entry["protocol"], "HTTP/1.1");
    let entries = secure.gateway().logs_when("requests", "path=/over-h2", 1);
    assert_eq!((&entries[0]["protocol"], &entries[0]["query"]), (&"HTTP/2".into(), &"a=1".into()));
}

#[test]
fn a_session_over_tls_has_the_cookie_that_no_plain_page_can_set() {
    let secure = Secure::with("hsts = \"1y\"", &["tls = true"]);
    let form = format!("email={}&password={}", encode(MAYA), encode(PASSWORD));
    let printed = secure.curl(&["-i", "--http2", "--data", &form], "mem.localhost", "/.vestibule/login");
    let head = printed.to_lowercase();
    assert!(head.starts_with("http/2 303"), "{printed}");
    assert!(head.contains("strict-transport-security: max-age=31536000"), "{printed}");
    let cookie = head.lines().find(|line| line.starts_with("set-cookie: __host-vestibule=")).unwrap();
    for attribute in ["secure", "httponly", "samesite=lax", "path=/"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    let cookie = printed.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
    let pair = cookie.split(';').next().unwrap();
    // Browsers send each cookie as a field of its own on HTTP/2.
    let mut connection = secure.h2("mem.localhost");
    let crumbs: [(&str, &[u8]); 3] = [("cookie", b"a=1"), ("cookie", pair.as_bytes()), ("cookie", b"b=2")];
    connection.write(&h2::get(1, "mem.localhost", "/crumbs", &crumbs)).unwrap();
    assert_eq!(h2::status(&h2::read_one_of(&mut connection, &[HEADERS]).unwrap()), 200);
    assert_eq!(secure.house.upstream.last().header("cookie"), Some("a=1; b=2"));
    assert!(secure.curl(&["-i"], "pub.localhost", "/").contains("max-age=31536000"), "the upstream's answers too");
    let plain = secure.house.get("pub.localhost", "/").send();
    assert_eq!(plain.header("strict-transport-security"), None);
}

#[test]
fn a_name_without_certificate_ends_the_handshake_and_leaves_an_entry() {
    let secure = Secure::start();
    for name in ["nowhere.test", "list.localhost"] {
        assert!(secure.authority.connect(secure.tls(), name, &[]).is_err(), "{name}");
        let entry = &secure.gateway().logs_when("requests", &format!("host={name}"), 1)[0];
        assert_eq!((&entry["reason"], &entry["origin"]), (&"circuit_not_found".into(), &"no_route".into()), "{entry}");
        assert_eq!((&entry["status_code"], &entry["source_ip"]), (&0.into(), &"127.0.0.1".into()), "{entry}");
    }
    let mut stream = TcpStream::connect(secure.tls()).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: pub.localhost\r\n\r\n").unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    drop(stream.read_to_end(&mut Vec::new()));
    secure.gateway().logs_when("requests", "reason=malformed_request&status_code=0", 1);
    assert_eq!(secure.gateway().metric("vestibule_tls_handshakes_failed_total", &[]) as u64, 3);
    assert_eq!(secure.get("pub.localhost", "/").status, 200);
}

#[test]
fn a_connection_for_one_circuit_is_not_for_another() {
    let secure = Secure::start();
    let other = secure.house.get("mem.localhost", "/");
    let answer = secure.authority.send(secure.tls(), "pub.localhost", &other).unwrap();
    assert_eq!((answer.status, answer.reason().as_str()), (421, "misdirected"));
    assert_eq!(answer.header("x-vestibule"), Some("no_route"));
    assert_eq!(secure.gateway().entry_of(&answer)["reason"], "misdirected");
    let mut connection = secure.h2("pub.localhost");
    connection.write(&h2::get(1, "mem.localhost", "/coalesced", &[])).unwrap();
    h2::read_one_of(&mut connection, &[HEADERS]).unwrap();
    let entry = &secure.gateway().logs_when("requests", "path=/coalesced", 1)[0];
    assert_eq!((&entry["status_code"], &entry["reason"]), (&421.into(), &"misdirected".into()));
    connection.write(&h2::get(3, "pub.localhost", "/own", &[])).unwrap();
    assert_eq!(h2::status(&h2::read_one_of(&mut connection, &[HEADERS]).unwrap()), 200, "the connection goes on");
    assert_eq!(secure.house.upstream.count(), 1);
    let unknown = secure.house.get("nowhere.localhost", "/");
    assert_eq!(secure.authority.send(secure.tls(), "pub.localhost", &unknown).unwrap().status, 404);
}

#[test]
fn a_plain_listener_leads_to_https_and_nowhere_else() {
    let secure = Secure::with("trusted_proxies = []", &["tls = true", "redirect_to_https = true"]);
    let (tls, plain) = (secure.tls().port(), secure.gateway().listener(1));
    let ask = |method: &str, host: &str, target: &str| harness::Request::new(plain, method, host, target).send();
    let led = ask("GET", &format!("pub.localhost:{}", plain.port()), "/a//b?c=%2F&d");
    assert_eq!(led.status, 308);
    let location = format!("https://pub.localhost:{tls}/a//b?c=%2F&d");
    assert_eq!((led.header("location"), led.header("x-vestibule")), (Some(location.as_str()), Some("rule")));
    assert_eq!(ask("POST", "PUB.localhost", "/x").header("location"), Some("https://pub.localhost/x"));
    assert_eq!(ask("GET", "mem.localhost", "/.vestibule/login").status, 308);
    let nowhere = ask("GET", "nowhere.localhost", "/");
    assert_eq!((nowhere.status, nowhere.header("location")), (404, None));
    let entry = secure.gateway().entry_of(&led);
    assert_eq!((&entry["status_code"], &entry["circuit"]), (&308.into(), &"pub".into()));
    assert_eq!(secure.house.upstream.count(), 0);
}

#[test]
fn who_came_by_https_through_a_trusted_proxy_is_led_nowhere() {
    let secure = Secure::with("trusted_proxies = [\"127.0.0.1\"]", &["tls = true", "redirect_to_https = true"]);
    let plain = secure.gateway().listener(1);
    let ask = |host: &str, proto: &str| {
        harness::Request::new(plain, "GET", host, "/x").header("X-Forwarded-Proto", proto).send()
    };
    assert_eq!(ask("pub.localhost", "https").status, 200);
    assert_eq!(secure.house.upstream.last().header("x-forwarded-proto"), Some("https"));
    let stranger = ask("mem.localhost", "https");
    assert_eq!(
        (stranger.status, stranger.reason().as_str()),
        (401, "no_credentials"),
        "by the rules of every listener"
    );
    assert_eq!(ask("pub.localhost", "http").status, 308);
    assert_eq!(ask("nowhere.localhost", "https").status, 404);
    // Nobody else is believed.
    let secure = Secure::with("trusted_proxies = [\"10.0.0.0/8\"]", &["tls = true", "redirect_to_https = true"]);
    let forged = harness::Request::new(secure.gateway().listener(1), "GET", "pub.localhost", "/x");
    assert_eq!(forged.header("X-Forwarded-Proto", "https").send().status, 308);
    assert_eq!(secure.house.upstream.count(), 0);
}

#[test]
fn what_is_not_said_in_time_is_cut() {
    let server = "trusted_proxies = []\n[server.limits]\nheader_timeout = \"1s\"\nidle_timeout = \"1s\"";
    let secure = Secure::with(server, &["tls = true"]);
    let start = Instant::now();
    let silent = TcpStream::connect(secure.tls()).unwrap();
    let mut begun = TcpStream::connect(secure.tls()).unwrap();
    begun.write_all(&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc]).unwrap();
    let no_preface = secure.authority.connect(secure.tls(), "pub.localhost", &["h2"]).unwrap();
    let mut idle = secure.h2("pub.localhost");
    for mut stream in [silent, begun, no_preface.socket().try_clone().unwrap()] {
        stream.set_read_timeout(Some(Duration::from_secs(8))).unwrap();
        // An alert may come before the end.
        drop(stream.read_to_end(&mut Vec::new()));
    }
    while h2::read(&mut idle).is_ok() {}
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    assert_eq!(secure.gateway().logs_when("requests", "reason=head_timeout", 2).len(), 2, "begun, and no preface");
}

#[test]
fn a_stop_lets_requests_over_tls_end_and_nothing_hold_it_up() {
    let mut secure = Secure::start();
    let mut idle = secure.h2("pub.localhost");
    h2::read(&mut idle).unwrap();
    let mut silent = TcpStream::connect(secure.tls()).unwrap();
    let mut running = secure.h2("pub.localhost");
    running.write(&h2::get(1, "pub.localhost", "/slow/1500", &[])).unwrap();
    until(Duration::from_secs(5), "the request's start", || (secure.house.upstream.count() == 1).then_some(()));
    let start = Instant::now();
    secure.gateway().signal("TERM");
    assert_eq!(h2::status(&h2::read_one_of(&mut running, &[HEADERS]).unwrap()), 200);
    assert!(h2::read_one_of(&mut idle, &[GOAWAY]).is_ok());
    drop(silent.read_to_end(&mut Vec::new()));
    assert!(secure.house.gateway.wait().success());
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[test]
fn the_admin_port_with_tls_shows_the_certificate_that_is_there_now() {
    let authority = Authority::new();
    let pair = authority.pair("admin", &["localhost"]);
    let mut gateway = Setup::new("").admin_tls(&pair).prepare();
    gateway.spawn();
    let ask = || {
        let request = gateway.admin_request("GET", "/livez");
        authority.send(gateway.admin_address(), "localhost", &request).ok()
    };
    assert_eq!(until(Duration::from_secs(30), "the admin port", ask).status, 200);
    let shown = || {
        let connection = authority.connect(gateway.admin_address(), "localhost", &[]).unwrap();
        connection.certificate()
    };
    let first = shown();
    authority.pair("admin", &["localhost"]);
    until(Duration::from_secs(10), "the new certificate", || (shown() != first).then_some(()));
    let clear = gateway.admin_request("GET", "/livez").try_send();
    assert!(clear.is_err(), "{clear:?}");
    let told = harness::command(&["healthcheck", "-c"])
        .arg(gateway.config())
        .args(["--admin-url", &format!("https://localhost:{}", gateway.admin_address().port())])
        .env("SSL_CERT_FILE", authority.file())
        .output()
        .unwrap();
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
}

#[test]
fn what_is_no_tls_any_more_is_a_broken_connection_and_no_malformed_request() {
    let secure = Secure::start();
    let head = b"POST /up HTTP/1.1\r\nHost: pub.localhost\r\nContent-Length: 1000\r\n\r\nbegun";
    // A record that nobody encrypted for this connection, one of no type at all, and one that is too long.
    let records = [&[&[0x17, 3, 3, 0, 40][..], &[0xa5; 40]].concat()[..], &[0xff; 60], &[0x17, 3, 3, 0xff, 0xff, 0]];
    for (number, record) in records.iter().enumerate() {
        let mut connection = secure.authority.connect(secure.tls(), "pub.localhost", &["http/1.1"]).unwrap();
        connection.write(head).unwrap();
        let arrived = || (secure.gateway().metric("vestibule_upstream_in_flight", &["pub"]) as u64 == 1).then_some(());
        until(Duration::from_secs(5), "the request at the upstream", arrived);
        connection.socket().write_all(record).unwrap();
        let entries = secure.gateway().logs_when("requests", "path=/up", number + 1);
        assert_eq!(
            (&entries[0]["reason"], &entries[0]["circuit"]),
            (&"client_closed".into(), &"pub".into()),
            "{number}"
        );
    }
    assert_eq!(secure.gateway().metric("vestibule_denials_total", &["malformed_request"]), 0.0);
    assert_eq!(secure.get("pub.localhost", "/").status, 200);
}

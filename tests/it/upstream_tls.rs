//! Upstreams over TLS and HTTP/2; nginx is one.

use std::time::Duration;

use harness::tls::{Authority, Pair};
use harness::{Gateway, Nginx, until};
const TLS: &str = "ssl_certificate cert.pem;\nssl_certificate_key key.pem;";

/// nginx with a certificate of the authority for these names.
fn nginx(authority: &Authority, names: &[&str], listen: &str, lines: &str) -> Nginx {
    let Pair { cert, key } = authority.pair("nginx", names);
    let [cert, key, ca] = [cert, key, authority.file()].map(|path| std::fs::read_to_string(path).unwrap());
    Nginx::start(listen, &format!("{TLS}\n{lines}"), &[("cert.pem", &cert), ("key.pem", &key), ("ca.pem", &ca)])
}

/// nginx with a certificate that it signed itself, and the certificate.
fn self_signed() -> (Nginx, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let own = rcgen::CertificateParams::new(["127.0.0.1".to_owned()]).unwrap().self_signed(&key).unwrap().pem();
    (Nginx::start("ssl", TLS, &[("cert.pem", &own), ("key.pem", &key.serialize_pem())]), own)
}

/// Circuits of these names, each with the upstream table that follows.
fn circuits(all: &[(&str, &str)]) -> String {
    let one = |(name, upstream): &(&str, &str)| {
        format!("[circuits.{name}]\nhosts = [\"{name}.localhost\"]\naccess = \"public\"\nupstream = {{ {upstream} }}\n")
    };
    all.iter().map(one).collect()
}

#[test]
fn nginx_is_reached_only_with_a_certificate_that_is_good_for_it() {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    let file = folder.path().join("ca.pem");
    let copy = |of: &Authority| assert!(std::fs::copy(of.file(), &file).unwrap() > 0);
    copy(&authority);
    let ca = file.display();
    let behind = nginx(&authority, &["preview.internal", "127.0.0.1"], "ssl", "");
    let named = nginx(&authority, &["preview.internal"], "ssl", "");
    let (url, named) = (format!("https://127.0.0.1:{}", behind.port()), format!("https://127.0.0.1:{}", named.port()));
    let mut gateway = Gateway::start(&circuits(&[
        ("system", &format!("url = \"{url}\"")),
        ("insecure", &format!("url = \"{url}\", insecure = true")),
        ("ca", &format!("url = \"{url}\", ca = \"{ca}\"")),
        ("address", &format!("url = \"{named}\", ca = \"{ca}\"")),
        ("sni", &format!("url = \"{named}\", ca = \"{ca}\", sni = \"preview.internal\"")),
        ("other", &format!("url = \"{named}\", ca = \"{ca}\", sni = \"other.internal\"")),
        ("plain", &format!("url = \"{}\"", url.replace("https", "http"))),
    ]));
    for (circuit, status) in [
        ("system", 502),
        ("insecure", 200),
        ("ca", 200),
        ("address", 502),
        ("sni", 200),
        ("other", 502),
        ("plain", 400),
    ] {
        // Twice, so that a pooled connection of another circuit would be found.
        for _ in 0..2 {
            let answer = gateway.get(&format!("{circuit}.localhost"), "/").send();
            assert_eq!(answer.status, status, "{circuit}: {}", answer.text());
            if status == 502 {
                assert_eq!(answer.reason(), "backend_tls_error", "{circuit}");
                assert_eq!(gateway.entry_of(&answer)["reason"], "backend_tls_error");
            }
        }
    }
    let answer = gateway.get("sni.localhost", "/").send();
    assert!(answer.text().contains(" preview.internal "), "{}", answer.text());
    assert!(gateway.output().contains("is not verified"), "a warning at the start: {}", gateway.output());

    // Another authority, in the same file: no restart, and no connection of before.
    copy(&Authority::new());
    until(Duration::from_secs(5), "the change", || {
        (gateway.get("ca.localhost", "/").send().status == 502).then_some(())
    });
    // A damaged file keeps what is in force.
    std::fs::write(&file, "-----BEGIN CERTIFICATE-----\nAAAA\n").unwrap();
    until(Duration::from_secs(5), "the refusal", || {
        (gateway.metric("vestibule_config_last_reload_successful", &[]) < 1.0).then_some(())
    });
    assert_eq!(gateway.get("sni.localhost", "/").send().status, 502, "the other authority");
    copy(&authority);
    until(Duration::from_secs(5), "the first one again", || {
        (gateway.get("ca.localhost", "/").send().status == 200).then_some(())
    });
    gateway.stop();
}

#[test]
fn nginx_that_signed_its_own_certificate_is_reached_when_that_is_named_or_nothing_is_asked() {
    let (behind, own) = self_signed();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("own.pem");
    std::fs::write(&file, own).unwrap();
    let url = format!("url = \"https://127.0.0.1:{}\"", behind.port());
    let gateway = Gateway::start(&circuits(&[
        ("verified", &url),
        ("insecure", &format!("{url}, insecure = true")),
        ("named", &format!("{url}, ca = {file:?}")),
    ]));
    for (circuit, status) in [("verified", 502), ("insecure", 200), ("named", 200)] {
        let answer = gateway.get(&format!("{circuit}.localhost"), "/").send();
        assert_eq!(answer.status, status, "{circuit}: {}", answer.text());
    }
}

#[test]
fn nginx_is_shown_the_certificate_of_the_circuit_alone() {
    let authority = Authority::new();
    let ca = authority.file();
    let ca = ca.display();
    let behind = nginx(&authority, &["127.0.0.1"], "ssl", "ssl_client_certificate ca.pem;\nssl_verify_client on;");
    let Pair { cert, key } = authority.pair("the gateway", &["client.internal"]);
    let shown = format!("client_cert = {cert:?}, client_key = {{ file = {key:?} }}");
    let url = format!("url = \"https://127.0.0.1:{}\", ca = \"{ca}\"", behind.port());
    let gateway = Gateway::start(&circuits(&[("with", &format!("{url}, {shown}")), ("without", &url)]));
    for _ in 0..2 {
        let with = gateway.get("with.localhost", "/").send();
        assert_eq!(with.status, 200, "{} {}", with.text(), behind.errors());
        assert!(with.text().contains("CN=the gateway"), "{}", with.text());
        assert_eq!(gateway.get("without.localhost", "/").send().status, 400, "nginx wants one");
    }
}

#[test]
fn nginx_is_spoken_to_in_http_2_where_the_file_says_so() {
    let authority = Authority::new();
    let ca = authority.file();
    let ca = ca.display();
    let (both, old) =
        (nginx(&authority, &["127.0.0.1"], "ssl http2", ""), nginx(&authority, &["127.0.0.1"], "ssl", ""));
    let plain = Nginx::start("http2", "", &[]);
    let url = |port: u16| format!("url = \"https://127.0.0.1:{port}\", ca = \"{ca}\"");
    let gateway = Gateway::start(&circuits(&[
        ("two", &format!("{}, http2 = true", url(both.port()))),
        ("one", &url(both.port())),
        ("old", &format!("{}, http2 = true", url(old.port()))),
        ("clear", &format!("url = \"http://127.0.0.1:{}\", http2 = true", plain.port())),
    ]));
    for (circuit, protocol) in [("two", "HTTP/2.0"), ("one", "HTTP/1.1"), ("old", "HTTP/1.1"), ("clear", "HTTP/2.0")] {
        for _ in 0..3 {
            let answer = gateway.get(&format!("{circuit}.localhost"), "/").send();
            let expected = format!("{protocol} {circuit}.localhost ");
            assert!(answer.status == 200 && answer.text().starts_with(&expected), "{circuit}: {}", answer.text());
        }
    }
    let answers = harness::load::parallel(8, 32, |_| gateway.get("two.localhost", "/"));
    assert!(answers.iter().all(|answer| answer.status == 200));
    let posted = gateway.request("POST", "clear.localhost", "/").body("text/plain", vec![b'x'; 100_000]).send();
    assert!(matches!(posted.status, 200 | 405), "{}", posted.text());
}

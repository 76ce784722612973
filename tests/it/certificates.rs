//! Own certificates: by name, taken when their files change, the old ones kept when those are of no use.

use std::fs;
use std::time::Duration;

use harness::{Authority, Gateway, Request, Setup, Upstream, until};
use serde_json::Value;

/// A changed file is in force within two seconds, on a machine that is busy with other tests in more.
const TAKEN: Duration = Duration::from_secs(10);

const HOST: &str = "wiki.corp.example.net";
const NAMES: [&str; 1] = ["*.corp.example.net"];

fn start(authority: &Authority, upstream: &Upstream) -> Gateway {
    let body = format!(
        "{}[circuits.wiki]\nhosts = [\"{HOST}\"]\nupstream = \"{}\"\naccess = \"public\"\n",
        authority.certificate("corp", &NAMES),
        upstream.url()
    );
    Setup::new(&body).listener("tls = true").start()
}

/// What a new handshake is shown.
#[track_caller]
fn shown(gateway: &Gateway, authority: &Authority) -> Vec<u8> {
    authority.connect(gateway.listener(0), HOST, &[]).unwrap().certificate()
}

fn serial(gateway: &Gateway) -> Value {
    gateway.admin("/api/v1/status").json()["certificates"][0]["serial"].clone()
}

#[test]
fn a_changed_certificate_is_shown_to_new_handshakes_and_a_download_goes_on() {
    let (authority, upstream) = (Authority::new(), Upstream::start());
    let gateway = start(&authority, &upstream);
    let (before, serial_before) = (shown(&gateway, &authority), serial(&gateway));
    let download = Request::new(gateway.listener(0), "GET", HOST, "/ticks/20");
    let mut connection = authority.connect(gateway.listener(0), HOST, &["http/1.1"]).unwrap();
    std::thread::scope(|scope| {
        let downloaded = scope.spawn(move || connection.send(&download).unwrap());
        until(TAKEN, "the download", || (upstream.count() == 1).then_some(()));
        authority.pair("corp", &NAMES);
        until(TAKEN, "the new certificate", || (serial(&gateway) != serial_before).then_some(()));
        assert_ne!(shown(&gateway, &authority), before);
        assert!(!downloaded.is_finished(), "the download outlasts the change");
        let answer = downloaded.join().unwrap();
        assert_eq!((answer.status, answer.text().matches("data:").count()), (200, 20));
    });
}

#[test]
fn a_broken_certificate_keeps_the_one_that_is_in_force() {
    let (authority, upstream) = (Authority::new(), Upstream::start());
    let gateway = start(&authority, &upstream);
    let before = shown(&gateway, &authority);
    let pair = authority.pair("other", &NAMES);
    let file = authority.file().with_file_name("corp.pem");
    for (broken, why) in [(fs::read(pair.cert).unwrap(), "another certificate"), (b"nothing".to_vec(), "PEM")] {
        let refused = gateway.logs("audit", "action=config.reload&status=failed").len();
        fs::write(&file, broken).unwrap();
        let entry = until(TAKEN, "the refusal", || {
            let entries = gateway.logs("audit", "action=config.reload&status=failed");
            (entries.len() > refused).then(|| entries[0].clone())
        });
        assert!(entry["details"].to_string().contains(why), "{entry}");
        let last = gateway.admin("/api/v1/status").json()["last_reload"].clone();
        assert!(last["successful"] == false && last["problems"].to_string().contains(why), "{last}");
        assert_eq!(shown(&gateway, &authority), before);
    }
}

#[test]
fn a_wildcard_stands_for_one_label() {
    let (authority, upstream) = (Authority::new(), Upstream::start());
    let gateway = start(&authority, &upstream);
    let connects = |name: &str| authority.connect(gateway.listener(0), name, &[]).is_ok();
    assert!(connects("other.corp.example.net"));
    for name in ["a.b.corp.example.net", "corp.example.net", "wiki.example.net"] {
        assert!(!connects(name), "{name}");
    }
    let row = gateway.admin("/api/v1/status").json()["certificates"][0].clone();
    assert_eq!((&row["hosts"][0], &row["source"], &row["state"]), (&NAMES[0].into(), &"file".into(), &"valid".into()));
}

//! The machine's clock is set forward and back under a running program.

use std::path::PathBuf;
use std::time::Duration;

use harness::house::{MAYA, plan};
use harness::secrets::PASSWORD;
use harness::{Gateway, Setup, Upstream, command, until};
use serde_json::Value;

/// A gateway whose clock is set by a file.
struct Clocked {
    gateway: Gateway,
    clock: PathBuf,
    _upstream: Upstream,
    _folder: tempfile::TempDir,
}

impl Clocked {
    fn start(more: &str) -> Self {
        let library = std::env::var("VESTIBULE_FAKETIME").expect("VESTIBULE_FAKETIME names libfaketimeMT.so.1");
        let (upstream, folder) = (Upstream::start(), tempfile::tempdir().unwrap());
        let clock = folder.path().join("clock");
        std::fs::write(&clock, "+0").unwrap();
        let gateway = Setup::new(&(plan(&upstream) + more))
            .env("LD_PRELOAD", &library)
            .env("FAKETIME_TIMESTAMP_FILE", clock.to_str().unwrap())
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .env("FAKETIME_DONT_RESET", "1")
            .start();
        Self { gateway, clock, _upstream: upstream, _folder: folder }
    }

    /// Waits until the program has seen it.
    fn set(&self, offset: &str) {
        let before = self.hour();
        std::fs::write(&self.clock, offset).unwrap();
        until(Duration::from_secs(10), "the clock to be set", || (self.hour() != before).then_some(()));
    }

    /// Date and hour.
    fn hour(&self) -> String {
        self.gateway.admin("/api/v1/status").json()["time"].as_str().unwrap()[.."2026-11-29T01".len()].to_owned()
    }

    fn visit(&self, path: &str) {
        assert_eq!(self.gateway.get("pub.localhost", path).send().status, 200);
    }
}

fn verifies(gateway: &Gateway) {
    let verified = command(&["verify", "--data"]).arg(gateway.data_dir()).output().unwrap();
    assert_eq!(verified.status.code(), Some(0), "{}", String::from_utf8_lossy(&verified.stdout));
}

fn text<'a>(entry: &'a Value, name: &str) -> &'a str {
    entry[name].as_str().unwrap()
}

#[test]
#[ignore = "needs faketime"]
fn faketime_entries_stand_in_the_order_of_their_arrival_and_anchors_go_on() {
    let anchors = tempfile::tempdir().unwrap();
    let place = format!("[logs.anchors]\nto = [\"file://{}\"]\n", anchors.path().display());
    let mut clocked = Clocked::start(&place);
    for (path, offset) in [("/first", None), ("/back", Some("-2h")), ("/ahead", Some("+3d")), ("/again", Some("+1h"))] {
        if let Some(offset) = offset {
            clocked.set(offset);
        }
        clocked.visit(path);
        clocked.gateway.logs_when("requests", &format!("path={path}&since=2000-01-01T00:00:00Z"), 1);
    }
    let entries = clocked.gateway.logs("requests", "sort=seq&order=asc&since=2000-01-01T00:00:00Z");
    let paths: Vec<_> = entries.iter().map(|entry| text(entry, "path")).collect();
    assert_eq!(paths, ["/first", "/back", "/ahead", "/again"]);
    let seqs: Vec<_> = entries.iter().map(|entry| entry["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, [0, 1, 2, 3]);
    let times: Vec<_> = entries.iter().map(|entry| text(entry, "time")).collect();
    assert!(times[1] < times[0] && times[2] > times[3] && times[3] > times[0], "{times:?}");
    clocked.gateway.stop();
    verifies(&clocked.gateway);
    assert!(std::fs::read_dir(anchors.path()).unwrap().count() >= 2);
    // And over a restart with the clock put back.
    std::fs::write(&clocked.clock, "-1d").unwrap();
    clocked.gateway.launch();
    clocked.visit("/later");
    let later = clocked.gateway.logs_when("requests", "path=/later&since=2000-01-01T00:00:00Z", 1).remove(0);
    assert_eq!(later["seq"], 4);
    clocked.gateway.stop();
    verifies(&clocked.gateway);
}

#[test]
#[ignore = "needs faketime"]
fn faketime_a_leap_removes_nothing_and_a_session_that_is_over_stays_over() {
    let mut clocked = Clocked::start("");
    let gateway = &clocked.gateway;
    let signed_in = gateway.sign_in("mem.localhost", &[("email", MAYA), ("password", PASSWORD)]).send();
    let session = signed_in.session().unwrap();
    let inside = |gateway: &Gateway| gateway.get("mem.localhost", "/").cookie(&session).send().status;
    assert_eq!(inside(gateway), 200);
    clocked.visit("/kept");
    gateway.logs_when("requests", "path=/kept", 1);

    // Longer than any log is kept.
    clocked.set("+3000d");
    assert_eq!(inside(gateway), 401);
    // The rules are applied at a start too, and measure the clock by the latest entry.
    clocked.gateway.kill();
    clocked.gateway.launch();
    let all = "since=2000-01-01T00:00:00Z";
    let told = clocked.gateway.logs_when("audit", &format!("action=system.clock&{all}"), 1).remove(0);
    assert_eq!(told["status"], "alert");
    assert_eq!(clocked.gateway.logs("requests", &format!("path=/kept&{all}")).len(), 1);
    assert!(clocked.gateway.logs("audit", &format!("action=log.prune&{all}")).is_empty());

    clocked.set("+0");
    assert_eq!(inside(&clocked.gateway), 401, "what is over stays over");
    clocked.gateway.stop();
    verifies(&clocked.gateway);
}

//! Disks that take nothing, or nothing more.

use std::time::Duration;

use harness::house::{MAYA, plan};
use harness::secrets::PASSWORD;
use harness::{Gateway, Ports, Setup, SmallDisk, Upstream, until};

use super::start::refused_start;

/// No mark of the disk, and no ballast: what is full is full.
pub(crate) const NO_MARKS: &str = "[logs.disk]\nlow = \"off\"\nhard = \"off\"\nballast = \"off\"\n";
const WAIT: Duration = Duration::from_secs(20);

/// The standard circuits, their data on a small disk.
struct Cramped {
    gateway: Gateway,
    disk: SmallDisk,
    _upstream: Upstream,
}

impl Cramped {
    #[track_caller]
    fn start(size: &str, more: &str) -> Self {
        let (disk, upstream) = (SmallDisk::mount(&format!("size={size}")), Upstream::start());
        let setup = Setup::new(&(plan(&upstream) + more)).data_dir(&disk.path().join("data"));
        Self { gateway: setup.start(), disk, _upstream: upstream }
    }

    fn sign_in(&self) -> harness::Response {
        self.gateway.sign_in("mem.localhost", &[("email", MAYA), ("password", PASSWORD)]).send()
    }

    fn visit(&self, path: &str) -> u16 {
        self.gateway.get("pub.localhost", path).send().status
    }

    fn metric(&self, name: &str) -> u64 {
        self.gateway.metric(name, &[]) as u64
    }
}

#[test]
#[ignore = "needs root to mount a small tmpfs"]
fn mounted_read_only_the_log_folder_refuses_the_start() {
    // Root may write everywhere but on a file system mounted read-only.
    let disk = SmallDisk::mount("size=16m,ro");
    let gateway = Setup::new("").data_dir(&disk.path().join("data")).prepare();
    let (code, text) = refused_start(&gateway);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains(&*disk.path().to_string_lossy()), "{text}");
    assert!(text.to_lowercase().contains("read-only"), "{text}");
}

/// Fills the disk until the gateway has found out: entries of requests do.
fn fill(gateway: &Ports, disk: &SmallDisk, visit: impl Fn()) {
    disk.fill("filler");
    until(WAIT, "readyz 503", || {
        visit();
        (gateway.admin_request("GET", "/readyz").send().status == 503).then_some(())
    });
}

#[test]
#[ignore = "needs root to mount a small tmpfs"]
fn mounted_small_and_full_the_log_lets_nobody_in_until_there_is_room() {
    let mut cramped = Cramped::start("48m", NO_MARKS);
    let session = cramped.sign_in().session().unwrap();
    let inside = |cramped: &Cramped| cramped.gateway.get("mem.localhost", "/").cookie(&session).send();
    assert_eq!(inside(&cramped).status, 200);

    fill(&cramped.gateway, &cramped.disk, || assert_eq!(cramped.visit("/"), 200));
    let refused = cramped.sign_in();
    assert_eq!((refused.status, refused.reason().as_str(), refused.session()), (503, "log_unavailable", None));
    let answer = inside(&cramped);
    assert_eq!((answer.status, answer.reason().as_str()), (503, "log_unavailable"));
    assert_eq!(cramped.visit("/"), 200, "public circuits go on");

    cramped.disk.remove("filler");
    cramped.gateway.is_ready_with(200);
    assert_eq!(inside(&cramped).status, 200);
    assert_eq!(cramped.sign_in().status, 303);
    assert_eq!(cramped.gateway.logs_when("access", "status=success", 2).len(), 2);
    cramped.gateway.stop();
    cramped.gateway.launch();
    assert_eq!(cramped.gateway.logs("access", "status=success").len(), 2);
    cramped.gateway.stop();
}

#[test]
#[ignore = "needs root to mount a small tmpfs"]
fn mounted_small_the_marks_of_a_disk_are_told_and_passed_and_left_without_a_restart() {
    let receiver = Upstream::start();
    let secret = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(secret.path(), "only for tests of alerts").unwrap();
    let marks = format!(
        "[logs.disk]\nlow = \"40MiB\"\nhard = \"20MiB\"\nballast = \"4MiB\"\n\
         [alerts.ops]\nurl = \"{}/told\"\nsecret = {{ file = {:?} }}\non = [\"disk\"]\n",
        receiver.url(),
        secret.path()
    );
    let mut cramped = Cramped::start("96m", &marks);
    let mark = |cramped: &Cramped, mark: u64| {
        until(WAIT, "the mark", || (cramped.metric("vestibule_log_disk_mark") == mark).then_some(()));
    };
    let told = |word: &str| {
        until(WAIT, "an alert", || {
            let is_told = receiver.count() > 0 && String::from_utf8_lossy(&receiver.last().body).contains(word);
            is_told.then_some(())
        });
    };
    let dropped = |cramped: &Cramped| cramped.gateway.metric("vestibule_log_dropped_total", &["requests"]) as u64;
    assert_eq!(cramped.metric("vestibule_log_ballast_bytes"), 4 << 20);

    cramped.disk.leave(30 << 20, "filler");
    mark(&cramped, 1);
    told("\"mark\":\"low\"");
    assert_eq!((cramped.visit("/low"), cramped.sign_in().status), (200, 303));
    cramped.gateway.logs_when("requests", "path=/low", 1);
    assert_eq!(dropped(&cramped), 0);

    cramped.disk.leave(12 << 20, "filler");
    mark(&cramped, 2);
    told("\"mark\":\"hard\"");
    assert_eq!(cramped.gateway.admin("/api/v1/status").json()["store"]["disk"]["mark"], "hard");
    assert_eq!((cramped.visit("/hard"), cramped.sign_in().status), (200, 303), "attempts go on");
    cramped.gateway.logs_when("access", "status=success", 2);
    let gap = cramped.gateway.logs_when("audit", "action=log.gap", 1).remove(0);
    assert_eq!((&gap["details"]["cause"], &gap["details"]["log"]), (&"no_room".into(), &"requests".into()));
    assert!(dropped(&cramped) > 0);
    assert!(cramped.gateway.logs("requests", "path=/hard").is_empty());
    assert_eq!(cramped.gateway.admin_request("GET", "/readyz").send().status, 200);

    cramped.disk.fill("rest");
    until(WAIT, "the ballast to give way", || {
        cramped.sign_in();
        (cramped.metric("vestibule_log_ballast_bytes") == 0).then_some(())
    });
    until(WAIT, "a sign-in in the room that it left", || (cramped.sign_in().status == 303).then_some(()));

    cramped.disk.remove("rest");
    cramped.disk.remove("filler");
    mark(&cramped, 0);
    assert_eq!((cramped.visit("/again"), cramped.sign_in().status), (200, 303));
    cramped.gateway.logs_when("requests", "path=/again", 1);
    assert_eq!(cramped.metric("vestibule_log_ballast_bytes"), 4 << 20);
    cramped.gateway.stop();
}

#[test]
#[ignore = "needs root to mount a small tmpfs"]
fn mounted_small_and_full_what_the_queue_cannot_hold_is_counted_and_marked() {
    let mut cramped = Cramped::start("256m", NO_MARKS);
    a_full_queue_is_counted_and_marked(&cramped.gateway, &cramped.disk);
    cramped.gateway.stop();
}

/// Of a gateway that has `pub.localhost`, its data on this disk and no marks, and that was asked for nothing yet.
pub(crate) fn a_full_queue_is_counted_and_marked(gateway: &Ports, disk: &SmallDisk) {
    // Four fields of 2 KiB: some eight thousand of these entries are as many bytes as wait for the disk.
    let long = "x".repeat(2000);
    let sent = std::cell::Cell::new(0);
    let send = |count: usize| {
        harness::load::parallel(4, count, |number| {
            let target = format!("/{number}/{long}?{long}");
            gateway.get("pub.localhost", &target).header("User-Agent", &long).header("Referer", &long)
        });
        sent.set(sent.get() + count as u64);
    };
    let dropped = || gateway.metric("vestibule_log_dropped_total", &["requests"]) as u64;
    fill(gateway, disk, || send(1));
    assert_eq!(dropped(), 0, "the queue holds what comes at first");
    until(Duration::from_secs(60), "a full queue", || {
        send(1000);
        (dropped() > 0).then_some(())
    });
    assert!(sent.get() > 5000, "{}", sent.get());

    disk.remove("filler");
    gateway.is_ready_with(200);
    let lost = dropped();
    until(WAIT, "every entry that was not lost", || {
        let kept = gateway.admin("/api/v1/logs/requests?count=true&limit=1").json()["total"].as_u64().unwrap();
        (kept + lost == sent.get()).then_some(())
    });
    let marks = gateway.logs_when("audit", "action=log.gap", 1);
    let marked: u64 = marks.iter().map(|mark| mark["details"]["dropped"].as_u64().unwrap()).sum();
    assert_eq!(marked, lost, "{marks:?}");
    let details = &marks[0]["details"];
    assert_eq!((&details["log"], &marks[0]["status"]), (&"requests".into(), &"alert".into()));
    assert!(details["from"].as_str() <= details["to"].as_str(), "{details}");
}

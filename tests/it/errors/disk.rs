//! Disks that take nothing, or nothing more.

use std::io::{Read, Write};
use std::process::Command;
use std::time::Duration;

use harness::house::{MAYA, plan};
use harness::secrets::PASSWORD;
use harness::{Gateway, Setup, Upstream, until};

use super::start::refused_start;

#[test]
#[ignore = "needs root to mount a small tmpfs"]
fn mounted_read_only_the_log_folder_refuses_the_start() {
    // Root may write everywhere but on a file system mounted read-only.
    let folder = tempfile::tempdir().unwrap();
    let mount = Tmpfs::mount(folder.path(), "size=16m,ro");
    let gateway = Setup::new("").data_dir(&folder.path().join("data")).prepare();
    let (code, text) = refused_start(&gateway);
    drop(mount);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains(&*folder.path().to_string_lossy()), "{text}");
    assert!(text.to_lowercase().contains("read-only"), "{text}");
}

/// A file system of its own; unmounted when dropped.
struct Tmpfs<'a>(&'a std::path::Path);

impl<'a> Tmpfs<'a> {
    fn mount(folder: &'a std::path::Path, options: &str) -> Self {
        let status = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(folder).status().unwrap();
        assert!(status.success());
        Self(folder)
    }
}

impl Drop for Tmpfs<'_> {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(self.0).status());
    }
}

#[test]
#[ignore = "needs root to mount a small tmpfs"]
fn mounted_small_and_full_the_log_lets_nobody_in_until_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let mount = Tmpfs::mount(folder.path(), "size=48m");
    let upstream = Upstream::start();
    let body = plan(&upstream) + NO_MARKS;
    let mut gateway = Setup::new(&body).data_dir(&folder.path().join("data")).start();
    let sign_in =
        |gateway: &Gateway| gateway.sign_in("mem.localhost", &[("email", MAYA), ("password", PASSWORD)]).send();
    let session = sign_in(&gateway).session().unwrap();
    let visit = |gateway: &Gateway, host: &str| gateway.get(host, "/").cookie(&session).send();
    assert_eq!(visit(&gateway, "mem.localhost").status, 200);

    let ballast = folder.path().join("ballast");
    fill(&ballast);
    until(Duration::from_secs(20), "readyz 503", || {
        // Entries of requests are what finds out.
        visit(&gateway, "pub.localhost");
        (gateway.admin_request("GET", "/readyz").send().status == 503).then_some(())
    });

    let refused = sign_in(&gateway);
    assert_eq!((refused.status, refused.reason().as_str(), refused.session()), (503, "log_unavailable", None));
    let inside = visit(&gateway, "mem.localhost");
    assert_eq!((inside.status, inside.reason().as_str()), (503, "log_unavailable"));
    assert_eq!(visit(&gateway, "pub.localhost").status, 200, "public circuits go on");

    std::fs::remove_file(&ballast).unwrap();
    until(Duration::from_secs(20), "readyz 200", || {
        (gateway.admin_request("GET", "/readyz").send().status == 200).then_some(())
    });
    assert_eq!(visit(&gateway, "mem.localhost").status, 200);
    assert_eq!(sign_in(&gateway).status, 303);
    let attempts = gateway.logs_when("access", "status=success", 2);
    assert_eq!(attempts.len(), 2);
    gateway.stop();
    gateway.launch();
    assert_eq!(gateway.logs("access", "status=success").len(), 2);
    gateway.stop();
    drop(mount);
}

/// No mark of the disk, and no ballast: what is full is full.
const NO_MARKS: &str = "[logs.disk]\nlow = \"off\"\nhard = \"off\"\nballast = \"off\"\n";

#[test]
#[ignore = "needs root to mount a small tmpfs"]
fn mounted_small_the_marks_of_a_disk_are_told_and_passed_and_left_without_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let mount = Tmpfs::mount(folder.path(), "size=96m");
    let (upstream, receiver) = (Upstream::start(), Upstream::start());
    let kept = tempfile::NamedTempFile::new().unwrap();
    let secret = kept.path();
    std::fs::write(secret, "only for tests of alerts").unwrap();
    let marks = format!(
        "[logs.disk]\nlow = \"40MiB\"\nhard = \"20MiB\"\nballast = \"4MiB\"\n\
         [alerts.ops]\nurl = \"{}/told\"\nsecret = {{ file = {secret:?} }}\non = [\"disk\"]\n",
        receiver.url()
    );
    let data = folder.path().join("data");
    let mut gateway = Setup::new(&(plan(&upstream) + &marks)).data_dir(&data).start();
    let visit = |gateway: &Gateway, path: &str| gateway.get("pub.localhost", path).send().status;
    let sign_in =
        |gateway: &Gateway| gateway.sign_in("mem.localhost", &[("email", MAYA), ("password", PASSWORD)]).send().status;
    let metric = |gateway: &Gateway, name: &str| gateway.metric(name, &[]) as u64;
    let mark = |gateway: &Gateway, mark: u64| {
        until(Duration::from_secs(20), "the mark", || {
            (metric(gateway, "vestibule_log_disk_mark") == mark).then_some(())
        });
    };
    let told = |word: &str| {
        until(Duration::from_secs(10), "an alert", || {
            let is_told = receiver.count() > 0 && String::from_utf8_lossy(&receiver.last().body).contains(word);
            is_told.then_some(())
        });
    };
    let dropped = |gateway: &Gateway| gateway.metric("vestibule_log_dropped_total", &["requests"]) as u64;
    assert_eq!(metric(&gateway, "vestibule_log_ballast_bytes"), 4 << 20);
    let filler = folder.path().join("filler");
    let leave = |bytes: u64| {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(&filler).unwrap();
        let free = free(folder.path());
        let mut file = std::io::BufWriter::new(file);
        std::io::copy(&mut std::io::repeat(1).take(free.saturating_sub(bytes)), &mut file).unwrap();
    };

    leave(30 << 20);
    mark(&gateway, 1);
    told("\"mark\":\"low\"");
    assert_eq!((visit(&gateway, "/low"), sign_in(&gateway)), (200, 303));
    gateway.logs_when("requests", "path=/low", 1);
    assert_eq!(dropped(&gateway), 0);

    leave(12 << 20);
    mark(&gateway, 2);
    told("\"mark\":\"hard\"");
    assert_eq!(gateway.admin("/api/v1/status").json()["store"]["disk"]["mark"], "hard");
    assert_eq!((visit(&gateway, "/hard"), sign_in(&gateway)), (200, 303), "attempts go on");
    gateway.logs_when("access", "status=success", 2);
    let gap = gateway.logs_when("audit", "action=log.gap", 1).remove(0);
    assert_eq!((&gap["details"]["cause"], &gap["details"]["log"]), (&"no_room".into(), &"requests".into()));
    assert!(dropped(&gateway) > 0);
    assert!(gateway.logs("requests", "path=/hard").is_empty());
    assert_eq!(gateway.admin_request("GET", "/readyz").send().status, 200);

    fill(&folder.path().join("rest"));
    until(Duration::from_secs(20), "the ballast to give way", || {
        sign_in(&gateway);
        (metric(&gateway, "vestibule_log_ballast_bytes") == 0).then_some(())
    });
    until(Duration::from_secs(20), "a sign-in in the room that it left", || (sign_in(&gateway) == 303).then_some(()));

    for file in ["rest", "filler"] {
        std::fs::remove_file(folder.path().join(file)).unwrap();
    }
    mark(&gateway, 0);
    assert_eq!((visit(&gateway, "/again"), sign_in(&gateway)), (200, 303));
    gateway.logs_when("requests", "path=/again", 1);
    assert_eq!(metric(&gateway, "vestibule_log_ballast_bytes"), 4 << 20);
    gateway.stop();
    drop(mount);
}

/// Bytes of the disk under a folder that may be written.
fn free(folder: &std::path::Path) -> u64 {
    let output = Command::new("stat").args(["-f", "-c", "%a %S"]).arg(folder).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let numbers: Vec<u64> = text.split_whitespace().map(|number| number.parse().unwrap()).collect();
    numbers[0] * numbers[1]
}

#[test]
#[ignore = "needs root to mount a small tmpfs"]
fn mounted_small_and_full_what_the_queue_cannot_hold_is_counted_and_marked() {
    let folder = tempfile::tempdir().unwrap();
    let mount = Tmpfs::mount(folder.path(), "size=256m");
    let upstream = Upstream::start();
    let body = plan(&upstream) + NO_MARKS;
    let mut gateway = Setup::new(&body).data_dir(&folder.path().join("data")).start();
    // Four fields of 2 KiB: some eight thousand of these entries are as many bytes as wait for the disk.
    let long = "x".repeat(2000);
    let mut sent = 0;
    let mut send = |gateway: &Gateway, count: usize| {
        harness::load::parallel(4, count, |number| {
            let target = format!("/{number}/{long}?{long}");
            gateway.get("pub.localhost", &target).header("User-Agent", &long).header("Referer", &long)
        });
        sent += count as u64;
        sent
    };
    let dropped = |gateway: &Gateway| gateway.metric("vestibule_log_dropped_total", &["requests"]) as u64;
    let ballast = folder.path().join("ballast");
    fill(&ballast);
    until(Duration::from_secs(20), "readyz 503", || {
        send(&gateway, 1);
        (gateway.admin_request("GET", "/readyz").send().status == 503).then_some(())
    });
    assert_eq!(dropped(&gateway), 0, "the queue holds what comes at first");
    let mut all = 0;
    until(Duration::from_secs(60), "a full queue", || {
        all = send(&gateway, 1000);
        (dropped(&gateway) > 0).then_some(())
    });
    assert!(all > 5000, "{all}");

    std::fs::remove_file(&ballast).unwrap();
    until(Duration::from_secs(20), "readyz 200", || {
        (gateway.admin_request("GET", "/readyz").send().status == 200).then_some(())
    });
    let lost = dropped(&gateway);
    until(Duration::from_secs(20), "every entry that was not lost", || {
        let kept = gateway.admin("/api/v1/logs/requests?count=true&limit=1").json()["total"].as_u64().unwrap();
        (kept + lost == all).then_some(())
    });
    let marks = gateway.logs_when("audit", "action=log.gap", 1);
    let marked: u64 = marks.iter().map(|mark| mark["details"]["dropped"].as_u64().unwrap()).sum();
    assert_eq!(marked, lost, "{marks:?}");
    let details = &marks[0]["details"];
    assert_eq!((&details["log"], &marks[0]["status"]), (&"requests".into(), &"alert".into()));
    assert!(details["from"].as_str() <= details["to"].as_str(), "{details}");
    gateway.stop();
    drop(mount);
}

/// Writes until the disk is full.
fn fill(file: &std::path::Path) {
    let mut file = std::fs::File::create(file).unwrap();
    for size in [1 << 20, 4096, 64, 1] {
        while file.write_all(&vec![0; size]).is_ok() {}
    }
}

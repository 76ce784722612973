//! Files of the logs that are not what was written: found, told, and never taken for something else.

mod state;

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use harness::house::MAYA;
use harness::{Gateway, House, Upstream, command, until};
use serde_json::json;

use crate::alerts::{SECRET, told};
use crate::faults::{largest, logs, sign_in};

#[test]
fn a_damaged_store_is_never_taken_for_an_empty_one() {
    let mut house = House::start();
    assert_eq!(sign_in(&house.gateway).status, 303);
    house.gateway.stop();
    let folder = logs(&house.gateway);
    let manifest = largest(&house.gateway, |name| name.starts_with("MANIFEST"));
    let table = largest(&house.gateway, |name| name.ends_with(".sst"));
    for damaged in [folder.join("CURRENT"), manifest, table] {
        let whole = fs::read(&damaged).unwrap();
        fs::remove_file(&damaged).unwrap();
        let output = command(&["run", "-c"]).arg(house.gateway.config()).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{} is missing: {text}", damaged.display());
        assert!(text.contains("log") && text.lines().count() < 20, "{text}");
        let is_named = text.contains(name_of(&damaged)) && text.contains("vestibule backup restore");
        assert!(is_named || damaged.ends_with("CURRENT"), "{text}");
        fs::write(&damaged, whole).unwrap();
        assert!(!folder.join("CURRENT").is_dir());
    }
    house.gateway.launch();
    assert_eq!(house.gateway.logs("access", "status=success").len(), 1, "put back, everything is there");
}

/// Turns one bit in the middle of a file, in place; twice is as before.
fn flip(file: &Path) {
    let at = file.metadata().unwrap().len() / 2;
    let file = File::options().read(true).write(true).open(file).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 1], at).unwrap();
}

/// The largest table of a column.
fn table(gateway: &Gateway, column: &str) -> PathBuf {
    // RocksDB writes the column's name at the end of each, after a part of the word for it.
    let mark = format!("name{column}");
    let holds = |file: &Path| fs::read(file).unwrap().windows(mark.len()).any(|part| part == mark.as_bytes());
    largest(gateway, |name| name.ends_with(".sst") && holds(&logs(gateway).join(name)))
}

fn name_of(file: &Path) -> &str {
    file.file_name().unwrap().to_str().unwrap()
}

/// What a receiver of alerts is told under.
fn receiver(of: &Upstream, on: &str) -> (String, tempfile::NamedTempFile) {
    let secret = tempfile::NamedTempFile::new().unwrap();
    fs::write(secret.path(), SECRET).unwrap();
    let (url, file) = (of.url(), secret.path());
    let alert = format!("[alerts.ops]\nurl = \"{url}/hook\"\nsecret = {{ file = {file:?} }}\non = [\"{on}\"]\n");
    (alert, secret)
}

/// More than a segment of the request log.
const MANY: usize = 33_000;
/// Entries of a segment.
const SEGMENT: u64 = 32_768;

/// With a segment, which the scrub has read once; stopped, so that all of it is in tables.
fn sealed(more: &str) -> House {
    let mut house = House::with(&format!("{more}[logs]\nscrub = \"1s\"\n"));
    harness::load::parallel(4, MANY, |at| house.get("pub.localhost", &format!("/{at}")));
    house.gateway.logs_when("requests", &format!("path=/{}", MANY - 1), 1);
    until(Duration::from_secs(30), "the scrub of a segment", || {
        (house.gateway.metric("vestibule_log_scrub_entries", &[]) >= SEGMENT as f64).then_some(())
    });
    until(Duration::from_secs(10), "a round of the scrub", || {
        (house.gateway.metric("vestibule_log_scrub_passes_total", &[]) >= 1.0).then_some(())
    });
    let integrity = house.gateway.admin("/api/v1/integrity").json();
    assert_eq!((&integrity["sound"], &integrity["scrub"]["failures"]), (&true.into(), &0.into()), "{integrity}");
    house.gateway.stop();
    house
}

#[test]
fn the_scrub_of_a_running_server_makes_its_rounds_and_tells_of_a_bit_that_flips() {
    let hook = Upstream::start();
    let (alert, _secret) = receiver(&hook, "verification");
    let mut house = sealed(&alert);
    house.gateway.launch();
    // All of it is in memory when the disk begins to err.
    assert_eq!(house.gateway.logs("requests", "path=/5").len(), 1);
    let round = || (house.gateway.metric("vestibule_log_scrub_passes_total", &[]) >= 1.0).then_some(());
    until(Duration::from_secs(10), "a round of the scrub", round);
    flip(&table(&house.gateway, "seg"));

    let found = until(Duration::from_secs(20), "what the scrub finds", || {
        let integrity = house.gateway.admin("/api/v1/integrity").json();
        (integrity["scrub"]["findings"] != json!([])).then_some(integrity)
    });
    let finding = &found["scrub"]["findings"][0];
    let last = SEGMENT - 1;
    assert_eq!((&finding["log"], &finding["kind"]), (&"requests".into(), &"unreadable".into()), "{found}");
    assert_eq!((&finding["first"], &finding["last"], &found["sound"]), (&0.into(), &last.into(), &false.into()));
    assert_eq!((&found["quarantined"][0]["first"], &found["quarantined"][0]["last"]), (&0.into(), &last.into()));
    assert!(house.gateway.metric("vestibule_log_scrub_failures_total", &[]) >= 1.0);
    assert!(house.gateway.output().contains("the logs are not what was written"), "{}", house.gateway.output());
    let entry = &house.gateway.logs_when("audit", "action=log.scrub", 1)[0];
    assert_eq!((&entry["status"], &entry["details"]["problem"]), (&"alert".into(), &"unreadable".into()), "{entry}");
    let call = until(Duration::from_secs(10), "the alert", || (hook.count() > 0).then(|| hook.last()));
    let told = told(&call);
    assert_eq!((&told["type"], &told["data"]["log"]), (&"verification".into(), &"requests".into()), "{told}");
    assert_eq!((&told["data"]["first"], &told["data"]["last"]), (&0.into(), &last.into()), "{told}");

    assert_eq!(house.get("pub.localhost", "/").send().status, 200);
    assert_eq!(sign_in(&house.gateway).status, 303);
    assert_eq!(house.gateway.admin_request("GET", "/readyz").send().status, 200);
}

#[test]
fn a_bit_that_flips_where_tables_are_merged_closes_what_is_protected_until_it_is_mended() {
    let hook = Upstream::start();
    let (alert, _secret) = receiver(&hook, "disk");
    let mut house = sealed(&alert);
    house.gateway.launch();
    let session = house.session("mem.localhost", MAYA);
    house.gateway.stop();
    let damaged = table(&house.gateway, "seg");
    flip(&damaged);
    // The segment is to go: what holds it is written anew.
    let body = house.gateway.body().to_owned();
    house.gateway.rewrite(&(body + "requests = { max_bytes = \"64KiB\" }\n"));
    house.gateway.spawn();
    until(Duration::from_secs(30), "a refusal", || {
        let answer = house.get("mem.localhost", "/").try_send().ok()?;
        (answer.status == 503).then_some(())
    });
    let closed = || {
        let inside = house.get("mem.localhost", "/").cookie(&session).send();
        assert_eq!((inside.status, inside.reason().as_str()), (503, "log_unavailable"));
        let outside = sign_in(&house.gateway);
        assert_eq!((outside.status, outside.session()), (503, None));
        assert_eq!(house.get("pub.localhost", "/").send().status, 200, "public circuits go on");
        assert_eq!(house.gateway.admin_request("GET", "/readyz").send().status, 503);
    };
    closed();
    let says = |text: &str| text.contains(name_of(&damaged)) && text.contains("vestibule backup restore");
    let status = house.gateway.admin("/api/v1/status").json();
    assert!(says(status["store"]["cause"].as_str().unwrap()), "{status}");
    assert!(says(&house.gateway.output()), "{}", house.gateway.output());
    let call = until(Duration::from_secs(10), "the alert", || (hook.count() > 0).then(|| hook.last()));
    assert!(says(told(&call)["data"]["cause"].as_str().unwrap()), "{:?}", told(&call));
    // Nor does it open again by itself, and what is stored can be read.
    closed();
    assert_eq!(house.gateway.logs("access", "status=success&view=events").len(), 1);
    house.gateway.kill();

    flip(&damaged);
    house.gateway.launch();
    assert_eq!(sign_in(&house.gateway).status, 303);
    assert_eq!(house.get("mem.localhost", "/").cookie(&session).send().status, 200);
}

#[test]
fn a_bit_that_flips_where_a_start_reads_refuses_the_start_and_names_the_file() {
    let mut house = House::start();
    assert_eq!(sign_in(&house.gateway).status, 303);
    house.gateway.stop();
    for column in ["hot", "meta"] {
        let damaged = table(&house.gateway, column);
        let refused = |text: &str| text.contains(name_of(&damaged)) && text.contains("vestibule backup restore");
        let whole = fs::read(&damaged).unwrap();
        // Of the entries themselves: the middle of a small table is what RocksDB says about it.
        let mut bytes = whole.clone();
        bytes[20] ^= 1;
        fs::write(&damaged, bytes).unwrap();
        let output = command(&["run", "-c"]).arg(house.gateway.config()).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{column}: {text}");
        assert!(refused(&text), "{column}: {text}");
        fs::write(&damaged, whole).unwrap();
    }
    house.gateway.launch();
    assert_eq!(house.gateway.logs("access", "status=success").len(), 1);
}

#[test]
fn without_a_backup_damaged_logs_are_kept_elsewhere_and_empty_ones_begun() {
    let mut house = House::start();
    let session = house.session("mem.localhost", MAYA);
    house.gateway.stop();
    let damaged = table(&house.gateway, "hot");
    let mut bytes = fs::read(&damaged).unwrap();
    bytes[20] ^= 1;
    fs::write(&damaged, bytes).unwrap();
    let output = command(&["run", "-c"]).arg(house.gateway.config()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("without a backup move its folder logs away"), "{text}");
    fs::rename(logs(&house.gateway), house.gateway.folder().join("kept")).unwrap();
    house.gateway.launch();
    assert_eq!(house.get("mem.localhost", "/").cookie(&session).send().status, 200, "people go on");
    assert_eq!(sign_in(&house.gateway).status, 303);
    assert_eq!(house.gateway.logs("access", "status=success").len(), 1);
    let verified = house.gateway.as_admin("POST", "/api/v1/integrity/verify").send();
    assert!(verified.text().contains("\"valid\":true"), "{}", verified.text());
}

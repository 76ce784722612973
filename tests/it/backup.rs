//! The data folder at one moment, elsewhere and back.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use harness::house::MAYA;
use harness::{House, command, until};
use serde_json::Value;

const WAIT: Duration = Duration::from_secs(10);

/// A command of the operator; its exit code, and all that it said.
fn run(house: &House, arguments: &[&str]) -> (i32, String) {
    let mut command = command(arguments);
    command.env("VESTIBULE_ADMIN_URL", format!("http://{}", house.gateway.admin_address()));
    command.env("VESTIBULE_ADMIN_TOKEN", harness::secrets::ADMIN_TOKEN);
    let output = command.env("VESTIBULE_CONFIG", house.gateway.config()).output().unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    (output.status.code().unwrap_or_else(|| panic!("{}: {said}", output.status)), said)
}

fn ids(house: &House, log: &str) -> BTreeSet<String> {
    house.gateway.logs(log, "").iter().map(|entry| entry["id"].as_str().unwrap().to_owned()).collect()
}

/// Every file and folder below one, and itself.
fn all(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![folder.to_owned()];
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(all(&path)) } else { found.push(path) }
    }
    found
}

/// The data is gone.
fn lose(house: &House) -> PathBuf {
    let old = house.gateway.folder().join("old");
    fs::rename(house.gateway.data_dir(), &old).unwrap();
    old
}

/// Ends the load, also where the test fails.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_backup_under_load_is_restored_and_goes_on_and_says_what_was_lost() {
    let anchors = tempfile::tempdir().unwrap();
    let place = format!("file://{}", anchors.path().display());
    let mut house = House::with(&format!("[logs.anchors]\nto = [\"{place}\"]\n"));
    let cookie = house.session("mem.localhost", MAYA);
    let folder = tempfile::tempdir().unwrap();
    let backup = folder.path().join("backup");
    let at = backup.to_str().unwrap();

    let done = AtomicBool::new(false);
    let before = std::thread::scope(|scope| {
        let stop = Stop(&done);
        for client in 0..2 {
            let (house, done) = (&house, &done);
            scope.spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    house.get("pub.localhost", &format!("/{client}")).send();
                }
            });
        }
        house.gateway.logs_when("requests", "", 100);
        let before = (ids(&house, "access"), ids(&house, "audit"), house.gateway.logs("requests", "")[0].clone());
        let (code, said) = run(&house, &["backup", "create", at]);
        drop(stop);
        assert_eq!((code, said.matches(" valid ").count()), (0, 3), "{said}");
        before
    });
    for path in all(&backup) {
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, if path.is_dir() { 0o700 } else { 0o600 }, "{}", path.display());
    }
    assert!(!house.gateway.data_dir().join("backup").exists(), "the copy beside the data is gone");
    assert_eq!(house.gateway.logs("audit", "action=backup.create").len(), 1);
    assert_eq!(run(&house, &["backup", "create", at]).0, 2, "a backup is never written over");
    assert_eq!(run(&house, &["verify", "--data", at]).0, 0);

    // What happens from here on is lost, and an anchor knows of it.
    house.get("pub.localhost", "/lost").send();
    let lost = house.gateway.logs_when("requests", "path=/lost", 1)[0].clone();
    assert_eq!(run(&house, &["anchor", "now"]).0, 0);
    let key = house.gateway.admin("/api/v1/integrity").json()["key"].as_str().unwrap().to_owned();
    house.gateway.stop();
    let (code, said) = run(&house, &["backup", "restore", at]);
    assert_eq!((code, said.contains("is not empty")), (2, true), "{said}");
    lose(&house);
    let (code, said) = run(&house, &["backup", "restore", at, "--key", &key]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("requests: entries up to") && said.contains("sessions ended"), "{said}");

    let (code, said) = run(&house, &["verify", "--key", &key, "--anchors", &place]);
    assert_eq!((code, said.contains("requests  RESTORED from a backup")), (0, true), "{said}");

    house.gateway.launch();
    assert_eq!(house.get("mem.localhost", "/").cookie(&cookie).send().status, 401, "sessions end");
    assert!(ids(&house, "access").is_superset(&before.0) && ids(&house, "audit").is_superset(&before.1));
    let seq = before.2["seq"].as_u64().unwrap();
    assert_eq!(house.gateway.admin(&format!("/api/v1/logs/requests/{}", before.2["id"].as_str().unwrap())).status, 200);
    assert_eq!(house.gateway.logs("requests", &format!("seq={seq}"))[0]["request_id"], before.2["request_id"]);
    assert_eq!(house.gateway.logs("requests", "path=/lost").len(), 0);
    let told = house.gateway.logs("audit", "action=log.restore")[0].clone();
    assert!(told["details"]["lost"]["requests"].as_u64() >= lost["seq"].as_u64(), "{told}");
    house.get("pub.localhost", "/after").send();
    let after = house.gateway.logs_when("requests", "path=/after", 1)[0].clone();
    assert_ne!(after["request_id"], lost["request_id"]);
    assert_eq!(run(&house, &["verify"]).0, 0);
    // The numbers of anchors go on after those that the place has.
    until(WAIT, "the place to have all", || {
        let known = house.gateway.admin("/api/v1/integrity").json();
        (known["anchors"][0]["error"].is_null() && known["anchors"][0]["anchors"].as_u64() >= Some(4)).then_some(())
    });
    house.gateway.stop();
    let json = run(&house, &["-qq", "verify", "--key", &key, "--anchors", &place, "-o", "json"]).1;
    let report: Value = serde_json::from_str(&json).unwrap();
    assert!(report["lost"].as_array().unwrap().iter().any(|lost| lost["log"] == "requests"), "{report}");
}

#[test]
fn a_damaged_or_unfinished_backup_is_refused_and_a_stopped_server_is_copied_too() {
    let mut house = House::start();
    house.get("pub.localhost", "/").send();
    house.gateway.logs_when("requests", "", 1);
    house.gateway.stop();
    let folder = tempfile::tempdir().unwrap();
    let backup = folder.path().join("backup");
    let at = backup.to_str().unwrap();
    let (code, said) = run(&house, &["backup", "create", at]);
    assert_eq!(code, 0, "{said}");
    let old = lose(&house);

    let manifest = backup.join("backup.json");
    let files: Vec<_> = all(&backup).into_iter().filter(|path| path.is_file() && *path != manifest).collect();
    assert!(files.len() > 6, "{files:?}");
    for file in [&files[0], &files[files.len() / 2], &files[files.len() - 1]] {
        let whole = fs::read(file).unwrap();
        let mut damaged = whole.clone();
        if damaged.is_empty() {
            damaged.push(1)
        } else {
            damaged[0] ^= 1
        }
        fs::write(file, damaged).unwrap();
        let (code, said) = run(&house, &["backup", "restore", at]);
        assert_eq!((code, said.contains("the backup is damaged")), (5, true), "{said}");
        assert!(!house.gateway.data_dir().exists(), "nothing is begun");
        fs::write(file, whole).unwrap();
    }
    let text = fs::read(&manifest).unwrap();
    fs::remove_file(&manifest).unwrap();
    let (code, said) = run(&house, &["backup", "restore", at]);
    assert_eq!((code, said.contains("not a whole backup")), (1, true), "{said}");
    fs::write(&manifest, text).unwrap();
    let stranger = fs::read_to_string(&manifest).unwrap();
    let stranger: Value = serde_json::from_str(&stranger).unwrap();
    let own = stranger["key"].as_str().unwrap();
    assert_eq!(run(&house, &["backup", "restore", at, "--key", &own.replacen('+', "+0", 1)]).0, 2);

    // A restoring that was interrupted.
    let data = house.gateway.data_dir();
    fs::create_dir_all(data.join("restoring")).unwrap();
    let started = command(&["run", "-c"]).arg(house.gateway.config()).output().unwrap();
    let said = String::from_utf8_lossy(&started.stderr);
    assert_eq!((started.status.code(), said.contains("is not whole")), (Some(1), true), "{said}");
    fs::remove_dir_all(&data).unwrap();

    let (code, said) = run(&house, &["backup", "restore", at, "--key", own]);
    assert_eq!(code, 0, "{said}");
    house.gateway.launch();
    assert_eq!(house.gateway.logs("requests", "path=/").len(), 1);
    assert_eq!(house.gateway.logs("audit", "action=backup.create").len(), 1);
    assert_eq!(run(&house, &["verify"]).0, 0);
    assert!(old.exists());
}

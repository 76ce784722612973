//! An auditor alone: with the program, a copy of the data and the key, or with one small file.

use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use harness::house::MAYA;
use harness::secrets::PASSWORD;
use harness::{House, command, until};
use serde_json::Value;

fn run(house: &House, arguments: &[&str]) -> Output {
    let admin = format!("http://{}", house.gateway.admin_address());
    command(arguments)
        .env("VESTIBULE_ADMIN_URL", admin)
        .env("VESTIBULE_ADMIN_TOKEN", harness::secrets::ADMIN_TOKEN)
        .env("VESTIBULE_CONFIG", house.gateway.config())
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn report(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output.stderr)))
}

fn busy() -> House {
    let house = House::start();
    for at in 0..30 {
        house.get("pub.localhost", &format!("/{at}")).send();
    }
    house.gateway.sign_in("pin.localhost", &[("pin", "000000")]).from("203.0.113.9").send();
    house.gateway.logs_when("requests", "", 31);
    house
}

/// Of everything in a folder, into another.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Waits for one in a folder to which they go.
fn first_anchor(folder: &Path) -> PathBuf {
    until(Duration::from_secs(10), "the first anchor", || {
        let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
        files.into_iter().find(|file| file.extension().is_some_and(|kind| kind != "new"))
    })
}

#[test]
fn a_running_server_verifies_its_logs_and_leaves_an_entry() {
    let house = busy();
    let verified = run(&house, &["verify", "-o", "json"]);
    assert_eq!(verified.status.code(), Some(0), "{}", text(&verified.stderr));
    let report = report(&verified);
    assert_eq!((&report["valid"], &report["logs"]["requests"]["entries"]), (&true.into(), &31.into()));
    // All of it is under a head that was signed for the purpose.
    assert_eq!(report["logs"]["requests"]["signed"], 31);
    assert!(report["logs"]["access"]["first_time"].is_string());
    let entry = &house.gateway.logs("audit", "action=log.verify")[0];
    assert_eq!((&entry["status"], &entry["details"]["valid"]), (&"success".into(), &true.into()));

    let integrity = house.gateway.admin("/api/v1/integrity").json();
    assert_eq!(integrity["logs"]["requests"]["signed"], 31);
    let head = house.gateway.admin("/api/v1/integrity/checkpoint?log=requests");
    let note = head.text();
    let lines: Vec<&str> = note.lines().collect();
    assert!(lines[0].starts_with("vestibule/") && lines[0].ends_with("/requests"), "{note}");
    assert_eq!((lines[1], lines[3]), ("31", ""));
    assert_eq!(house.gateway.admin("/api/v1/integrity/checkpoint").status, 400);

    let page = run(&house, &["verify"]);
    assert!(text(&page.stdout).contains("requests  valid  31 entries, "), "{}", text(&page.stdout));
    let stranger = "vestibule/x+00000000+AAAA";
    assert_eq!(run(&house, &["verify", "--key", stranger]).status.code(), Some(2));
}

#[test]
fn a_copy_is_verified_without_a_server_and_a_changed_byte_is_found() {
    let mut house = busy();
    let key = house.gateway.admin("/api/v1/integrity").json()["key"].as_str().unwrap().to_owned();
    house.gateway.stop();
    let folder = tempfile::tempdir().unwrap();
    let copied = folder.path().join("copy");
    copy(&house.gateway.data_dir(), &copied);
    let data = copied.to_str().unwrap();
    let sound = run(&house, &["verify", "--data", data, "--key", &key, "-o", "json"]);
    assert_eq!(sound.status.code(), Some(0), "{}{}", text(&sound.stdout), text(&sound.stderr));
    assert_eq!(report(&sound)["logs"]["audit"]["end"], report(&sound)["logs"]["audit"]["signed"]);
    // With nobody to ask, the configured folder is read, with the key that lies beside the logs.
    assert_eq!(run(&house, &["verify"]).status.code(), Some(0));

    // One bit of each of RocksDB's tables.
    let files = std::fs::read_dir(copied.join("logs")).unwrap().map(|file| file.unwrap().path());
    let tables: Vec<PathBuf> = files.filter(|file| file.extension().is_some_and(|kind| kind == "sst")).collect();
    assert!(!tables.is_empty());
    for table in tables {
        let mut bytes = std::fs::read(&table).unwrap();
        bytes[20] ^= 1;
        std::fs::write(table, bytes).unwrap();
    }
    let broken = run(&house, &["verify", "--data", data, "--key", &key, "-o", "json"]);
    assert!(matches!(broken.status.code(), Some(1 | 5)), "{broken:?}");

    std::fs::remove_file(copied.join("checkpoint.key")).unwrap();
    let keyless = run(&house, &["verify", "--data", data]);
    assert_eq!(keyless.status.code(), Some(2));
    assert!(text(&keyless.stderr).contains("--key"), "{}", text(&keyless.stderr));
}

#[test]
fn heads_go_to_a_folder_and_tell_of_what_was_cut() {
    let anchors = tempfile::tempdir().unwrap();
    let place = format!("[logs.anchors]\nto = [\"file://{}\"]", anchors.path().display());
    let mut house = House::with(&place);
    let first = until(Duration::from_secs(10), "the first anchor", || {
        let list = text(&run(&house, &["anchor", "list"]).stdout);
        list.contains(" start ").then_some(list)
    });
    assert!(first.trim_start().starts_with("0 "), "{first}");
    house.get("pub.localhost", "/").send();
    house.gateway.logs_when("requests", "", 1);
    let asked = run(&house, &["anchor", "now"]);
    assert!(text(&asked.stdout).contains(" asked "), "{}", text(&asked.stderr));
    assert_eq!(house.gateway.logs("audit", "action=log.anchor")[0]["resource"], "1");
    assert!(house.gateway.metric("vestibule_anchor_age_seconds", &[]) >= 0.0);
    let key = house.gateway.admin("/api/v1/integrity").json()["key"].as_str().unwrap().to_owned();
    house.gateway.stop();
    // At the start, because somebody asked, and at the stop.
    assert_eq!(std::fs::read_dir(anchors.path()).unwrap().count(), 3);

    let at = anchors.path().to_str().unwrap();
    let verify = |house: &House| run(house, &["verify", "--key", &key, "--anchors", at, "-o", "json"]);
    let sound = verify(&house);
    assert_eq!(sound.status.code(), Some(0), "{}", text(&sound.stderr));
    let mut files: Vec<PathBuf> = std::fs::read_dir(anchors.path()).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    let second = std::fs::read(&files[1]).unwrap();
    std::fs::remove_file(&files[1]).unwrap();
    let gap = verify(&house);
    assert_eq!((gap.status.code(), text(&gap.stderr).contains("anchor 1 is missing")), (Some(5), true));
    std::fs::write(&files[1], second).unwrap();

    // Another store under the same key of the operator: what was anchored is not there.
    std::fs::remove_dir_all(house.gateway.data_dir().join("logs")).unwrap();
    house.gateway.launch();
    house.gateway.stop();
    assert_eq!(verify(&house).status.code(), Some(5));
}

#[test]
fn a_new_key_takes_the_place_of_the_old_one_and_the_first_one_is_enough() {
    let anchors = tempfile::tempdir().unwrap();
    let mut house = House::with(&format!("[logs.anchors]\nto = [\"file://{}\"]", anchors.path().display()));
    let known = |house: &House| house.gateway.admin("/api/v1/integrity").json();
    let first = known(&house)["key"].as_str().unwrap().to_owned();
    let file = house.gateway.data_dir().join("checkpoint.key");
    let private = std::fs::read(&file).unwrap();
    house.get("pub.localhost", "/before").send();
    house.gateway.logs_when("requests", "", 1);
    // One of before, so that the one of the change is missed when it is gone.
    first_anchor(anchors.path());

    let changed = run(&house, &["anchor", "rotate"]);
    let second = text(&changed.stdout).trim().to_owned();
    assert_eq!(changed.status.code(), Some(0), "{}", text(&changed.stderr));
    assert_ne!(second, first);
    assert_eq!(
        (&known(&house)["key"], known(&house)["successions"].as_array().unwrap().len()),
        (&second.as_str().into(), 1)
    );
    let entry = house.gateway.logs("audit", "action=secret.rotate&resource=checkpoint_key").remove(0);
    assert_eq!((&entry["details"]["succession"], &entry["http_status"]), (&1.into(), &201.into()));
    assert_eq!(entry["details"]["key"], second.as_str());
    // The private half of the old one is in no file any more.
    let seed = text(&private);
    assert!(
        std::fs::read(&file).unwrap() != private && holding(&house.gateway.data_dir().join("logs"), &seed).is_empty()
    );
    assert!(!house.gateway.data_dir().join("checkpoint.next").exists());

    // Whoever asks for a head gets one of the new key, whether the log has grown or not.
    for log in ["access", "requests", "audit"] {
        let own = known(&house)["logs"][log]["key"].as_str().unwrap().to_owned();
        let id = own.split('+').nth(1).unwrap().to_owned();
        let head = house.gateway.admin(&format!("/api/v1/integrity/checkpoint?log={log}")).text();
        let signature = head.lines().last().unwrap().rsplit(' ').next().unwrap().to_owned();
        use base64::Engine as _;
        let signature = base64::prelude::BASE64_STANDARD.decode(signature).unwrap();
        let hex: String = signature[..4].iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, id, "{log}: {head}");
    }

    house.gateway.kill();
    house.gateway.launch();
    assert_eq!(known(&house)["key"], second.as_str());
    house.get("pub.localhost", "/after").send();
    let after = house.gateway.logs_when("requests", "path=/after", 1).remove(0);
    let proof = anchors.path().join("entry.tlog-proof");
    let proof = proof.to_str().unwrap();
    assert_eq!(run(&house, &["prove", after["id"].as_str().unwrap(), "--to", proof]).status.code(), Some(0));
    assert_eq!(run(&house, &["anchor", "now"]).status.code(), Some(0));
    let listed = text(&run(&house, &["anchor", "list"]).stdout);
    assert!(listed.contains(" key ") && listed.contains(" asked "), "{listed}");
    let backup = anchors.path().join("backup");
    let backup = backup.to_str().unwrap().to_owned();
    assert_eq!(run(&house, &["backup", "create", &backup]).status.code(), Some(0));
    let at = anchors.path().to_str().unwrap().to_owned();
    for kept in [&first, &second] {
        for arguments in [&["verify"][..], &["verify", "--proof", proof], &["verify", "--data", &backup]] {
            let verified = run(&house, &[arguments, &["--key", kept]].concat());
            assert_eq!(verified.status.code(), Some(0), "{arguments:?} {kept}: {}", text(&verified.stderr));
        }
    }
    house.gateway.stop();
    let verified = run(&house, &["verify", "--key", &first, "--anchors", &at]);
    assert_eq!(verified.status.code(), Some(0), "{}{}", text(&verified.stdout), text(&verified.stderr));
    // The anchors alone do not lead from the first key to the second when the one between them is gone.
    let mut files: Vec<PathBuf> = std::fs::read_dir(anchors.path()).unwrap().map(|file| file.unwrap().path()).collect();
    files.retain(|file| std::fs::read_to_string(file).is_ok_and(|text| text.contains("\"cause\": \"key\"")));
    assert_eq!(files.len(), 1);
    std::fs::remove_file(&files[0]).unwrap();
    let gap = run(&house, &["verify", "--key", &first, "--anchors", &at]);
    assert_eq!((gap.status.code(), text(&gap.stderr).contains("is missing")), (Some(5), true), "{}", text(&gap.stderr));
}

#[test]
fn one_entry_is_proven_by_a_small_file() {
    let house = busy();
    let key = house.gateway.admin("/api/v1/integrity").json()["key"].as_str().unwrap().to_owned();
    let entry = house.gateway.logs("access", "result=failed").remove(0);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("entry.tlog-proof");
    let file = file.to_str().unwrap();
    let made = run(&house, &["prove", entry["id"].as_str().unwrap(), "--to", file]);
    assert_eq!(made.status.code(), Some(0), "{}", text(&made.stderr));
    assert!(std::fs::metadata(file).unwrap().len() <= 4096);

    let checked = run(&house, &["verify", "--proof", file, "--key", &key, "-o", "json"]);
    assert_eq!(checked.status.code(), Some(0), "{}", text(&checked.stderr));
    let proven = report(&checked);
    for field in ["time", "email", "reason", "source_ip", "seq", "circuit"] {
        assert_eq!(proven["entry"][field], entry[field], "{field}");
    }

    let forged = std::fs::read_to_string(file).unwrap().replacen("index ", "index 1", 1);
    std::fs::write(file, forged).unwrap();
    let refused = run(&house, &["verify", "--proof", file, "--key", &key]);
    assert_eq!(refused.status.code(), Some(5));
    assert!(text(&refused.stderr).starts_with("error: the entry is not in the log"), "{}", text(&refused.stderr));
    assert_eq!(run(&house, &["prove", "00000000-0000-8000-8000-000000000000"]).status.code(), Some(1));
    assert_eq!(house.gateway.admin("/api/v1/logs/access/x?include=moon").status, 400);
}

/// Files of a folder that hold a text.
fn holding(folder: &Path, text: &str) -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let holds = |file: &PathBuf| std::fs::read(file).unwrap().windows(text.len()).any(|part| part == text.as_bytes());
    files.filter(holds).collect()
}

#[test]
fn a_person_is_erased_from_logs_and_state_and_the_logs_still_verify() {
    let mut house = House::start();
    let signed_in = house.gateway.sign_in("mem.localhost", &[("email", MAYA), ("password", PASSWORD)]).send();
    let session = signed_in.session().unwrap();
    for at in 0..5 {
        let answer = house.get("mem.localhost", &format!("/{at}")).cookie(&session).send();
        assert_eq!(answer.status, 200);
    }
    house.get("pub.localhost", &format!("/ask?mail={}", MAYA.replace('@', "%40"))).send();
    house.get("pub.localhost", &format!("/ask/not{MAYA}")).send();
    let hers = house.gateway.logs_when("requests", &format!("email={MAYA}"), 5);
    house.gateway.logs_when("requests", "", 8);
    let id = hers[0]["id"].as_str().unwrap().to_owned();

    let erased = run(&house, &["erase", "--user", MAYA]);
    assert_eq!(erased.status.code(), Some(0), "{}", text(&erased.stderr));
    // Her sign-in, her five requests, the one that signed her in, and the one that names her.
    assert!(text(&erased.stdout).starts_with("erased: 1 access, 7 requests and "), "{}", text(&erased.stdout));
    assert!(text(&erased.stdout).contains(" 1 sessions "), "{}", text(&erased.stdout));
    assert_eq!(house.gateway.logs("requests", &format!("email={MAYA}")).len(), 0);
    assert_eq!(house.get("mem.localhost", "/").cookie(&session).send().status, 401);

    for restarted in [false, true] {
        for log in ["access", "requests", "audit"] {
            let found = house.gateway.logs(log, &format!("q={MAYA}"));
            // Another name that ends like hers is another name.
            assert!(found.iter().all(|entry| entry["path"] == format!("/ask/not{MAYA}")), "{found:?}");
        }
        let one = house.gateway.admin(&format!("/api/v1/logs/requests/{id}")).json();
        assert!(one["erased"].is_string() && one["source_ip"].is_null() && one["session_id"].is_null(), "{one}");
        let proof = run(&house, &["prove", &id]);
        assert!(proof.status.code() == Some(1) && text(&proof.stderr).contains("erased"), "{proof:?}");
        let verified = run(&house, &["verify", "-o", "json"]);
        assert_eq!(verified.status.code(), Some(0), "{}", text(&verified.stdout));
        assert_eq!(report(&verified)["logs"]["requests"]["erased"], 7);
        if !restarted {
            house.gateway.stop();
            house.gateway.launch();
        }
    }
    let entry = &house.gateway.logs("audit", "action=user.erase")[0];
    assert!(entry["resource"].as_str().unwrap().starts_with("h:"), "{entry}");
    assert_eq!(entry["details"]["entries"]["requests"], 7);
    house.gateway.stop();
    let data = house.gateway.data_dir();
    for folder in ["logs", "state"] {
        let held = holding(&data.join(folder), MAYA);
        assert!(held.iter().all(|file| !holding_alone(file)), "{held:?}");
    }
}

/// Whether a file names her, and not only the one whose name ends like hers.
fn holding_alone(file: &Path) -> bool {
    let (bytes, name) = (std::fs::read(file).unwrap(), MAYA.as_bytes());
    let found = bytes.windows(name.len() + 3).filter(|part| part.ends_with(name));
    found.into_iter().any(|part| !part.starts_with(b"not"))
}

#[test]
fn a_place_of_anchors_that_hangs_holds_a_stop_up_for_ten_seconds_and_not_for_ever() {
    let anchors = tempfile::tempdir().unwrap();
    let place = format!("[logs.anchors]\nto = [\"file://{}\"]", anchors.path().display());
    let mut house = House::with(&place);
    let names =
        || -> Vec<PathBuf> { std::fs::read_dir(anchors.path()).unwrap().map(|file| file.unwrap().path()).collect() };
    let first = first_anchor(anchors.path());
    let name = first.file_name().unwrap().to_str().unwrap();
    // The next one is written to a pipe that nobody reads: opening it never returns.
    let at = name.rfind('0').unwrap();
    let pipe = anchors.path().join(format!("{}1{}.new", &name[..at], &name[at + 1..]));
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let began = std::time::Instant::now();
    house.gateway.stop();
    let took = began.elapsed();
    assert!((Duration::from_secs(9)..Duration::from_secs(20)).contains(&took), "{took:?}");
    assert!(house.gateway.output().contains("does not answer"), "{}", house.gateway.output());

    std::fs::remove_file(&pipe).unwrap();
    house.gateway.launch();
    until(Duration::from_secs(10), "the anchor that waited", || (names().len() == 2).then_some(()));
}

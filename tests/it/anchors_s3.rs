//! Anchors in a bucket of a service that others made, which lets nobody remove what is locked.

use std::process::Output;
use std::time::Duration;

use harness::s3::{ACCESS_KEY, REGION, S3, SECRET_KEY};
use harness::{House, command, until};

const WAIT: Duration = Duration::from_secs(20);

/// As an auditor, who has no file of the server and no token.
fn audit(s3: &S3, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = command(arguments);
    command.env("AWS_ENDPOINT_URL", s3.endpoint()).env("AWS_REGION", REGION);
    command.env("AWS_ACCESS_KEY_ID", ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
    let Output { status, stdout, stderr } = command.output().unwrap();
    (status.code(), String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned())
}

/// What stands between two words, each time.
fn between<'a>(text: &'a str, open: &str, close: &str) -> Vec<&'a str> {
    text.split(open).skip(1).filter_map(|rest| Some(rest.split_once(close)?.0)).collect()
}

#[test]
fn s3_heads_can_neither_be_removed_nor_replaced_and_tell_of_what_was_cut() {
    let s3 = S3::start();
    assert_eq!(s3.curl("/heads", &["-X", "PUT", "-H", "x-amz-bucket-object-lock-enabled: true"]).0, 200);
    let mut house = House::with(&s3.toml("\"s3://heads/of/logs\""));
    let listed = || audit(&s3, &["anchor", "list", "--at", "s3://heads/of/logs"]).1;
    until(WAIT, "the first anchor", || listed().contains(" start ").then_some(()));
    let key = house.gateway.admin("/api/v1/integrity").json()["key"].as_str().unwrap().to_owned();
    house.gateway.stop();
    let old = tempfile::tempdir().unwrap();
    let copied = std::process::Command::new("cp").arg("-a").arg(house.gateway.data_dir()).arg(old.path()).status();
    assert!(copied.unwrap().success());

    house.gateway.launch();
    house.get("pub.localhost", "/").send();
    house.gateway.logs_when("requests", "", 1);
    let known = house.gateway.admin("/api/v1/integrity").json();
    assert_eq!(known["anchors"][0]["place"], "s3://heads/of/logs");
    house.gateway.stop();
    assert_eq!(listed().lines().count(), 3, "at the start and at each stop: {}", listed());

    // Whoever has the keys of the server, and more.
    let versions = s3.curl("/heads?versions=", &[]).1;
    let (names, ids) = (between(&versions, "<Key>", "</Key>"), between(&versions, "<VersionId>", "</VersionId>"));
    assert_eq!((names.len(), ids.len()), (3, 3), "{versions}");
    assert!(names.iter().all(|name| name.starts_with("of/logs/vestibule-")), "{names:?}");
    let last = format!("/heads/{}", names[2]);
    for more in [&[][..], &["-H", "x-amz-bypass-governance-retention: true"]] {
        let removed = s3.curl(&format!("{last}?versionId={}", ids[2]), &[&["-X", "DELETE"], more].concat());
        assert_eq!(removed.0, 403, "{}", removed.1);
    }
    assert_eq!(s3.curl(&last, &["-X", "PUT", "-H", "if-none-match: *"]).0, 412);
    // These go on top of what is locked, and change nothing.
    assert_eq!(s3.curl(&last, &["-X", "PUT"]).0, 200);
    assert_eq!(s3.curl(&format!("/heads/{}", names[1]), &["-X", "DELETE"]).0, 204);

    let data = house.gateway.data_dir();
    let verify = |data: &str| audit(&s3, &["verify", "--data", data, "--key", &key, "--anchors", "s3://heads/of/logs"]);
    let sound = verify(data.to_str().unwrap());
    assert_eq!(sound.0, Some(0), "{}", sound.1);
    assert!(sound.1.contains("3 anchors follow each other up to number 2"), "{}", sound.1);
    assert!(!sound.1.contains("not locked"), "{}", sound.1);
    let cut = verify(old.path().join("data").to_str().unwrap());
    assert_eq!((cut.0, cut.1.contains("cut tail")), (Some(5), true), "{}", cut.1);

    // What the next start has to say goes on after it.
    house.gateway.launch();
    house.gateway.stop();
    assert_eq!(listed().lines().count(), 4, "{}", listed());
}

#[test]
fn s3_a_bucket_that_locks_nothing_is_refused_and_holds_up_no_other_place() {
    let s3 = S3::start();
    assert_eq!(s3.curl("/plain", &["-X", "PUT"]).0, 200);
    let folder = tempfile::tempdir().unwrap();
    let places = format!("\"s3://plain\", \"s3://nowhere\", \"file://{}\"", folder.path().display());
    let house = House::with(&s3.toml(&places));
    let error = |place: usize| {
        let known = house.gateway.admin("/api/v1/integrity").json();
        known["anchors"][place]["error"].as_str().map(str::to_owned)
    };
    let refused = until(WAIT, "a refusal", || error(0));
    assert!(refused.starts_with("the bucket has no Object Lock"), "{refused}");
    let missing = until(WAIT, "another one", || error(1));
    assert!(missing.starts_with("there is no such bucket"), "{missing}");
    until(WAIT, "the folder's anchor", || (std::fs::read_dir(folder.path()).unwrap().count() == 1).then_some(()));
    assert_eq!((error(2), s3.curl("/plain?versions=", &[]).1.contains("<Key>")), (None, false));
    assert!(house.gateway.metric("vestibule_anchor_failures_total", &[]) >= 2.0);
    assert_eq!(house.gateway.admin("/api/v1/status").json()["anchor_age_seconds"], serde_json::Value::Null);
    let (code, said) = audit(&s3, &["anchor", "list", "--at", "s3://nowhere"]);
    assert_eq!((code, said.contains("there is no such bucket")), (Some(1), true), "{said}");
}

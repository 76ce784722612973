//! The promises of the store, on a real database in a temporary folder.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail by a panic")]

mod sample;

use std::path::Path;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use sample::{access, audit, options, request};
use vestibule_logstore::{Entry, Error, Log, Page, Query, Store};

fn open(dir: &Path) -> Store {
    Store::open(dir, options()).unwrap()
}

fn ask(store: &Store, log: Log, parameters: &str) -> Page {
    store.query(&query(log, parameters)).unwrap()
}

fn query(log: Log, parameters: &str) -> Query {
    let parameters: Vec<_> = parameters
        .split_whitespace()
        .map(|parameter| parameter.split_once('=').map(|(name, value)| (name.into(), value.into())).unwrap())
        .collect();
    Query::parse(log, &parameters, Timestamp::UNIX_EPOCH).unwrap()
}

/// Until the condition holds, at most 10 s.
fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let since = Instant::now();
    while !holds() {
        assert!(since.elapsed() < Duration::from_secs(10), "{what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[tokio::test]
async fn what_was_committed_is_there_after_a_reopening_without_a_close() {
    let dir = tempfile::tempdir().unwrap();
    let copy = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for seq in 0..20 {
        let committed = store.commit(&Entry::Access(&access(seq, "maya@example.net"))).await.unwrap();
        assert_eq!(committed.seq, seq as u64);
        assert_eq!(store.entry(Log::Access, &committed.id).unwrap().unwrap().seq, seq as u64);
        assert_eq!(store.entry(Log::Audit, &committed.id).unwrap(), None);
    }
    // A copy of the files as they are now is what a killed process leaves behind.
    for file in std::fs::read_dir(dir.path()).unwrap() {
        let file = file.unwrap();
        if file.file_name() != "LOCK" {
            std::fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
        }
    }
    let found = ask(&open(copy.path()), Log::Access, "limit=100 order=asc");
    assert_eq!(found.rows.iter().map(|row| row.seq).collect::<Vec<_>>(), (0..20).collect::<Vec<_>>());
}

#[tokio::test]
async fn sequences_go_on_after_a_reopening_and_ids_stay() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let first = store.commit(&Entry::Audit(&audit(1, "config.reload"))).await.unwrap();
    store.append(&Entry::Request(&request(2, "/a")));
    let name = store.uuid();
    store.close().unwrap();
    drop(store);

    let store = open(dir.path());
    assert_eq!(store.uuid(), name);
    assert_eq!(store.entry(Log::Audit, &first.id).unwrap().unwrap().id, first.id);
    assert_eq!(store.commit(&Entry::Audit(&audit(3, "config.reload"))).await.unwrap().seq, 1);
    assert_eq!(ask(&store, Log::Requests, "path=/a").rows.len(), 1);
    assert_eq!(store.figures().entries, [("access", 0), ("requests", 1), ("audit", 2)]);
}

#[tokio::test]
async fn an_appended_entry_is_readable_within_a_second_and_dropping_the_store_loses_none() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut news = store.watch();
    store.append(&Entry::Request(&request(1, "/a")));
    tokio::time::timeout(Duration::from_secs(1), news.changed()).await.unwrap().unwrap();
    assert_eq!(ask(&store, Log::Requests, "path=/a").rows.len(), 1);
    for time in 0..5000 {
        store.append(&Entry::Request(&request(time, "/b")));
    }
    drop(store);
    assert_eq!(open(dir.path()).figures().entries[1], ("requests", 5001));
}

#[tokio::test]
async fn commits_at_the_same_time_each_get_their_place() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let tasks: Vec<_> = (0..200)
        .map(|time| {
            let store = store.clone();
            tokio::spawn(async move { store.commit(&Entry::Access(&access(time, "x"))).await.unwrap().seq })
        })
        .collect();
    let mut places = Vec::new();
    for task in tasks {
        places.push(task.await.unwrap());
    }
    places.sort_unstable();
    assert_eq!(places, (0..200).collect::<Vec<_>>());
}

#[test]
fn a_full_queue_is_counted_and_marked_in_the_log_once() {
    let dir = tempfile::tempdir().unwrap();
    let narrow = vestibule_logstore::Options { queue_entries: 100, ..options() };
    let store = Store::open(dir.path(), narrow).unwrap();
    for time in 0..100_000 {
        store.append(&Entry::Request(&request(1_000_000 + time, "/flood")));
    }
    let [_, (_, dropped), _] = store.figures().dropped;
    assert!(dropped > 0, "the queue was never full");
    wait_until("the losses are marked", || !ask(&store, Log::Audit, "action=log.gap").rows.is_empty());
    let marks = ask(&store, Log::Audit, "action=log.gap resource=requests status=alert actor_type=system limit=1000");
    let marked: u64 = marks.rows.iter().map(|row| details(row)["dropped"].as_u64().unwrap()).sum();
    assert_eq!(marked, dropped);
    assert!(marks.rows.len() <= 2, "{} marks", marks.rows.len());
    let details = details(&marks.rows[0]);
    assert_eq!((&details["log"], &details["cause"]), (&"requests".into(), &"queue_full".into()));
    assert!(details["from"].as_str() < details["to"].as_str());
    store.close().unwrap();
    let [_, (_, written), _] = store.figures().entries;
    assert_eq!(written + dropped, 100_000);
}

fn details(row: &vestibule_logstore::Row) -> serde_json::Value {
    let json: serde_json::Value = serde_json::from_str(&row.to_json()).unwrap();
    json["details"].clone()
}

#[tokio::test]
async fn who_may_wait_waits_for_room_and_nothing_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let narrow = vestibule_logstore::Options { queue_entries: 100, ..options() };
    let store = Store::open(dir.path(), narrow).unwrap();
    for time in 0..20_000 {
        store.append_or_wait(&Entry::Request(&request(time, "/flood"))).await;
    }
    store.close().unwrap();
    assert_eq!((store.figures().dropped[1], store.figures().entries[1]), (("requests", 0), ("requests", 20_000)));
}

#[tokio::test]
async fn a_flood_of_attempts_that_nobody_waits_for_leaves_room_for_commits() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), vestibule_logstore::Options { queue_entries: 64, ..options() }).unwrap();
    for time in 0..50_000 {
        store.append(&Entry::Access(&access(time, "flood@example.net")));
        if time % 5000 == 0 {
            store.commit(&Entry::Access(&access(time, "maya@example.net"))).await.unwrap();
        }
    }
    assert_eq!(ask(&store, Log::Access, "email=maya@example.net").rows.len(), 10);
}

#[tokio::test]
async fn a_closed_store_says_so_and_takes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.close().unwrap();
    store.close().unwrap();
    assert!(!store.writable());
    store.append(&Entry::Request(&request(1, "/late")));
    assert_eq!(store.figures().dropped[1], ("requests", 1));
    assert!(store.commit(&Entry::Access(&access(1, "x"))).await.is_err());
    assert!(store.query(&query(Log::Access, "")).is_err());
}

#[test]
fn a_second_store_in_the_same_folder_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let _store = open(dir.path());
    let error = Store::open(dir.path(), options()).unwrap_err();
    assert!(matches!(&error, Error::InUse { dir: folder } if folder == dir.path()), "{error:?}");
}

#[test]
fn a_folder_that_cannot_be_made_or_written_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = Store::open(&file.join("logs"), options()).unwrap_err();
    assert!(matches!(&error, Error::Unwritable { dir, .. } if *dir == file.join("logs")), "{error:?}");
    // Even the superuser writes nothing there.
    let error = Store::open(Path::new("/proc/logs"), options()).unwrap_err();
    assert!(matches!(&error, Error::Unwritable { .. }), "{error:?}");
}

#[test]
fn the_folder_is_closed_to_others() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("a/logs");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755)).unwrap();
    let _store = open(&folder);
    assert_eq!(std::fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
}

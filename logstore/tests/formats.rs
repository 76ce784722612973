//! Folders of earlier versions: what was written then is read now.
//!
//! `tests/format-2` was written by the last version that kept each row that waits to be sealed as a value of its own,
//! and no trees. It holds the entries below, some of them sealed.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail by a panic")]

mod sample;

use std::fs;
use std::net::IpAddr;
use std::path::Path;

use jiff::Timestamp;
use sample::{access, audit, options, request};
use tempfile::TempDir;
use vestibule_logstore::note::Signer;
use vestibule_logstore::row::Value;
use vestibule_logstore::verify::{self, Progress};
use vestibule_logstore::{AccessEntry, Entry, Log, Query, Row, Store};

const REQUESTS: i64 = 600;
const ATTEMPTS: i64 = 300;
const CHANGES: i64 = 5;

fn start() -> i64 {
    "2026-11-20T00:00:00Z".parse::<Timestamp>().unwrap().as_microsecond()
}

fn folder() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for file in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/format-2")).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), dir.path().join(file.file_name())).unwrap();
    }
    dir
}

/// As it was handed over, with the id that the store of then had made for it.
fn written_request(at: i64, id: &str) -> Vec<u8> {
    let (path, email) = (format!("/pages/{}", at % 90), format!("user{}@example.net", at % 300));
    let mut entry = request(start() + at * 1_000_000, &path);
    entry.common.request_id = Some(id);
    entry.common.source_ip = Some(IpAddr::from([192, 0, 2, (at % 200) as u8]));
    entry.common.country = Some(["CH", "DE", "FR"][at as usize % 3]);
    entry.status_code = [200, 200, 404, 504][at as usize % 4];
    entry.email = Some(&email);
    entry.duration_ms = (at * 7 % 1000).unsigned_abs();
    entry.referer = (at % 5 == 0).then_some("https://example.net/ä");
    Entry::Request(&entry).encode()
}

fn written_attempt(at: i64) -> Vec<u8> {
    let (email, attempt) = (format!("user{}@example.net", at % 40), format!("attempt-{}", at / 2));
    let entry = AccessEntry { attempt_id: Some(&attempt), ..access(start() + at * 2_000_000, &email) };
    let pending = AccessEntry { status: "pending", result: None, ..entry };
    Entry::Access(if at % 2 == 0 { &pending } else { &entry }).encode()
}

fn all(store: &Store, log: Log) -> Vec<Row> {
    store.rows(log, 0, store.end(log)).unwrap()
}

fn ids(rows: &[Row]) -> Vec<&str> {
    rows.iter()
        .filter_map(|row| if let Some(Value::Text(id)) = row.value("request_id") { Some(id) } else { None })
        .collect()
}

fn found(store: &Store, parameters: &[(&str, &str)]) -> Vec<u64> {
    let parameters: Vec<_> = parameters.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    let page = store.query(&Query::parse(Log::Requests, &parameters, Timestamp::UNIX_EPOCH).unwrap()).unwrap();
    assert!(page.complete);
    page.rows.iter().map(|row| row.seq).collect()
}

fn holds_what_was_written(store: &Store) {
    let requests = all(store, Log::Requests);
    let ids = ids(&requests);
    assert_eq!((requests.len() as i64, ids.len() as i64), (REQUESTS, REQUESTS));
    for ((row, at), id) in requests.iter().zip(0..).zip(ids) {
        assert_eq!((row.seq as i64, row.bytes()), (at, &*written_request(at, id)));
        assert_eq!(found(store, &[("request_id", id)]), [row.seq]);
    }
    let attempts: Vec<_> = all(store, Log::Access).iter().map(|row| row.bytes().to_vec()).collect();
    assert_eq!(attempts, (0..ATTEMPTS).map(written_attempt).collect::<Vec<_>>());
    let changes: Vec<_> = all(store, Log::Audit).iter().map(|row| row.bytes().to_vec()).collect();
    let written = (0..CHANGES).map(|at| Entry::Audit(&audit(start() + at, "config.reload")).encode());
    assert_eq!(changes, written.collect::<Vec<_>>());
    assert_eq!(store.quarantined(), []);
}

#[test]
fn a_folder_of_format_2_holds_what_was_written_to_it_and_goes_on() {
    let dir = folder();
    let store = Store::open(dir.path(), options()).unwrap();
    // Of requests 512 are sealed, of attempts 256.
    assert_eq!((store.segments(Log::Requests), store.segments(Log::Access)), (1, 1));
    holds_what_was_written(&store);
    let expected = (0..REQUESTS as u64).rev().filter(|at| at % 4 == 3 && at % 3 == 0).collect::<Vec<_>>();
    assert_eq!(found(&store, &[("status_code", "504"), ("country", "CH"), ("limit", "1000")]), expected);

    store.append(&Entry::Request(&request(start() + REQUESTS * 1_000_000, "/new")));
    let signer = Signer::from_seed(&[3; 32]).unwrap();
    store.close().unwrap();
    // Once more as a folder of this version, with trees over all that was there before.
    let store = Store::open(dir.path(), options()).unwrap();
    assert_eq!(found(&store, &[("path", "/new")]), [REQUESTS as u64]);
    store.sign(&signer, Timestamp::from_microsecond(start()).unwrap()).unwrap();
    store.close().unwrap();
    let report = verify::folder(dir.path(), &signer.public_key(), None, 1, &Progress::default()).unwrap();
    assert!(report.is_valid(), "{report:?}");
}

//! What the logs hold of a person can be taken out of them, and what was signed stays true.

#![expect(clippy::unwrap_used, reason = "a test may fail by a panic")]

mod sample;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rocksdb::{DB, Options as DbOptions, WriteBatch};
use sample::{access, audit, options, request};
use tempfile::TempDir;
use vestibule_logstore::note::{PublicKey, Signer};
use vestibule_logstore::stats::Range;
use vestibule_logstore::verify::{self, Finding, Kind, Progress, Report};
use vestibule_logstore::{AccessEntry, AuditEntry, Entry, Keep, Log, Query, RequestEntry, Store};

const MAYA: &str = "maya@example.net";
/// A segment, and rows after it.
const REQUESTS: u64 = (1 << 15) + 3000;

fn signer() -> Signer {
    Signer::from_seed(&[3; 32]).unwrap()
}

fn key() -> PublicKey {
    signer().public_key()
}

fn now() -> Timestamp {
    Timestamp::from_second(1_700_000_000).unwrap()
}

fn until(what: &str, is_done: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is_done() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::yield_now();
    }
}

/// Every hundredth request is Maya's; some of it says so by her session alone.
fn write(store: &Store) {
    let start = now().as_microsecond();
    for at in 0..20 {
        let mut entry = AccessEntry {
            user_id: Some("google:4711"),
            session_id: Some("session-of-maya"),
            attempt_id: Some("attempt-of-maya"),
            ..access(start + at, MAYA)
        };
        entry.common.source_ip = Some("203.0.113.77".parse().unwrap());
        store.append(&Entry::Access(&entry));
        store.append(&Entry::Access(&access(start + at, "omar@example.net")));
    }
    let started = AccessEntry { email: None, attempt_id: Some("attempt-of-maya"), ..access(start, "") };
    store.append(&Entry::Access(&started));
    for at in 0..REQUESTS {
        while store.queue_depth() > 20_000 {
            std::thread::yield_now();
        }
        let path = format!("/{}", at % 977);
        let mut entry = request(start + at.cast_signed(), &path);
        match at % 100 {
            7 => {
                entry = RequestEntry { email: Some(MAYA), session_id: Some("session-of-maya"), ..entry };
                entry.common.source_ip = Some("203.0.113.77".parse().unwrap());
                entry.common.user_agent = Some("Mayas browser");
            }
            8 => entry.session_id = Some("session-of-maya"),
            9 => entry.email = Some("omar@example.net"),
            _ => (),
        }
        store.append(&Entry::Request(&entry));
    }
    let entry = AuditEntry { resource: Some(MAYA), ..audit(start, "user.unlock") };
    store.append(&Entry::Audit(&entry));
    store.append(&Entry::Audit(&audit(start, "config.reload")));
    until("entries are not written", || store.end(Log::Requests) == REQUESTS && store.end(Log::Audit) == 2);
    until("rows are not sealed", || store.segments(Log::Requests) == 1);
    store.sign(&signer(), now()).unwrap();
}

fn count(store: &Store, log: Log, parameters: &[(&str, &str)]) -> u64 {
    let parameters: Vec<_> =
        parameters.iter().chain(&[("count", "true")]).map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
    let mut query = Query::parse(log, &parameters, now()).unwrap();
    query.deadline = Duration::from_secs(20);
    store.query(&query).unwrap().total.unwrap()
}

fn check(dir: &Path) -> Report {
    verify::folder(dir, &key(), None, 2, &Progress::default()).unwrap()
}

fn holds(dir: &Path, text: &str) -> Vec<String> {
    let files = fs::read_dir(dir).unwrap().map(|file| file.unwrap().path());
    let held = files.filter(|file| memchr::memmem::find(&fs::read(file).unwrap(), text.as_bytes()).is_some());
    held.map(|file| file.display().to_string()).collect()
}

fn erase(store: &Store) -> vestibule_logstore::Erased {
    store.erase(&[MAYA.to_owned()], now()).unwrap()
}

#[test]
fn nothing_of_a_person_is_left_and_everything_that_was_signed_is_true() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), options()).unwrap();
    write(&store);
    // So that pages of rows are in the cache, as they were.
    for _ in 0..3 {
        assert_eq!(count(&store, Log::Requests, &[("email", MAYA)]), REQUESTS / 100 + 1);
        assert_eq!(count(&store, Log::Requests, &[("q", "session-of")]), 2 * (REQUESTS / 100 + 1));
    }
    let named = |store: &Store| {
        store
            .stats(Range::Day, None, now())
            .rankings
            .iter()
            .any(|ranking| ranking.top.iter().any(|(user, _)| user == MAYA))
    };
    assert!(named(&store));
    let requests_before = store.stats(Range::Day, None, now()).totals.count();

    let erased = erase(&store);

    assert_eq!((erased.entries, erased.unread), ([21, 2 * (REQUESTS / 100 + 1), 1], 0));
    for log in Log::ALL {
        for text in [MAYA, "MAYA", "google:4711", "session-of-maya", "203.0.113.77", "Mayas browser"] {
            assert_eq!(count(&store, log, &[("q", text)]), 0, "{log:?} {text}");
        }
    }
    assert_eq!(count(&store, Log::Requests, &[("email", MAYA)]), 0);
    assert_eq!(count(&store, Log::Requests, &[("email", "omar@example.net")]), REQUESTS / 100 + 1);
    assert_eq!(count(&store, Log::Requests, &[("erased.not", "")]), erased.entries[1]);
    assert_eq!(count(&store, Log::Requests, &[]), REQUESTS);
    assert!(!named(&store));
    assert_eq!(store.stats(Range::Day, None, now()).totals.count(), requests_before);
    assert_eq!(erase(&store).entries, [0; 3], "erased twice");

    let row = store.rows(Log::Requests, 7, 8).unwrap().pop().unwrap();
    assert!(row.to_json().contains(r#""erased":""#) && row.to_json().contains(r#""email":null"#), "{}", row.to_json());
    assert!(store.entry(Log::Requests, &row.id).unwrap().is_some(), "the id stays");

    let open = verify::store(&store, &key(), None, 1, &Progress::default()).unwrap();
    assert!(open.is_valid(), "{open:?}");
    store.close().unwrap();
    for text in [MAYA, "google:4711", "session-of-maya", "attempt-of-maya", "Mayas browser"] {
        assert_eq!(holds(dir.path(), text), [""; 0], "{text}");
    }
    let report = check(dir.path());
    assert!(report.is_valid(), "{report:?}");
    assert_eq!(report.logs.iter().map(|log| log.erased).collect::<Vec<_>>(), erased.entries);
    assert_eq!(report.logs[1].root, open.logs[1].root);
}

#[test]
fn an_erasure_outlives_restarts_sealing_and_retention() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), options()).unwrap();
    write(&store);
    let erased = erase(&store);
    store.close().unwrap();

    // Erased rows are sealed with the others after them.
    let store = Store::open(dir.path(), options()).unwrap();
    let start = now().as_microsecond();
    for at in REQUESTS..(2 << 15) {
        while store.queue_depth() > 20_000 {
            std::thread::yield_now();
        }
        store.append(&Entry::Request(&request(start + at.cast_signed(), "/later")));
    }
    until("rows are not sealed", || store.segments(Log::Requests) == 2);
    assert_eq!(count(&store, Log::Requests, &[("erased.not", "")]), erased.entries[1]);
    // Older than what is kept: the first segment of requests, and with the audit log what it says of erased entries.
    let keep = Keep { age: Some(Duration::from_secs(3600)), bytes: None };
    store.set_keep([Keep::default(), Keep::default(), keep]);
    store.prune(now() + jiff::SignedDuration::from_hours(2)).unwrap();
    store.set_keep([Keep::default(), Keep { age: None, bytes: Some(1) }, Keep::default()]);
    store.prune(now() + jiff::SignedDuration::from_hours(2)).unwrap();
    store.sign(&signer(), now() + jiff::SignedDuration::from_hours(2)).unwrap();
    store.close().unwrap();

    let report = check(dir.path());
    assert!(report.is_valid(), "{report:?}");
    assert!(report.logs[2].first > 0 && report.logs[1].first > 0, "{report:?}");
    assert_eq!(report.logs[0].erased, 21);
}

fn change(dir: &TempDir, change: impl FnOnce(&DB, &mut WriteBatch)) -> Vec<Vec<Finding>> {
    let db = DB::open_cf(&DbOptions::default(), dir.path(), ["hot", "seg", "tree", "note", "meta", "over"]).unwrap();
    let mut batch = WriteBatch::default();
    change(&db, &mut batch);
    db.write(batch).unwrap();
    drop(db);
    check(dir.path()).logs.into_iter().map(|log| log.findings).collect()
}

/// Few entries, all of them rows.
fn small() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), options()).unwrap();
    for at in 0..5 {
        store.append(&Entry::Access(&access(now().as_microsecond() + at, MAYA)));
    }
    until("entries are not written", || store.end(Log::Access) == 5);
    store.sign(&signer(), now()).unwrap();
    store.close().unwrap();
    dir
}

#[test]
fn content_that_somebody_else_took_away_is_found() {
    let dir = small();
    // The same bytes that an erasure leaves, but nobody said so.
    let findings = change(&dir, |db, batch| {
        let hot = db.cf_handle("hot").unwrap();
        let mut rows = db.raw_iterator_cf(&hot);
        rows.seek([0]);
        let (key, value) = rows.item().map(|(key, value)| (key.to_vec(), value.to_vec())).unwrap();
        let number = |at: usize| u32::from_be_bytes(value[at..at + 4].try_into().unwrap()) as usize;
        let (count, mut ends, mut bytes) = (number(0), Vec::new(), Vec::new());
        for at in 0..count {
            let start = if at == 0 { 0 } else { number(4 * at) };
            let row = &value[4 + 4 * count + start..4 + 4 * count + number(4 + 4 * at)];
            if at == 2 {
                let hash: String =
                    vestibule_logstore::tree::leaf(row).iter().map(|byte| format!("{byte:02x}")).collect();
                bytes.extend_from_slice(&row[..9]);
                bytes.extend_from_slice(&[0x82, 0x04, 64]);
                bytes.extend_from_slice(hash.as_bytes());
            } else {
                bytes.extend_from_slice(row);
            }
            ends.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
        }
        batch.put_cf(&hot, key, [&(count as u32).to_be_bytes()[..], &ends, &bytes].concat());
    });
    assert_eq!(findings, [vec![Finding { first: 2, last: 2, kind: Kind::Erased }], Vec::new(), Vec::new()]);
}

#[test]
fn a_log_that_begins_later_without_a_statement_misses_what_came_before() {
    let dir = small();
    let findings = change(&dir, |db, batch| {
        let meta = db.cf_handle("meta").unwrap();
        batch.put_cf(&meta, [b"first".as_slice(), &[0]].concat(), 3_u64.to_be_bytes());
        let tree = db.cf_handle("tree").unwrap();
        let leaf = |at: i64| {
            vestibule_logstore::tree::leaf(&Entry::Access(&access(now().as_microsecond() + at, MAYA)).encode())
        };
        let two = vestibule_logstore::tree::node(&leaf(0), &leaf(1));
        batch.put_cf(&tree, [&[0][..], &0_u64.to_be_bytes(), &[1]].concat(), two);
        batch.put_cf(&tree, [&[0][..], &2_u64.to_be_bytes(), &[0]].concat(), leaf(2));
    });
    assert!(matches!(findings[0].as_slice(), [Finding { first: 0, last: 2, kind: Kind::Missing }, ..]), "{findings:?}");
}

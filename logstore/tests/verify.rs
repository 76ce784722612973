//! Whoever changes, removes, exchanges or cuts off entries is found out, and nobody else.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail by a panic")]

mod sample;

use std::fs;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use rocksdb::{DB, Options as DbOptions};
use sample::{access, audit, options, request};
use tempfile::TempDir;
use vestibule_logstore::note::{PublicKey, Signer};
use vestibule_logstore::prove::{self, NotProven};
use vestibule_logstore::verify::{self, Finding, Kind, LogReport, Place, Progress, Report};
use vestibule_logstore::{Entry, Keep, Log, Store};
use xxhash_rust::xxh3::xxh3_64;

const ROWS: u64 = 1 << 15;
/// Two segments, and rows after them.
const REQUESTS: u64 = 2 * ROWS + 1000;
const COLUMNS: [&str; 6] = ["hot", "seg", "tree", "note", "meta", "over"];

fn signer() -> Signer {
    Signer::from_seed(&[3; 32]).unwrap()
}

fn key() -> PublicKey {
    signer().public_key()
}

fn time(minutes: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + minutes * 60).unwrap()
}

/// Waits until what was appended is written.
fn settle(store: &Store, log: Log, end: u64) {
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    while store.end(log) < end {
        assert!(std::time::Instant::now() < deadline, "entries are not written");
        std::thread::yield_now();
    }
}

fn append(store: &Store, from: u64, to: u64) {
    for at in from..to {
        while store.queue_depth() > 20_000 {
            std::thread::yield_now();
        }
        let time = time(0).as_microsecond() + at.cast_signed();
        store.append(&Entry::Request(&request(time, &format!("/{}", at % 977))));
    }
    settle(store, Log::Requests, to);
}

fn sealed(store: &Store, segments: usize) {
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    while store.segments(Log::Requests) < segments {
        assert!(std::time::Instant::now() < deadline, "rows are not sealed");
        std::thread::yield_now();
    }
}

/// Signed in the middle of a segment, at its end, among the rows after it, and at the end.
fn written() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), options()).unwrap();
    for at in 0..300 {
        store.append(&Entry::Audit(&audit(time(0).as_microsecond() + at, "config.reload")));
    }
    for at in 0..10 {
        store.append(&Entry::Access(&access(time(0).as_microsecond() + at, "maya@example.net")));
    }
    settle(&store, Log::Audit, 300);
    settle(&store, Log::Access, 10);
    for (at, end) in [10_000, ROWS, 2 * ROWS + 500, REQUESTS].into_iter().enumerate() {
        append(&store, store.end(Log::Requests), end);
        // Each in an hour of its own, so that all of them are kept.
        store.sign(&signer(), time(60 * at as i64)).unwrap();
    }
    sealed(&store, 2);
    store.close().unwrap();
    dir
}

fn copy(of: &Path) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for file in fs::read_dir(of).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), dir.path().join(file.file_name())).unwrap();
    }
    dir
}

fn report(dir: &Path, key: &PublicKey) -> Report {
    verify::folder(dir, key, None, 2, &Progress::default()).unwrap()
}

fn log(report: &Report, log: Log) -> &LogReport {
    report.logs.iter().find(|found| found.log == log).unwrap()
}

fn open(dir: &Path) -> DB {
    DB::open_cf(&DbOptions::default(), dir, COLUMNS).unwrap()
}

fn cf<'a>(db: &'a DB, name: &str) -> std::sync::Arc<rocksdb::BoundColumnFamily<'a>> {
    db.cf_handle(name).unwrap()
}

/// Everything of one log, in the order of the keys.
fn all(db: &DB, name: &str, log: Log) -> Vec<(Vec<u8>, Vec<u8>)> {
    let byte = Log::ALL.into_iter().position(|known| known == log).unwrap() as u8;
    let mut rows = db.raw_iterator_cf(&cf(db, name));
    rows.seek([byte]);
    let mut all = Vec::new();
    while let Some((key, value)) = rows.item() {
        if key[0] == byte {
            all.push((key.to_vec(), value.to_vec()));
        }
        rows.next();
    }
    all
}

/// Findings about the requests after somebody changed a copy.
fn after(original: &TempDir, change: impl FnOnce(&DB)) -> Vec<Finding> {
    let copy = copy(original.path());
    let db = open(copy.path());
    change(&db);
    drop(db);
    log(&report(copy.path(), &key()), Log::Requests).findings.clone()
}

fn records(value: &[u8]) -> (Vec<usize>, usize) {
    let number = |at: usize| u32::from_be_bytes(value[at..at + 4].try_into().unwrap()) as usize;
    let rows = number(0);
    ((1..=rows).map(|row| number(4 * row)).collect(), 4 + 4 * rows)
}

#[test]
fn what_nobody_touched_is_valid_and_whole() {
    let dir = written();
    let report = report(dir.path(), &key());
    assert!(report.is_valid(), "{report:?}");
    let requests = log(&report, Log::Requests);
    assert_eq!((requests.first, requests.end, requests.checkpoints, requests.signed), (0, REQUESTS, 4, REQUESTS));
    let from = time(0).as_microsecond();
    assert_eq!(requests.times, Some((from, from + REQUESTS.cast_signed() - 1)));
    assert_eq!((log(&report, Log::Access).end, log(&report, Log::Audit).end), (10, 300));

    // The same of a store that is open, while it goes on.
    let store = Store::open(dir.path(), options()).unwrap();
    append(&store, REQUESTS, REQUESTS + 10);
    let open = verify::store(&store, &key(), None, 1, &Progress::default()).unwrap();
    assert!(open.is_valid(), "{open:?}");
    assert_eq!((log(&open, Log::Requests).end, log(&open, Log::Requests).signed), (REQUESTS + 10, REQUESTS));
    assert_eq!(log(&open, Log::Audit).root, log(&report, Log::Audit).root);
}

#[test]
fn a_change_of_a_row_is_found_where_it_was_made() {
    let dir = written();
    let findings = after(&dir, |db| {
        let (key, mut value) = all(db, "hot", Log::Requests).remove(0);
        *value.last_mut().unwrap() ^= 1;
        db.put_cf(&cf(db, "hot"), key, value).unwrap();
    });
    let [Finding { first, last, kind: Kind::Changed }] = findings.as_slice() else { panic!("{findings:?}") };
    // Between the checkpoint that was right and the next one.
    assert_eq!((*first, *last), (ROWS, 2 * ROWS + 499));
}

#[test]
fn rows_that_are_removed_exchanged_or_cut_off_are_missed() {
    let dir = written();
    let removed = after(&dir, |db| {
        let records = all(db, "hot", Log::Requests);
        db.delete_cf(&cf(db, "hot"), &records[records.len() / 2].0).unwrap();
    });
    assert!(matches!(removed.as_slice(), [Finding { kind: Kind::Missing, .. }]), "{removed:?}");

    let exchanged = after(&dir, |db| {
        let (key, value) = all(db, "hot", Log::Requests).remove(0);
        let (ends, start) = records(&value);
        let (one, other) = (&value[start..start + ends[0]], &value[start + ends[0]..start + ends[1]]);
        let mut changed = value[..start].to_vec();
        changed[4..8].copy_from_slice(&(other.len() as u32).to_be_bytes());
        changed.extend([other, one, &value[start + ends[1]..]].concat());
        db.put_cf(&cf(db, "hot"), key, changed).unwrap();
    });
    assert!(matches!(exchanged.as_slice(), [Finding { first: ROWS, kind: Kind::Changed, .. }]), "{exchanged:?}");

    let cut = after(&dir, |db| {
        let last = all(db, "hot", Log::Requests).pop().unwrap();
        db.delete_cf(&cf(db, "hot"), last.0).unwrap();
    });
    assert!(matches!(cut.as_slice(), [Finding { last, kind: Kind::CutTail, .. }] if *last == REQUESTS - 1), "{cut:?}");
}

#[test]
fn a_changed_segment_is_found_though_its_checksum_was_mended() {
    let dir = written();
    let mend = |mut value: Vec<u8>, at: usize| {
        let body = value.len() - 4;
        value[at % body] ^= 0x10;
        let check = (xxh3_64(&value[..body]) as u32).to_be_bytes();
        value[body..].copy_from_slice(&check);
        value
    };
    // Codes of the paths: every part of them is of one tile or of several, never of none.
    let found = after(&dir, |db| {
        let parts = all(db, "seg", Log::Requests);
        let (key, value) = parts.into_iter().max_by_key(|(_, value)| value.len()).unwrap();
        db.put_cf(&cf(db, "seg"), &key, mend(value, 777)).unwrap();
    });
    assert!(!found.is_empty() && found.iter().all(|finding| finding.last < 2 * ROWS), "{found:?}");

    let gone = after(&dir, |db| {
        for (key, _) in all(db, "seg", Log::Requests).into_iter().filter(|(key, _)| key[1..9] == 0_u64.to_be_bytes()) {
            db.delete_cf(&cf(db, "seg"), key).unwrap();
        }
    });
    assert_eq!(gone, [Finding { first: 0, last: ROWS - 1, kind: Kind::Missing }]);
}

#[test]
fn a_filter_or_a_count_that_hides_an_entry_is_found_though_its_checksum_was_mended() {
    let dir = written();
    // The parts of `segment/part.rs` by which entries are found and of which none is made: which values there may be,
    // how many rows each has, what happened hour by hour.
    for part in [4_u8, 5, 7, 9] {
        let found = after(&dir, |db| {
            let parts = all(db, "seg", Log::Requests);
            let of_first = |key: &[u8]| key[1..9] == 0_u64.to_be_bytes() && key[11] == part;
            let (key, value) = parts.into_iter().find(|(key, _)| of_first(key)).unwrap();
            let body = value.len() - 4;
            let forged = vec![0; body];
            let check = (xxh3_64(&forged) as u32).to_be_bytes();
            db.put_cf(&cf(db, "seg"), key, [&forged[..], &check].concat()).unwrap();
        });
        let kind = match part {
            // What cannot even be decompressed.
            7 | 9 => Kind::Unreadable,
            _ => Kind::Filters,
        };
        assert_eq!(found, [Finding { first: 0, last: ROWS - 1, kind }], "part {part}");
    }
}

#[test]
fn entries_of_before_a_time_can_be_taken_as_they_were_hashed() {
    let dir = written();
    let copy = copy(dir.path());
    let db = open(copy.path());
    let (key, mut value) = all(&db, "seg", Log::Requests).into_iter().max_by_key(|(_, value)| value.len()).unwrap();
    value[9] ^= 1;
    let is_first = key[1..9] == 0_u64.to_be_bytes();
    db.put_cf(&cf(&db, "seg"), &key, value).unwrap();
    drop(db);
    let middle = time(0) + Duration::from_micros(2 * ROWS);
    let since = |since| {
        let extent = verify::Extent { threads: 1, since };
        verify::folder(copy.path(), &self::key(), None, extent, &Progress::default()).unwrap()
    };
    let (whole, late) = (since(None), since(Some(middle)));
    assert!(!whole.is_valid() && late.is_valid(), "{is_first} {late:?}");
    assert_eq!((log(&whole, Log::Requests).unread, log(&late, Log::Requests).unread), (0, 2 * ROWS));
    assert_eq!(log(&late, Log::Requests).signed, REQUESTS, "what was hashed comes to what was signed");

    // Whoever changes what was hashed has no key for it either.
    let db = open(copy.path());
    let (key, mut value) = all(&db, "tree", Log::Requests).remove(0);
    value[0] ^= 1;
    db.put_cf(&cf(&db, "tree"), key, value).unwrap();
    drop(db);
    assert!(!since(Some(middle)).is_valid());
}

#[test]
fn a_scrub_reads_segment_after_segment_and_goes_on_after_a_restart() {
    let dir = written();
    let copy = copy(dir.path());
    let db = open(copy.path());
    let is_second = |key: &[u8]| key[1..9] == ROWS.to_be_bytes();
    let parts = all(&db, "seg", Log::Requests).into_iter().filter(|(key, _)| is_second(key));
    let (key, mut value) = parts.max_by_key(|(_, value)| value.len()).unwrap();
    value[9] ^= 1;
    db.put_cf(&cf(&db, "seg"), key, value).unwrap();
    drop(db);

    let store = Store::open(copy.path(), options()).unwrap();
    assert_eq!(verify::scrubbed(&store).unwrap(), Place::START);
    // The access log has no segment.
    let first = verify::scrub(&store, Place::START).unwrap().unwrap();
    assert_eq!((first.log, first.first, first.last, first.findings.len()), (Log::Requests, 0, ROWS - 1, 0));
    let next = Place { log: first.log, seq: first.last + 1 };
    verify::set_scrubbed(&store, next).unwrap();
    store.close().unwrap();

    let store = Store::open(copy.path(), options()).unwrap();
    let place = verify::scrubbed(&store).unwrap();
    assert_eq!(place, next);
    let second = verify::scrub(&store, place).unwrap().unwrap();
    let unreadable = Finding { first: ROWS, last: 2 * ROWS - 1, kind: Kind::Unreadable };
    assert_eq!((second.first, second.findings.as_slice()), (ROWS, [unreadable].as_slice()));
    assert_eq!(verify::scrub(&store, Place { log: Log::Requests, seq: 2 * ROWS }).unwrap(), None);
}

#[test]
fn whoever_changes_the_tree_too_has_no_key_for_the_head() {
    let dir = written();
    let findings = after(&dir, |db| {
        for (key, mut value) in all(db, "tree", Log::Requests) {
            value[0] ^= 1;
            db.put_cf(&cf(db, "tree"), key, value).unwrap();
        }
    });
    assert!(findings.iter().any(|finding| finding.kind == Kind::Changed), "{findings:?}");

    let resigned = after(&dir, |db| {
        let (key, value) = all(db, "note", Log::Requests).pop().unwrap();
        let note = String::from_utf8(value[8..].to_vec()).unwrap();
        let other = Signer::from_seed(&[4; 32]).unwrap().sign(&self::key().open(&note).unwrap());
        db.put_cf(&cf(db, "note"), key, [&value[..8], other.as_bytes()].concat()).unwrap();
    });
    assert_eq!(resigned, [Finding { first: REQUESTS - 1, last: REQUESTS - 1, kind: Kind::WrongKey }]);

    let stranger = Signer::from_seed(&[5; 32]).unwrap().public_key();
    let report = report(dir.path(), &stranger);
    assert!(report.logs.iter().all(|log| log.findings.iter().all(|finding| finding.kind == Kind::WrongKey)));
    assert!(!report.is_valid() && log(&report, Log::Requests).signed == 0);
}

#[test]
fn two_hundred_changes_of_a_byte_are_all_found() {
    let dir = written();
    let copy = copy(dir.path());
    // Of the access log too, which has no segments. Not the first eight bytes of a note: when it was signed is not in it.
    let db = open(copy.path());
    let mut targets = Vec::new();
    for (column, skip) in [("hot", 0), ("seg", 0), ("tree", 0), ("note", 8)] {
        for log in Log::ALL {
            targets.extend(all(&db, column, log).into_iter().map(|(key, value)| (column, key, value, skip)));
        }
    }
    drop(db);
    let mut random = 7_u64;
    let mut next = |below: usize| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) as usize % below
    };
    for round in 0..200 {
        let (column, key, value, skip) = &targets[next(targets.len())];
        let at = skip + next(value.len() - skip);
        let mut changed = value.clone();
        changed[at] ^= 1 << next(8);
        let write = |value: &[u8]| {
            let db = open(copy.path());
            db.put_cf(&cf(&db, column), key, value).unwrap();
        };
        write(&changed);
        let found = verify::folder(copy.path(), &self::key(), None, 2, &Progress::default());
        assert!(!found.is_ok_and(|report| report.is_valid()), "round {round}: byte {at} of {key:?} in {column}");
        write(value);
    }
    assert!(report(copy.path(), &key()).is_valid(), "none is found where nothing is changed");
}

#[test]
fn what_was_removed_by_the_rules_leaves_a_tree_that_still_verifies() {
    let dir = written();
    let store = Store::open(dir.path(), options()).unwrap();
    // The first segment, and then rows that are not sealed.
    let age = |until: u64| Some(Duration::from_micros(REQUESTS - until));
    let now = Timestamp::from_microsecond(time(0).as_microsecond() + REQUESTS.cast_signed()).unwrap();
    for (until, first) in [(ROWS + 5, ROWS), (2 * ROWS + 300, 2 * ROWS + 300)] {
        store.set_keep([Keep::default(), Keep { age: age(until), bytes: None }, Keep::default()]);
        store.prune(now).unwrap();
        let report = verify::store(&store, &key(), None, 2, &Progress::default()).unwrap();
        assert!(report.is_valid(), "{report:?}");
        let requests = log(&report, Log::Requests);
        assert_eq!((requests.first, requests.end, requests.signed), (first, REQUESTS, REQUESTS));
    }
    append(&store, REQUESTS, REQUESTS + 1);
    store.sign(&signer(), time(600)).unwrap();
    store.close().unwrap();
    let report = report(dir.path(), &key());
    assert!(report.is_valid() && log(&report, Log::Requests).signed == REQUESTS + 1, "{report:?}");
}

#[test]
fn an_anchor_tells_of_a_tail_that_was_cut_with_its_heads() {
    let dir = written();
    let store = Store::open(dir.path(), options()).unwrap();
    let anchor = store.anchor(&signer(), time(300), "asked").unwrap().unwrap();
    append(&store, REQUESTS, REQUESTS + 5);
    let next = store.anchor(&signer(), time(301), "entries").unwrap().unwrap();
    assert_eq!((anchor.number, next.number, store.anchors(1).unwrap()), (0, 1, vec![next.clone()]));
    store.close().unwrap();
    let uuid = verify::known(dir.path()).unwrap().store;
    let texts = [anchor, next].map(|kept| (kept.number.to_string(), kept.text));
    let anchors = vestibule_logstore::anchor::check(&texts, uuid, &key(), &[]).unwrap();
    let report = |dir: &Path| verify::folder(dir, &key(), Some(&anchors), 2, &Progress::default()).unwrap();
    assert!(report(dir.path()).is_valid(), "{:?}", report(dir.path()));

    // The last rows and every head over them: a log that ended earlier.
    let copy = copy(dir.path());
    let db = open(copy.path());
    let rows = all(&db, "hot", Log::Requests).pop().unwrap().0;
    db.delete_cf(&cf(&db, "hot"), &rows).unwrap();
    let end = u64::from_be_bytes(rows[1..].try_into().unwrap());
    for (key, _) in all(&db, "note", Log::Requests) {
        if u64::from_be_bytes(key[1..].try_into().unwrap()) > end {
            db.delete_cf(&cf(&db, "note"), key).unwrap();
        }
    }
    drop(db);
    assert_eq!(log(&self::report(copy.path(), &key()), Log::Requests).findings, []);
    let cut = Finding { first: end, last: REQUESTS + 4, kind: Kind::CutTail };
    assert_eq!(log(&report(copy.path()), Log::Requests).findings, [cut]);
}

#[test]
fn an_entry_is_proven_by_a_file_and_nothing_else_by_it() {
    let dir = written();
    let store = Store::open(dir.path(), options()).unwrap();
    // In the first tile, at edges of tiles and segments, among the rows after them, and the last one.
    for seq in [0, 255, 256, 20_000, ROWS - 1, ROWS, 2 * ROWS - 1, 2 * ROWS, 2 * ROWS + 777, REQUESTS - 1] {
        let row = store.rows(Log::Requests, seq, seq + 1).unwrap().remove(0);
        let began = std::time::Instant::now();
        let file = store.prove(&row).unwrap().unwrap();
        eprintln!("{seq}: {} bytes in {:?}", file.len(), began.elapsed());
        assert!(file.len() <= 4096);
        let proven = prove::check(&file, &key()).unwrap();
        assert_eq!((proven.seq, proven.checkpoint.size, proven.entry.as_slice()), (seq, REQUESTS, row.bytes()));
        let stranger = Signer::from_seed(&[5; 32]).unwrap().public_key();
        assert!(matches!(prove::check(&file, &stranger), Err(NotProven::Note(_))));
        let moved = file.replacen(&format!("index {seq}"), &format!("index {}", seq ^ 1), 1);
        assert_eq!(prove::check(&moved, &key()), Err(NotProven::OtherLog));
        assert!(prove::check(&file.replacen("extra C", "extra D", 1), &key()).is_err());
    }
    append(&store, REQUESTS, REQUESTS + 1);
    let unsigned = store.rows(Log::Requests, REQUESTS, REQUESTS + 1).unwrap().remove(0);
    assert_eq!(store.prove(&unsigned).unwrap(), None);
    for malformed in ["", "\n\n", "c2sp.org/tlog-proof@v1\nindex 1\n\n"] {
        assert_eq!(prove::check(malformed, &key()), Err(NotProven::Malformed));
    }
}

#[test]
fn a_tree_is_made_again_of_the_entries() {
    let dir = written();
    let before = report(dir.path(), &key());
    let db = open(dir.path());
    for (key, _) in all(&db, "tree", Log::Requests) {
        db.delete_cf(&cf(&db, "tree"), key).unwrap();
    }
    drop(db);
    assert_eq!(report(dir.path(), &key()), before);
    let store = Store::open(dir.path(), options()).unwrap();
    store.close().unwrap();
    assert_eq!(all(&open(dir.path()), "tree", Log::Requests).len(), 2);
    assert_eq!(report(dir.path(), &key()), before);
}

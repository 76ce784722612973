//! Attempts in their latest state, runs of equal entries, and what is pruned or damaged.

#![expect(clippy::unwrap_used, reason = "a test may fail by a panic")]

mod sample;

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use sample::{access, audit, options, request};
use vestibule_logstore::row::Value;
use vestibule_logstore::{AccessEntry, Entry, Keep, Log, Page, Query, Store};

const HOUR: i64 = 3_600_000_000;

fn ask(store: &Store, log: Log, parameters: &[(&str, &str)]) -> Page {
    let parameters: Vec<_> = parameters.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    store.query(&Query::parse(log, &parameters, Timestamp::UNIX_EPOCH).unwrap()).unwrap()
}

fn open(dir: &tempfile::TempDir) -> Store {
    Store::open(dir.path(), options()).unwrap()
}

/// Closing writes everything, and what is asked then comes from disk.
fn again(store: Store, dir: &tempfile::TempDir) -> Store {
    store.close().unwrap();
    drop(store);
    open(dir)
}

fn until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::yield_now();
    }
}

fn append_requests(store: &Store, times: impl IntoIterator<Item = i64>) {
    for time in times {
        while store.queue_depth() > 10_000 {
            std::thread::yield_now();
        }
        store.append(&Entry::Request(&request(time, "/")));
    }
}

/// Attempt, status and reason of every row, in order.
fn states(page: &Page) -> Vec<(String, String)> {
    let text = |row: &vestibule_logstore::Row, name| match row.value(name) {
        Some(Value::Text(text)) => text.to_owned(),
        _ => String::new(),
    };
    page.rows.iter().map(|row| (text(row, "attempt_id"), text(row, "status"))).collect()
}

#[test]
fn an_attempt_is_one_row_in_its_latest_state_and_its_events_stay() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let event = |time, id: &'static str, status: &'static str| {
        let result = (status == "success").then_some("success");
        let entry = AccessEntry { attempt_id: Some(id), status, result, ..access(time, "maya@example.net") };
        store.append(&Entry::Access(&entry));
    };
    event(1, "one", "initiated");
    event(2, "two", "initiated");
    event(3, "one", "pending");
    event(4, "one", "success");
    let check = |store: &Store| {
        let attempts = ask(store, Log::Access, &[("count", "true")]);
        assert_eq!(states(&attempts), [("one".into(), "success".into()), ("two".into(), "initiated".into())]);
        assert_eq!(attempts.total, Some(2));
        let open = ask(store, Log::Access, &[("status", "initiated,pending"), ("count", "true")]);
        assert_eq!((states(&open), open.total), (vec![("two".into(), "initiated".into())], Some(1)));
        let events = ask(store, Log::Access, &[("view", "events"), ("count", "true")]);
        assert_eq!((events.rows.len(), events.total), (4, Some(4)));
    };
    let store = again(store.clone(), &dir);
    check(&store);
    // Sealed, too: enough rows for a segment, of which these are the oldest.
    for time in 0..300 {
        store.append(&Entry::Access(&access(HOUR + time, "noor@example.net")));
    }
    let store = again(store, &dir);
    store.prune(Timestamp::from_microsecond(8 * HOUR).unwrap()).unwrap();
    until("a segment", || store.segments(Log::Access) == 1);
    let old = [("until", "1970-01-01T00:00:01Z"), ("count", "true")];
    assert_eq!(ask(&store, Log::Access, &old).total, Some(2));
    let store = again(store, &dir);
    assert_eq!(ask(&store, Log::Access, &old).total, Some(2));
    let events = [old.as_slice(), &[("view", "events")]].concat();
    assert_eq!(ask(&store, Log::Access, &events).total, Some(4));
    let facets = store.facets(
        &Query::parse(Log::Access, &[("until".into(), "1970-01-01T00:00:01Z".into())], Timestamp::UNIX_EPOCH).unwrap(),
        &[*Log::Access.field("status").unwrap()],
        9,
    );
    assert_eq!(facets.unwrap().facets[0].values, [("initiated".to_owned(), 1), ("success".to_owned(), 1)]);
}

#[test]
fn an_attempt_that_was_sealed_before_a_restart_goes_on_after_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let event = |store: &Store, time, id: &'static str, status: &'static str| {
        let entry = AccessEntry { attempt_id: Some(id), status, result: None, ..access(time, "maya@example.net") };
        store.append(&Entry::Access(&entry));
    };
    // One that ended before it was sealed, one that did not, and one of a day that nobody comes back from.
    event(&store, 0, "old", "initiated");
    event(&store, 30 * HOUR, "one", "initiated");
    event(&store, 30 * HOUR + 1, "two", "initiated");
    event(&store, 30 * HOUR + 2, "two", "failure");
    event(&store, 30 * HOUR + 3, "one", "pending");
    for time in 0..300 {
        store.append(&Entry::Access(&access(31 * HOUR + time, "noor@example.net")));
    }
    let store = again(store, &dir);
    store.prune(Timestamp::from_microsecond(38 * HOUR).unwrap()).unwrap();
    until("a segment", || store.segments(Log::Access) == 1);
    let store = again(store, &dir);
    event(&store, 39 * HOUR, "old", "failure");
    event(&store, 39 * HOUR + 1, "one", "success");
    let shown = |store: &Store| {
        let page = ask(store, Log::Access, &[("email", "maya@example.net"), ("order", "asc"), ("count", "true")]);
        assert_eq!(page.total, Some(page.rows.len() as u64));
        states(&page).into_iter().map(|(id, status)| format!("{id} {status}")).collect::<Vec<_>>()
    };
    let store = again(store, &dir);
    let expected = ["old initiated", "two failure", "old failure", "one success"];
    assert_eq!(shown(&store), expected);
    assert_eq!(shown(&again(store, &dir)), expected);
}

#[test]
fn runs_of_equal_entries_are_one_row_each_with_what_they_cover() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    for (time, action) in [(10, "one"), (11, "one"), (12, "one"), (13, "other"), (14, "one")] {
        store.append(&Entry::Audit(&audit(time, action)));
    }
    let store = again(store, &dir);
    let folded = ask(&store, Log::Audit, &[("fold", "true"), ("order", "asc"), ("count", "true")]);
    let counts: Vec<_> = folded.rows.iter().map(|row| row.value("event_count")).collect();
    assert_eq!(counts, [3, 1, 1].map(|count| Some(Value::Number(count))));
    assert_eq!((folded.total, folded.folds.len()), (Some(3), 3));
    let (first, last) = (folded.folds[0].first_id, folded.folds[0].last_id);
    assert_eq!((folded.folds[0].first_time, folded.folds[0].last_time), (10, 12));
    let seq = |id| store.entry(Log::Audit, &id).unwrap().unwrap().seq;
    assert_eq!((seq(first), seq(last)), (0, 2));
    // Page by page the same, both ways.
    let first = ask(&store, Log::Audit, &[("fold", "true"), ("order", "asc"), ("limit", "1"), ("count", "true")]);
    assert_eq!(first.total, Some(3));
    let next = first.next_cursor.clone().unwrap();
    let second = [("fold", "true"), ("order", "asc"), ("limit", "2"), ("cursor", &next), ("count", "true")];
    let second = ask(&store, Log::Audit, &second);
    assert_eq!(second.total, Some(3), "of all pages");
    assert_eq!([first.rows.as_slice(), &second.rows].concat(), folded.rows);
    assert_eq!(second.next_cursor, None);
    let back = second.prev_cursor.clone().unwrap();
    let before = ask(&store, Log::Audit, &[("fold", "true"), ("order", "asc"), ("limit", "1"), ("cursor", &back)]);
    assert_eq!(before.rows[0].value("event_count"), Some(Value::Number(3)));
    assert_eq!((before.folds[0].first_time, before.folds[0].last_time), (10, 12));
    // By number the same as by cursor.
    for (offset, expected) in [(0, &[3, 1][..]), (1, &[1, 1]), (2, &[1]), (3, &[]), (9, &[])] {
        let parameters = [("fold", "true"), ("order", "asc"), ("limit", "2"), ("count", "true")];
        let parameters = parameters.map(|(name, value)| (name.into(), value.into()));
        let mut query = Query::parse(Log::Audit, &parameters, Timestamp::UNIX_EPOCH).unwrap();
        query.offset = offset;
        let page = store.query(&query).unwrap();
        let counts: Vec<_> = page.rows.iter().map(|row| row.value("event_count")).collect();
        assert_eq!(counts, expected.iter().map(|count| Some(Value::Number(*count))).collect::<Vec<_>>(), "{offset}");
        assert_eq!(page.total, Some(3), "{offset}");
    }
}

#[test]
fn a_flood_of_equal_attempts_is_few_rows_that_count_them_all() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    for time in 0..3000 {
        let entry = AccessEntry { status: "failure", result: Some("failed"), ..access(time, "maya@example.net") };
        store.append(&Entry::Access(&entry));
    }
    let store = again(store, &dir);
    let folded = ask(&store, Log::Access, &[("fold", "true"), ("count", "true")]);
    let counts: Vec<_> = folded.rows.iter().map(|row| row.value("event_count")).collect();
    assert_eq!((counts, folded.total), (vec![Some(Value::Number(3000))], Some(1)));
    // Cut short, it says so and leads on; each cut ends a row.
    let (mut seen, mut cut, mut cursor) = (0, 0, None::<String>);
    loop {
        let given = [("fold", "true"), ("count", "true")].into_iter().chain(cursor.iter().map(|at| ("cursor", &**at)));
        let parameters: Vec<_> = given.map(|(name, value)| (name.into(), value.into())).collect();
        let mut query = Query::parse(Log::Access, &parameters, Timestamp::UNIX_EPOCH).unwrap();
        query.deadline = Duration::ZERO;
        let page = store.query(&query).unwrap();
        seen += page.rows.iter().map(|row| row.value("event_count")).fold(0, |sum, count| match count {
            Some(Value::Number(count)) => sum + count,
            other => panic!("{other:?}"),
        });
        cut += u32::from(!page.complete);
        assert!(page.complete || page.total.is_none());
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
        assert!(cut < 3000, "no way ahead");
    }
    assert_eq!(seen, 3000);
    assert!(cut > 0);
}

fn keep(requests: Keep) -> [Keep; 3] {
    [Keep::default(), requests, Keep::default()]
}

#[test]
fn what_is_strictly_older_goes_whole_segments_first_and_the_audit_log_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    append_requests(&store, 0..33_000);
    let store = again(store, &dir);
    until("a segment", || store.segments(Log::Requests) == 1);
    // The audit entries of the removals tell the time, so that they are not removed themselves.
    let day = Duration::from_secs(24 * 3600);
    store.set_keep(keep(Keep { age: Some(day), bytes: None }));
    let at = |micros: i64| Timestamp::from_microsecond(micros).unwrap() + SignedDuration::try_from(day).unwrap();
    // The latest entry of the segment is of 32,767: not strictly older.
    store.prune(at(32_767)).unwrap();
    assert_eq!(ask(&store, Log::Requests, &[("count", "true")]).total, Some(33_000));
    store.prune(at(32_768)).unwrap();
    assert_eq!(ask(&store, Log::Requests, &[("count", "true")]).total, Some(232));
    // Rows that are not sealed go one by one.
    store.prune(at(32_900)).unwrap();
    let left = ask(&store, Log::Requests, &[("count", "true"), ("order", "asc")]);
    assert_eq!((left.total, left.rows[0].seq), (Some(100), 32_900));
    let said = ask(&store, Log::Audit, &[("action", "log.prune"), ("order", "asc")]);
    let details: Vec<_> = said.rows.iter().map(|row| row.value("details").unwrap()).collect();
    assert_eq!(
        details,
        [
            Value::Json(
                r#"{"log":"requests","first":0,"last":32767,"entries":32768,"last_time":"1970-01-01T00:00:00.032767Z","cause":"age","kept_from":{"access":0,"requests":32768,"audit":0}}"#
            ),
            Value::Json(
                r#"{"log":"requests","first":32768,"last":32899,"entries":132,"last_time":"1970-01-01T00:00:00.032899Z","cause":"age","kept_from":{"access":0,"requests":32900,"audit":0}}"#
            ),
        ]
    );
    let store = again(store, &dir);
    assert_eq!(ask(&store, Log::Requests, &[("count", "true")]).total, Some(100));
    append_requests(&store, [40_000]);
    let store = again(store, &dir);
    assert_eq!(ask(&store, Log::Requests, &[]).rows[0].seq, 33_000);
    let figures = store.figures();
    assert_eq!((figures.entries[1].1, figures.kept[1].1), (33_001, 101));
}

#[test]
fn the_oldest_segments_go_while_a_log_has_more_bytes_than_it_may() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    append_requests(&store, 0..3 * 32_768);
    let store = again(store, &dir);
    until("three segments", || store.segments(Log::Requests) == 3);
    store.set_keep(keep(Keep { age: None, bytes: Some(1 << 30) }));
    store.prune(Timestamp::UNIX_EPOCH).unwrap();
    assert_eq!(store.segments(Log::Requests), 3);
    store.set_keep(keep(Keep { age: None, bytes: Some(1) }));
    store.prune(Timestamp::UNIX_EPOCH).unwrap();
    assert_eq!(store.segments(Log::Requests), 0);
    assert_eq!(ask(&store, Log::Requests, &[("count", "true")]).total, Some(0));
}

/// Sealing and removing move the same rows: whichever comes second must see what the first has done.
#[test]
fn rows_that_are_removed_while_they_become_a_segment_take_no_others_with_them() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    store.set_keep(keep(Keep { age: Some(Duration::from_micros(20_000)), bytes: None }));
    let removing = store.clone();
    let remover = std::thread::spawn(move || {
        // The time of an entry is its position: what is kept begins in the midst of rows that are being sealed.
        while removing.end(Log::Requests) < 400_000 {
            removing.prune(Timestamp::from_microsecond(removing.end(Log::Requests).cast_signed()).unwrap()).unwrap();
        }
    });
    append_requests(&store, 0..400_000);
    remover.join().unwrap();
    let store = again(store, &dir);
    let kept = store.figures().kept[1].1;
    assert!(kept >= 20_000, "{kept}");
    let rows = store.rows(Log::Requests, 400_000 - kept, 400_000).unwrap();
    let times: Vec<_> = rows.iter().map(|row| row.value("time")).collect();
    let expected: Vec<_> = (400_000 - kept..400_000).map(|seq| Some(Value::Time(seq.cast_signed()))).collect();
    assert!(times == expected, "{} of {kept} rows", times.len());
    assert_eq!(store.quarantined(), []);
}

#[test]
fn presets_that_people_know_are_kept_to_the_day() {
    for days in [180, 400, 7 * 365] {
        let dir = tempfile::tempdir().unwrap();
        let store = open(&dir);
        append_requests(&store, [0, HOUR]);
        let store = again(store, &dir);
        let age = Duration::from_secs(days * 24 * 3600);
        store.set_keep(keep(Keep { age: Some(age), bytes: None }));
        let end = Timestamp::UNIX_EPOCH + SignedDuration::try_from(age).unwrap();
        store.prune(end).unwrap();
        assert_eq!(ask(&store, Log::Requests, &[("count", "true")]).total, Some(2), "{days}");
        store.prune(end + SignedDuration::from_micros(1)).unwrap();
        assert_eq!(ask(&store, Log::Requests, &[("count", "true")]).total, Some(1), "{days}");
    }
}

#[test]
fn a_damaged_segment_is_named_and_hides_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    append_requests(&store, 0..2 * 32_768 + 10);
    let store = again(store, &dir);
    until("two segments", || store.segments(Log::Requests) == 2);
    store.close().unwrap();
    drop(store);
    damage(&dir, 32_768, 1);
    let store = open(&dir);
    // What does not need the damaged part is answered.
    assert_eq!(ask(&store, Log::Requests, &[("limit", "5"), ("count", "true")]).total, Some(65_546));
    assert_eq!(store.quarantined(), []);
    // Entries of that segment need it.
    let page = ask(&store, Log::Requests, &[("limit", "20")]);
    let seqs: Vec<u64> = page.rows.iter().map(|row| row.seq).collect();
    assert_eq!(seqs, (65_536..65_546).rev().chain((32_758..32_768).rev()).collect::<Vec<_>>());
    assert_eq!((page.complete, page.quarantined), (false, vec![(32_768, 65_535)]));
    let page = ask(&store, Log::Requests, &[("count", "true"), ("order", "asc"), ("limit", "1")]);
    assert_eq!((page.rows.len(), page.total, page.quarantined), (1, Some(32_778), vec![(32_768, 65_535)]));
    let quarantined = store.quarantined();
    assert_eq!((quarantined.len(), quarantined[0].first, quarantined[0].last), (1, 32_768, 65_535));
    assert_eq!(store.figures().quarantined, 1);
    // And a log with a segment that cannot be opened goes on.
    store.close().unwrap();
    drop(store);
    damage(&dir, 32_768, 0);
    let store = open(&dir);
    assert_eq!(store.quarantined()[0].first, 32_768);
    append_requests(&store, [1 << 40]);
    let store = again(store, &dir);
    assert_eq!(ask(&store, Log::Requests, &[("limit", "1")]).rows[0].seq, 65_546);
}

/// Changes a byte of every part of a column of the segment at a position, under the eyes of nobody.
fn damage(dir: &tempfile::TempDir, first: u64, column: u16) {
    let names = rocksdb::DB::list_cf(&rocksdb::Options::default(), dir.path()).unwrap();
    let db = rocksdb::DB::open_cf(&rocksdb::Options::default(), dir.path(), names).unwrap();
    let segments = db.cf_handle("seg").unwrap();
    let mut start = vec![1];
    start.extend(first.to_be_bytes());
    start.extend(column.to_be_bytes());
    let mut parts = db.raw_iterator_cf(&segments);
    parts.seek(&start);
    let mut changed = Vec::new();
    while let Some((key, value)) = parts.item().filter(|(key, _)| key.starts_with(&start)) {
        let mut value = value.to_vec();
        value.iter_mut().take(1).for_each(|byte| *byte ^= 0x40);
        changed.push((key.to_vec(), value));
        parts.next();
    }
    assert!(!changed.is_empty());
    drop(parts);
    for (key, value) in changed {
        db.put_cf(&segments, key, value).unwrap();
    }
}

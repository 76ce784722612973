//! Kills while segments are made and removed: a row is in exactly one place, whatever the moment.

#![expect(clippy::unwrap_used, reason = "a test may fail by a panic")]

mod sample;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use sample::{options, request};
use vestibule_logstore::row::Value;
use vestibule_logstore::{Entry, Keep, Log, Store};

const FOLDER: &str = "VESTIBULE_TEST_FOLDER";
const ROUNDS: u64 = 16;

/// Segments of these entries that may stay: a few, so that each new one soon pushes out an old one.
const BYTES: u64 = 20_000;

/// Appends entries whose time is their position, and removes old ones all the while, until it is killed.
#[test]
#[ignore = "run by the test of kills as the process that is killed"]
fn a_process_that_is_killed() {
    let Ok(folder) = std::env::var(FOLDER) else {
        return;
    };
    let store = Store::open(Path::new(&folder), options()).unwrap();
    store.set_keep([Keep::default(), Keep { age: None, bytes: Some(BYTES) }, Keep::default()]);
    let pruning = store.clone();
    std::thread::spawn(move || {
        loop {
            pruning.prune(Timestamp::UNIX_EPOCH).unwrap();
        }
    });
    for position in store.end(Log::Requests).. {
        while store.queue_depth() > 20_000 {
            std::thread::yield_now();
        }
        store.append(&Entry::Request(&request(position.cast_signed(), "/")));
    }
}

/// The first position that is kept and the next one. Between them each entry stands at its own position.
fn checked(folder: &Path) -> (u64, u64) {
    let store = Store::open(folder, options()).unwrap();
    let figures = store.figures();
    let end = store.end(Log::Requests);
    let first = end - figures.kept[1].1;
    for from in (first..end).step_by(20_000) {
        let to = end.min(from + 20_000);
        let rows = store.rows(Log::Requests, from, to).unwrap();
        let times: Vec<_> = rows.iter().map(|row| row.value("time")).collect();
        let expected: Vec<_> = (from..to).map(|seq| Some(Value::Time(seq.cast_signed()))).collect();
        assert_eq!(times, expected, "from {from}");
    }
    assert_eq!(store.quarantined(), []);
    store.close().unwrap();
    (first, end)
}

#[test]
fn a_kill_while_rows_are_sealed_and_pruned_leaves_each_in_one_place() {
    let dir = tempfile::tempdir().unwrap();
    let (mut last_first, mut last_end) = (0, 0);
    for round in 0..ROUNDS {
        let mut victim = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "a_process_that_is_killed", "--ignored"])
            .env(FOLDER, dir.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        // The moment is what the test is about: another one in each round, while segments come and go.
        let moment = Instant::now() + Duration::from_millis(400 + round * 37);
        while Instant::now() < moment {
            std::thread::yield_now();
        }
        victim.kill().unwrap();
        victim.wait().unwrap();
        let (first, end) = checked(dir.path());
        assert!(first >= last_first && end >= last_end, "{first} {end}");
        (last_first, last_end) = (first, end);
    }
    assert!(last_first > 0 && last_end > last_first, "nothing was pruned: {last_first} of {last_end}");
}

//! What is left after a kill, and what happens while the disk refuses.

#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test may fail by a panic")]

mod sample;

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use sample::{access, audit, options, request};
use vestibule_logstore::{Entry, Keep, Log, Query, Row, Store};

/// All rows of a log, by position.
fn all(store: &Store, log: Log) -> Vec<Row> {
    let (mut rows, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let mut asked = vec![("limit".to_owned(), "1000".to_owned())];
        asked.extend(cursor.take().map(|cursor| ("cursor".to_owned(), cursor)));
        let page = store.query(&Query::parse(log, &asked, Timestamp::UNIX_EPOCH).unwrap()).unwrap();
        rows.extend(page.rows);
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    rows.sort_by_key(|row| row.seq);
    assert!(rows.iter().zip(0..).all(|(row, seq)| row.seq == seq), "the sequence of {log:?} has a gap");
    rows
}

fn time_of(row: &Row) -> i64 {
    match row.value("time") {
        Some(vestibule_logstore::row::Value::Time(time)) => time,
        other => panic!("{other:?}"),
    }
}

const FOLDER: &str = "VESTIBULE_TEST_FOLDER";
const ROUNDS: i64 = 20;

/// Writes until it is killed, and says on standard output what it was told: `c TIME` committed, `a TIME MILLIS`
/// appended that many milliseconds after the start.
#[test]
#[ignore = "run by the test of kills as the process that is killed"]
fn a_process_that_is_killed() {
    let Ok(folder) = std::env::var(FOLDER) else {
        return;
    };
    let start = Instant::now();
    let store = Store::open(Path::new(&folder), options()).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    println!("open {}", start.elapsed().as_millis());
    let writer = store.clone();
    runtime.spawn(async move {
        for time in 0.. {
            writer.commit(&Entry::Access(&access(time, "maya@example.net"))).await.unwrap();
            println!("c {time}");
        }
    });
    for time in 0.. {
        store.append(&Entry::Request(&request(time, "/load")));
        println!("a {time} {}", start.elapsed().as_millis());
        if time % 64 == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

fn start_victim(folder: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_process_that_is_killed", "--ignored", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn a_kill_loses_no_commit_and_at_most_the_last_50_ms_of_requests() {
    let dir = tempfile::tempdir().unwrap();
    let (mut committed_before, mut requests_before) = (0, 0);
    for round in 0..ROUNDS {
        let mut victim = start_victim(dir.path());
        let mut committed = None;
        let mut appended = Vec::new();
        let ends = 60 + round * 17 % 200;
        for line in BufReader::new(victim.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            let mut words = line.split(' ').skip(1).map(|word| word.parse::<i64>().unwrap_or(-1));
            match (line.split(' ').next(), words.next(), words.next()) {
                (Some("c"), Some(time), None) => committed = Some(time),
                (Some("a"), Some(time), Some(millis)) => {
                    appended.push((time, millis));
                    if millis > ends && committed.is_some() {
                        // What it wrote meanwhile is read to the end: that too it was told.
                        victim.kill().unwrap();
                    }
                }
                (Some("open"), Some(millis), None) => assert!(millis < 2000, "opening took {millis} ms"),
                (_, _, _) => (),
            }
        }
        victim.wait().unwrap();
        let store = Store::open(dir.path(), options()).unwrap();
        let attempts = all(&store, Log::Access).split_off(committed_before);
        assert!(attempts.iter().zip(0..).all(|(row, time)| time_of(row) == time));
        assert!(attempts.len() as i64 > committed.unwrap(), "a commit was lost in round {round}");
        let requests = all(&store, Log::Requests).split_off(requests_before);
        assert!(requests.iter().zip(0..).all(|(row, time)| time_of(row) == time));
        let (_, last) = *appended.last().unwrap();
        let due = appended.iter().filter(|(_, millis)| millis + 50 < last).count();
        assert!(requests.len() >= due, "{} of {due} requests in round {round}", requests.len());
        committed_before += attempts.len();
        requests_before += requests.len();
    }
}

/// A small file system of its own; only the superuser may make one.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount(bytes: &str) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let size = format!("size={bytes},mode=0700");
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "none"]).arg(dir.path()).output();
        mount.is_ok_and(|mount| mount.status.success()).then_some(Self(dir))
    }

    fn fill(&self) {
        let mut filler = std::fs::File::create(self.0.path().join("filler")).unwrap();
        while std::io::Write::write_all(&mut filler, &[1; 4096]).is_ok() {}
    }

    fn empty(&self) {
        std::fs::remove_file(self.0.path().join("filler")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg(self.0.path()).output());
    }
}

async fn wait_for(what: &str, longest: Duration, holds: impl AsyncFn() -> bool) {
    let since = Instant::now();
    while !holds().await {
        assert!(since.elapsed() < longest, "{what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_commits_keeps_what_was_there_and_recovers_by_itself() {
    let Some(disk) = SmallDisk::mount("256m") else {
        println!("skipped: a_full_disk_refuses_commits_keeps_what_was_there_and_recovers_by_itself (needs root)");
        return;
    };
    let store = Store::open(&disk.0.path().join("logs"), options()).unwrap();
    for time in 0..100 {
        store.commit(&Entry::Access(&access(time, "before"))).await.unwrap();
    }
    disk.fill();
    let long = "x".repeat(2000);
    wait_for("the disk never refused", Duration::from_secs(30), async || {
        store.commit(&Entry::Access(&access(1000, &long))).await.is_err()
    })
    .await;
    assert!(!store.writable());
    let refused = store.commit(&Entry::Access(&access(2000, "refused"))).await.unwrap_err();
    assert!(refused.cause.contains("space"), "{refused}");
    // Reading goes on, and what nobody waits for is kept.
    let before = all(&store, Log::Access).len();
    assert!(before >= 100);
    store.append(&Entry::Request(&request(1, "/meanwhile")));

    disk.empty();
    wait_for("the store did not recover", Duration::from_secs(8), async || store.writable()).await;
    let after = store.commit(&Entry::Access(&access(3000, "after"))).await.unwrap();
    assert_eq!(after.seq, before as u64);
    wait_for("the loss is marked", Duration::from_secs(5), async || !all(&store, Log::Audit).is_empty()).await;
    store.close().unwrap();
    drop(store);

    let store = Store::open(&disk.0.path().join("logs"), options()).unwrap();
    let attempts = all(&store, Log::Access);
    assert_eq!(attempts.len(), before + 1);
    assert!(!attempts.iter().any(|row| row.value("email") == Some(vestibule_logstore::row::Value::Text("refused"))));
    assert_eq!(all(&store, Log::Requests).len(), 1);
    let mark = all(&store, Log::Audit).first().unwrap().to_json();
    assert!(mark.contains(r#""action":"log.gap""#) && mark.contains(r#""cause":"write_failed""#), "{mark}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_takes_no_files_any_more_is_noticed_without_a_write() {
    let Some(disk) = SmallDisk::mount("256m") else {
        println!("skipped: a_folder_that_takes_no_files_any_more_is_noticed_without_a_write (needs root)");
        return;
    };
    let store = Store::open(&disk.0.path().join("logs"), options()).unwrap();
    store.commit(&Entry::Audit(&audit(1, "config.reload"))).await.unwrap();
    disk.fill();
    wait_for("the full folder is noticed", Duration::from_secs(12), async || !store.writable()).await;
    disk.empty();
    wait_for("the store did not recover", Duration::from_secs(12), async || store.writable()).await;
    assert_eq!(store.commit(&Entry::Audit(&audit(2, "config.reload"))).await.unwrap().seq, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_on_a_full_disk_ends_and_accounts_for_every_entry() {
    let Some(disk) = SmallDisk::mount("256m") else {
        println!("skipped: closing_on_a_full_disk_ends_and_accounts_for_every_entry (needs root)");
        return;
    };
    let store = Store::open(&disk.0.path().join("logs"), options()).unwrap();
    disk.fill();
    let long = "x".repeat(2000);
    wait_for("the disk never refused", Duration::from_secs(30), async || {
        store.commit(&Entry::Access(&access(1000, &long))).await.is_err()
    })
    .await;
    for time in 0..10_000 {
        store.append(&Entry::Request(&request(time, &long)));
    }
    // RocksDB may find space in what it had reserved; then nothing is lost and the closing succeeds.
    let closed = store.close();
    let ([_, (_, written), _], [_, (_, dropped), _]) = (store.figures().entries, store.figures().dropped);
    assert_eq!(written + dropped, 10_000);
    assert_eq!(closed.is_err(), dropped > 0, "{closed:?}");
}

/// Turns a bit in the middle of the largest table, which has the segment; twice is as before.
fn flip(dir: &Path) -> String {
    let tables = std::fs::read_dir(dir).unwrap().map(|file| file.unwrap().path());
    let tables = tables.filter(|file| file.extension().is_some_and(|kind| kind == "sst"));
    let table = tables.max_by_key(|file| file.metadata().unwrap().len()).unwrap();
    let mut bytes = std::fs::read(&table).unwrap();
    let middle = bytes.len() / 2;
    *bytes.get_mut(middle).unwrap() ^= 1;
    std::fs::write(&table, bytes).unwrap();
    table.file_name().unwrap().to_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_table_that_is_to_be_merged_refuses_commits_until_the_next_start_and_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), options()).unwrap();
    for time in 0..33_000 {
        while store.queue_depth() > 20_000 {
            std::thread::yield_now();
        }
        store.append(&Entry::Request(&request(time, &format!("/{time}"))));
    }
    wait_for("no segment", Duration::from_secs(30), async || store.segments(Log::Requests) == 1).await;
    // RocksDB may merge as soon as it is open.
    store.commit(&Entry::Access(&access(1, "before"))).await.unwrap();
    store.close().unwrap();
    let table = flip(dir.path());

    let store = Store::open(dir.path(), options()).unwrap();
    store.set_keep([Keep::default(), Keep { age: None, bytes: Some(1) }, Keep::default()]);
    let pruning = store.clone();
    let pruned = tokio::task::spawn_blocking(move || pruning.prune(Timestamp::UNIX_EPOCH)).await.unwrap();
    let is_named = |text: &str| text.contains(&table) && text.contains("vestibule backup restore");
    assert!(is_named(&pruned.unwrap_err().to_string()));
    wait_for("it is noticed without a write", Duration::from_secs(12), async || !store.writable()).await;
    let refused = store.commit(&Entry::Access(&access(2, "refused"))).await.unwrap_err();
    assert!(is_named(&refused.cause) && store.unwritable().is_some_and(|cause| is_named(&cause)), "{refused}");
    assert_eq!(all(&store, Log::Access).len(), 1, "what is stored can be read");
    // As long as several tries would take.
    let since = Instant::now();
    wait_for("", Duration::from_secs(9), async || {
        assert!(!store.writable());
        since.elapsed() > Duration::from_secs(3)
    })
    .await;
    store.close().unwrap_err();
    drop(store);

    assert_eq!(flip(dir.path()), table);
    let store = Store::open(dir.path(), options()).unwrap();
    store.commit(&Entry::Access(&access(3, "after"))).await.unwrap();
    assert_eq!(all(&store, Log::Access).len(), 2);
}

//! A disk that takes as long as a test wants.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use parking_lot::{Condvar, Mutex};
use tempfile::TempDir;

use super::*;
use crate::entry::Common;
use crate::{Entry, Options, RequestEntry, Store};

/// Long beside everything that a busy machine does, short enough to be waited for.
const SYNC: Duration = Duration::from_secs(4);

/// Disks by the folder of their store; a folder that is not among them is as fast as it is.
static DISKS: Mutex<Vec<(PathBuf, Arc<Disk>)>> = Mutex::new(Vec::new());

#[derive(Default)]
struct Disk {
    syncs: Mutex<Syncs>,
    changed: Condvar,
}

#[derive(Default)]
struct Syncs {
    begun: usize,
    may_end: usize,
}

/// Called for each fsync: returns when the test lets it.
pub(super) fn wait_for_disk(folder: &Path) {
    let disk = DISKS.lock().iter().find(|(of, _)| of == folder).map(|(_, disk)| disk.clone());
    let Some(disk) = disk else { return };
    let mut syncs = disk.syncs.lock();
    syncs.begun += 1;
    let this = syncs.begun;
    disk.changed.notify_all();
    disk.changed.wait_while(&mut syncs, |syncs| syncs.may_end < this);
}

impl Disk {
    /// Under this folder.
    fn under(folder: &Path) -> Arc<Self> {
        let disk = Arc::new(Self::default());
        DISKS.lock().push((folder.to_owned(), disk.clone()));
        disk
    }

    fn wait_until_begun(&self, count: usize) {
        let mut syncs = self.syncs.lock();
        let waited = self.changed.wait_while_for(&mut syncs, |syncs| syncs.begun < count, 10 * SYNC);
        assert!(!waited.timed_out(), "no sync begins");
    }

    fn begun(&self) -> usize {
        self.syncs.lock().begun
    }

    fn let_all_end(&self) {
        self.syncs.lock().may_end = usize::MAX;
        self.changed.notify_all();
    }
}

fn options() -> Options {
    Options { sync: SYNC, queue_entries: 100, queue_bytes: 1 << 20 }
}

fn entry(request_id: &str) -> RequestEntry<'_> {
    RequestEntry {
        common: Common {
            time: 1,
            request_id: Some(request_id),
            source_ip: None,
            country: None,
            subdivision: None,
            city: None,
            asn: None,
            user_agent: None,
            revision: None,
            event_count: None,
            node: None,
        },
        method: None,
        host: None,
        path: None,
        query: None,
        protocol: None,
        status_code: 200,
        action: "allowed",
        origin: "backend",
        reason: None,
        would_block: None,
        auth_method: "none",
        email: None,
        user_id: None,
        session_id: None,
        circuit: None,
        project: None,
        upstream: None,
        upstream_ms: None,
        duration_ms: 0,
        bytes_in: 0,
        bytes_out: 0,
        referer: None,
        tls: None,
        metadata: None,
    }
}

fn rows(store: &Store) -> u64 {
    store.figures().entries.iter().map(|(_, rows)| rows).sum()
}

fn wait_for_rows(store: &Store, count: u64) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let written = async { store.watch().wait_for(|rows| *rows >= count).await.map(|_| ()) };
    runtime.block_on(async { tokio::time::timeout(10 * SYNC, written).await }).expect("the writer writes").unwrap();
}

/// What the end of the process would leave: the files as the system has them.
fn left_by_a_kill(folder: &Path) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for file in fs::read_dir(folder).unwrap().flatten().filter(|file| file.file_name() != "LOCK") {
        fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
    }
    copy
}

#[test]
fn a_kill_loses_nothing_older_than_the_interval_however_slow_the_disk_is() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::under(folder.path());
    let store = Store::open(folder.path(), options()).unwrap();
    store.append(&Entry::Request(&entry("first")));
    disk.wait_until_begun(1);

    let appended = Instant::now();
    for id in ["second", "third"] {
        store.append(&Entry::Request(&entry(id)));
    }
    wait_for_rows(&store, 3);
    let copy = left_by_a_kill(folder.path());
    assert!(appended.elapsed() < SYNC, "{:?}", appended.elapsed());
    assert_eq!(disk.begun(), 1, "the first sync is still under way");
    let found = Store::open(copy.path(), options()).unwrap();
    assert_eq!(rows(&found), 3);

    disk.let_all_end();
    store.close().unwrap();
}

#[test]
fn whoever_waits_is_told_after_the_sync_and_not_before() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::under(folder.path());
    let store = Store::open(folder.path(), options()).unwrap();
    let waiting = {
        let store = store.clone();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            runtime.block_on(store.commit(&Entry::Request(&entry("first"))))
        })
    };
    disk.wait_until_begun(1);
    assert_eq!(rows(&store), 1, "it is written");
    assert!(!waiting.is_finished(), "and not yet promised");
    disk.let_all_end();
    assert_eq!(waiting.join().unwrap().unwrap().seq, 0);
    store.close().unwrap();
}

#[test]
fn closing_waits_for_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::under(folder.path());
    let store = Store::open(folder.path(), options()).unwrap();
    store.append(&Entry::Request(&entry("first")));
    let closing = {
        let store = store.clone();
        thread::spawn(move || store.close())
    };
    disk.wait_until_begun(1);
    assert!(!closing.is_finished());
    disk.let_all_end();
    closing.join().unwrap().unwrap();
}

#[test]
fn looking_and_the_disk_fit_into_the_interval() {
    for millis in 1..=10_000 {
        let sync = Duration::from_millis(millis);
        let begun = poll_every(sync) + begin_after(sync);
        assert!(begun <= sync, "{sync:?}: the sync begins after {begun:?}");
        assert!(begun + DISK <= sync || millis < 20, "{sync:?}: the disk has less than its time");
    }
}

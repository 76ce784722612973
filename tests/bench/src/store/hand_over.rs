//! What the store costs those who hand entries over: a request's thread, and a sign-in that waits for the disk.

use std::time::{Duration, Instant};

use vestibule_bench::fill;
use vestibule_bench::traffic::{Drawn, Traffic, World, version_7};
use vestibule_logstore::entry::Common;
use vestibule_logstore::{AccessEntry, Entry, Store};

use crate::SEED;
use crate::plan::Plan;

/// Requests a second.
pub(crate) const RATE: u32 = 2000;

/// Commits, one after another.
const COMMITS: usize = 200;

/// 50th and 99th percentile each.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HandedOver {
    /// Encoding a request entry and queueing it, by a thread that has been busy.
    pub(crate) append: [Duration; 2],
    /// The same by one that slept until the request came.
    pub(crate) append_after_sleep: [Duration; 2],
    /// Until an attempt is on disk.
    pub(crate) commit: [Duration; 2],
}

/// In a store of its own.
pub(crate) fn measure(world: &World, plan: &Plan) -> HandedOver {
    let folder = plan.scratch().join("hand-over");
    let store = Store::open(&folder, fill::options()).unwrap();
    HandedOver {
        append: append(&store, world, plan, spin),
        append_after_sleep: append(&store, world, plan, std::thread::sleep),
        commit: commit(&store, world, plan),
    }
}

/// Each request is made up when it is due: who hands an entry over has just had its texts in hand.
fn append(store: &Store, world: &World, plan: &Plan, wait: impl Fn(Duration)) -> [Duration; 2] {
    let mut traffic = Traffic::new(world, SEED, plan.span(), version_7(SEED));
    let (mut drawn, mut taken, start) = (Drawn::default(), Vec::new(), Instant::now());
    for number in 0..plan.steady_seconds * RATE {
        let due = start + Duration::from_secs(1) * number / RATE;
        wait(due.saturating_duration_since(Instant::now()));
        traffic.next(&mut drawn);
        let entry = drawn.entry();
        let before = Instant::now();
        store.append(&Entry::Request(&entry));
        taken.push(before.elapsed());
    }
    percentiles(taken)
}

fn spin(time: Duration) {
    let end = Instant::now() + time;
    while Instant::now() < end {
        std::hint::spin_loop();
    }
}

fn commit(store: &Store, world: &World, plan: &Plan) -> [Duration; 2] {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let start = plan.span().start;
    let taken = (0..COMMITS).map(|number| {
        let entry = attempt(world, start + number as i64);
        let before = Instant::now();
        runtime.block_on(store.commit(&Entry::Access(&entry))).unwrap();
        before.elapsed()
    });
    percentiles(taken.collect())
}

fn percentiles(mut taken: Vec<Duration>) -> [Duration; 2] {
    taken.sort_unstable();
    [50, 99].map(|percent| taken.get(taken.len() * percent / 100).copied().unwrap_or_default())
}

fn attempt(world: &World, time: i64) -> AccessEntry<'_> {
    AccessEntry {
        common: Common {
            time,
            request_id: None,
            source_ip: None,
            country: Some("CH"),
            subdivision: Some("ZH"),
            city: Some("Zurich"),
            asn: Some(3303),
            user_agent: Some("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
            revision: None,
            event_count: None,
            node: None,
        },
        attempt_id: None,
        action: "login",
        status: "success",
        result: Some("success"),
        reason: None,
        auth_method: "pin",
        provider: None,
        email: Some(world.heavy_user()),
        user_id: None,
        session_id: None,
        circuit: Some(world.circuit()),
        project: None,
        host: None,
        policy: Some("members"),
        rule: None,
        duration_ms: Some(40),
        purpose: None,
    }
}

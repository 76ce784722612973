//! Fills a store as fast as it takes entries.

use std::time::{Duration, Instant};

use vestibule_logstore::{Entry, Options, Store};

use crate::clock;
use crate::traffic::{Drawn, Traffic};

/// Requests that are made up before they are handed over together.
const CHUNK: usize = 512;

/// Entries that may wait: below half of the queue of [`options`].
const WAITING_MAX: u64 = 30_000;

/// As the gateway opens its store by default.
pub const fn options() -> Options {
    Options { sync: Duration::from_millis(50), queue_entries: 65_536, queue_bytes: 64 << 20 }
}

/// What it took.
#[derive(Debug, Clone, Copy)]
pub struct Filled {
    /// From the first entry until the store was closed.
    pub wall: Duration,
    /// CPU time of the store: handing over, and all its threads until it was closed; not of making entries up.
    pub cpu: Duration,
    /// The part of handing over.
    pub caller_cpu: Duration,
}

/// Appends all of it, and closes the store.
///
/// # Panics
/// When an entry was lost.
pub fn fill<'w>(store: &Store, traffic: &mut Traffic<'w, impl FnMut(i64, &mut String)>) -> Filled {
    let mut chunk: Vec<Drawn<'w>> = (0..CHUNK).map(|_| Drawn::default()).collect();
    let (start, cpu, mut making, mut caller_cpu) = (Instant::now(), clock::process(), Duration::ZERO, Duration::ZERO);
    loop {
        let before = clock::thread();
        let mut made = 0;
        while let Some(drawn) = chunk.get_mut(made)
            && traffic.next(drawn)
        {
            made += 1;
        }
        let between = clock::thread();
        for drawn in chunk.iter().take(made) {
            store.append(&Entry::Request(&drawn.entry()));
        }
        making += between - before;
        caller_cpu += clock::thread() - between;
        if made < CHUNK {
            break;
        }
        while store.queue_depth() > WAITING_MAX {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    store.close().unwrap();
    let dropped: u64 = store.figures().dropped.iter().map(|(_, count)| count).sum();
    assert_eq!(dropped, 0, "entries were lost");
    Filled { wall: start.elapsed(), cpu: clock::process() - cpu - making, caller_cpu }
}

//! Fills a store as fast as it takes entries.

use std::time::{Duration, Instant};

use vestibule_logstore::{Entry, Log, Options, Store};

use crate::clock;
use crate::traffic::{Drawn, Traffic};

/// Requests that are made up before they are handed over together.
const CHUNK: usize = 64;

/// Entries that may wait: below half of the queue of [`options`].
const WAITING_MAX: u64 = 30_000;

/// Entries that may wait to be sealed: one segment while the one before is sealed. A gateway sends a tenth of what can
/// be sealed meanwhile; without a bound this would measure a store that cannot follow.
const UNSEALED_MAX: u64 = 2 << 15;

/// Entries of a segment.
const SEGMENT: u64 = 1 << 15;

/// A store whose threads use less than this in each of so many moments has nothing left to do.
const IDLE_CPU: Duration = Duration::from_millis(6);
const MOMENT: Duration = Duration::from_millis(300);
const IDLE_MOMENTS: usize = 3;

/// Nothing takes longer to settle.
const SETTLE_BOUND: Duration = Duration::from_secs(1800);

/// As the gateway opens its store by default.
pub const fn options() -> Options {
    Options { sync: Duration::from_millis(50), queue_entries: 65_536, queue_bytes: 64 << 20 }
}

/// What it took.
#[derive(Debug, Clone, Copy)]
pub struct Filled {
    /// From the first entry until all was sealed.
    pub wall: Duration,
    /// CPU time of the store: handing over, and all its threads until it had settled and was closed; not of making
    /// entries up and of looking whether there is room for more.
    pub cpu: Duration,
}

/// Waits until the threads of this process have nothing to do, and says when that began.
///
/// # Panics
/// When they go on for half an hour.
pub fn settle() -> Instant {
    let (start, mut idle, mut cpu, mut since) = (Instant::now(), 0, clock::process(), Instant::now());
    while idle < IDLE_MOMENTS {
        assert!(start.elapsed() < SETTLE_BOUND, "the store does not come to rest");
        std::thread::sleep(MOMENT);
        let used = clock::process() - cpu;
        cpu += used;
        if used < IDLE_CPU {
            idle += 1;
        } else {
            (idle, since) = (0, Instant::now());
        }
    }
    since
}

fn unsealed(store: &Store) -> u64 {
    store.end(Log::Requests) - store.segments(Log::Requests) as u64 * SEGMENT
}

/// Appends all of it, waits until all of it is sealed, and closes the store.
///
/// # Panics
/// When an entry was lost.
pub fn fill<'w>(store: &Store, traffic: &mut Traffic<'w, impl FnMut(i64, &mut String)>) -> Filled {
    let mut chunk: Vec<Drawn<'w>> = (0..CHUNK).map(|_| Drawn::default()).collect();
    let (start, cpu, mut making) = (Instant::now(), clock::process(), Duration::ZERO);
    loop {
        let before = clock::thread();
        let mut made = 0;
        while let Some(drawn) = chunk.get_mut(made)
            && traffic.next(drawn)
        {
            made += 1;
        }
        making += clock::thread() - before;
        for drawn in chunk.iter().take(made) {
            store.append(&Entry::Request(&drawn.entry()));
        }
        if made < CHUNK {
            break;
        }
        let before = clock::thread();
        while store.queue_depth() > WAITING_MAX || unsealed(store) > UNSEALED_MAX {
            std::thread::sleep(Duration::from_millis(1));
        }
        making += clock::thread() - before;
    }
    let wall = settle() - start;
    store.close().unwrap();
    let dropped: u64 = store.figures().dropped.iter().map(|(_, count)| count).sum();
    assert_eq!(dropped, 0, "entries were lost");
    Filled { wall, cpu: clock::process() - cpu - making }
}

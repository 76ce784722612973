//! What the machine adds to a promise about time: it keeps threads waiting that are ready to run, or has them wait for its
//! disk within a write.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Between two looks.
const LOOK: Duration = Duration::from_millis(1);

/// By how much a thread that wants to run now and then was late, at the worst; on an idle machine a millisecond.
pub(super) fn stall(done: &AtomicBool) -> Duration {
    let mut worst = Duration::ZERO;
    while !done.load(Ordering::Relaxed) {
        let asked = Instant::now();
        std::thread::sleep(LOOK);
        worst = worst.max(asked.elapsed().saturating_sub(LOOK));
    }
    worst
}

/// How long the thread that writes the logs was kept from it so far, at several instants: it was ready and did not run, or
/// the disk had it wait. ext4 does that now and then while a sync of the same file is under way on a disk with other work,
/// for a fifth of a second at times: what is appended waits for the blocks of what is synced.
#[derive(Default)]
pub(super) struct Held(Vec<(Instant, Duration)>);

impl Held {
    pub(super) fn watch(process: u32, done: &AtomicBool) -> Self {
        let (mut looks, mut held, mut before, mut ran) = (Vec::new(), Duration::ZERO, Instant::now(), 0);
        let writer = thread(process, "log-writer");
        while let Some((state, runs)) = writer.as_deref().and_then(look)
            && !done.load(Ordering::Relaxed)
        {
            let now = Instant::now();
            if state == 'D' || state == 'R' && runs == ran {
                held += now - before;
            }
            (before, ran) = (now, runs);
            looks.push((now, held));
            std::thread::sleep(LOOK);
        }
        Self(looks)
    }

    pub(super) fn between(&self, from: Instant, to: Instant) -> Duration {
        let at = |instant| {
            let looks = self.0.partition_point(|(look, _)| *look < instant);
            looks.checked_sub(1).and_then(|last| self.0.get(last)).map_or(Duration::ZERO, |(_, held)| *held)
        };
        at(to).saturating_sub(at(from))
    }
}

/// The folder of a thread in `/proc`.
fn thread(process: u32, name: &str) -> Option<PathBuf> {
    let mut threads = fs::read_dir(format!("/proc/{process}/task")).ok()?.flatten().map(|thread| thread.path());
    threads.find(|thread| fs::read_to_string(thread.join("comm")).is_ok_and(|comm| comm.trim() == name))
}

/// What a thread does (`R` runs or wants to, `D` waits for the disk), and how long it has run.
fn look(thread: &Path) -> Option<(char, u64)> {
    let stat = fs::read_to_string(thread.join("stat")).ok()?;
    let ran = fs::read_to_string(thread.join("schedstat")).ok()?.split(' ').next()?.parse().ok()?;
    Some((stat.rsplit(") ").next()?.chars().next()?, ran))
}

//! Memory over minutes of load.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::{Plan, contender, cpu, wrk};

const SAMPLE_EVERY: Duration = Duration::from_secs(10);

/// Loads a public and a signed-in circuit in turn and prints resident memory over time.
pub(crate) fn measure(plan: &Plan) {
    if plan.memory_minutes == 0 {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let origin = contender::origin(folder.path());
    let gateway = contender::vestibule(origin.address);
    let circuits = contender::circuits(&gateway);
    let done = AtomicBool::new(false);
    let start = Instant::now();
    let end = Duration::from_secs(plan.memory_minutes * 60);
    println!("\nresident memory under load, {} minutes:", plan.memory_minutes);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                for circuit in &circuits {
                    wrk::run(circuit.address, &circuit.headers, 2);
                }
            }
        });
        while start.elapsed() < end {
            std::thread::sleep(SAMPLE_EVERY);
            println!("{:5} s {:7} KiB", start.elapsed().as_secs(), cpu::resident_kib(gateway.id()));
        }
        done.store(true, Ordering::Relaxed);
    });
}

//! Memory over minutes of load.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::{Plan, contender, cpu, wrk};

const SAMPLE_EVERY: Duration = Duration::from_secs(10);
/// What the second half's largest may be above the first half's, in parts of it.
const GROWTH: f64 = 0.05;

/// Loads a public and a signed-in circuit in turn, prints resident memory over time and demands that it stays flat.
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
    let mut samples = Vec::new();
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
            let resident = cpu::resident_kib(gateway.id());
            println!("{:5} s {resident:7} KiB", start.elapsed().as_secs());
            samples.push(resident);
        }
        done.store(true, Ordering::Relaxed);
    });
    let (first, second) = samples.split_at(samples.len() / 2);
    let [first, second] = [first, second].map(|half| half.iter().copied().max().unwrap_or(0));
    println!("largest of the first half {first} KiB, of the second {second} KiB");
    assert!(second as f64 <= first as f64 * (1.0 + GROWTH), "it grows");
}

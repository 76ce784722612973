//! What hashing costs others while forty people mistype their passwords at once, and whether its time tells who has an
//! account.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use harness::house::{BRAM, MAYA, PETRA};
use harness::secrets::OTHER_PASSWORD;
use harness::{Connection, Gateway, Upstream, house};

use crate::Plan;

const GUESSERS: usize = 40;
const VISITORS: usize = 4;
/// Between two requests of a visitor.
const PAUSE: Duration = Duration::from_millis(5);
/// What the 99th percentile must stay below.
const P99_BOUND: Duration = Duration::from_millis(250);

/// What the median times of refusals may differ by, in parts of the least.
const NOISE: f64 = 0.1;

/// Measures the latency of a public circuit with and without guessers, and prints both.
pub(crate) fn measure(plan: &Plan) {
    let upstream = Upstream::start();
    let limits = "[login_limits]\nper_ip = \"1000000/m\"\nper_user = \"1000000/m\"\nper_circuit = \"1000000/m\"\n\
                  failures = { count = 1000, within = \"1s\", lock = \"1s\" }\n";
    let gateway = Gateway::start(&(house::plan(&upstream) + limits));
    let time = Duration::from_secs(plan.seconds * 2);
    let (quiet, _) = latencies(&gateway, 0, time);
    let (busy, guesses) = latencies(&gateway, GUESSERS, time);
    println!("\np99 of other requests, alone: {:.1} ms", quiet.as_secs_f64() * 1e3);
    println!(
        "p99 of other requests under {GUESSERS} parallel wrong passwords ({guesses} in {time:?}): {:.1} ms",
        busy.as_secs_f64() * 1e3
    );
    assert!(busy < P99_BOUND, "above {P99_BOUND:?}");
    compare_accounts(&gateway, plan.seconds * 40);
}

/// A wrong password for accounts of every kind, in turn, so that what else the machine does falls on all of them.
fn compare_accounts(gateway: &Gateway, rounds: u64) {
    let who = [MAYA, "nobody@example.net", BRAM, PETRA];
    let mut times = who.map(|_| Vec::new());
    for _ in 0..rounds {
        for (email, times) in who.iter().zip(&mut times) {
            let start = Instant::now();
            assert_eq!(gateway.sign_in("mem.localhost", &[("email", email), ("password", "wrong")]).send().status, 401);
            times.push(start.elapsed());
        }
    }
    let medians = times.map(|mut times| {
        times.sort();
        times.get(times.len() / 2).copied().unwrap_or_default()
    });
    println!(
        "median time of a refusal: known {:?}, unknown {:?}, blocked {:?}, pending {:?}",
        medians[0], medians[1], medians[2], medians[3]
    );
    let (least, most) = (medians.iter().min().unwrap().as_secs_f64(), medians.iter().max().unwrap().as_secs_f64());
    assert!(rounds < 120 || most < least * (1.0 + NOISE), "they tell who has an account");
}

/// The 99th percentile, and how many passwords were refused meanwhile.
fn latencies(gateway: &Gateway, guessers: usize, time: Duration) -> (Duration, usize) {
    let done = AtomicBool::new(false);
    let taken = Mutex::new(Vec::new());
    let guess = gateway.sign_in("mem.localhost", &[("email", MAYA), ("password", OTHER_PASSWORD)]);
    let visit = gateway.get("pub.localhost", "/bytes/1024");
    let guesses = std::thread::scope(|scope| {
        for _ in 0..VISITORS {
            scope.spawn(|| {
                let mut connection = Connection::open(gateway.proxy()).unwrap();
                while !done.load(Ordering::Relaxed) {
                    let start = Instant::now();
                    assert_eq!(connection.send(&visit).unwrap().status, 200);
                    taken.lock().unwrap().push(start.elapsed());
                    std::thread::sleep(PAUSE);
                }
            });
        }
        let guessing: Vec<_> = (0..guessers)
            .map(|_| {
                scope.spawn(|| {
                    let mut count = 0;
                    while !done.load(Ordering::Relaxed) {
                        // 401, or 503 when too many hashes wait.
                        count += usize::from(guess.send().status == 401);
                    }
                    count
                })
            })
            .collect();
        std::thread::sleep(time);
        done.store(true, Ordering::Relaxed);
        guessing.into_iter().map(|guesser| guesser.join().unwrap_or(0)).sum()
    });
    let mut taken = taken.into_inner().unwrap();
    taken.sort();
    (taken.get(taken.len() * 99 / 100).copied().unwrap_or_default(), guesses)
}

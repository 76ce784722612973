//! Checking passwords is dear; it costs nobody but who asks for it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use harness::house::MAYA;
use harness::{Connection, House, load};

/// Sign-ins at the same time.
const CROWD: usize = 100;

/// What one Argon2id hash takes (m=19456).
const HASH_MIB: u64 = 19;

/// Of the program, in MiB: the most that was ever resident.
fn peak_mib(house: &House) -> u64 {
    house.gateway.peak_memory() >> 20
}

#[test]
fn a_hundred_sign_ins_at_once_take_little_memory_and_do_not_slow_others() {
    let house = House::start();
    let cookie = house.session("mem.localhost", MAYA);
    let before = peak_mib(&house);
    let done = AtomicBool::new(false);
    let (answers, mut times) = std::thread::scope(|scope| {
        let innocent = scope.spawn(|| {
            let mut connection = Connection::open(house.gateway.proxy()).unwrap();
            let request = house.get("mem.localhost", "/").cookie(&cookie);
            let mut times = Vec::new();
            while !done.load(Ordering::Relaxed) {
                let start = Instant::now();
                assert_eq!(connection.send(&request).unwrap().status, 200);
                times.push(start.elapsed());
            }
            times
        });
        let answers = load::parallel(CROWD, CROWD, |number| {
            let email = format!("p{number}@example.net");
            let request = house.gateway.sign_in("mem.localhost", &[("email", &email), ("password", "wrong")]);
            request.from(&format!("10.7.{number}.1"))
        });
        done.store(true, Ordering::Relaxed);
        (answers, innocent.join().unwrap())
    });

    let refused: Vec<_> = answers.iter().filter(|answer| answer.status == 503).collect();
    let turned_away =
        refused.iter().all(|answer| answer.reason() == "hash_queue_full" && answer.header("retry-after").is_some());
    assert!(turned_away, "{refused:?}");
    assert_eq!(answers.iter().filter(|answer| answer.status == 401).count() + refused.len(), CROWD);
    let counted = house.gateway.metric("vestibule_hash_queue_full_total", &[]);
    assert_eq!(counted as usize, refused.len());

    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
    let grown = peak_mib(&house) - before;
    assert!(grown < HASH_MIB * cores + 64, "{CROWD} hashes at once would be {} MiB: {grown}", HASH_MIB * CROWD as u64);
    times.sort();
    let slow = times[times.len() * 95 / 100];
    assert!(times.len() > 20 && slow < Duration::from_millis(250), "{} requests, {slow:?}", times.len());
    assert!(
        house.gateway.logs_when("access", "reason=user_not_found", CROWD - refused.len()).len()
            >= CROWD - refused.len()
    );
}

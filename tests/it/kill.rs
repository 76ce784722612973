//! `kill -9` under load, a hundred times: what was answered as decided is in the log, what is lost is bounded.

mod late;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use harness::house::MAYA;
use harness::{Connection, House, Request};
use serde_json::Value;

use late::{Held, stall};

/// How often, unless the environment says otherwise: `tests/bench/kill.sh` does.
const ROUNDS: usize = 100;

fn rounds() -> usize {
    std::env::var("VESTIBULE_KILL_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(ROUNDS)
}

/// The promise: a kill loses no request whose answer had ended this long before, counted from when its client had the
/// whole of it. What counts is that the writer has handed the entry to the system, which keeps it when the process ends;
/// that a sync takes long adds nothing, which `logstore` tests by itself. What [`late`] finds is added: where the machine
/// keeps a ready thread waiting no program can keep a time.
const SYNC: Duration = Duration::from_millis(50);
/// A store must be open and ready again within this time.
const OPEN_BOUND: Duration = Duration::from_secs(2);

/// Ids of what was answered, and when.
type Answered = Mutex<Vec<(String, Instant)>>;

/// Sends until the other side is gone.
fn load(request: &Request, to: std::net::SocketAddr, done: &AtomicBool, answered: &Answered) {
    let Ok(mut connection) = Connection::open(to) else { return };
    while !done.load(Ordering::Relaxed) {
        let Ok(answer) = connection.send(request) else { return };
        if let Some(id) = answer.header("x-request-id") {
            answered.lock().unwrap().push((id.to_owned(), Instant::now()));
        }
    }
}

#[test]
fn a_hundred_kills_lose_no_attempt_and_only_the_last_requests() {
    // Wrong PINs are attempts that cost a hash each; the limits must not turn them into something else. Failures survive
    // the kills, so that their window has to be short.
    let mut house = House::with(
        "[login_limits]\nper_ip = \"1000000/m\"\nper_user = \"1000000/m\"\nper_circuit = \"1000000/m\"\n\
         failures = { count = 1000, within = \"1s\", lock = \"1s\" }\n",
    );
    let attempt = house.gateway.sign_in("mem.localhost", &[("email", MAYA), ("pin", "111111")]);
    let visit = house.get("pub.localhost", "/bytes/10");
    let proxy = house.gateway.proxy();
    let (mut attempts, mut requests) = (BTreeSet::new(), BTreeMap::new());
    let (mut opened_max, mut stall_max) = (Duration::ZERO, Duration::ZERO);
    let rounds = rounds();
    for round in 0..rounds {
        let done = AtomicBool::new(false);
        let (tried, visited) = (Answered::default(), Answered::default());
        let process = house.gateway.id();
        let (killed, stall, held) = std::thread::scope(|scope| {
            let held = scope.spawn(|| Held::watch(process, &done));
            let watches: Vec<_> = (0..cores()).map(|_| scope.spawn(|| stall(&done))).collect();
            for _ in 0..2 {
                scope.spawn(|| load(&attempt, proxy, &done, &tried));
                scope.spawn(|| load(&visit, proxy, &done, &visited));
            }
            // Another moment each round, so that every phase of the writer is hit.
            std::thread::sleep(Duration::from_millis(250 + (round as u64 * 37) % 200));
            let killed = Instant::now();
            house.gateway.kill();
            done.store(true, Ordering::Relaxed);
            let stall = watches.into_iter().map(|watch| watch.join().unwrap()).max().unwrap_or_default();
            (killed, stall, held.join().unwrap())
        });
        stall_max = stall_max.max(stall);
        attempts.extend(tried.into_inner().unwrap().into_iter().map(|(id, _)| id));
        let aged = |time| (killed.saturating_duration_since(time), stall + held.between(time, killed));
        requests.extend(visited.into_inner().unwrap().into_iter().map(|(id, time)| (id, aged(time))));
        let start = Instant::now();
        house.gateway.launch();
        opened_max = opened_max.max(start.elapsed());
    }

    let kept = |log: &str| -> BTreeSet<String> { all(&house, log).iter().map(id).collect() };
    let missing: Vec<_> = attempts.difference(&kept("access")).cloned().collect();
    assert!(missing.is_empty(), "{} of {} answered attempts are lost", missing.len(), attempts.len());
    let kept = kept("requests");
    let lost: Vec<_> = requests.iter().filter(|(id, _)| !kept.contains(*id)).map(|(_, lost)| *lost).collect();
    let oldest = lost.iter().max().copied().unwrap_or_default();
    let broken = lost.iter().filter(|(age, late)| *age > SYNC + *late).count();
    assert_eq!(broken, 0, "of {} requests; the oldest, and how late the machine was then: {oldest:?}", requests.len());
    assert!(
        attempts.len() > rounds / 4 && requests.len() > rounds,
        "{} attempts, {} requests",
        attempts.len(),
        requests.len()
    );
    assert!(opened_max < OPEN_BOUND, "the slowest start took {opened_max:?}");
    eprintln!(
        "{} attempts, none lost; {} requests, {} lost, the oldest {:?} after its answer (the writer was kept from it for {:?} \
         then); slowest start {opened_max:?}; the machine was late by up to {stall_max:?}",
        attempts.len(),
        requests.len(),
        lost.len(),
        oldest.0,
        oldest.1
    );
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn id(entry: &Value) -> String {
    entry["request_id"].as_str().unwrap_or_default().to_owned()
}

/// Every entry of a log, and the proof that its sequence has no gap.
fn all(house: &House, log: &str) -> Vec<Value> {
    let mut entries = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = house
            .gateway
            .admin(&format!("/api/v1/logs/{log}?limit=1000&order=asc&fields=seq,request_id{cursor}"))
            .json();
        entries.extend(page["data"].as_array().unwrap().iter().cloned());
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={}", harness::client::encode(next));
    }
    let mut positions: Vec<_> = entries.iter().map(|entry| entry["seq"].as_u64().unwrap()).collect();
    positions.sort_unstable();
    assert_eq!(positions, (0..entries.len() as u64).collect::<Vec<_>>(), "{log} has no gaps");
    entries
}

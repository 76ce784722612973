//! Proxied requests while somebody exports the whole request log and somebody else searches it for a text that is
//! nowhere in it.

use std::io::{self, Read};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use harness::secrets::ADMIN_TOKEN;
use harness::{Connection, Gateway};
use vestibule_bench::fill;
use vestibule_bench::traffic::{Span, Traffic, World, version_7};
use vestibule_logstore::Store;

use crate::contender;
use crate::rounds::median;
use crate::{Plan, wrk};

const SEED: u64 = 1;

/// Days of the traffic before now: fewer than any log is kept.
const DAYS: u32 = 30;

/// What the 99th percentile may rise by.
const RISE_BOUND: f64 = 1.2;

/// What readers got.
#[derive(Debug, Default)]
struct Amount {
    exported_bytes: u64,
    exports: u64,
    searches: u64,
}

/// Measures the latency of a public circuit with and without readers, and prints both.
pub(crate) fn measure(plan: &Plan) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    fill(plan.reading_entries, &data.join("logs"));
    let origin = contender::origin(folder.path());
    let gateway = contender::house(origin.address).data_dir(&data).start();
    let [public, _] = contender::circuits(&gateway);
    let pace = wrk::pace(folder.path());
    let p99 = || wrk::run_paced(public.address, &public.headers, plan.seconds, &pace).p99_ms();
    let (mut quiet, mut busy, mut rises, mut amount) = (Vec::new(), Vec::new(), Vec::new(), Amount::default());
    for _ in 0..plan.rounds.max(1) {
        let alone = p99();
        let beside = while_reading(&gateway, &mut amount, p99);
        quiet.push(alone);
        busy.push(beside);
        rises.push(beside / alone);
    }
    let [quiet, busy, rise] = [quiet, busy, rises].map(|values| median(&values));
    let Amount { exported_bytes, exports, searches } = amount;
    println!("\np99 of proxied requests at {}/s beside {} entries: {quiet:.2} ms", wrk::RATE, plan.reading_entries);
    println!(
        "the same under an export and a search ({exports} exports of {} MiB in all, {searches} searches): {busy:.2} ms, \
         {rise:.2} times as much; to be at most {RISE_BOUND}",
        exported_bytes >> 20
    );
}

/// A request log of so many entries of the last days.
#[expect(clippy::disallowed_methods, reason = "entries that are too old for now would be removed at once")]
pub(crate) fn fill(entries: u64, folder: &Path) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as i64;
    let span = Span { entries, start: now - i64::from(DAYS) * 86_400_000_000, days: DAYS, is_lean: false };
    let world = World::new(SEED);
    let store = Store::open(folder, fill::options()).unwrap();
    fill::fill(&store, &mut Traffic::new(&world, SEED, span, version_7(SEED)));
}

/// Runs the work while both readers go on, and adds what they got.
fn while_reading<T>(gateway: &Gateway, amount: &mut Amount, work: impl FnOnce() -> T) -> T {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let exporter = scope.spawn(|| {
            let (mut exports, mut bytes) = (0, 0);
            while !done.load(Ordering::Relaxed) {
                bytes += export(gateway, &done).unwrap();
                exports += u64::from(!done.load(Ordering::Relaxed));
            }
            (exports, bytes)
        });
        let searcher = scope.spawn(|| {
            let mut searches = 0;
            while !done.load(Ordering::Relaxed) {
                let answer = gateway.admin("/api/v1/logs/requests?q=zebra-quokka&count=true&limit=1");
                assert_eq!(answer.status, 200, "{}", answer.text());
                searches += 1;
            }
            searches
        });
        let result = work();
        done.store(true, Ordering::Relaxed);
        let (exports, bytes) = exporter.join().unwrap();
        amount.exports += exports;
        amount.exported_bytes += bytes;
        amount.searches += searcher.join().unwrap();
        result
    })
}

/// Reads an export to its end, or until it is no longer wanted, and returns its bytes.
fn export(gateway: &Gateway, done: &AtomicBool) -> io::Result<u64> {
    let request = gateway.admin_request("GET", "/api/v1/logs/requests/export?format=csv").bearer(ADMIN_TOKEN);
    let mut connection = Connection::open(gateway.admin_address())?;
    connection.write(&request.header("Connection", "close").bytes())?;
    let (status, _) = connection.read_head()?;
    assert_eq!(status, 200, "the export is refused");
    let (mut bytes, mut piece) = (0, vec![0; 64 << 10]);
    while !done.load(Ordering::Relaxed) {
        match connection.stream().read(&mut piece)? {
            0 => break,
            read => bytes += read as u64,
        }
    }
    Ok(bytes)
}

//! Asks Vestibule's log store, DuckDB, ClickHouse (as chDB) and SQLite the same questions over the same entries, one
//! after another in interleaved rounds of one run, and prints one table. Started by `store.sh`, which provides the
//! peers.

#![expect(clippy::unwrap_used, reason = "a measurement that cannot be set up has nothing to recover")]
#![expect(clippy::panic, reason = "a measurement that cannot be set up has nothing to recover")]
#![expect(clippy::print_stdout, reason = "its result is a table")]

mod csv_text;
mod engine;
mod hand_over;
mod ours;
mod peer;
mod plan;
mod question;
mod rounds;
mod rows;
mod table;
mod verifying;

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use serde_json::{Value, json};
use vestibule_bench::traffic::{Traffic, World};
use vestibule_bench::{clock, fill};
use vestibule_logstore::Store;

use ours::Ours;
use peer::Peer;
use plan::Plan;
use question::Subjects;

/// As in the gateway.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The traffic is the same in every run.
const SEED: u64 = 1;

/// Measurements of opening.
const OPENINGS: usize = 5;

/// What is known about a store beside its answers.
#[derive(Debug, Clone, Copy, Default)]
struct Kept {
    entries: u64,
    /// CPU time of taking all entries, in seconds.
    cpu_s: Option<f64>,
    wall_s: Option<f64>,
    bytes: u64,
    opened_ms: f64,
}

fn main() -> ExitCode {
    let plan = Plan::read(std::env::args().skip(1));
    let world = World::new(SEED);
    let folder = plan.folder();
    let handed_over = hand_over::measure(&world, &plan);
    let (kept, store) = keep(&plan, &world, &folder.join("vestibule"));
    let peak_taking_kib = clock::peak_kib();
    let subjects = Subjects::of(&store, &world, &plan, &folder);
    let peers = peers(&plan, &folder, &store, &subjects);
    let verified_cpu_s = verifying::measure(&store, &plan);
    let csv_text_ms = csv_text::measure(&store, &subjects, &plan);
    let taken = rounds::run(Ours::new(store, subjects), peers, &plan);
    let peak_kib = [peak_taking_kib, clock::peak_kib()];
    let report = table::Report { plan: &plan, kept, handed_over, verified_cpu_s, csv_text_ms, peak_kib, taken };
    println!("{}", report.markdown());
    if let Some(file) = &plan.json {
        fs::write(file, report.json()).unwrap();
    }
    if report.is_sound() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Fills the folder unless an earlier run has, and opens it.
fn keep(plan: &Plan, world: &World, folder: &Path) -> (Kept, Store) {
    let note = folder.with_extension("json");
    let mut kept = Kept::noted(&note, plan.entries).unwrap_or_else(|| {
        let kept = take(plan, world, folder);
        fs::write(&note, kept.note()).unwrap();
        kept
    });
    let mut openings = Vec::new();
    let mut opened = None;
    for _ in 0..OPENINGS {
        drop(opened.take());
        let start = Instant::now();
        opened = Some(Store::open(folder, fill::options()).unwrap());
        openings.push(start.elapsed().as_secs_f64() * 1e3);
    }
    kept.opened_ms = rounds::median(&openings);
    // Only now nothing of it is in a write-ahead log any more, and what was replaced is gone.
    fill::settle();
    kept.bytes = bytes_in(folder);
    (kept, opened.unwrap())
}

fn take(plan: &Plan, world: &World, folder: &Path) -> Kept {
    drop(fs::remove_dir_all(folder));
    fs::create_dir_all(folder).unwrap();
    eprintln!("filling {} with {} entries", folder.display(), plan.entries);
    let store = Store::open(folder, fill::options()).unwrap();
    let mut traffic = Traffic::new(world, SEED, plan.span(), engine::request_ids(&store));
    let filled = fill::fill(&store, &mut traffic);
    Kept {
        entries: plan.entries,
        cpu_s: Some(filled.cpu.as_secs_f64()),
        wall_s: Some(filled.wall.as_secs_f64()),
        bytes: 0,
        opened_ms: f64::NAN,
    }
}

impl Kept {
    /// What an earlier run found out, if it took as many entries.
    fn noted(file: &Path, entries: u64) -> Option<Self> {
        let note: Value = serde_json::from_str(&fs::read_to_string(file).ok()?).ok()?;
        let number = |name: &str| note.get(name).and_then(Value::as_f64);
        let (cpu_s, wall_s) = (number("cpu_s"), number("wall_s"));
        let noted = Self { entries, cpu_s, wall_s, bytes: number("bytes").unwrap_or(0.0) as u64, opened_ms: f64::NAN };
        (note.get("entries")?.as_u64()? == entries).then_some(noted)
    }

    fn note(&self) -> String {
        let Self { entries, cpu_s, wall_s, bytes, opened_ms: _ } = self;
        json!({ "entries": entries, "cpu_s": cpu_s, "wall_s": wall_s, "bytes": bytes }).to_string()
    }
}

/// Bytes of the files of a folder.
fn bytes_in(folder: &Path) -> u64 {
    fs::read_dir(folder).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum()
}

/// The other engines, filled and opened.
fn peers(plan: &Plan, folder: &Path, store: &Store, subjects: &Subjects) -> Vec<Peer> {
    let rows = folder.join("rows.csv");
    let opened = plan.peers.iter().map(|engine| {
        let (place, note) = (folder.join(engine), folder.join(engine).with_extension("json"));
        let kept = Kept::noted(&note, plan.entries).unwrap_or_else(|| {
            if !rows.exists() {
                eprintln!("writing {}", rows.display());
                rows::write(store, &rows);
            }
            eprintln!("loading {engine}");
            let kept = peer::load(plan, engine, &place, &rows);
            fs::write(&note, kept.note()).unwrap();
            kept
        });
        Peer::open(plan, engine, &place, subjects, kept)
    });
    let opened = opened.collect();
    drop(fs::remove_file(rows));
    opened
}

//! Measures what a request costs: Vestibule beside nginx, Caddy and a minimal Pingora proxy, all in front of the same
//! upstream, in interleaved rounds of one run. Started by `bench.sh`, which installs what it needs.

#![expect(clippy::unwrap_used, reason = "a measurement that cannot be set up has nothing to recover")]
#![expect(clippy::panic, reason = "a measurement that cannot be set up has nothing to recover")]
#![expect(clippy::print_stdout, reason = "its result is a table")]

mod contender;
mod cpu;
mod hashing;
mod memory;
mod pages;
mod reading;
mod rounds;
mod wrk;

use std::path::PathBuf;

/// What to measure, and for how long.
struct Plan {
    /// How often every contender is started.
    starts: usize,
    /// Rounds of each start.
    rounds: usize,
    seconds: u64,
    memory_minutes: u64,
    /// Entries of the log that is read while requests are proxied; above 0 nothing else is measured.
    reading_entries: u64,
    /// Entries of the log whose pages are looked at; above 0 nothing else is measured.
    pages_entries: u64,
    /// Where the data of the pages stays for the next run; absent: it goes with this one.
    data: Option<PathBuf>,
}

impl Plan {
    fn of(starts: usize, rounds: usize, seconds: u64, memory_minutes: u64) -> Self {
        Self { starts, rounds, seconds, memory_minutes, reading_entries: 0, pages_entries: 0, data: None }
    }
}

fn main() {
    let mut plan = Plan::of(4, 5, 3, 5);
    let mut arguments = std::env::args().skip(1);
    while let Some(flag) = arguments.next() {
        if flag == "--data" {
            plan.data = arguments.next().map(PathBuf::from);
            continue;
        }
        let mut number = || arguments.next().and_then(|text| text.parse().ok()).expect("a number after the flag");
        match flag.as_str() {
            // None of something leaves its part out.
            "--starts" => plan.starts = usize::try_from(number()).unwrap(),
            "--rounds" => plan.rounds = usize::try_from(number()).unwrap(),
            "--seconds" => plan.seconds = number(),
            "--memory-minutes" => plan.memory_minutes = number(),
            "--reading" => plan.reading_entries = number(),
            "--pages" => plan.pages_entries = number(),
            "--smoke" => plan = Plan::of(1, 1, 1, 0),
            _ => panic!(
                "unknown flag {flag}; known: --starts N, --rounds N, --seconds N, --memory-minutes N, --reading N, \
                 --pages N, --data DIR, --smoke"
            ),
        }
    }
    if plan.reading_entries > 0 {
        return reading::measure(&plan);
    }
    if plan.pages_entries > 0 {
        return pages::measure(&plan);
    }
    rounds::measure(&plan);
    hashing::measure(&plan);
    memory::measure(&plan);
}

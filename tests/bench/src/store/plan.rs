//! What to measure, from the command line.

use std::path::PathBuf;

use tempfile::TempDir;
use vestibule_bench::traffic::Span;

/// Microseconds since 1970 of 1 September 2026, when the traffic begins.
const START: i64 = 1_788_220_800_000_000;

const DAYS: u32 = 90;

const USAGE: &str = "known: --entries N, --rounds N, --data DIR, --lean, --cpu, --smoke, --json FILE, \
                     --only QUESTION,QUESTION, --peers ENGINE,ENGINE --python PYTHON --script peers.py";

#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) entries: u64,
    /// Questions are asked so many times after the first, which warms up.
    pub(crate) rounds: usize,
    pub(crate) is_lean: bool,
    /// Whether the table shows CPU time of questions instead of real time.
    pub(crate) is_by_cpu: bool,
    /// Seconds of handing over at a steady rate.
    pub(crate) steady_seconds: u32,
    /// Engines beside our own.
    pub(crate) peers: Vec<String>,
    pub(crate) python: PathBuf,
    pub(crate) script: PathBuf,
    /// Where every single figure goes.
    pub(crate) json: Option<PathBuf>,
    /// Names of the questions to ask; none: all of them.
    only: Vec<String>,
    data: Option<PathBuf>,
    /// Gone with the plan.
    scratch: TempDir,
}

impl Plan {
    pub(crate) fn read(mut arguments: impl Iterator<Item = String>) -> Self {
        let mut plan = Self {
            entries: 10_000_000,
            rounds: 7,
            is_lean: false,
            is_by_cpu: false,
            steady_seconds: 5,
            peers: Vec::new(),
            python: "python3".into(),
            script: "tests/bench/peers.py".into(),
            json: None,
            only: Vec::new(),
            data: None,
            scratch: tempfile::Builder::new().prefix("vestibule-store-").tempdir().unwrap(),
        };
        while let Some(flag) = arguments.next() {
            let mut value = || arguments.next().unwrap_or_else(|| panic!("{flag} needs a value; {USAGE}"));
            match flag.as_str() {
                "--entries" => plan.entries = value().parse().expect("--entries takes a number"),
                "--rounds" => plan.rounds = value().parse().expect("--rounds takes a number"),
                "--data" => plan.data = Some(value().into()),
                "--lean" => plan.is_lean = true,
                "--cpu" => plan.is_by_cpu = true,
                "--json" => plan.json = Some(value().into()),
                "--peers" => plan.peers = names(&value()),
                "--only" => plan.only = names(&value()),
                "--python" => plan.python = value().into(),
                "--script" => plan.script = value().into(),
                "--smoke" => (plan.entries, plan.rounds, plan.steady_seconds) = (20_000, 1, 1),
                _ => panic!("unknown flag {flag}; {USAGE}"),
            }
        }
        plan
    }

    /// Whether a question of this name is asked.
    pub(crate) fn asks(&self, question: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|name| name == question)
    }

    pub(crate) const fn span(&self) -> Span {
        Span { entries: self.entries, start: START, days: DAYS, is_lean: self.is_lean }
    }

    /// Where the stores are: kept for a next run if one was named.
    pub(crate) fn folder(&self) -> PathBuf {
        self.data.clone().unwrap_or_else(|| self.scratch())
    }

    pub(crate) fn scratch(&self) -> PathBuf {
        self.scratch.path().to_owned()
    }
}

fn names(list: &str) -> Vec<String> {
    list.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

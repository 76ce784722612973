//! `wrk -t1 -c64`, and what it says.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

const CONNECTIONS: u32 = 64;

/// Requests a second of a paced run, at most.
pub(crate) const RATE: u32 = 2000;

/// One run.
pub(crate) struct Run {
    /// Requests that were answered.
    pub(crate) requests: f64,
    /// Requests a second.
    pub(crate) rate: f64,
    /// 99th percentile of the latency, as printed.
    pub(crate) p99: String,
}

impl Run {
    /// The 99th percentile in milliseconds.
    pub(crate) fn p99_ms(&self) -> f64 {
        let unit = self.p99.trim_start_matches(|character: char| character.is_ascii_digit() || character == '.');
        let number: f64 = self.p99.trim_end_matches(unit).parse().unwrap();
        match unit {
            "us" => number / 1e3,
            "ms" => number,
            "s" => number * 1e3,
            _ => panic!("{} is no time", self.p99),
        }
    }
}

/// Writes what makes each connection wait between two requests, for [`run_paced`].
pub(crate) fn pace(folder: &Path) -> PathBuf {
    let file = folder.join("pace.lua");
    fs::write(&file, format!("function delay() return {} end\n", 1000 * CONNECTIONS / RATE)).unwrap();
    file
}

/// As fast as the other side answers; an answer other than 2xx or 3xx ends the measurement.
pub(crate) fn run(address: SocketAddr, headers: &[String], seconds: u64) -> Run {
    run_with(&mut Command::new("wrk"), address, headers, seconds)
}

/// The same with pauses, so that latencies are not those of a queue.
pub(crate) fn run_paced(address: SocketAddr, headers: &[String], seconds: u64, pace: &Path) -> Run {
    run_with(Command::new("wrk").arg("-s").arg(pace), address, headers, seconds)
}

fn run_with(command: &mut Command, address: SocketAddr, headers: &[String], seconds: u64) -> Run {
    command.args(["-t1", &format!("-c{CONNECTIONS}"), "--latency", &format!("-d{seconds}s")]);
    for header in headers {
        command.args(["-H", header]);
    }
    let output = command.arg(format!("http://{address}/")).output().expect("wrk starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && !text.contains("Non-2xx"), "{address}:\n{text}");
    let before = |word: &str| {
        let line = text.lines().find(|line| line.contains(word)).unwrap_or_else(|| panic!("no {word}:\n{text}"));
        line.split_whitespace().collect::<Vec<_>>()
    };
    let number = |words: &[&str], index: usize| words.get(index).and_then(|word| word.parse().ok()).unwrap_or(0.0);
    let (requests, rate, p99) = (before("requests in"), before("Requests/sec"), before("99%"));
    Run { requests: number(&requests, 0), rate: number(&rate, 1), p99: (*p99.last().unwrap_or(&"")).to_owned() }
}

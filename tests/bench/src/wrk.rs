//! `wrk -t1 -c64`, and what it says.

use std::process::Command;

/// One run.
pub(crate) struct Run {
    /// Requests that were answered.
    pub(crate) requests: f64,
    /// Requests a second.
    pub(crate) rate: f64,
    /// 99th percentile of the latency, as printed.
    pub(crate) p99: String,
}

/// Runs against an address with further header fields; an answer other than 2xx or 3xx ends the measurement.
pub(crate) fn run(address: std::net::SocketAddr, headers: &[String], seconds: u64) -> Run {
    let mut command = Command::new("wrk");
    command.args(["-t1", "-c64", "--latency", &format!("-d{seconds}s")]);
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

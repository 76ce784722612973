//! Waiting for an event, with a bound, and instants to wait for.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::provider::now;

/// Asks every 10 ms until there is an answer, at most for `bound`; then the test fails, naming `what`.
#[track_caller]
pub fn until<T>(bound: Duration, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(start.elapsed() < bound, "waited {bound:?} in vain for: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The instant so many seconds from now, as a configuration writes it.
pub fn soon(seconds: u64) -> String {
    let at = format!("@{}", now() + seconds);
    let output = Command::new("date").args(["-u", "+%Y-%m-%dT%H:%M:%SZ", "-d", &at]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

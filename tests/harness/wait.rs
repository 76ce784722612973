//! Waiting for an event, with a bound.

use std::time::{Duration, Instant};

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

//! How far work on many entries is, on one line of a terminal.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use crate::cli::Global;

/// Drawn at most so often.
const EVERY: Duration = Duration::from_millis(100);

const WIDTH: u64 = 20;

/// On stderr, if that is a terminal.
pub(super) struct Bar {
    shown: bool,
    begun: Instant,
    drawn: Option<Instant>,
}

impl Bar {
    pub(super) fn new(global: &Global) -> Self {
        let shown = global.quiet == 0 && io::stderr().is_terminal();
        Self { shown, begun: Instant::now(), drawn: None }
    }

    pub(super) fn is_shown(&self) -> bool {
        self.shown
    }

    /// Without bytes it says how many entries a second.
    pub(super) fn draw(&mut self, rows: u64, total: Option<u64>, bytes: Option<u64>) {
        if !self.shown || self.drawn.is_some_and(|drawn| drawn.elapsed() < EVERY) {
            return;
        }
        self.drawn = Some(Instant::now());
        // Nobody can be told when stderr itself fails.
        let _ = write!(io::stderr(), "\r{}\x1b[K", line(rows, total, bytes, self.begun.elapsed()));
    }

    pub(super) fn clear(&mut self) {
        if self.drawn.take().is_some() {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

fn line(rows: u64, total: Option<u64>, bytes: Option<u64>, elapsed: Duration) -> String {
    let mut line = String::new();
    if let Some(total) = total.filter(|total| *total >= rows && *total > 0) {
        let filled = rows * WIDTH / total;
        let empty = WIDTH - filled;
        let bar = "#".repeat(usize::try_from(filled).unwrap_or(0)) + &".".repeat(usize::try_from(empty).unwrap_or(0));
        let _ = write!(line, "[{bar}] {:>3}%  ", rows * 100 / total);
    }
    let seconds = elapsed.as_secs_f64().max(0.001);
    let _ = match bytes.map(|bytes| bytes as f64 / 1e6) {
        Some(megabytes) => write!(line, "{rows} entries  {megabytes:.1} MB  {:.1} MB/s", megabytes / seconds),
        None => write!(line, "{rows} entries  {:.0} a second", rows as f64 / seconds),
    };
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_much_of_how_much() {
        let second = Duration::from_secs(1);
        assert_eq!(
            line(250, Some(1000), Some(2_500_000), second),
            "[#####...............]  25%  250 entries  2.5 MB  2.5 MB/s"
        );
        assert_eq!(
            line(1000, Some(1000), Some(0), second),
            "[####################] 100%  1000 entries  0.0 MB  0.0 MB/s"
        );
        assert_eq!(line(500, None, None, second), "500 entries  500 a second");
        assert_eq!(line(3, None, Some(100_000), second), "3 entries  0.1 MB  0.1 MB/s");
        assert_eq!(
            line(3, Some(2), Some(100_000), second),
            "3 entries  0.1 MB  0.1 MB/s",
            "a total that was wrong is not shown"
        );
    }
}

//! The one way to stdout and stderr: `println!` would panic when the reader has gone.

use std::env;
use std::io::{self, BufWriter, ErrorKind, IsTerminal, Stdout, Write};

use super::failure::Failure;
use super::{Color, Global};

/// Results, on stdout.
pub(super) struct Output {
    out: BufWriter<Stdout>,
    /// Whether results may carry colours.
    pub(super) colored: bool,
}

impl Output {
    pub(super) fn stdout(global: &Global) -> Self {
        let out = io::stdout();
        let colored = colored(global.color, out.is_terminal());
        Self { out: BufWriter::new(out), colored }
    }

    /// Writes one line.
    pub(super) fn line(&mut self, text: &str) -> Result<(), Failure> {
        written(self.out.write_all(text.as_bytes()).and_then(|()| self.out.write_all(b"\n")))
    }

    /// Writes text that ends its own lines.
    pub(super) fn text(&mut self, text: &str) -> Result<(), Failure> {
        written(self.out.write_all(text.as_bytes()))
    }

    /// Writes bytes as they are.
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        written(self.out.write_all(bytes))
    }

    /// Puts out what waits; the end of every command, and of every round of one that goes on.
    pub(super) fn finish(&mut self) -> Result<(), Failure> {
        written(self.out.flush())
    }

    pub(super) fn stderr_is_colored(global: &Global) -> bool {
        colored(global.color, io::stderr().is_terminal())
    }
}

/// One message on stderr, unless it should be silent. Nobody can be told when stderr itself fails.
pub(super) fn say(global: &Global, message: &str) {
    if global.quiet < 2 {
        let _ = writeln!(io::stderr(), "{}", message.trim_end());
    }
}

/// A remark on stderr that `-q` leaves out.
pub(super) fn remark(global: &Global, message: &str) {
    if global.quiet == 0 {
        say(global, message);
    }
}

fn written(result: io::Result<()>) -> Result<(), Failure> {
    result.map_err(|error| {
        if error.kind() == ErrorKind::BrokenPipe {
            return Failure::ClosedPipe;
        }
        Failure::Failed(anyhow::Error::new(error).context("writing to stdout"))
    })
}

fn colored(color: Color, terminal: bool) -> bool {
    let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty() && value != "0");
    match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto if env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) => false,
        Color::Auto => terminal || is_set("CLICOLOR_FORCE"),
    }
}

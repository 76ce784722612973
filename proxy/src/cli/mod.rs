//! The command line.

use std::process::ExitCode;

/// Reads the arguments, runs the command, says how it went.
pub fn main() -> ExitCode {
    todo!()
}

//! `vestibule version`.

use super::failure::Failure;
use super::output::Output;

/// Name and number.
pub(super) fn run(output: &mut Output) -> Result<(), Failure> {
    output.line(concat!("vestibule ", env!("CARGO_PKG_VERSION")))
}

//! `vestibule healthcheck`.

use super::Global;
use super::client::Client;
use super::failure::Failure;
use super::output::Output;

/// Prints what `/readyz` says; 1 when it is not ready, 4 when nobody answers.
pub(super) fn run(global: &Global, output: &mut Output) -> Result<(), Failure> {
    let answer = Client::without_token(global)?.get("/readyz", &[])?;
    output.text(&answer.body)?;
    if answer.status.is_success() { Ok(()) } else { output.finish().and(Err(Failure::failed("not ready"))) }
}

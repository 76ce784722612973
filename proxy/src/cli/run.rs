//! `vestibule run`.

use std::io;

use tracing_subscriber::EnvFilter;
use vestibule_config::Report;

use super::failure::Failure;
use super::output::{Output, remark};
use super::{Global, files};
use crate::server;

/// Serves until it is told to stop.
pub(super) fn run(global: &Global) -> Result<(), Failure> {
    let path = files::path(global)?;
    remark(global, &format!("using {}", path.display()));
    log_to_stderr(global);
    server::serve(&path).map_err(|error| match error.downcast::<Report>() {
        Ok(report) => Failure::Invalid(report),
        Err(error) => Failure::Failed(error.context("could not start")),
    })
}

/// `VESTIBULE_LOG` takes filters as the `tracing` ecosystem writes them: `vestibule=debug,pingora=info`.
pub(super) fn log_to_stderr(global: &Global) {
    let level = match (global.quiet, global.verbose) {
        (0, 0) => "info,pingora=warn,pingora_core=warn,pingora_proxy=warn",
        (0, 1) => "debug,pingora=info,pingora_core=info,pingora_proxy=info",
        (0, _) => "trace",
        (1, _) => "warn",
        (_, _) => "error",
    };
    let filter = EnvFilter::try_from_env("VESTIBULE_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    let lines = lines.with_ansi(Output::stderr_is_colored(global)).with_target(global.verbose > 0);
    // Somebody else's subscriber stays, as in a test.
    let _ = lines.try_init();
}

//! `vestibule demo`.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::Global;
use super::failure::Failure;
use super::output::Output;
use super::run::log_to_stderr;
use crate::demo::{self, Demo};
use crate::server;

/// What can be chosen.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Where the circuits are served, on 127.0.0.1
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Where the admin API is served, on 127.0.0.1
    #[arg(long, default_value_t = 9180)]
    admin_port: u16,
}

/// Serves example circuits from a temporary folder until it is told to stop; says what to try once it is ready.
pub(super) fn run(args: &Args, global: &Global, output: &mut Output) -> Result<(), Failure> {
    log_to_stderr(global);
    let address = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let demo = Demo::prepare(address(args.port), address(args.admin_port))?;
    let stopped = AtomicBool::new(false);
    thread::scope(|scope| {
        let announcement = scope.spawn(|| {
            if !demo::ready(demo.admin, &stopped) {
                return Ok(());
            }
            output.text(&demo.introduction())?;
            output.finish()
        });
        let served = server::serve(&demo.config());
        stopped.store(true, Ordering::Relaxed);
        let announced = announcement.join().unwrap_or(Ok(()));
        // A reader that closed the pipe has seen enough of the text, not of the gateway.
        served.map_err(|error| Failure::from(error.context("could not start"))).and(announced)
    })
}

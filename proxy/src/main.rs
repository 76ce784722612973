//! The program.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Whatever the caller's mask is: logs, sessions and keys are for their owner only.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    // Pingora installs ring when nobody came first; an error only says that a provider is there already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    vestibule_proxy::cli::main()
}

//! `vestibule config show`.

use clap::Subcommand;

use super::failure::Failure;
use super::output::Output;
use super::{Global, files};

/// What to do with the configuration.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// The effective configuration, with the origin of every line and secrets masked
    Show {
        /// Leave the origins out
        #[arg(long)]
        no_origins: bool,
    },
}

/// Shows it, or says why it cannot be in force.
pub(super) fn run(args: &Args, global: &Global, output: &mut Output) -> Result<(), Failure> {
    let Act::Show { no_origins } = args.act;
    let path = files::path(global)?;
    let settings = files::load(&path).map_err(Failure::Invalid)?;
    output.text(&settings.show(!no_origins))
}

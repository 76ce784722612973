//! `vestibule token`.

use clap::Subcommand;

use super::Global;
use super::client::Client;
use super::failure::Failure;
use super::list::{Column, Listing, column};
use super::output::Output;

/// What to do with tokens.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Those of machines and of the admin port, with their last use
    List(Listing),
}

const COLUMNS: [Column; 6] = [
    column("NAME", &["name"], 24),
    column("KIND", &["kind"], 8),
    column("STATE", &["state"], 8),
    column("EXPIRES", &["expires"], 27),
    column("LAST USED", &["last_used"], 27),
    column("ADDRESS", &["last_used_ip"], 0),
];

/// Lists.
pub(super) fn run(args: &Args, global: &Global, output: &mut Output) -> Result<(), Failure> {
    let Act::List(listing) = &args.act;
    listing.show(&Client::new(global)?.get("/api/v1/tokens", &[])?.json()?, &COLUMNS, output)
}

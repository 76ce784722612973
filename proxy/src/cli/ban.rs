//! `vestibule ban`.

use clap::Subcommand;
use http::Method;
use serde_json::{Value, json};

use super::Global;
use super::client::Client;
use super::failure::Failure;
use super::list::{Column, Listing, column};
use super::output::Output;

/// What to do with bans.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Networks that are kept out, and accounts that are locked
    List(Listing),
    /// Keep a network out of every circuit, from the next request on
    Add {
        /// An address or a network, such as 203.0.113.0/24
        network: String,
        /// Until then, such as 24h; for good if left out
        #[arg(long = "for", value_name = "TIME")]
        period: Option<String>,
        /// Why
        #[arg(long, value_name = "TEXT")]
        note: Option<String>,
    },
    /// Let in again: a network by its id, an account by lock:EMAIL
    Remove {
        /// As `list` shows it
        id: String,
    },
}

const COLUMNS: [Column; 6] = [
    column("ID", &["id"], 28),
    column("KIND", &["kind"], 4),
    column("WHO", &["network", "account"], 28),
    column("UNTIL", &["until"], 27),
    column("BY", &["by"], 12),
    column("NOTE", &["note"], 0),
];

/// Lists, adds or removes.
pub(super) fn run(args: &Args, global: &Global, output: &mut Output) -> Result<(), Failure> {
    let client = Client::new(global)?;
    match &args.act {
        Act::List(listing) => listing.ask(&client, ("/api/v1/bans", &[]), &COLUMNS, output),
        Act::Add { network, period, note } => {
            let body = json!({ "network": network, "for": period, "note": note });
            let ban = client.send_json(Method::POST, "/api/v1/bans", &body)?.json()?;
            output.line(ban.get("id").and_then(Value::as_str).unwrap_or_default())
        }
        Act::Remove { id } => {
            client.delete("/api/v1/bans", id)?.json()?;
            output.line("1 removed")
        }
    }
}

//! `vestibule grant`.

use clap::Subcommand;
use clap_complete::engine::ArgValueCandidates;
use http::Method;
use serde_json::{Value, json};

use super::client::Client;
use super::failure::Failure;
use super::list::{Column, Listing, column};
use super::output::{Output, remark};
use super::{Global, complete};

/// What to do with grants.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// People who are let in for a while
    List(Listing),
    /// Let a person in to a circuit whose policy does not name her, from the next request on
    Add {
        /// An e-mail address
        #[arg(add = ArgValueCandidates::new(complete::people))]
        email: String,
        /// The circuit's name
        #[arg(add = ArgValueCandidates::new(complete::circuits))]
        circuit: String,
        /// For how long: 2h, 45m, at most 24h
        #[arg(long = "for", value_name = "TIME")]
        period: String,
    },
    /// Take it away, from the next request on
    Revoke {
        /// As `list` shows it
        id: String,
    },
}

const COLUMNS: [Column; 6] = [
    column("ID", &["id"], 16),
    column("WHO", &["email"], 28),
    column("CIRCUIT", &["circuit"], 16),
    column("UNTIL", &["until"], 27),
    column("BY", &["by"], 12),
    column("LOGIN", &["login"], 0),
];

/// Lists, adds or revokes.
pub(super) fn run(args: &Args, global: &Global, output: &mut Output) -> Result<(), Failure> {
    let client = Client::new(global)?;
    match &args.act {
        Act::List(listing) => listing.ask(&client, ("/api/v1/grants", &[]), &COLUMNS, output),
        Act::Add { email, circuit, period } => {
            let body = json!({ "email": email, "circuit": circuit, "for": period });
            let grant = client.send_json(Method::POST, "/api/v1/grants", &body)?.json()?;
            if grant.get("login").and_then(Value::as_array).is_none_or(Vec::is_empty) {
                remark(
                    global,
                    &format!("nobody can sign in as {email} at {circuit}: its login names no way that is hers"),
                );
            }
            output.line(grant.get("id").and_then(Value::as_str).unwrap_or_default())
        }
        Act::Revoke { id } => {
            client.delete("/api/v1/grants", id)?.json()?;
            output.line("1 revoked")
        }
    }
}

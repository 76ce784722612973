//! `vestibule session`.

use clap::Subcommand;
use clap_complete::engine::ArgValueCandidates;
use http::Method;
use serde_json::Value;

use super::client::Client;
use super::failure::Failure;
use super::list::{Column, Listing, column};
use super::output::Output;
use super::{Global, complete};

/// What to do with sessions.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Newest first
    List {
        /// Of one person
        #[arg(long, value_name = "EMAIL", add = ArgValueCandidates::new(complete::people))]
        user: Option<String>,
        /// Of one circuit
        #[arg(long, value_name = "NAME", add = ArgValueCandidates::new(complete::circuits))]
        circuit: Option<String>,
        #[command(flatten)]
        listing: Listing,
    },
    /// End them, effective on their next request
    #[command(group = clap::ArgGroup::new("which").required(true).multiple(true))]
    Revoke {
        /// One, by its id
        #[arg(group = "which", conflicts_with_all = ["user", "circuit", "all"])]
        id: Option<String>,
        /// Of one person
        #[arg(long, value_name = "EMAIL", group = "which", add = ArgValueCandidates::new(complete::people))]
        user: Option<String>,
        /// Of one circuit
        #[arg(long, value_name = "NAME", group = "which", add = ArgValueCandidates::new(complete::circuits))]
        circuit: Option<String>,
        /// Every one
        #[arg(long, group = "which", conflicts_with_all = ["user", "circuit"])]
        all: bool,
    },
}

const COLUMNS: [Column; 7] = [
    column("ID", &["id"], 32),
    column("USER", &["email", "user_id"], 28),
    column("CIRCUIT", &["circuit"], 16),
    column("METHOD", &["method"], 8),
    column("STATE", &["state"], 8),
    column("LAST USED", &["last_used"], 27),
    column("ADDRESS", &["source_ip"], 0),
];

/// Lists or ends.
pub(super) fn run(args: &Args, global: &Global, output: &mut Output) -> Result<(), Failure> {
    let client = Client::new(global)?;
    match &args.act {
        Act::List { user, circuit, listing } => {
            listing.ask(&client, (PATH, &query(user, circuit, false)), &COLUMNS, output)
        }
        Act::Revoke { id, user, circuit, all } => {
            let answer = match id {
                Some(id) => client.delete(PATH, id)?,
                None => client.send(Method::DELETE, PATH, &query(user, circuit, *all))?,
            };
            let ended = answer.json()?.get("ended").and_then(Value::as_u64).unwrap_or(0);
            output.line(&format!("{ended} ended"))
        }
    }
}

const PATH: &str = "/api/v1/sessions";

fn query<'a>(user: &'a Option<String>, circuit: &'a Option<String>, all: bool) -> Vec<(&'a str, &'a str)> {
    let user = user.as_deref().map(|user| ("user", user));
    let circuit = circuit.as_deref().map(|circuit| ("circuit", circuit));
    user.into_iter().chain(circuit).chain(all.then_some(("all", "true"))).collect()
}

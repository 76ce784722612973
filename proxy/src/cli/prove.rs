//! `vestibule prove`: a small file that proves one entry to outsiders.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use http::StatusCode;
use serde_json::Value;

use super::Global;
use super::client::Client;
use super::failure::Failure;
use super::output::Output;

/// Logs in which an entry may be.
const LOGS: [&str; 3] = ["access", "requests", "audit"];

/// What to prove.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The id of an entry, of any log
    id: String,
    /// Where to; without it stdout
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
}

/// Asks the running server.
pub(super) fn run(args: &Args, global: &Global, output: &mut Output) -> Result<(), Failure> {
    let client = Client::new(global)?;
    for log in LOGS {
        let answer = client.get(&format!("/api/v1/logs/{log}/{}", args.id), &[("include", "proof")])?;
        if answer.status == StatusCode::NOT_FOUND {
            continue;
        }
        let entry = answer.json()?;
        let proof = entry.get("proof").and_then(Value::as_str).context("the server's answer has no proof")?;
        return match &args.to {
            Some(path) => {
                written(path, proof).with_context(|| format!("writing {}", path.display())).map_err(Failure::from)
            }
            None => output.text(proof),
        };
    }
    Err(Failure::failed(format!("no log has an entry with the id {}", args.id)))
}

fn written(path: &Path, proof: &str) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    file.write_all(proof.as_bytes())
}

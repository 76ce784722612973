//! `vestibule anchor`: the heads of the logs, sent elsewhere.

use clap::Subcommand;
use http::Method;
use serde_json::Value;

use super::Global;
use super::client::Client;
use super::failure::Failure;
use super::output::Output;

/// Anchors of one answer.
const PAGE: usize = 100;

/// What to do with anchors.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Make one and send it
    Now,
    /// Those that were made, oldest first
    List,
}

/// Asks the running server.
pub(super) fn run(args: &Args, global: &Global, output: &mut Output) -> Result<(), Failure> {
    let client = Client::new(global)?;
    match args.act {
        Act::Now => {
            let made = client.send(Method::POST, "/api/v1/integrity/anchors", &[])?.json()?;
            line(&made, output)
        }
        Act::List => list(&client, output),
    }
}

fn list(client: &Client, output: &mut Output) -> Result<(), Failure> {
    let mut next = 0_u64;
    loop {
        let page = client.get("/api/v1/integrity/anchors", &[("from", &next.to_string())])?.json()?;
        let anchors = page.get("data").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        anchors.iter().try_for_each(|anchor| line(anchor, output))?;
        next += anchors.len() as u64;
        if anchors.len() < PAGE {
            return Ok(());
        }
    }
}

fn line(anchor: &Value, output: &mut Output) -> Result<(), Failure> {
    let text = |name: &str| anchor.get(name).and_then(Value::as_str).unwrap_or("?");
    let size = |log: &str| {
        let head = anchor.pointer(&format!("/heads/{log}")).and_then(Value::as_str).unwrap_or_default();
        head.lines().nth(1).unwrap_or("?").to_owned()
    };
    let number = anchor.get("number").and_then(Value::as_u64).unwrap_or_default();
    let (access, requests, audit) = (size("access"), size("requests"), size("audit"));
    output.line(&format!(
        "{number:>6}  {}  {:<7}  access {access}, requests {requests}, audit {audit}",
        text("time"),
        text("cause"),
    ))
}

//! `vestibule anchor`: the heads of the logs, sent elsewhere.

use clap::Subcommand;
use http::Method;
use serde_json::Value;

use super::client::Client;
use super::failure::Failure;
use super::output::{Output, remark, say};
use super::{Global, places};
use crate::anchors::Read;

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
    /// Have a new key sign the heads from now on: the old one says so, is anchored for the last time, and destroyed
    Rotate,
    /// Those that were made, oldest first
    List(List),
}

#[derive(Debug, clap::Args)]
struct List {
    /// Those that are in a place, read there and not asked of the server
    #[arg(long, value_name = "DIR|s3://…")]
    at: Option<String>,
}

/// Asks the running server, or looks at a place.
pub(super) fn run(args: &Args, global: &Global, output: &mut Output) -> Result<(), Failure> {
    match &args.act {
        Act::Now => {
            let made = Client::new(global)?.send(Method::POST, "/api/v1/integrity/anchors", &[])?.json()?;
            line(&made, output)
        }
        Act::Rotate => {
            let changed = Client::new(global)?.send(Method::POST, "/api/v1/integrity/key", &[])?.json()?;
            let number = changed.get("succession").and_then(Value::as_u64).unwrap_or_default();
            output.line(changed.get("key").and_then(Value::as_str).unwrap_or("?"))?;
            remark(global, &format!("signs from now on, by succession {number}; the key that you kept leads to it"));
            Ok(())
        }
        Act::List(List { at: Some(place) }) => in_place(place, global, output),
        Act::List(List { at: None }) => list(&Client::new(global)?, output),
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

fn in_place(place: &str, global: &Global, output: &mut Output) -> Result<(), Failure> {
    let Read { mut texts, unlocked } = places::read(place, "", global)?;
    texts.sort();
    for (name, text) in &texts {
        match serde_json::from_str(text) {
            Ok(anchor) => line(&anchor, output)?,
            Err(_) => say(global, &format!("{name} is not an anchor")),
        }
    }
    if unlocked > 0 {
        remark(global, &format!("{unlocked} of {} are not locked, or not any more", texts.len()));
    }
    Ok(())
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

//! `vestibule erase`: a person's entries replaced by their hashes.

use anyhow::Context as _;
use clap_complete::engine::ArgValueCandidates;
use http::Method;
use serde_json::Value;

use super::client::{Body, Client};
use super::failure::Failure;
use super::output::{Output, remark};
use super::{Global, complete};

/// Whom to erase.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Their e-mail address
    #[arg(long, value_name = "EMAIL", add = ArgValueCandidates::new(complete::people))]
    user: String,
}

/// Asks the running server, and waits for its end.
pub(super) fn run(args: &Args, global: &Global, output: &mut Output) -> Result<(), Failure> {
    let client = Client::new(global)?;
    let erased = client.wait(async {
        let query = [("user", args.user.as_str())];
        match client.open(Method::POST, "/api/v1/integrity/erase", &query, None).await? {
            Ok(body) => last_line(body).await,
            Err(refused) => refused.json(),
        }
    })??;
    if let Some(cause) = erased.get("failed").and_then(Value::as_str) {
        return Err(Failure::failed(cause));
    }
    let number = |at: &str| erased.pointer(at).and_then(Value::as_u64).unwrap_or_default();
    output.line(&format!(
        "erased: {} access, {} requests and {} audit entries; {} sessions and {} grants are gone",
        number("/entries/access"),
        number("/entries/requests"),
        number("/entries/audit"),
        number("/sessions"),
        number("/grants"),
    ))?;
    if number("/unread_segments") > 0 {
        remark(global, &format!("{} segments cannot be read; they stay as they are", number("/unread_segments")));
    }
    remark(global, "the configuration and copies of the data are not touched");
    Ok(())
}

/// The lines before the last one say that it goes on.
async fn last_line(mut body: Body) -> Result<Value, Failure> {
    let mut text = Vec::new();
    while let Some(bytes) = body.next().await? {
        text.extend_from_slice(&bytes);
    }
    let text = String::from_utf8_lossy(&text);
    let last = text.lines().last().unwrap_or_default();
    Ok(serde_json::from_str(last).context("the admin port's answer says not what was erased")?)
}

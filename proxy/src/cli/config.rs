//! `vestibule config` and `vestibule rollback`.

use std::path::PathBuf;

use clap::Subcommand;
use clap_complete::engine::ArgValueCandidates;
use http::Method;
use serde_json::{Value, json};
use vestibule_auth::{Clock as _, SystemClock};

use super::client::{Answer, Client};
use super::failure::Failure;
use super::line::plain;
use super::list::{Column, Form, Listing, column};
use super::output::{Output, say};
use super::{Global, complete, files};
use crate::reload::Difference;

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
    /// What a reload of the running server would change, and who would gain or lose access
    Diff {
        /// Compare with this file instead; no server is asked
        #[arg(long, value_name = "FILE")]
        from: Option<PathBuf>,
        #[command(flatten)]
        listing: Listing,
    },
    /// The revisions that were in force, the latest first; see rollback
    History(Listing),
    /// JSON Schema of the file, for editors
    Schema,
}

/// Which one to go back to.
#[derive(Debug, clap::Args)]
pub(super) struct Rollback {
    /// As `config history` shows it
    #[arg(add = ArgValueCandidates::new(complete::revisions))]
    revision: String,
    /// Only this file of it
    #[arg(long, value_name = "FILE")]
    file: Option<String>,
}

const COLUMNS: [Column; 5] = [
    column("REVISION", &["revision"], 16),
    column("TIME", &["time"], 27),
    column("BY", &["actor"], 12),
    column("HOW", &["cause"], 8),
    column("FILES", &["files"], 0),
];

/// Shows it, or what became or would become of it.
pub(super) fn run(args: &Args, global: &Global, output: &mut Output) -> Result<(), Failure> {
    match &args.act {
        Act::Show { no_origins } => {
            let settings = files::load(&files::path(global)?).map_err(Failure::Invalid)?;
            output.text(&settings.show(!no_origins))
        }
        Act::Diff { from: None, listing } => show(&ask(&Client::new(global)?, global)?, *listing, output),
        Act::Diff { from: Some(from), listing } => {
            let before = files::load(from).map_err(Failure::Invalid)?;
            let after = files::load(&files::path(global)?).map_err(Failure::Invalid)?;
            let difference = Difference::between(&before, &after, SystemClock::default().now());
            show(&Value::Object(difference.to_json()), *listing, output)
        }
        Act::History(listing) => listing.ask(&Client::new(global)?, ("/api/v1/config/history", &[]), &COLUMNS, output),
        Act::Schema => output.line(&format!("{:#}", vestibule_config::schema())),
    }
}

/// Writes the files back as they were, and takes them.
pub(super) fn rollback(args: &Rollback, global: &Global, output: &mut Output) -> Result<(), Failure> {
    let client = Client::new(global)?;
    let query = args.file.as_ref().map(|file| format!("?file={}", encoded(file))).unwrap_or_default();
    let body = json!({ "revision": args.revision });
    let answer = client.send_json(Method::POST, &format!("/api/v1/config/rollback{query}"), &body)?;
    let body = super::reload::accepted(answer, global)?.json()?;
    super::reload::told(&body, global, output)
}

fn encoded(text: &str) -> impl std::fmt::Display + '_ {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC)
}

/// What the running server would make of its files; 3 where they have problems.
fn ask(client: &Client, global: &Global) -> Result<Value, Failure> {
    let answer: Answer = client.send(Method::POST, "/api/v1/config/validate", &[])?;
    let body = answer.json()?;
    if body.get("valid").and_then(Value::as_bool) != Some(true) {
        say(global, body.get("report").and_then(Value::as_str).unwrap_or("the configuration has problems"));
        return Err(Failure::InvalidShown);
    }
    Ok(body)
}

/// One line for each key, then one for each circuit that somebody may enter now or not any more.
fn show(difference: &Value, listing: Listing, output: &mut Output) -> Result<(), Failure> {
    if listing.form() == Form::Json {
        return output.line(&difference.to_string());
    }
    for change in rows(difference, "changes") {
        let key = text(change.get("key"));
        for (sign, value) in [('-', change.get("before")), ('+', change.get("after"))] {
            if let Some(value) = value.and_then(Value::as_str) {
                output.line(&format!("{sign} {key} = {}", plain(value)))?;
            }
        }
    }
    for shift in rows(difference, "access") {
        let path = shift.get("path").and_then(Value::as_str).map(|path| format!(" {path}")).unwrap_or_default();
        let place = format!("{}{}", text(shift.get("circuit")), plain(&path));
        for (word, member) in
            [("WIDENED", "gains"), ("WIDENED", "loosened"), ("narrowed", "loses"), ("narrowed", "tightened")]
        {
            let names: Vec<_> = rows(shift, member).iter().filter_map(Value::as_str).map(plain).collect();
            if !names.is_empty() {
                output.line(&format!("{word}  {place}: {member} {}", names.join(", ")))?;
            }
        }
    }
    for key in rows(difference, "needs_restart") {
        output.line(&format!("restart  {}", text(Some(key))))?;
    }
    if rows(difference, "changes").is_empty() && rows(difference, "needs_restart").is_empty() {
        return output.line("nothing would change");
    }
    Ok(())
}

fn rows<'a>(value: &'a Value, member: &str) -> &'a [Value] {
    value.get(member).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn text(value: Option<&Value>) -> String {
    value.and_then(Value::as_str).map(plain).unwrap_or_default()
}

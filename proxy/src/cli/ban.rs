//! `vestibule ban`.

use clap::Subcommand;
use http::Method;
use serde_json::{Value, json};

use super::Global;
use super::client::Client;
use super::failure::Failure;
use super::line::plain;
use super::output::Output;
use super::session::Form;

/// What to do with bans.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Networks that are kept out, and accounts that are locked
    List {
        /// How to say it
        #[arg(short, long, value_enum, value_name = "FORM", default_value_t = Form::Line)]
        output: Form,
    },
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

/// Lists, adds or removes.
pub(super) fn run(args: &Args, global: &Global, output: &mut Output) -> Result<(), Failure> {
    let client = Client::new(global)?;
    match &args.act {
        Act::List { output: form } => {
            let body = client.get("/api/v1/bans", &[])?.json()?;
            list(&body.get("data").and_then(Value::as_array).cloned().unwrap_or_default(), *form, output)
        }
        Act::Add { network, period, note } => {
            let body = json!({ "network": network, "for": period, "note": note });
            let ban = client.send_json(Method::POST, "/api/v1/bans", &body)?.json()?;
            output.line(ban.get("id").and_then(Value::as_str).unwrap_or_default())
        }
        Act::Remove { id } => {
            let id = percent_encoding::utf8_percent_encode(id, percent_encoding::NON_ALPHANUMERIC);
            client.send(Method::DELETE, &format!("/api/v1/bans/{id}"), &[])?.json()?;
            output.line("1 removed")
        }
    }
}

fn list(bans: &[Value], form: Form, output: &mut Output) -> Result<(), Failure> {
    if form == Form::Json {
        return bans.iter().try_for_each(|ban| output.line(&ban.to_string()));
    }
    output.line(&row(["ID", "KIND", "WHO", "UNTIL", "BY", "NOTE"].map(str::to_owned)))?;
    bans.iter().try_for_each(|ban| {
        let text = |key: &str| ban.get(key).and_then(Value::as_str).map_or_else(|| "-".to_owned(), plain);
        let who = if ban.get("network").is_some_and(Value::is_string) { text("network") } else { text("account") };
        output.line(&row([text("id"), text("kind"), who, text("until"), text("by"), text("note")]))
    })
}

fn row([id, kind, who, until, by, note]: [String; 6]) -> String {
    format!("{id:<28}  {kind:<4}  {who:<28}  {until:<27}  {by:<12}  {note}")
}

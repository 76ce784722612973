//! `vestibule session`.

use clap::{Subcommand, ValueEnum};
use http::Method;
use serde_json::Value;

use super::Global;
use super::client::Client;
use super::failure::Failure;
use super::line::plain;
use super::output::Output;

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
        #[arg(long, value_name = "EMAIL")]
        user: Option<String>,
        /// Of one circuit
        #[arg(long, value_name = "NAME")]
        circuit: Option<String>,
        /// How to say it
        #[arg(short, long, value_enum, value_name = "FORM", default_value_t = Form::Line)]
        output: Form,
    },
    /// End them, effective on their next request
    #[command(group = clap::ArgGroup::new("which").required(true).multiple(true))]
    Revoke {
        /// One, by its id
        #[arg(group = "which", conflicts_with_all = ["user", "circuit", "all"])]
        id: Option<String>,
        /// Of one person
        #[arg(long, value_name = "EMAIL", group = "which")]
        user: Option<String>,
        /// Of one circuit
        #[arg(long, value_name = "NAME", group = "which")]
        circuit: Option<String>,
        /// Every one
        #[arg(long, group = "which", conflicts_with_all = ["user", "circuit"])]
        all: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Form {
    /// A table
    Line,
    /// One JSON object a line
    Json,
}

/// Lists or ends.
pub(super) fn run(args: &Args, global: &Global, output: &mut Output) -> Result<(), Failure> {
    let client = Client::new(global)?;
    match &args.act {
        Act::List { user, circuit, output: form } => {
            let body = client.get("/api/v1/sessions", &query(user, circuit, false))?.json()?;
            list(&sessions(&body), *form, output)
        }
        Act::Revoke { id, user, circuit, all } => {
            let path = id.as_ref().map_or_else(|| "/api/v1/sessions".to_owned(), |id| one(id));
            let body = client.send(Method::DELETE, &path, &query(user, circuit, *all))?.json()?;
            let ended = body.get("ended").and_then(Value::as_u64).unwrap_or(0);
            output.line(&format!("{ended} ended"))
        }
    }
}

fn query<'a>(user: &'a Option<String>, circuit: &'a Option<String>, all: bool) -> Vec<(&'a str, &'a str)> {
    let user = user.as_deref().map(|user| ("user", user));
    let circuit = circuit.as_deref().map(|circuit| ("circuit", circuit));
    user.into_iter().chain(circuit).chain(all.then_some(("all", "true"))).collect()
}

fn one(id: &str) -> String {
    let id = percent_encoding::utf8_percent_encode(id, percent_encoding::NON_ALPHANUMERIC);
    format!("/api/v1/sessions/{id}")
}

fn sessions(body: &Value) -> Vec<Value> {
    body.get("data").and_then(Value::as_array).cloned().unwrap_or_default()
}

fn list(sessions: &[Value], form: Form, output: &mut Output) -> Result<(), Failure> {
    if form == Form::Json {
        return sessions.iter().try_for_each(|session| output.line(&session.to_string()));
    }
    output.line(&row(["ID", "USER", "CIRCUIT", "METHOD", "STATE", "LAST USED", "ADDRESS"].map(str::to_owned)))?;
    sessions.iter().try_for_each(|session| {
        let text = |key: &str| session.get(key).and_then(Value::as_str).map_or_else(|| "-".to_owned(), plain);
        let who = if session.get("email").is_some_and(Value::is_string) { text("email") } else { text("user_id") };
        let fields =
            [text("id"), who, text("circuit"), text("method"), text("state"), text("last_used"), text("source_ip")];
        output.line(&row(fields))
    })
}

fn row([id, user, circuit, method, state, used, address]: [String; 7]) -> String {
    format!("{id:<32}  {user:<28}  {circuit:<16}  {method:<8}  {state:<8}  {used:<27}  {address}")
}

//! `vestibule token`.

use clap::Subcommand;
use serde_json::Value;

use super::Global;
use super::client::Client;
use super::failure::Failure;
use super::line::plain;
use super::output::Output;
use super::session::Form;

/// What to do with tokens.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Those of machines and of the admin port, with their last use
    List {
        /// How to say it
        #[arg(short, long, value_enum, value_name = "FORM", default_value_t = Form::Line)]
        output: Form,
    },
}

/// Lists.
pub(super) fn run(args: &Args, global: &Global, output: &mut Output) -> Result<(), Failure> {
    let Act::List { output: form } = args.act;
    let body = Client::new(global)?.get("/api/v1/tokens", &[])?.json()?;
    let tokens = body.get("data").and_then(Value::as_array).cloned().unwrap_or_default();
    if form == Form::Json {
        return tokens.iter().try_for_each(|token| output.line(&token.to_string()));
    }
    output.line(&row(["NAME", "KIND", "STATE", "EXPIRES", "LAST USED", "ADDRESS"].map(str::to_owned)))?;
    tokens.iter().try_for_each(|token| {
        let text = |key: &str| token.get(key).and_then(Value::as_str).map_or_else(|| "-".to_owned(), plain);
        output.line(&row(["name", "kind", "state", "expires", "last_used", "last_used_ip"].map(text)))
    })
}

fn row([name, kind, state, expires, used, address]: [String; 6]) -> String {
    format!("{name:<24}  {kind:<8}  {state:<8}  {expires:<27}  {used:<27}  {address}")
}

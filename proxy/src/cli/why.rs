//! `vestibule why`: what would become of a request, layer by layer.

use std::net::IpAddr;
use std::sync::Arc;

use clap_complete::engine::ArgValueCandidates;
use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};
use vestibule_auth::SystemClock;
use vestibule_config::scenario::Given;

use super::client::Client;
use super::failure::Failure;
use super::line::plain;
use super::list::Form;
use super::output::{Output, remark};
use super::{Global, complete, files};
use crate::explain::Apart;

/// The running server is asked, with its bans, grants and limits; where none answers, the file alone decides
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Args {
    /// The address of a page, such as https://wiki.example.net/
    url: String,
    /// Who has signed in: an e-mail address, or token:NAME
    #[arg(long, value_name = "WHO", add = ArgValueCandidates::new(complete::somebody))]
    user: Option<String>,
    /// Groups that a provider would name
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    groups: Vec<String>,
    /// How: password, pin, code, sso or sso:NAME; else by whichever way lets in
    #[arg(long, value_name = "WAY")]
    login: Option<String>,
    /// From where; else an address that is on no list
    #[arg(long, value_name = "ADDRESS")]
    ip: Option<IpAddr>,
    /// With which method; else GET
    #[arg(long, value_name = "METHOD")]
    method: Option<String>,
    /// As of when, such as 2027-01-01T00:00:00Z; limits are those of now and do not count then
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    /// How to say it
    #[arg(short, long, value_enum, value_name = "FORM", default_value_t = Form::Line)]
    output: Form,
}

/// Asks the server, else the file.
pub(super) fn run(args: &Args, global: &Global, output: &mut Output) -> Result<(), Failure> {
    let answer = match Client::with_token(global)?.map(|client| ask(&client, args)) {
        Some(Err(Failure::Unreachable(_))) => {
            remark(global, "no server answers; the file alone decides, without bans, grants and limits");
            alone(args, global)?
        }
        Some(answer) => answer?,
        None => {
            remark(global, "no token is set; the file alone decides, without bans, grants and limits");
            alone(args, global)?
        }
    };
    match args.output {
        Form::Json => output.line(&answer.to_string()),
        Form::Line => text(&answer, output),
    }
}

fn ask(client: &Client, args: &Args) -> Result<Value, Failure> {
    let Args { url, user, groups, login, ip, method, at, output: _ } = args;
    let body = json!({
        "url": url, "user": user, "groups": groups, "login": login, "ip": ip, "method": method,
        "at": at.map(|at| at.to_string()),
    });
    client.send_json(Method::POST, "/api/v1/policy/explain", &body)?.json()
}

fn alone(args: &Args, global: &Global) -> Result<Value, Failure> {
    let Args { url, user, groups, login, ip, method, at, output: _ } = args.clone();
    let given = Given { url, method, user, groups, login, ip, at };
    let settings = files::load(&files::path(global)?).map_err(Failure::Invalid)?;
    let apart = Apart::new(settings, Arc::new(SystemClock::default()))?;
    let answer = apart.explain(&given).map_err(|bad| Failure::Usage(bad.to_string()))?;
    Ok(answer.to_json())
}

fn text(answer: &Value, output: &mut Output) -> Result<(), Failure> {
    let layers = answer.get("layers").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for layer in layers {
        let word = |key| plain(layer.get(key).and_then(Value::as_str).unwrap_or_default());
        let line = format!("{:<15}  {:<8}  {:<36}  {}", word("layer"), word("outcome"), word("rule"), word("place"));
        output.line(line.trim_end())?;
    }
    let word = |key| answer.get(key).and_then(Value::as_str).map(plain);
    let decided = [word("decision"), word("reason"), word("circuit").map(|circuit| format!("circuit {circuit}"))];
    output.line("")?;
    output.line(&decided.into_iter().flatten().collect::<Vec<_>>().join(", "))
}

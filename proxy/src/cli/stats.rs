//! `vestibule stats`.

use clap_complete::engine::ArgValueCandidates;
use serde_json::Value;

use super::client::Client;
use super::failure::Failure;
use super::line::{plain, size};
use super::list::Form;
use super::output::Output;
use super::{Global, complete};

/// What to count.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// How far back: 5m, 15m, 1h or 24h
    #[arg(long, value_name = "TIME", default_value = "24h")]
    since: String,
    /// Of one circuit
    #[arg(long, value_name = "NAME", add = ArgValueCandidates::new(complete::circuits))]
    circuit: Option<String>,
    /// How to say it
    #[arg(short, long, value_enum, value_name = "FORM", default_value_t = Form::Line)]
    output: Form,
}

/// Lists of the answer, as they are headed.
const LISTS: [(&str, &str); 7] = [
    ("circuit", "CIRCUIT"),
    ("status", "STATUS"),
    ("reason", "REASON"),
    ("country", "COUNTRY"),
    ("user", "USER"),
    ("ip", "ADDRESS"),
    ("method", "METHOD"),
];

/// Lines of one list.
const SHOWN: usize = 10;

/// Asks the running server.
pub(super) fn run(args: &Args, global: &Global, output: &mut Output) -> Result<(), Failure> {
    let circuit = args.circuit.as_deref().map(|circuit| ("circuit", circuit));
    let query: Vec<_> = std::iter::once(("range", args.since.as_str())).chain(circuit).collect();
    let stats = Client::new(global)?.get("/api/v1/stats", &query)?.json()?;
    match args.output {
        Form::Json => output.line(&stats.to_string()),
        Form::Line => page(&stats, output),
    }
}

fn page(stats: &Value, output: &mut Output) -> Result<(), Failure> {
    let number = |pointer: &str| stats.pointer(pointer).and_then(Value::as_u64).unwrap_or_default();
    let percent = |pointer: &str| stats.pointer(pointer).and_then(Value::as_f64).unwrap_or_default();
    let since = stats.get("since").and_then(Value::as_str).map_or_else(|| "?".to_owned(), plain);
    output.line(&format!("since     {since}"))?;
    output.line(&format!("requests  {:>10}", number("/total")))?;
    for name in ["allowed", "blocked"] {
        let (count, percent) = (number(&format!("/{name}/count")), percent(&format!("/{name}/percent")));
        output.line(&format!("{name:<8}  {count:>10}  {percent:>6.2} %"))?;
    }
    output.line(&format!("received  {:>10}", size(number("/bytes_in"))))?;
    output.line(&format!("sent      {:>10}", size(number("/bytes_out"))))?;
    LISTS.iter().try_for_each(|(name, heading)| list(stats, name, heading, output))
}

/// The most frequent values, and how many requests had others.
fn list(stats: &Value, name: &str, heading: &str, output: &mut Output) -> Result<(), Failure> {
    let entries = stats.get(format!("by_{name}")).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    if entries.is_empty() {
        return Ok(());
    }
    output.line(&format!("\n{heading}"))?;
    let count = |entry: &Value| entry.get("count").and_then(Value::as_u64).unwrap_or_default();
    for entry in entries.iter().take(SHOWN) {
        let value = match entry.get("value") {
            Some(Value::String(text)) => plain(text),
            Some(other) => other.to_string(),
            None => "?".to_owned(),
        };
        output.line(&format!("{:>10}  {value}", count(entry)))?;
    }
    let counted = stats.pointer(&format!("/other/{name}")).and_then(Value::as_u64).unwrap_or_default();
    let others = entries.iter().skip(SHOWN).map(count).sum::<u64>() + counted;
    if others > 0 { output.line(&format!("{others:>10}  others")) } else { Ok(()) }
}

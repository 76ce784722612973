//! `vestibule logs`: reads over the admin API, so that it works on any machine that holds a token.

mod combined;
mod follow;
mod print;

use clap::ValueEnum;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap_complete::engine::ArgValueCompleter;
use serde_json::Value;
use vestibule_logstore::Log;

use self::print::Printer;
use super::client::Client;
use super::failure::Failure;
use super::output::Output;
use super::{Global, complete};

/// What to read.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The log (access, requests or audit; requests unless said), and filters on any field:
    /// circuit=wiki status_code=4xx
    #[arg(value_name = "LOG | FIELD=VALUE", add = ArgValueCompleter::new(complete::of_logs))]
    words: Vec<String>,
    /// Go on with what comes, until interrupted
    #[arg(short, long, conflicts_with = "until")]
    follow: bool,
    /// Not older than: RFC 3339, or 15m, 24h, 7d ago
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Not newer than
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// The last N; 50 unless --since says where to begin
    #[arg(short = 'n', long, value_name = "N")]
    lines: Option<usize>,
    /// How to say it
    #[arg(short, long, value_enum, value_name = "FORM", default_value_t = Form::Line)]
    output: Form,
    /// Anywhere in any text, in any case
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// One line for people
    Line,
    /// The same, and every other field behind it
    Wide,
    /// One JSON object a line
    Json,
    /// RFC 4180, with a header
    Csv,
    /// As web servers write it; of requests alone
    Combined,
}

const LINES: usize = 50;

/// The largest page of the API.
const PAGE: usize = 1000;

/// Prints what is there, oldest first, and with `-f` what comes.
pub(super) fn run(args: &Args, global: &Global, output: &mut Output) -> Result<(), Failure> {
    let (log, filters) = words(&args.words)?;
    let mut printer = Printer::new(log, args.output, output)?;
    let mut reader = Reader { client: Client::new(global)?, log, filters: question(args, filters) };
    if !args.follow {
        return reader.backlog(args, &mut printer);
    }
    // Counted first, and the backlog ends there, so that nothing falls between it and what follows.
    let next = entries(&reader.client, log)?;
    if let Some(last) = next.checked_sub(1) {
        reader.filters.push(("seq.max".to_owned(), last.to_string()));
        reader.backlog(args, &mut printer)?;
        printer.output.finish()?;
        reader.filters.pop();
    }
    follow::follow(&reader, next, global, &mut printer)
}

/// The first word may name the log; every other one is a filter.
fn words(words: &[String]) -> Result<(Log, Vec<(String, String)>), Failure> {
    let log = words.first().and_then(|word| named(word));
    let filters = words.iter().skip(usize::from(log.is_some())).map(|word| {
        let wrong = format!("{word:?} is neither access, requests or audit nor of the form FIELD=VALUE");
        filter(word).ok_or(Failure::Usage(wrong))
    });
    Ok((log.unwrap_or(Log::Requests), filters.collect::<Result<_, _>>()?))
}

/// One of the three logs.
pub(super) fn named(word: &str) -> Option<Log> {
    Log::ALL.into_iter().find(|log| log.name() == word)
}

/// Reads an argument that names a log.
pub(super) fn parser() -> impl TypedValueParser<Value = Log> {
    PossibleValuesParser::new(Log::ALL.map(Log::name)).try_map(|word| named(&word).ok_or("there is no such log"))
}

/// `FIELD=VALUE`.
pub(super) fn filter(word: &str) -> Option<(String, String)> {
    let (field, value) = word.split_once('=')?;
    (!field.is_empty()).then(|| (field.to_owned(), value.to_owned()))
}

fn question(args: &Args, filters: Vec<(String, String)>) -> Vec<(String, String)> {
    let named = [("since", &args.since), ("until", &args.until), ("q", &args.search)];
    let named = named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.clone()?)));
    filters.into_iter().chain(named).collect()
}

/// One question, asked page by page.
struct Reader {
    client: Client,
    log: Log,
    filters: Vec<(String, String)>,
}

impl Reader {
    /// One page and where the next begins.
    fn page(&self, more: &[(&str, &str)]) -> Result<(Vec<Value>, Option<String>), Failure> {
        let filters = self.filters.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let query: Vec<_> = filters.chain(more.iter().copied()).collect();
        let body = self.client.get(&format!("/api/v1/logs/{}", self.log.name()), &query)?.json()?;
        let next = body.get("next_cursor").and_then(Value::as_str).map(str::to_owned);
        let Some(data) = body.get("data").and_then(Value::as_array) else {
            return Err(Failure::failed("the admin port's answer has no data; is this its address?"));
        };
        Ok((data.clone(), next))
    }

    /// What is there already.
    fn backlog(&self, args: &Args, printer: &mut Printer<'_>) -> Result<(), Failure> {
        match (args.lines, &args.since) {
            (None, Some(_)) => self.forwards(printer),
            (lines, _) => self.last(lines.unwrap_or(LINES), printer),
        }
    }

    /// Everything from `since` on, as it is read.
    fn forwards(&self, printer: &mut Printer<'_>) -> Result<(), Failure> {
        let mut cursor = None::<String>;
        loop {
            let more = cursor.as_deref().map(|cursor| ("cursor", cursor));
            let limit = PAGE.to_string();
            let more: Vec<_> = [("order", "asc"), ("limit", &limit)].into_iter().chain(more).collect();
            let (entries, next) = self.page(&more)?;
            printer.print(&entries)?;
            match next {
                Some(next) => cursor = Some(next),
                None => return Ok(()),
            }
        }
    }

    /// The last `lines`, collected backwards.
    fn last(&self, lines: usize, printer: &mut Printer<'_>) -> Result<(), Failure> {
        let (mut cursor, mut found) = (None::<String>, Vec::new());
        while found.len() < lines {
            let limit = PAGE.min(lines - found.len()).to_string();
            let more = cursor.as_deref().map(|cursor| ("cursor", cursor));
            let more: Vec<_> = [("order", "desc"), ("limit", &limit)].into_iter().chain(more).collect();
            let (entries, next) = self.page(&more)?;
            found.extend(entries);
            match next {
                Some(next) => cursor = Some(next),
                None => break,
            }
        }
        found.reverse();
        printer.print(&found)
    }
}

/// How many entries a log holds, whatever filters say.
pub(super) fn entries(client: &Client, log: Log) -> Result<u64, Failure> {
    let status = client.get("/api/v1/status", &[])?.json()?;
    let count = status.pointer(&format!("/store/entries/{}", log.name())).and_then(Value::as_u64);
    count.ok_or_else(|| Failure::failed("the admin port's status does not count entries; is this its address?"))
}

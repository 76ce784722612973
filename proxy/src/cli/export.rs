//! `vestibule export`: all entries that match, into a file. An export that was interrupted goes on where it stopped.

mod frame;
mod part;

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use clap_complete::engine::ArgValueCompleter;
use http::{Method, StatusCode};
use jiff::Timestamp;
use serde_json::Value;
use tokio::time::sleep;
use vestibule_auth::{Clock, SystemClock};
use vestibule_logstore::Log;
use vestibule_logstore::query::moment;

use self::frame::{Frame, Frames};
use self::part::{Part, Standing};
use super::bar::Bar;
use super::client::{Answer, Body, Client};
use super::failure::Failure;
use super::logs::{self, entries, filter};
use super::output::{Output, remark, say};
use super::{Global, complete};

/// So often a connection may be lost without a single entry in between.
const RETRIES: u32 = 6;

/// Before the first try again; doubled before each further one.
const PAUSE: Duration = Duration::from_millis(500);

/// What to export, and where to.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The log
    #[arg(value_parser = logs::parser())]
    log: Log,
    /// On any field: circuit=wiki status_code=4xx
    #[arg(value_name = "FIELD=VALUE", add = ArgValueCompleter::new(complete::of_logs))]
    filters: Vec<String>,
    /// The file, replaced when the export is whole; - is stdout. The same command goes on after an interruption
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
    /// How to write
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = Format::Csv)]
    format: Format,
    /// Not older than: RFC 3339, or 15m, 24h, 7d ago
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Not newer than
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Anywhere in any text, in any case
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For spreadsheets
    Csv,
    /// One JSON object a line
    Ndjson,
}

impl Format {
    fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Ndjson => "ndjson",
        }
    }
}

/// Parameters that would make an export another thing than what it is resumed as.
const NOT_FILTERS: [&str; 6] = ["cursor", "limit", "count", "format", "frames", "fold"];

/// Exports, from the beginning or from where the same command stopped.
pub(super) fn run(args: &Args, global: &Global, output: &mut Output) -> Result<(), Failure> {
    let asked = asked(args)?;
    let client = Client::new(global)?;
    let key = key(args, &client);
    let (mut part, bar) = (Part::open(&args.to, &key, output)?, Bar::new(global));
    if let Err(failure) = prepare(args, global, asked, &client, &mut part.standing, bar.is_shown()) {
        part.leave()?;
        return Err(failure);
    }
    let mut export = Export { args, global, client: &client, part, bar };
    let done = client.wait(export.whole());
    export.bar.clear();
    let Export { part, .. } = export;
    let Err(failure) = done.and_then(|done| done) else { return part.finish() };
    if let Some((kept, rows)) = part.leave()? {
        say(global, &format!("{rows} entries are in {}; the same command goes on from there", kept.display()));
    }
    Err(failure)
}

/// What must be known before the first entry.
fn prepare(
    args: &Args,
    global: &Global,
    asked: Vec<(String, String)>,
    client: &Client,
    standing: &mut Standing,
    counted: bool,
) -> Result<(), Failure> {
    if standing.parameters.is_empty() {
        standing.parameters = fixed(args, asked, client, SystemClock::default().now())?;
    } else {
        remark(global, &format!("going on after {} entries", standing.rows));
    }
    if counted && standing.total.is_none() {
        standing.total = total(args, client, &standing.parameters)?;
    }
    Ok(())
}

/// Filters as they were typed.
fn asked(args: &Args) -> Result<Vec<(String, String)>, Failure> {
    let filters = args.filters.iter().map(|word| match filter(word) {
        Some((name, _)) if NOT_FILTERS.contains(&name.as_str()) => {
            Err(Failure::Usage(format!("{name} is not for exports, which have every entry; leave it out")))
        }
        Some(filter) => Ok(filter),
        None => Err(Failure::Usage(format!("{word:?} is not of the form FIELD=VALUE"))),
    });
    let named = [("since", &args.since), ("until", &args.until), ("q", &args.search)];
    let named = named.into_iter().filter_map(|(name, value)| Some(Ok((name.to_owned(), value.clone()?))));
    filters.chain(named).collect()
}

/// What makes two commands the same.
fn key(args: &Args, client: &Client) -> Vec<String> {
    let Args { log, filters, to: _, format, since, until, search } = args;
    let named = [since, until, search].map(|value| value.clone().unwrap_or_default());
    let fixed = [client.base().to_owned(), log.name().to_owned(), format.name().to_owned()];
    fixed.into_iter().chain(named).chain(filters.iter().cloned()).collect()
}

/// The same question whenever it is asked again: times that are relative to now become absolute, and entries that are
/// appended from now on are left out.
fn fixed(
    args: &Args,
    asked: Vec<(String, String)>,
    client: &Client,
    now: Timestamp,
) -> Result<Vec<(String, String)>, Failure> {
    let mut fixed: Vec<_> = asked
        .into_iter()
        .map(|(name, value)| match (name.as_str(), moment(&value, now)) {
            ("since" | "until", Some(time)) => (name, format!("{time:.6}")),
            ("range", Some(time)) => ("since".to_owned(), format!("{time:.6}")),
            (_, _) => (name, value),
        })
        .collect();
    // Values of one condition are alternatives: one that was typed stands.
    if let Some(last) = entries(client, args.log)?.checked_sub(1)
        && !fixed.iter().any(|(name, _)| name == "seq.max")
    {
        fixed.push(("seq.max".to_owned(), last.to_string()));
    }
    fixed.push(("format".to_owned(), args.format.name().to_owned()));
    fixed.push(("frames".to_owned(), "true".to_owned()));
    Ok(fixed)
}

/// How many entries there are to come, for the bar; none if the server takes too long to count them.
fn total(args: &Args, client: &Client, parameters: &[(String, String)]) -> Result<Option<u64>, Failure> {
    let filters = parameters.iter().filter(|(name, _)| !["format", "frames", "fields"].contains(&name.as_str()));
    let filters = filters.map(|(name, value)| (name.as_str(), value.as_str()));
    let query: Vec<_> = filters.chain([("count", "true"), ("limit", "1"), ("fields", "seq")]).collect();
    let page = client.get(&format!("/api/v1/logs/{}", args.log.name()), &query)?.json()?;
    Ok(page.get("total").and_then(Value::as_u64))
}

/// One export on its way.
struct Export<'a> {
    args: &'a Args,
    global: &'a Global,
    client: &'a Client,
    part: Part<'a>,
    bar: Bar,
}

/// Why an export did not come to its end.
enum Stop {
    /// It may go on.
    Broken(Failure),
    /// It would fail again.
    Final(Failure),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Unreachable(_) => Self::Broken(failure),
            Failure::Failed(_)
            | Failure::Usage(_)
            | Failure::Invalid(_)
            | Failure::InvalidShown
            | Failure::Interrupted
            | Failure::Unsound
            | Failure::NotProven(_)
            | Failure::ClosedPipe => Self::Final(failure),
        }
    }
}

impl Export<'_> {
    /// Until the last entry, over as many connections as it takes.
    async fn whole(&mut self) -> Result<(), Failure> {
        let (mut tries, mut begun) = (0, false);
        loop {
            let before = self.part.standing.rows;
            let failure = match self.some().await {
                Ok(()) => return Ok(()),
                Err(Stop::Final(failure)) => return Err(failure),
                Err(Stop::Broken(failure)) => failure,
            };
            let got_ahead = self.part.standing.rows > before;
            begun |= got_ahead;
            tries = if got_ahead { 1 } else { tries + 1 };
            // Nobody waits for a server that was never there.
            if tries > RETRIES || (!begun && matches!(failure, Failure::Unreachable(_))) {
                return Err(failure);
            }
            self.bar.clear();
            remark(self.global, "the export broke off; trying again");
            sleep(PAUSE * 2_u32.pow(tries - 1)).await;
        }
    }

    /// Over one connection.
    async fn some(&mut self) -> Result<(), Stop> {
        let mut body = self.open().await?;
        let mut frames = Frames::default();
        while let Some(bytes) = body.next().await? {
            frames.feed(&bytes);
            while let Some(frame) = frames.next().transpose()? {
                let last = frame.last;
                self.write(frame)?;
                if last {
                    return Ok(());
                }
            }
        }
        Err(Stop::Broken(Failure::Unreachable("the admin port's answer ended before the last entry".to_owned())))
    }

    async fn open(&self) -> Result<Body, Stop> {
        let Standing { parameters, cursor, .. } = &self.part.standing;
        let fixed = parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let query: Vec<_> = fixed.chain(cursor.as_deref().map(|cursor| ("cursor", cursor))).collect();
        let path = format!("/api/v1/logs/{}/export", self.args.log.name());
        match self.client.open(Method::GET, &path, &query, None).await? {
            Ok(body) => Ok(body),
            Err(answer) => Err(refused(&answer)),
        }
    }

    fn write(&mut self, frame: Frame) -> Result<(), Failure> {
        self.part.write(frame)?;
        let Standing { rows, bytes, total, .. } = self.part.standing;
        self.bar.draw(rows, total, Some(bytes));
        Ok(())
    }
}

fn refused(answer: &Answer) -> Stop {
    let failure = answer.json().err().unwrap_or_else(|| Failure::failed("the server does not export"));
    if answer.status == StatusCode::SERVICE_UNAVAILABLE { Stop::Broken(failure) } else { Stop::Final(failure) }
}

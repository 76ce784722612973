//! `vestibule verify`: every hash of the logs again, or one proof.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use http::Method;
use serde_json::{Value, json};
use vestibule_auth::{Clock as _, SystemClock};
use vestibule_logstore::anchor::{self, Anchor, Chain, Lost};
use vestibule_logstore::note::PublicKey;
use vestibule_logstore::query::moment;
use vestibule_logstore::succession::Keys;
use vestibule_logstore::verify::{self, Extent, Known, Progress};
use vestibule_logstore::{Error, checkpoint, prove};

use super::bar::Bar;
use super::client::{Body, Client};
use super::failure::Failure;
use super::list::Form;
use super::output::{Output, remark, say};
use super::{Global, files, places};
use crate::admin::shown_report;
use crate::anchors::Read;
use crate::signing;

/// Between two looks how far it is.
const LOOK: Duration = Duration::from_millis(100);

/// What to verify.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A data folder, or a copy of one, that is read without a server
    #[arg(long, value_name = "DIR", conflicts_with_all = ["url", "proof"])]
    data: Option<PathBuf>,
    /// The admin port of a running server, which verifies its own logs
    #[arg(long, value_name = "URL", conflicts_with = "proof")]
    url: Option<String>,
    /// Whose signatures to believe: the key as it was printed, or a file that holds it. Without it the key that lies
    /// beside the logs is taken, which whoever changed them may have changed too
    #[arg(long, value_name = "KEY|FILE")]
    key: Option<String>,
    /// A place with anchors, the heads that went elsewhere: only they tell of a tail that was cut. They are compared
    /// with a folder: that of --data, or the configured one. A bucket is reached as [logs.anchors.s3] says, or
    /// AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_ENDPOINT_URL
    #[arg(long, value_name = "DIR|s3://…", conflicts_with_all = ["url", "proof"])]
    anchors: Option<String>,
    /// A proof of one entry, made by `vestibule prove`; needs --key
    #[arg(long, value_name = "FILE", requires = "key")]
    proof: Option<PathBuf>,
    /// Read entries since then only, such as 24h or 2026-11-01T00:00:00Z: those before are taken as they were hashed
    #[arg(long, value_name = "TIME", conflicts_with = "proof")]
    since: Option<String>,
    /// How to say it
    #[arg(short, long, value_enum, value_name = "FORM", default_value_t = Form::Line)]
    output: Form,
}

/// Verifies what was named; without a name what the running server has, and without a server the configured folder.
pub(super) fn run(args: &Args, global: &Global, output: &mut Output) -> Result<(), Failure> {
    let key = args.key.as_deref().map(key).transpose()?;
    if let (Some(file), Some(key)) = (&args.proof, &key) {
        return proof(file, key, args.output, output);
    }
    let anchors = args.anchors.as_deref();
    let since = args.since.as_deref();
    let report = match (&args.data, &args.url) {
        (Some(folder), _) => of_folder(folder, key, anchors, since, global)?,
        (None, None) if anchors.is_some() => of_folder(&configured(global)?, key, anchors, since, global)?,
        (None, Some(url)) => of_server(Some(url), key.as_ref(), since, global)?,
        (None, None) => match of_server(None, key.as_ref(), since, global) {
            Err(Failure::Unreachable(cause)) => {
                let folder = configured(global)?;
                remark(global, &format!("{cause}\nreading {} instead", folder.display()));
                of_folder(&folder, key, None, since, global)?
            }
            asked => asked?,
        },
    };
    match args.output {
        Form::Json => output.line(&report.to_string())?,
        Form::Line => page(&report, output)?,
    }
    if is_valid(&report) { Ok(()) } else { Err(Failure::Unsound) }
}

/// Whether a report has found nothing wrong.
pub(super) fn is_valid(report: &Value) -> bool {
    report.get("valid").and_then(Value::as_bool).unwrap_or_default()
}

/// As printed, or a file with it.
pub(super) fn key(text: &str) -> Result<PublicKey, Failure> {
    if let Ok(key) = PublicKey::parse(text) {
        return Ok(key);
    }
    let read = fs::read_to_string(text);
    let read = read.map_err(|error| Failure::Usage(format!("--key is neither a public key nor a file: {error}")))?;
    PublicKey::parse(&read).map_err(|error| Failure::Usage(format!("--key {text}: {error}")))
}

fn configured(global: &Global) -> Result<PathBuf, Failure> {
    Ok(files::load(&files::path(global)?).map_err(Failure::Invalid)?.server.data_dir)
}

/// Verifies a data folder, or the logs in one, against a place with anchors too.
pub(super) fn of_folder(
    folder: &Path,
    key: Option<PublicKey>,
    anchors: Option<&str>,
    since: Option<&str>,
    global: &Global,
) -> Result<Value, Failure> {
    let wrong = || Failure::Usage("--since takes a time, or how long ago it was: 24h".to_owned());
    let since = since.map(|since| moment(since, SystemClock::default().now()).ok_or_else(wrong)).transpose()?;
    let logs = folder.join("logs");
    let logs = if logs.is_dir() { logs } else { folder.to_owned() };
    let (progress, mut bar) = (Progress::default(), Bar::new(global));
    let unreadable = || format!("{} cannot be verified", logs.display());
    // That there is no key is said before what is wrong with the logs.
    let own = if key.is_none() { Some(beside(folder, global)?) } else { None };
    let known = verify::known(&logs).with_context(unreadable)?;
    let name = checkpoint::name(known.store);
    let first = own.map(|own| Keys::first(own, &name, &known.successions));
    let key = key.or(first).ok_or_else(|| Failure::Usage("name a key: --key KEY".to_owned()))?;
    let anchors = anchors.map(|anchors| sound(anchors, &known, &key, global)).transpose()?;
    let threads = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let extent = Extent { threads, since };
    let report = thread::scope(|scope| {
        let work = scope.spawn(|| verify::folder(&logs, &key, anchors.as_ref(), extent, &progress));
        while !work.is_finished() {
            bar.draw(progress.entries(), Some(known.entries), None);
            thread::sleep(LOOK);
        }
        work.join().unwrap_or(Err(Error::Stopped))
    });
    bar.clear();
    let report = report.with_context(unreadable)?;
    let mut shown = shown_report(&report);
    if let (Some(shown), Some(anchors)) = (shown.as_object_mut(), &anchors) {
        shown.insert("lost".to_owned(), anchor::lost(anchors).iter().map(of_lost).collect());
    }
    Ok(shown)
}

fn of_lost(lost: &Lost) -> Value {
    let Lost { log, first, last, anchor, time } = lost;
    json!({ "log": log.name(), "first": first, "last": last, "anchor": anchor, "time": time })
}

/// The anchors in a place, if nothing is wrong with them. Those of another store are wrong there: whoever puts a new store
/// in the place of the one that was anchored would not be found otherwise.
fn sound(place: &str, known: &Known, key: &PublicKey, global: &Global) -> Result<Chain, Failure> {
    let Read { texts, unlocked } = places::read(place, Anchor::NAMES, global)?;
    let chain = anchor::check(&texts, known.store, key, &known.successions).map_err(|broken| {
        broken.iter().for_each(|broken| say(global, &format!("error: {broken}")));
        Failure::Unsound
    })?;
    let Some(last) = chain.anchors.iter().map(|anchor| anchor.number).max() else {
        return Err(Failure::NotProven(format!("there are no anchors of this store in {place}")));
    };
    remark(global, &format!("{} anchors follow each other up to number {last}", chain.anchors.len()));
    if unlocked > 0 {
        remark(
            global,
            &format!("{unlocked} of them are not locked, or not any more: whoever owns the place could remove them"),
        );
    }
    Ok(chain)
}

fn beside(folder: &Path, global: &Global) -> Result<PublicKey, Failure> {
    let signer = signing::load(folder).map_err(|error| {
        Failure::Usage(format!("{error:#}; name the key that was printed when the server started: --key KEY"))
    })?;
    remark(global, "the key beside the logs is taken; --key KEY takes one that you kept elsewhere");
    Ok(signer.public_key())
}

fn of_server(
    url: Option<&str>,
    key: Option<&PublicKey>,
    since: Option<&str>,
    global: &Global,
) -> Result<Value, Failure> {
    let client = match url {
        Some(url) => Client::at(url)?,
        None => Client::new(global)?,
    };
    let known = client.get("/api/v1/integrity", &[])?.json()?;
    let theirs = known.get("key").and_then(Value::as_str).and_then(|key| PublicKey::parse(key).ok());
    if key.is_some_and(|key| !theirs.is_some_and(|theirs| leads(key, &theirs, &known))) {
        say(global, "error: wrong key: --key does not lead to the key with which the server signs");
        return Err(Failure::Unsound);
    }
    let query: Vec<(&str, &str)> = since.map(|since| ("since", since)).into_iter().collect();
    let mut bar = Bar::new(global);
    let report = client.wait(async {
        let opened = client.open(Method::POST, "/api/v1/integrity/verify", &query, None).await?;
        match opened {
            Ok(body) => last_line(body, &mut bar).await,
            Err(refused) => refused.json(),
        }
    });
    bar.clear();
    report?
}

/// Whether a key that was kept leads to the one with which a server signs.
fn leads(kept: &PublicKey, theirs: &PublicKey, known: &Value) -> bool {
    let key = known.get("key").and_then(Value::as_str).unwrap_or_default();
    let name = key.split_once('+').map_or("", |(name, _)| name);
    let successions = known.get("successions").and_then(Value::as_array);
    let successions = successions.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
    Keys::follow(kept, name, &successions.collect::<Vec<_>>()).lead_to(theirs)
}

/// The report; the lines before it say how far it is.
async fn last_line(mut body: Body, bar: &mut Bar) -> Result<Value, Failure> {
    let mut unread = Vec::new();
    while let Some(bytes) = body.next().await? {
        unread.extend_from_slice(&bytes);
        while let Some(end) = unread.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = unread.drain(..=end).collect();
            let line: Value = serde_json::from_slice(&line).context("the admin port's answer is no report")?;
            let Some(entries) = line.get("entries").and_then(Value::as_u64) else { return Ok(line) };
            bar.draw(entries, line.get("of").and_then(Value::as_u64), None);
        }
    }
    Err(Failure::failed("the server's report broke off"))
}

/// For people.
pub(super) fn page(report: &Value, output: &mut Output) -> Result<(), Failure> {
    let logs = report.get("logs").and_then(Value::as_object);
    for (name, log) in logs.into_iter().flatten() {
        let number = |name: &str| log.get(name).and_then(Value::as_u64).unwrap_or_default();
        let text = |name: &str| log.get(name).and_then(Value::as_str).unwrap_or("-").to_owned();
        let findings = log.get("findings").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let word = if findings.is_empty() { "valid" } else { "NOT VALID" };
        let entries = number("entries");
        output.line(&format!(
            "{name:<9} {word}  {entries} entries, {} to {}",
            text("first_time"),
            text("last_time")
        ))?;
        let (signed, end) = (number("signed"), number("end"));
        output.line(&format!("          signed up to {signed} of {end}; {} before are gone", number("first")))?;
        for (name, what) in [("erased", "were erased"), ("unread", "are taken as they were hashed before")] {
            if number(name) > 0 {
                output.line(&format!("          {} entries {what}", number(name)))?;
            }
        }
        for finding in findings {
            let number = |name: &str| finding.get(name).and_then(Value::as_u64).unwrap_or_default();
            let kind = finding.get("kind").and_then(Value::as_str).unwrap_or("?");
            output.line(&format!("          {kind}: entries {} to {}", number("first"), number("last")))?;
        }
    }
    for finding in report.get("keys").and_then(Value::as_array).into_iter().flatten() {
        let problem = finding.get("problem").and_then(Value::as_str).unwrap_or("?");
        output.line(&format!("keys      NOT VALID  {problem}"))?;
    }
    for lost in report.get("lost").and_then(Value::as_array).into_iter().flatten() {
        let number = |name: &str| lost.get(name).and_then(Value::as_u64).unwrap_or_default();
        let text = |name: &str| lost.get(name).and_then(Value::as_str).unwrap_or("?");
        output.line(&format!(
            "{:<9} RESTORED from a backup, says anchor {} of {}: entries {} to {} were anchored before, and are lost",
            text("log"),
            number("anchor"),
            text("time"),
            number("first"),
            number("last"),
        ))?;
    }
    Ok(())
}

fn proof(file: &Path, key: &PublicKey, form: Form, output: &mut Output) -> Result<(), Failure> {
    let text = fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
    let proven = prove::check(&text, key).map_err(|error| Failure::NotProven(error.to_string()))?;
    let entry = proven.to_json().unwrap_or_else(|| "null".to_owned());
    let (origin, size, seq) = (&proven.checkpoint.origin, proven.checkpoint.size, proven.seq);
    if form == Form::Json {
        let entry: Value = serde_json::from_str(&entry).unwrap_or_default();
        let proven = serde_json::json!({ "valid": true, "origin": origin, "size": size, "seq": seq, "entry": entry });
        return output.line(&proven.to_string());
    }
    output.line(&format!("valid: entry {seq} of the {size} of {origin}"))?;
    output.line(&entry)
}

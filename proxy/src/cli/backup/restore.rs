//! `vestibule backup restore`.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use jiff::Timestamp;
use serde_json::{Value, json};
use vestibule_auth::session::State as SessionState;
use vestibule_auth::sso::NoBackChannel;
use vestibule_auth::{Auth, Clock, SessionFilter, SystemClock};
use vestibule_config::anchors::Anchors;
use vestibule_logstore::anchor::{self, Anchor, Kept};
use vestibule_logstore::note::PublicKey;
use vestibule_logstore::{Log, Store, verify};

use super::{SYNC, commit, must_be_empty};
use crate::anchors::{self, Read};
use crate::audit;
use crate::backup::manifest::Manifest;
use crate::backup::{RESTORING, files};
use crate::cli::bar::Bar;
use crate::cli::failure::Failure;
use crate::cli::output::{Output, say};
use crate::cli::verify::{is_valid, key as named_key, of_folder, page};
use crate::cli::{Global, files as configuration, places};
use crate::server::open_logs;
use crate::signing;

/// What the places of anchors know of the store.
#[derive(Default)]
struct Known {
    /// The latest of all places.
    anchors: Vec<Kept>,
    /// Of each place the number after its last one.
    next: Vec<(String, u64)>,
}

/// Verifies the backup, puts it into the data folder, and writes down what was lost since it was made.
pub(super) fn run(dir: &Path, key: Option<&str>, global: &Global, output: &mut Output) -> Result<(), Failure> {
    let settings = configuration::load(&configuration::path(global)?).map_err(Failure::Invalid)?;
    let data_dir = &settings.server.data_dir;
    must_be_empty(data_dir)?;
    let key = key.map(named_key).transpose()?;
    let manifest = verified(dir, global)?;
    let report = of_folder(dir, key, None, None, global)?;
    page(&report, output)?;
    if !is_valid(&report) {
        return Err(Failure::Unsound);
    }
    let key = PublicKey::parse(&manifest.key).map_err(|error| Failure::failed(format!("the backup's key: {error}")))?;
    let of_backup = verify::known(&dir.join("logs")).context("reading the backup's logs")?;
    let known = known(&settings.logs.anchors, &of_backup, &key, global)?;
    put_back(dir, data_dir, &manifest, global)?;
    let kept = Log::ALL.map(|log| report.pointer(&format!("/logs/{}/end", log.name())).and_then(Value::as_u64));
    let anchors = &settings.logs.anchors;
    let told = go_on(data_dir, manifest.time, kept.map(Option::unwrap_or_default), &known, anchors)?;
    fs::remove_dir(data_dir.join(RESTORING)).context("finishing")?;
    told.iter().try_for_each(|line| output.line(line))?;
    output.line(&format!("restored into {}, as of {}", data_dir.display(), manifest.time))
}

/// Every file of it is what was written.
fn verified(dir: &Path, global: &Global) -> Result<Manifest, Failure> {
    let manifest = Manifest::read(dir)?;
    let (mut bar, mut bytes) = (Bar::new(global), 0);
    let checked = manifest.check(dir, &mut |part| {
        bytes += part;
        bar.draw(0, None, Some(bytes));
    });
    bar.clear();
    checked.map_err(|error| Failure::NotProven(format!("{error:#}")))?;
    Ok(manifest)
}

/// Asks every place of the configuration: numbers that were given out since are not given out again.
fn known(anchors: &Anchors, of_backup: &verify::Known, key: &PublicKey, global: &Global) -> Result<Known, Failure> {
    let mut known = Known::default();
    for place in &anchors.to {
        let name = place.to_text();
        let Read { mut texts, unlocked: _ } = places::read(&name, &Anchor::names(of_backup.store), global)?;
        texts.sort();
        let sound = anchor::check(&texts, of_backup.store, key, &of_backup.successions).map_err(|broken| {
            broken.iter().for_each(|broken| say(global, &format!("error: {name}: {broken}")));
            Failure::Unsound
        })?;
        let there: Vec<Kept> =
            sound.anchors.iter().zip(texts).map(|(it, (_, text))| Kept { number: it.number, text }).collect();
        known.next.push((name, there.last().map_or(0, |last| last.number + 1)));
        if there.last().map(|last| last.number) > known.anchors.last().map(|last| last.number) {
            known.anchors = there;
        }
    }
    Ok(known)
}

/// What is in the folder is not whole until [`RESTORING`] is gone; no server starts on it.
fn put_back(dir: &Path, data_dir: &Path, manifest: &Manifest, global: &Global) -> Result<(), Failure> {
    if !data_dir.exists() {
        files::make_folder(data_dir).with_context(|| format!("making {}", data_dir.display()))?;
    }
    files::make_folder(&data_dir.join(RESTORING)).with_context(|| format!("writing into {}", data_dir.display()))?;
    let (mut bar, mut bytes) = (Bar::new(global), 0);
    for (number, kept) in manifest.files.iter().enumerate() {
        let copied = files::copy_below(dir, data_dir, &kept.path, &mut |part| {
            bytes += part;
            bar.draw(number as u64, Some(manifest.files.len() as u64), Some(bytes));
        });
        kept.is(&copied.with_context(|| format!("copying {}", kept.path.display()))?)?;
    }
    bar.clear();
    Ok(files::sync(data_dir).with_context(|| format!("writing {}", data_dir.display()))?)
}

/// Opens what was put back: ends its sessions, takes the anchors that are younger, and declares what is lost.
fn go_on(
    data_dir: &Path,
    time: Timestamp,
    kept: [u64; 3],
    known: &Known,
    anchors: &Anchors,
) -> anyhow::Result<Vec<String>> {
    let clock = Arc::new(SystemClock::default());
    let auth = Auth::open(data_dir, clock.clone(), Arc::new(NoBackChannel))?;
    let all = SessionFilter { id: None, email: None, circuit: None };
    let sessions = auth.sessions().end(&all, SessionState::Revoked)?.len();
    auth.close()?;

    let store = open_logs(data_dir, SYNC)?;
    signing::settle(data_dir, &store)?;
    let signer = signing::load(data_dir)?;
    let own = store.last_anchor()?.map(|last| last.number);
    let younger: Vec<_> = known.anchors.iter().filter(|there| Some(there.number) > own).cloned().collect();
    store.adopt(&younger)?;
    for (place, next) in &known.next {
        store.set_next_anchor_of(place, (*next).max(store.next_anchor_of(place)?))?;
    }
    let lost = lost(&younger, kept);
    let of_logs = Log::ALL.iter().zip(kept).map(|(log, kept)| (log.name().to_owned(), kept.into()));
    let details = json!({
        "backup": time,
        "entries": of_logs.collect::<serde_json::Map<_, _>>(),
        "younger_anchors": younger.len(),
        "sessions_ended": sessions,
        "lost": lost.iter().map(|(log, last)| (log.name().to_owned(), json!(last))).collect::<serde_json::Map<_, _>>(),
    });
    commit(&store, &audit::of_command("log.restore", "backup", clock.now(), &details.to_string()))?;
    declare(&store, &signer, &*clock, kept, known)?;
    let behind = anchors::send_from(&store, anchors, clock.now());
    store.close()?;
    let lines = lost
        .iter()
        .map(|(log, last)| format!("{}: entries up to {last} were anchored since, and are lost", log.name()));
    let waits = behind.iter().map(|(place, why)| format!("{place} is told of it when the server starts: {why:#}"));
    Ok(lines.chain([format!("{sessions} sessions ended")]).chain(waits).collect())
}

/// Where anchors go, the next one says what each log kept.
fn declare(
    store: &Store,
    signer: &vestibule_logstore::note::Signer,
    clock: &dyn Clock,
    kept: [u64; 3],
    known: &Known,
) -> anyhow::Result<()> {
    if known.next.is_empty() {
        return Ok(store.sign(signer, clock.now())?);
    }
    store.anchor_restored(signer, clock.now(), kept)?;
    Ok(())
}

/// Of each log that lost something the position of the last entry that an anchor tells of.
fn lost(younger: &[Kept], kept: [u64; 3]) -> Vec<(Log, u64)> {
    let heads = younger.iter().filter_map(|kept| serde_json::from_str::<Anchor>(&kept.text).ok());
    let heads: Vec<_> = heads.map(|anchor| anchor.heads).collect();
    let of = |(log, kept): (Log, u64)| {
        let sizes = heads.iter().filter_map(|heads| heads.of(log).lines().nth(1)?.parse::<u64>().ok());
        sizes.max().filter(|size| *size > kept).map(|size| (log, size - 1))
    };
    Log::ALL.into_iter().zip(kept).filter_map(of).collect()
}

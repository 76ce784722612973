//! What is known of the soundness of the logs, and what an auditor can have proven.

use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tokio::sync::Semaphore;
use tokio::task::{JoinError, JoinHandle, spawn_blocking};
use tokio::time::{sleep, timeout};
use vestibule_config::alert::Occasion;
use vestibule_logstore::query::moment;
use vestibule_logstore::succession::{CHANGED, Keys, Succeeded};
use vestibule_logstore::verify::{self, Extent, LogReport, Progress, Report};
use vestibule_logstore::{Error, Log, checkpoint};

use super::change::{self, Change};
use super::door::Call;
use super::logs::{QUEUED, off_the_runtime};
use super::problem::Problem;
use super::status::{json as answer, rfc3339_us};
use super::stream::{Feed, Gone};
use crate::audit::Act;
use crate::{alerts, anchors};

/// A verification reads everything there is; one more waits up to [`QUEUED`], then gets 503.
pub(super) const VERIFICATIONS_AT_ONCE: usize = 1;

/// It says how far it is.
const SAY_EVERY: Duration = Duration::from_secs(1);

/// `GET /api/v1/integrity`: segments that cannot be read, what is signed, and by which key.
pub(super) async fn state(call: Call) -> Result<Response, Problem> {
    call.without_parameters()?;
    Ok(answer(known(&call).await?.to_string()))
}

/// What the logs are, and what is signed of them.
pub(super) async fn known(call: &Call) -> Result<Value, Problem> {
    let state = call.port.state.clone();
    let known = off_the_runtime(call, move || {
        let heads = state.store.heads().map_err(|error| Problem::internal(&error))?;
        let (key, store) = (state.signer.read().public_key(), state.store.uuid());
        let successions = state.store.successions().map_err(|error| Problem::internal(&error))?;
        let logs = Log::ALL.into_iter().zip(heads).map(|(log, head)| {
            let known = json!({
                "entries": state.store.end(log),
                "signed": head.as_ref().map(|head| head.size),
                "signed_at": head.as_ref().map(|head| rfc3339_us(head.time)),
                "key": checkpoint::log_key(&key, store, log),
            });
            (log.name().to_owned(), known)
        });
        let logs: Map<String, Value> = logs.collect();
        let quarantined: Vec<Value> = state
            .store
            .quarantined()
            .into_iter()
            .map(|it| json!({ "log": it.log.name(), "first": it.first, "last": it.last, "fault": it.fault }))
            .collect();
        let live = state.live.load();
        let places = live.settings.logs.anchors.to.iter().map(|place| {
            let place = place.to_text();
            let next = state.store.next_anchor_of(&place).map_err(|error| Problem::internal(&error))?;
            Ok(json!({ "error": state.anchoring.error(&place), "anchors": next, "place": place }))
        });
        Ok(json!({
            "anchors": places.collect::<Result<Vec<_>, Problem>>()?,
            "sound": quarantined.is_empty() && state.scrub.is_sound(),
            "scrub": state.scrub.shown(live.settings.logs.scrub),
            "quarantined": quarantined,
            "key": key.print(&checkpoint::name(store)),
            "successions": successions,
            "logs": logs,
        }))
    });
    known.await
}

/// `GET /api/v1/integrity/checkpoint?log=`: the latest signed head, as a signed note.
pub(super) async fn head(call: Call) -> Result<Response, Problem> {
    let log = match call.parameters.as_slice() {
        [(name, value)] if name == "log" => Log::ALL.into_iter().find(|log| log.name() == value),
        _ => None,
    };
    let Some(log) = log else {
        let (name, _) = call.parameters.iter().find(|(name, _)| name != "log").cloned().unwrap_or_default();
        let name = if name.is_empty() { "log" } else { &name };
        return Err(Problem::bad_parameter(name, "write log=access, log=requests or log=audit, and nothing else"));
    };
    let store = call.port.state.store.clone();
    let heads = off_the_runtime(&call, move || store.heads().map_err(|error| Problem::internal(&error))).await?;
    let head = Log::ALL.into_iter().zip(heads).find_map(|(known, head)| if known == log { head } else { None });
    let note = head.ok_or_else(|| Problem::not_found("no head of this log has been signed yet"))?.note;
    let mut response = Response::new(note.into());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    Ok(response)
}

/// `GET /api/v1/integrity/anchors?from=`: those that were made, by number, at most 100.
pub(super) async fn anchors(call: Call) -> Result<Response, Problem> {
    let from = match call.parameters.as_slice() {
        [] => Some(0),
        [(name, value)] if name == "from" => value.parse().ok(),
        _ => None,
    };
    let from = from.ok_or_else(|| Problem::bad_parameter("from", "write from=N, a number, and nothing else"))?;
    let store = call.port.state.store.clone();
    let kept = off_the_runtime(&call, move || store.anchors(from).map_err(|error| Problem::internal(&error))).await?;
    let data: Vec<Value> = kept.iter().filter_map(|kept| serde_json::from_str(&kept.text).ok()).collect();
    Ok(answer(json!({ "data": data }).to_string()))
}

/// `POST /api/v1/integrity/anchors`: one more, now.
pub(super) async fn anchor(call: Call) -> Result<Response, Problem> {
    call.without_parameters()?;
    let mut response = answer(make_anchor(&call).await?);
    *response.status_mut() = StatusCode::CREATED;
    Ok(response)
}

/// The text of the one that was made.
pub(super) async fn make_anchor(call: &Call) -> Result<String, Problem> {
    let state = call.port.state.clone();
    if state.live.load().settings.logs.anchors.to.is_empty() {
        let detail = "anchors go nowhere; name a place in [logs.anchors] to";
        return Err(Problem::new(StatusCode::CONFLICT, "no_place", detail));
    }
    let made = off_the_runtime(call, move || anchors::now(&state, "asked").map_err(|error| Problem::internal(&*error)));
    let made = made.await?.ok_or_else(|| Problem::busy("the logs cannot be signed now"))?;
    let resource = made.number.to_string();
    let act = Act {
        actor: &call.actor,
        action_type: "security",
        action: "log.anchor",
        resource_type: "log",
        resource: Some(&resource),
        status: "success",
        http_status: Some(201),
        before: None,
        after: None,
        details: None,
        count: 1,
    };
    act.commit(&call.port.state).await?;
    Ok(made.text)
}

/// `POST /api/v1/integrity/key`: a new key signs from now on, and the old one says so and is destroyed.
pub(super) async fn change_key(call: Call) -> Result<Response, Problem> {
    call.without_parameters()?;
    change::must_be_writable(&call)?;
    let state = call.port.state.clone();
    let changed = off_the_runtime(&call, move || {
        let is_anchored = !state.live.load().settings.logs.anchors.to.is_empty();
        let changed = state.signer.change(&state.store, state.clock.now(), is_anchored);
        let changed = changed.map_err(|error| Problem::internal(&*error))?;
        Ok((changed, state.signer.read().public_key().print(&checkpoint::name(state.store.uuid()))))
    });
    let (changed, key) = changed.await?;
    let Succeeded { number, anchor } = changed.ok_or_else(|| Problem::busy("the key cannot be changed now"))?;
    let anchor = anchor.map(|anchor| anchor.number);
    let told = json!({ "succession": number, "key": key, "anchor": anchor });
    let change = Change {
        action_type: "security",
        action: CHANGED,
        resource_type: "secret",
        resource: "checkpoint_key",
        status: StatusCode::CREATED,
        before: None,
        after: None,
        details: Some(&told),
    };
    change.record(&call).await?;
    if anchor.is_some() {
        let state = call.port.state.clone();
        off_the_runtime(&call, move || anchors::tell(&state).map_err(|error| Problem::internal(&*error))).await?;
    }
    Ok(change::created(&told))
}

/// `POST /api/v1/integrity/verify?since=`: every hash again, or those of segments with entries since then. Lines of
/// JSON: how far it is, every second, and the report.
pub(super) async fn verify(call: Call) -> Result<Response, Problem> {
    let since = match call.parameters.as_slice() {
        [] => Some(None),
        [(name, value)] if name == "since" => moment(value, call.actor.started).map(Some),
        _ => None,
    };
    let since = since.ok_or_else(|| Problem::bad_parameter("since", "write a time, or 24h, and nothing else"))?;
    let running = begin(&call, since).await?;
    let (feed, body) = Feed::new();
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    tokio::spawn(async move {
        let progress = running.progress.clone();
        // Nobody reads the answer any more.
        tell(running, feed, call).await.unwrap_or_else(|Gone| progress.stop());
    });
    Ok(response)
}

/// A verification that was begun.
struct Running {
    task: JoinHandle<Result<Report, Error>>,
    progress: Arc<Progress>,
    /// Entries that it will have looked at.
    total: u64,
}

async fn begin(call: &Call, since: Option<Timestamp>) -> Result<Running, Problem> {
    let turn = timeout(QUEUED, call.port.verifications.clone().acquire_owned());
    let Ok(Ok(turn)) = turn.await else { return Err(Problem::busy("a verification runs already")) };
    let state = call.port.state.clone();
    let now = state.clock.now();
    // So that what is there now is under a head.
    let signed = state.clone();
    let signed = off_the_runtime(call, move || {
        signed.store.sign(&signed.signer.read(), now).map_err(|error| Problem::internal(&error))
    });
    signed.await?;
    let progress = Arc::new(Progress::default());
    let total = state.store.figures().kept.iter().map(|(_, entries)| entries).sum();
    let told = progress.clone();
    let task = spawn_blocking(move || {
        let _turn = turn;
        let (own, name) = (state.signer.read().public_key(), checkpoint::name(state.store.uuid()));
        let first = Keys::first(own, &name, &state.store.successions()?);
        verify::store(&state.store, &first, None, Extent { threads: 1, since }, &told)
    });
    Ok(Running { task, progress, total })
}

async fn tell(mut running: Running, feed: Feed, call: Call) -> Result<(), Gone> {
    let done = loop {
        tokio::select! {
            done = &mut running.task => break done,
            () = sleep(SAY_EVERY) => {
                let line = json!({ "entries": running.progress.entries(), "of": running.total });
                feed.put(format!("{line}\n")).await?;
            }
        }
    };
    let Some(report) = report(done) else { return Ok(()) };
    let shown = shown(&report);
    record(&call, &report, &shown).await;
    feed.put(format!("{shown}\n")).await?;
    feed.finish().await
}

/// None where it could not be made; the server's log says why.
fn report(done: Result<Result<Report, Error>, JoinError>) -> Option<Report> {
    match done {
        Ok(Ok(report)) => return Some(report),
        Ok(Err(error)) => {
            tracing::error!(error = &error as &dyn std::error::Error, "the logs could not be verified");
        }
        Err(error) => tracing::error!(%error, "the logs could not be verified"),
    }
    None
}

/// The verification that somebody asked for at a page, which does not wait for its end.
#[derive(Debug, Default)]
pub(super) enum Watched {
    /// Nobody did since the start.
    #[default]
    Never,
    /// It runs.
    Running {
        /// Entries that it has looked at.
        progress: Arc<Progress>,
        /// Of so many.
        total: u64,
    },
    /// What it found.
    Done {
        /// When it ended.
        time: Timestamp,
        /// As the API says it; none where it could not be made.
        report: Option<Value>,
    },
}

/// Begins one that goes on without whoever asked.
pub(super) async fn verify_beside(call: Call) -> Result<(), Problem> {
    let running = begin(&call, None).await?;
    let (progress, total) = (running.progress.clone(), running.total);
    *call.port.watched.lock() = Watched::Running { progress, total };
    tokio::spawn(async move {
        let report = report(running.task.await);
        let shown = report.as_ref().map(shown);
        if let (Some(report), Some(shown)) = (&report, &shown) {
            record(&call, report, shown).await;
        }
        let time = call.port.state.clock.now();
        *call.port.watched.lock() = Watched::Done { time, report: shown };
    });
    Ok(())
}

/// Whoever verifies the logs leaves an entry, and what is wrong is an alert.
async fn record(call: &Call, report: &Report, shown: &Value) {
    if !report.is_valid() {
        let details = json!({ "problem": "not valid", "report": shown });
        alerts::raise(&call.port.state, Occasion::Verification, "logs", details);
    }
    let details = shown.to_string();
    let act = Act {
        actor: &call.actor,
        action_type: "security",
        action: "log.verify",
        resource_type: "log",
        resource: None,
        status: if report.is_valid() { "success" } else { "alert" },
        http_status: Some(200),
        before: None,
        after: None,
        details: Some(&details),
        count: 1,
    };
    if let Err(error) = act.commit(&call.port.state).await {
        tracing::error!(error = &error as &dyn std::error::Error, "a verification was not recorded");
    }
}

/// As the command line and the endpoint say it.
pub(crate) fn shown(report: &Report) -> Value {
    let logs: Map<String, Value> = report.logs.iter().map(|log| (log.log.name().to_owned(), of_log(log))).collect();
    let keys: Vec<Value> = report
        .keys
        .iter()
        .map(
            |finding| json!({ "kind": finding.name(), "succession": finding.number(), "problem": finding.to_string() }),
        )
        .collect();
    json!({
        "valid": report.is_valid(),
        "store": report.store.to_string(),
        "logs": logs,
        "successions": report.successions,
        "keys": keys,
    })
}

fn of_log(log: &LogReport) -> Value {
    let findings = log.findings.iter();
    let findings: Vec<Value> = findings
        .map(|finding| json!({ "kind": finding.kind.name(), "first": finding.first, "last": finding.last }))
        .collect();
    json!({
        "valid": log.findings.is_empty(),
        "entries": log.end - log.first,
        "first": log.first,
        "end": log.end,
        "first_time": log.times.map(|(first, _)| rfc3339_us(first)),
        "last_time": log.times.map(|(_, last)| rfc3339_us(last)),
        "root": log.root.iter().map(|byte| format!("{byte:02x}")).collect::<String>(),
        "checkpoints": log.checkpoints,
        "signed": log.signed,
        "erased": log.erased,
        "unread": log.unread,
        "findings": findings,
    })
}

/// Turns of verifications.
pub(super) fn turns() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(VERIFICATIONS_AT_ONCE))
}

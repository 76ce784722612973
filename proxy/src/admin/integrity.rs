//! What is known of the soundness of the logs, and what an auditor can have proven.

use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use serde_json::{Map, Value, json};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{sleep, timeout};
use vestibule_logstore::query::moment;
use vestibule_logstore::verify::{self, Extent, LogReport, Progress, Report};
use vestibule_logstore::{Error, Log, checkpoint};

use super::door::Call;
use super::logs::{QUEUED, off_the_runtime};
use super::problem::Problem;
use super::status::{json as answer, rfc3339_us};
use super::stream::{Feed, Gone};
use crate::anchors;
use crate::audit::Act;
use crate::state::State;

/// A verification reads everything there is; one more waits up to [`QUEUED`], then gets 503.
pub(super) const VERIFICATIONS_AT_ONCE: usize = 1;

/// It says how far it is.
const SAY_EVERY: Duration = Duration::from_secs(1);

/// `GET /api/v1/integrity`: segments that cannot be read, what is signed, and by which key.
pub(super) async fn state(call: Call) -> Result<Response, Problem> {
    call.without_parameters()?;
    let state = call.port.state.clone();
    let body = off_the_runtime(&call, move || {
        let heads = state.store.heads().map_err(|error| Problem::internal(&error))?;
        let (key, store) = (state.signer.public_key(), state.store.uuid());
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
        Ok(json!({
            "sound": quarantined.is_empty(),
            "quarantined": quarantined,
            "key": key.print(&checkpoint::name(store)),
            "logs": logs,
        }))
    });
    Ok(answer(body.await?.to_string()))
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
    let state = call.port.state.clone();
    if state.live.load().settings.logs.anchors.to.is_empty() {
        let detail = "anchors go nowhere; name a place in [logs.anchors] to";
        return Err(Problem::new(StatusCode::CONFLICT, "no_place", detail));
    }
    let made =
        off_the_runtime(&call, move || anchors::now(&state, "asked").map_err(|error| Problem::internal(&*error)));
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
    let mut response = answer(made.text);
    *response.status_mut() = StatusCode::CREATED;
    Ok(response)
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
    let turn = timeout(QUEUED, call.port.verifications.clone().acquire_owned());
    let Ok(Ok(turn)) = turn.await else { return Err(Problem::busy("a verification runs already")) };
    let state = call.port.state.clone();
    let signed = state.clone();
    let now = state.clock.now();
    // So that what is there now is under a head.
    let signed = off_the_runtime(&call, move || {
        signed.store.sign(&signed.signer, now).map_err(|error| Problem::internal(&error))
    });
    signed.await?;
    let progress = Arc::new(Progress::default());
    let (told, work) = (progress.clone(), state.clone());
    let running = spawn_blocking(move || {
        let _turn = turn;
        verify::store(&work.store, &work.signer.public_key(), &[], Extent { threads: 1, since }, &told)
    });
    let (feed, body) = Feed::new();
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    tokio::spawn(async move {
        let told = tell(&state, running, &progress, feed, call).await;
        // Nobody reads the answer any more.
        told.unwrap_or_else(|Gone| progress.stop());
    });
    Ok(response)
}

async fn tell(
    state: &State,
    mut running: JoinHandle<Result<Report, Error>>,
    progress: &Progress,
    feed: Feed,
    call: Call,
) -> Result<(), Gone> {
    let total: u64 = state.store.figures().kept.iter().map(|(_, entries)| entries).sum();
    let done = loop {
        tokio::select! {
            done = &mut running => break done,
            () = sleep(SAY_EVERY) => {
                feed.put(format!("{}\n", json!({ "entries": progress.entries(), "of": total }))).await?;
            }
        }
    };
    let report = match done {
        Ok(Ok(report)) => report,
        Ok(Err(error)) => {
            tracing::error!(error = &error as &dyn std::error::Error, "the logs could not be verified");
            return Ok(());
        }
        Err(error) => {
            tracing::error!(%error, "the logs could not be verified");
            return Ok(());
        }
    };
    let shown = shown(&report);
    record(state, &call, &report, &shown).await;
    feed.put(format!("{shown}\n")).await?;
    feed.finish().await
}

/// Whoever verifies the logs leaves an entry, and what is wrong is an alert.
async fn record(state: &State, call: &Call, report: &Report, shown: &Value) {
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
    if let Err(error) = act.commit(state).await {
        tracing::error!(error = &error as &dyn std::error::Error, "a verification was not recorded");
    }
}

/// As the command line and the endpoint say it.
pub(crate) fn shown(report: &Report) -> Value {
    let logs: Map<String, Value> = report.logs.iter().map(|log| (log.log.name().to_owned(), of_log(log))).collect();
    json!({ "valid": report.is_valid(), "store": report.store.to_string(), "logs": logs })
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

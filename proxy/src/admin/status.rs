//! Figures: for people and programs, and for Prometheus.

use axum::body::Body;
use axum::response::Response;
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use jiff::Timestamp;
use serde_json::{Value, json};
use vestibule_logstore::Log;

use super::door::Call;
use super::logs::off_the_runtime;
use super::problem::Problem;
use crate::certificates;
use crate::metrics::Held;
use crate::reload::{Last, Outcome, Unwritable, problems};

/// `GET /metrics`.
pub(super) fn metrics(call: &Call) -> Result<Response, Problem> {
    call.without_parameters()?;
    let state = &call.port.state;
    state.metrics.lasting(state.lasting.tunnels(), state.lasting.others());
    let live = state.live.load();
    let (tls, now) = (&live.settings.tls, state.clock.now());
    state.metrics.certificates(certificates::seconds_left(&state.certificates, tls, now));
    state.metrics.renewals(certificates::seconds_to_renewal(&state.certificates, tls, now));
    let page = state.metrics.encode(&Held {
        store: &state.store.figures(),
        auth: &state.auth.figures(),
        routes: &live.routes,
        opened: &state.opened,
        remembered_refusals: state.refused.count(),
        waiting_machines: state.turns.waiting(),
        throttled_addresses: call.port.throttle.addresses(),
        admin_sign_ins: call.port.sign_ins.count(state.clock.elapsed()),
        anchor_age: state.anchoring.age(state.clock.now()),
        anchor_failures: state.anchoring.failures(),
        waiting_mails: state.mailer.waiting(),
        waiting_alerts: state.alerts.waiting(),
        scrub: state.scrub.figures(state.clock.now()),
    });
    let mut response = Response::new(Body::from(page));
    let openmetrics = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, openmetrics);
    Ok(response)
}

/// `GET /api/v1/status`.
pub(super) async fn status(call: Call) -> Result<Response, Problem> {
    call.without_parameters()?;
    Ok(json(state(&call).await?.to_string()))
}

/// What the program is, has and does.
pub(super) async fn state(call: &Call) -> Result<Value, Problem> {
    let store = call.port.state.store.clone();
    let heads = off_the_runtime(call, move || store.heads().map_err(|error| Problem::internal(&error))).await?;
    let state = &call.port.state;
    let live = state.live.load();
    let (store, auth) = (state.store.figures(), state.auth.figures());
    let now = state.clock.now();
    let uptime = now.duration_since(call.port.started).as_secs();
    let entries: serde_json::Map<_, _> = store.entries.iter().map(|(log, n)| ((*log).to_owned(), json!(n))).collect();
    let dropped: serde_json::Map<_, _> = store.dropped.iter().map(|(log, n)| ((*log).to_owned(), json!(n))).collect();
    let kept: serde_json::Map<_, _> = store.kept.iter().map(|(log, n)| ((*log).to_owned(), json!(n))).collect();
    let heads = Log::ALL.into_iter().zip(&heads).map(|(log, head)| {
        let head = head.as_ref().map(|head| json!({ "size": head.size, "signed_at": rfc3339_us(head.time) }));
        (log.name().to_owned(), json!(head))
    });
    let circuits = &live.settings.circuits;
    Ok(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "time": rfc3339(now),
        "started": rfc3339(call.port.started),
        "uptime_seconds": uptime,
        "stopping": *state.stopping.borrow(),
        "revision": &*live.settings.revision,
        "revision_since": rfc3339(live.since),
        "config": state.config_path.display().to_string(),
        "last_reload": state.reloads.last().map(|last| last_reload(&last)),
        "circuits": circuits.len(),
        "circuits_enabled": circuits.values().filter(|circuit| circuit.enabled).count(),
        "sessions": auth.sessions,
        "geo_ready": live.policy.geo_ready(),
        "state": { "sound": state.auth.damage().is_none(), "cause": state.auth.damage() },
        "store": {
            "writable": state.store.writable(),
            "cause": state.store.unwritable(),
            "bytes": store.bytes,
            "entries": entries,
            "kept": kept,
            "dropped": dropped,
            "quarantined": store.quarantined,
            "disk": {
                "free": store.disk.free,
                "size": store.disk.size,
                "mark": store.disk.mark.name(),
                "ballast": store.disk.ballast,
            },
        },
        "queue": store.queue_depth,
        "tree_heads": heads.collect::<serde_json::Map<_, _>>(),
        "anchor_age_seconds": state.anchoring.age(now),
        "certificates": certificates::of_all(&state.certificates, &live.settings.tls, now),
    }))
}

fn last_reload(last: &Last) -> Value {
    let (problems, needs_restart) = match &last.outcome {
        Outcome::Applied { needs_restart, .. } => (Vec::new(), needs_restart.as_slice()),
        Outcome::Unchanged { .. } => (Vec::new(), [].as_slice()),
        Outcome::Refused(report) => (problems(report), [].as_slice()),
        Outcome::Unwritable(Unwritable { why, .. }) => (vec![json!({ "message": why })], [].as_slice()),
        Outcome::Moved { .. } => (Vec::new(), [].as_slice()),
        Outcome::Unrecorded(unavailable) => (vec![json!({ "message": unavailable.to_string() })], [].as_slice()),
    };
    json!({
        "time": rfc3339(last.time),
        "successful": last.outcome.successful(),
        "cause": last.cause.code(),
        "problems": problems,
        "needs_restart": needs_restart,
    })
}

/// To the microsecond, as in the logs.
pub(super) fn rfc3339(time: Timestamp) -> String {
    format!("{time:.6}")
}

/// The same, of microseconds since 1970.
pub(super) fn rfc3339_us(micros: i64) -> String {
    rfc3339(Timestamp::from_microsecond(micros).unwrap_or_default())
}

/// An answer that is JSON already.
pub(super) fn json(body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

//! Whether the logs are whole: signed heads, anchors, verification.

use askama::Template;
use axum::response::Response;
use serde_json::Value;

use super::table::{Cell, Line, Table};
use super::{Frame, deed, html, see, value, without_parameters};
use crate::admin::door::Call;
use crate::admin::integrity::{self, Watched};
use crate::admin::logs::off_the_runtime;
use crate::admin::problem::Problem;

/// While a verification runs, the page loads itself again after so many seconds.
const WATCH: u32 = 2;

/// The newest anchors.
const ANCHORS: u64 = 20;

#[derive(Template)]
#[template(path = "integrity.html")]
struct IntegrityPage {
    frame: Frame,
    sound: bool,
    key: String,
    logs: Table,
    quarantined: Table,
    anchors: Table,
    has_places: bool,
    watched: String,
    report: Option<Table>,
    is_bad: bool,
    runs: bool,
}

/// `GET /integrity`.
pub(in crate::admin) async fn page(call: Call) -> Result<Response, Problem> {
    without_parameters(&call)?;
    let known = integrity::known(&call).await?;
    let anchors = anchors(&call).await?;
    let mut page = IntegrityPage {
        frame: Frame::of(&call, "Integrity"),
        sound: known.get("sound").and_then(Value::as_bool).unwrap_or_default(),
        key: text(&known, "key"),
        logs: logs(&known),
        quarantined: quarantined(&known),
        anchors,
        has_places: !call.port.state.live.load().settings.logs.anchors.to.is_empty(),
        watched: String::new(),
        report: None,
        is_bad: false,
        runs: false,
    };
    page.tell(&call.port.watched.lock());
    Ok(html(&page))
}

impl IntegrityPage {
    fn tell(&mut self, watched: &Watched) {
        match watched {
            Watched::Never => (),
            Watched::Running { progress, total } => {
                let (done, total) = (value::count(progress.entries()), value::count(*total));
                self.watched = format!("A verification runs: {done} of {total} entries.");
                self.frame.refresh = Some(WATCH);
                self.runs = true;
            }
            Watched::Done { time, report: None } => {
                let time = value::timestamp(*time);
                self.watched =
                    format!("The verification that ended at {time} could not be made; the server's log says why.");
                self.is_bad = true;
            }
            Watched::Done { time, report: Some(report) } => {
                let valid = report.get("valid").and_then(Value::as_bool).unwrap_or_default();
                let how =
                    if valid { "Every entry is as it was signed" } else { "The logs are not as they were signed" };
                self.watched = format!("{how}: verified at {} UTC.", value::timestamp(*time));
                self.is_bad = !valid;
                self.report = Some(findings(report));
            }
        }
    }
}

fn text(of: &Value, name: &str) -> String {
    super::circuits::shown(of.get(name).unwrap_or(&Value::Null))
}

fn time(of: &Value, name: &str) -> String {
    text(of, name).replace('T', " ").chars().take(19).collect()
}

fn number(of: &Value, name: &str) -> String {
    of.get(name).and_then(Value::as_u64).map(value::count).unwrap_or_default()
}

fn logs(known: &Value) -> Table {
    let logs = known.get("logs").and_then(Value::as_object).into_iter().flatten();
    let row = |(log, known): (&String, &Value)| {
        Line::of(vec![
            Cell::link(log, format!("/logs/{log}")),
            Cell::number(number(known, "entries")),
            Cell::number(number(known, "signed")),
            Cell::text(time(known, "signed_at")),
            Cell::text(text(known, "key")),
        ])
    };
    Table {
        caption: "Signed heads",
        heads: vec!["Log", "Entries", "Signed", "At (UTC)", "Key of the log"],
        rows: logs.map(row).collect(),
        empty: "",
    }
}

fn quarantined(known: &Value) -> Table {
    let parts = known.get("quarantined").and_then(Value::as_array).into_iter().flatten();
    let row = |part: &Value| {
        Line::of(vec![
            Cell::text(text(part, "log")),
            Cell::number(number(part, "first")),
            Cell::number(number(part, "last")),
            Cell::text(text(part, "fault")),
        ])
    };
    Table {
        caption: "Parts that cannot be read",
        heads: vec!["Log", "From", "To", "Fault"],
        rows: parts.map(row).collect(),
        empty: "Every part of the logs can be read.",
    }
}

async fn anchors(call: &Call) -> Result<Table, Problem> {
    let store = call.port.state.store.clone();
    let kept = off_the_runtime(call, move || {
        let internal = |error: vestibule_logstore::Error| Problem::internal(&error);
        let last = store.last_anchor().map_err(internal)?.map_or(0, |last| last.number);
        store.anchors((last + 1).saturating_sub(ANCHORS)).map_err(internal)
    });
    let row = |kept: &vestibule_logstore::anchor::Kept| {
        let anchor: Value = serde_json::from_str(&kept.text).unwrap_or_default();
        Line::of(vec![
            Cell::number(value::count(kept.number)),
            Cell::text(time(&anchor, "time")),
            Cell::text(text(&anchor, "cause")),
            Cell::text(text(&anchor, "previous")),
        ])
    };
    Ok(Table {
        caption: "Anchors",
        heads: vec!["Number", "Time (UTC)", "Cause", "Hash of the one before"],
        rows: kept.await?.iter().rev().map(row).collect(),
        empty: "No anchor was made yet.",
    })
}

fn findings(report: &Value) -> Table {
    let logs = report.get("logs").and_then(Value::as_object).into_iter().flatten();
    let row = |(log, told): (&String, &Value)| {
        let valid = told.get("valid").and_then(Value::as_bool).unwrap_or_default();
        Line::of(vec![
            Cell::text(log),
            Cell::word(if valid { "success" } else { "failed" }),
            Cell::number(number(told, "entries")),
            Cell::text(time(told, "first_time")),
            Cell::text(time(told, "last_time")),
            Cell::text(text(told, "findings")),
        ])
    };
    Table {
        caption: "What the verification found",
        heads: vec!["Log", "Verified", "Entries", "First", "Last", "Findings"],
        rows: logs.map(row).collect(),
        empty: "",
    }
}

/// `POST /integrity/anchor`.
pub(in crate::admin) async fn anchor(call: Call) -> Result<Response, Problem> {
    integrity::make_anchor(&call).await?;
    Ok(deed("/integrity", "anchored"))
}

/// `POST /integrity/verify`; the page tells how far it is.
pub(in crate::admin) async fn verify(call: Call) -> Result<Response, Problem> {
    integrity::verify_beside(call).await?;
    Ok(see("/integrity"))
}

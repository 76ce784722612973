//! The program, what it keeps, and whose tokens are used.

use askama::Template;
use axum::response::Response;
use serde_json::Value;
use vestibule_config::logs::Kept;

use super::circuits::shown;
use super::table::{Cell, Line, Table};
use super::{Frame, html, value, without_parameters};
use crate::admin::door::Call;
use crate::admin::problem::Problem;
use crate::admin::{status, tokens};

#[derive(Template)]
#[template(path = "status.html")]
struct StatusPage {
    frame: Frame,
    members: Vec<(String, String)>,
    logs: Table,
    tokens: Table,
}

/// `GET /status`.
pub(in crate::admin) async fn page(call: Call) -> Result<Response, Problem> {
    without_parameters(&call)?;
    let state = status::state(&call).await?;
    let of_logs = ["store", "tree_heads"];
    let members = state.as_object().into_iter().flatten().filter(|(name, _)| !of_logs.contains(&name.as_str()));
    let page = StatusPage {
        frame: Frame::of(&call, "Status"),
        members: members.map(|(name, member)| (name.replace('_', " "), shown(member))).collect(),
        logs: logs(&call, &state),
        tokens: tokens(&call),
    };
    Ok(html(&page))
}

fn logs(call: &Call, state: &Value) -> Table {
    let live = call.port.state.live.load();
    let keep = &live.settings.logs;
    let store = state.get("store").unwrap_or(&Value::Null);
    let kept = [("access", &keep.access), ("requests", &keep.requests), ("audit", &keep.audit)];
    let rows = kept.iter().map(|(log, keep)| {
        let figure = |of: &str| store.get(of).and_then(|of| of.get(log)).and_then(Value::as_u64).unwrap_or_default();
        Line::of(vec![
            Cell::link(*log, format!("/logs/{log}")),
            Cell::number(value::count(figure("kept"))),
            Cell::number(value::count(figure("entries"))),
            Cell::number(value::count(figure("dropped"))),
            Cell::text(keep_words(keep)),
        ])
    });
    Table {
        caption: "Logs",
        heads: vec!["Log", "Entries", "Ever written", "Lost since the start", "Kept"],
        rows: rows.collect(),
        empty: "",
    }
}

fn keep_words(keep: &Kept) -> String {
    let age = format!("{} days", keep.keep.as_secs() / 86_400);
    match keep.max_bytes {
        Some(most) => format!("{age}, at most {}", value::bytes(most.0)),
        None => age,
    }
}

fn tokens(call: &Call) -> Table {
    let live = call.port.state.live.load();
    let row = |token: &Value| {
        let text = |name: &str| shown(token.get(name).unwrap_or(&Value::Null));
        let time = |name: &str| text(name).replace('T', " ").chars().take(19).collect::<String>();
        Line::of(vec![
            Cell::text(text("name")),
            Cell::text(text("kind")),
            Cell::word(&text("state")),
            Cell::text(text("role")),
            Cell::text(text("circuits")),
            Cell::text(time("expires")),
            Cell::text(time("last_used")),
            Cell::text(text("last_used_ip")),
        ])
    };
    Table {
        caption: "Tokens",
        heads: vec!["Token", "Of", "State", "Role", "Circuits", "Expires", "Last used", "From"],
        rows: tokens::rows(call, &live.settings).iter().map(row).collect(),
        empty: "There are no tokens.",
    }
}

//! Who is kept out.

use askama::Template;
use axum::response::Response;
use serde_json::Value;

use super::address::Address;
use super::parts::{Asked, Parts};
use super::table::{Button, Cell, Line, Table};
use super::{Frame, deed, html, required, sent};
use crate::admin::bans::{self, LOCK, Wanted};
use crate::admin::door::Call;
use crate::admin::problem::Problem;

#[derive(Template)]
#[template(path = "bans.html")]
struct BansPage {
    frame: Frame,
    table: Table,
    parts: Parts,
}

/// `GET /bans`.
pub(in crate::admin) fn page(call: &Call) -> Result<Response, Problem> {
    let (bans, parts) = Asked::of(call, &[])?.rows(bans::rows(call));
    let table = Table {
        caption: "Bans and locks",
        heads: vec!["Who", "Kind", "Since", "Until", "By", "Note"],
        rows: bans.iter().map(line).collect(),
        empty: "Nobody is kept out.",
    };
    Ok(html(&BansPage { frame: Frame::of(call, "Bans"), table, parts }))
}

fn line(row: &Value) -> Line {
    let text = |name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let time = |name: &str| text(name).replace('T', " ").chars().take(19).collect::<String>();
    let (network, account) = (text("network"), text("account"));
    let (who, field) = if network.is_empty() { (account, "email") } else { (network, "source_ip") };
    let log = Address::new("/logs/requests", &[(field, &who), ("range", "24h")]);
    let until = time("until");
    let button = Button {
        action: "/bans/remove",
        fields: vec![("id", text("id"))],
        label: if field == "email" { "Unlock" } else { "Lift" },
        meaning: format!("Let {who} in again"),
    };
    Line {
        cells: vec![
            Cell::link(who, log),
            Cell::text(text("kind")),
            Cell::text(time("since")),
            Cell::text(if until.is_empty() { "for good".to_owned() } else { until }),
            Cell::text(text("by")),
            Cell::text(text("note")),
        ],
        button: Some(button),
    }
}

/// `POST /bans`: `network`, `for`, `note`.
pub(in crate::admin) async fn add(call: Call) -> Result<Response, Problem> {
    let wanted = Wanted { network: required(&call, "network")?, period: sent(&call, "for"), note: sent(&call, "note") };
    bans::keep_out(&call, wanted).await?;
    Ok(deed("/bans", "banned"))
}

/// `POST /bans/remove`: `id`.
pub(in crate::admin) async fn remove(call: Call) -> Result<Response, Problem> {
    let id = required(&call, "id")?;
    bans::let_in(&call, &id).await?;
    Ok(deed("/bans", if id.starts_with(LOCK) { "unlocked" } else { "unbanned" }))
}

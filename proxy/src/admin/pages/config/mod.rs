//! The configuration: what is in force, what a change would come to, and the revisions before.

pub(in crate::admin) mod change;
mod difference;
pub(in crate::admin) mod history;

use askama::Template;
use axum::response::Response;

use super::address::Address;
use super::table::Table;
use super::{Frame, deed, html, value, without_parameters};
use crate::admin::config;
use crate::admin::door::Call;
use crate::admin::problem::Problem;
use crate::reload::Last;

#[derive(Template)]
#[template(path = "config.html")]
struct ConfigPage {
    frame: Frame,
    /// Each with the page that edits it.
    files: Vec<(String, String)>,
    revision: String,
    since: String,
    /// How the last reload went; empty: there was none.
    last: String,
    failed: bool,
    history: Table,
    /// With the origin of every line, and secrets masked.
    text: String,
}

/// `GET /config`.
pub(in crate::admin) async fn page(call: Call) -> Result<Response, Problem> {
    without_parameters(&call)?;
    let revisions = config::revisions(&call).await?;
    let state = &call.port.state;
    let live = state.live.load();
    let last = state.reloads.last();
    let settings = &live.settings;
    let files = settings.config_files().map(|file| file.display().to_string());
    let edit = |file: &str| Address::new("/config/edit", &[("file", file)]).to_string();
    let frame = Frame::of(&call, "Configuration");
    let page = ConfigPage {
        files: files.map(|file| (file.clone(), edit(&file))).collect(),
        revision: settings.revision.to_string(),
        since: value::timestamp(live.since),
        last: last.as_deref().map(told).unwrap_or_default(),
        failed: last.as_ref().is_some_and(|last| !last.outcome.successful()),
        history: history::table(&revisions, &settings.revision, frame.may_change()),
        text: settings.show(true),
        frame,
    };
    Ok(html(&page))
}

fn told(last: &Last) -> String {
    let how = if last.outcome.successful() { "went well" } else { "failed: what was in force before still is" };
    format!("The last reload, at {} by {}, {how}.", value::timestamp(last.time), last.cause.code())
}

/// `POST /config/reload`.
pub(in crate::admin) async fn reload(call: Call) -> Result<Response, Problem> {
    let state = call.port.state.clone();
    let revision = || state.live.load().settings.revision.clone();
    let before = revision();
    config::reload(call).await?;
    Ok(deed("/config", if revision() == before { "unchanged" } else { "reloaded" }))
}

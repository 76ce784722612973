//! The configuration: what is in force, what a change would come to, and the revisions before.

pub(in crate::admin) mod change;
mod difference;
pub(in crate::admin) mod history;

use askama::Template;
use axum::response::Response;

use super::address::Address;
use super::parts::{self, Asked, Parts};
use super::table::Table;
use super::{Frame, deed, html, value};
use crate::admin::config;
use crate::admin::door::Call;
use crate::admin::problem::Problem;
use crate::reload::Last;

#[derive(Template)]
#[template(path = "config.html")]
struct ConfigPage {
    frame: Frame,
    /// Each with the page that edits it; at most [`FILES_SHOWN`].
    files: Vec<(String, String)>,
    files_left_out: usize,
    revision: String,
    since: String,
    /// How the last reload went; empty: there was none.
    last: String,
    failed: bool,
    history: Table,
    /// With the origin of every line, and secrets masked; a part where it is long.
    text: String,
    parts: Parts,
}

/// Files that are named; of more only how many.
const FILES_SHOWN: usize = 50;

/// `GET /config`: `part` of what is in force, or the first that says what to `find`; also of the files' names.
pub(in crate::admin) async fn page(call: Call) -> Result<Response, Problem> {
    let asked = Asked::of(&call, &["find"])?;
    let revisions = config::revisions(&call).await?;
    let state = &call.port.state;
    let live = state.live.load();
    let last = state.reloads.last();
    let settings = &live.settings;
    let mut files: Vec<_> = settings.config_files().map(|file| file.display().to_string()).collect();
    if files.len() > FILES_SHOWN {
        files.retain(|file| file.contains(&asked.find));
    }
    let files_left_out = settings.config_files().count().saturating_sub(files.len().min(FILES_SHOWN));
    let edit = |file: &str| Address::new("/config/edit", &[("file", file)]).to_string();
    let frame = Frame::of(&call, "Configuration");
    let whole = settings.show(true);
    let (_, text, parts) = asked.choose(&parts::split(&whole));
    let page = ConfigPage {
        files: files.into_iter().take(FILES_SHOWN).map(|file| (file.clone(), edit(&file))).collect(),
        files_left_out,
        revision: settings.revision.to_string(),
        since: value::timestamp(live.since),
        last: last.as_deref().map(told).unwrap_or_default(),
        failed: last.as_ref().is_some_and(|last| !last.outcome.successful()),
        history: history::table(&revisions, &settings.revision, frame.may_change()),
        text: text.to_owned(),
        parts,
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

//! The configuration in force.

use askama::Template;
use axum::response::Response;

use super::{Frame, deed, html, value, without_parameters};
use crate::admin::config;
use crate::admin::door::Call;
use crate::admin::problem::Problem;

#[derive(Template)]
#[template(path = "config.html")]
struct ConfigPage {
    frame: Frame,
    file: String,
    revision: String,
    since: String,
    /// How the last reload went; empty: there was none.
    last: String,
    failed: bool,
    /// With the origin of every line, and secrets masked.
    text: String,
}

/// `GET /config`.
pub(in crate::admin) fn page(call: &Call) -> Result<Response, Problem> {
    without_parameters(call)?;
    let state = &call.port.state;
    let live = state.live.load();
    let last = state.reloads.last();
    let failed = last.as_ref().is_some_and(|last| !last.outcome.successful());
    let told = |last: &crate::reload::Last| {
        let how = if last.outcome.successful() { "went well" } else { "failed: what was in force before still is" };
        format!("The last reload, at {} by {}, {how}.", value::timestamp(last.time), last.cause.code())
    };
    let page = ConfigPage {
        frame: Frame::of(call, "Configuration"),
        file: state.config_path.display().to_string(),
        revision: live.settings.revision.to_string(),
        since: value::timestamp(live.since),
        last: last.as_deref().map(told).unwrap_or_default(),
        failed,
        text: live.settings.show(true),
    };
    Ok(html(&page))
}

/// `POST /config/reload`.
pub(in crate::admin) async fn reload(call: Call) -> Result<Response, Problem> {
    let state = call.port.state.clone();
    let revision = || state.live.load().settings.revision.clone();
    let before = revision();
    config::reload(call).await?;
    Ok(deed("/config", if revision() == before { "unchanged" } else { "reloaded" }))
}

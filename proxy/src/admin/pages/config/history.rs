//! Revisions that were in force: who put them there, what going back would change, and the way back.

use askama::Template;
use axum::response::Response;

use super::change::done;
use super::difference::DifferenceView;
use crate::admin::config;
use crate::admin::door::Call;
use crate::admin::pages::address::Address;
use crate::admin::pages::table::{Cell, Line, Table};
use crate::admin::pages::{Frame, html, required, sent, value, without_parameters};
use crate::admin::problem::Problem;
use crate::reload::{self, Cause, Preview, Revision, Wanted};

/// Those that are kept, the latest first; with `leads`, each with the page that goes back to it.
pub(super) fn table(revisions: &[Revision], in_force: &str, leads: bool) -> Table {
    let line = |(at, revision): (usize, &Revision)| {
        let Revision { revision, time, actor, actor_type, cause, files } = revision;
        let is_current = at == 0 && revision == in_force;
        let page = Address::new(&format!("/config/revisions/{revision}"), &[]);
        let requests = Address::new("/logs/requests", &[("revision", revision), ("range", "all")]);
        Line::of(vec![
            if leads { Cell::link(revision, page) } else { Cell::text(revision) },
            Cell::text(value::timestamp(*time)),
            Cell::text(format!("{actor} · {actor_type}")),
            Cell::text(cause),
            Cell::number(files.len().to_string()),
            Cell::link("decided by it", requests),
            Cell::text(if is_current { "in force" } else { "" }),
        ])
    };
    Table {
        caption: "Revisions",
        heads: vec!["Revision", "In force from", "By", "How", "Files", "Requests", ""],
        rows: revisions.iter().enumerate().map(line).collect(),
        empty: "No revision is kept.",
    }
}

#[derive(Template)]
#[template(path = "config_revision.html")]
struct RevisionPage {
    frame: Frame,
    revision: String,
    /// Who, when, how.
    told: String,
    /// The revision in force, from which one would go back.
    of: String,
    /// Why it cannot be gone back to; empty: it can.
    report: String,
    difference: Option<DifferenceView>,
    must_agree: bool,
    /// Each file with its text, secrets masked.
    files: Vec<(String, String)>,
}

/// `GET /config/revisions/{id}`: what going back to it would change.
pub(in crate::admin) async fn one(call: Call) -> Result<Response, Problem> {
    without_parameters(&call)?;
    let found = config::kept(&call, call.id().to_owned()).await?;
    let previewed = preview(&call, &found).await;
    Ok(shown(&call, &found, previewed.as_ref(), false))
}

/// `POST /config/rollback`: `revision`, from `of`. Who may enter from now on must have been agreed to.
pub(in crate::admin) async fn rollback(call: Call) -> Result<Response, Problem> {
    let (revision, of) = (required(&call, "revision")?, required(&call, "of")?);
    let found = config::kept(&call, revision).await?;
    let previewed = preview(&call, &found).await;
    let widens = previewed.as_ref().is_ok_and(|preview| preview.difference.widens());
    let must_agree = widens && sent(&call, "widens").is_none();
    if previewed.is_err() || must_agree {
        return Ok(shown(&call, &found, previewed.as_ref(), must_agree));
    }
    let wanted = Wanted { texts: found.texts(), of: Some(of) };
    done(reload::apply(&call.port.state, Cause::Rollback, &call.actor, wanted).await, "restored")
}

async fn preview(call: &Call, revision: &Revision) -> Result<Preview, String> {
    let texts = revision.clone().texts();
    let previewed = reload::preview(&call.port.state, call.actor.started, texts).await;
    previewed.map_err(|report| report.render(false))
}

fn shown(call: &Call, found: &Revision, previewed: Result<&Preview, &String>, must_agree: bool) -> Response {
    let Revision { revision, time, actor, actor_type, cause, files } = found;
    let of = call.port.state.live.load().settings.revision.to_string();
    let text = |preview: &Preview, file: &std::path::Path| {
        let masked = preview.settings.masked(file).unwrap_or_default().to_owned();
        (file.display().to_string(), masked)
    };
    let files = previewed.ok().map(|preview| files.iter().map(|kept| text(preview, &kept.file)).collect());
    html(&RevisionPage {
        frame: Frame::of(call, format!("Revision {revision}")),
        revision: revision.clone(),
        told: format!("In force from {} UTC, by {actor} ({actor_type}), {cause}.", value::timestamp(*time)),
        report: previewed.err().cloned().unwrap_or_default(),
        difference: previewed.ok().map(|preview| DifferenceView::of(preview, &of)),
        of,
        must_agree,
        files: files.unwrap_or_default(),
    })
}

//! Revisions that were in force: who put them there, what going back would change, and the way back.

use std::path::Path;

use askama::Template;
use axum::response::Response;

use super::change::{Kept, done, verdict};
use super::difference::DifferenceView;
use crate::admin::config;
use crate::admin::door::Call;
use crate::admin::pages::address::Address;
use crate::admin::pages::parts::{self, Asked, Parts};
use crate::admin::pages::table::{Cell, Line, Table};
use crate::admin::pages::{Frame, html, required, sent, value};
use crate::admin::problem::Problem;
use crate::reload::{self, Cause, MOVED, Named, Outcome, Preview, Revision, Wanted};

/// Those that are kept, the latest first; with `leads`, each with the page that goes back to it.
pub(super) fn table(revisions: &[Revision<Named>], in_force: &str, leads: bool) -> Table {
    let line = |(at, revision): (usize, &Revision<Named>)| {
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
    /// Why nothing was changed.
    kept: Option<Kept>,
    /// A file, or a part of a long one, secrets masked; empty where the revision cannot be gone back to.
    file: String,
    text: String,
    parts: Parts,
}

/// `GET /config/revisions/{id}`: what going back to it would change; `part` of its files, or the first that says what to
/// `find`.
pub(in crate::admin) async fn one(call: Call) -> Result<Response, Problem> {
    let asked = Asked::of(&call, &["find"])?;
    let found = config::kept(&call, call.id().to_owned()).await?;
    let previewed = preview(&call, &found).await;
    Ok(shown(&call, &found, previewed.as_ref(), None, &asked))
}

/// `POST /config/rollback`: `revision`, from `of`. Who may enter from now on must have been agreed to.
pub(in crate::admin) async fn rollback(call: Call) -> Result<Response, Problem> {
    let (revision, of) = (required(&call, "revision")?, required(&call, "of")?);
    let asked = Asked::whole(&format!("/config/revisions/{revision}"));
    let found = config::kept(&call, revision).await?;
    let previewed = preview(&call, &found).await;
    let Ok(preview) = &previewed else { return Ok(shown(&call, &found, previewed.as_ref(), None, &asked)) };
    let (state, to) = (&call.port.state, sent(&call, "to"));
    let outcome = match verdict(&call, preview) {
        Some(Kept::Unagreed) => return Ok(shown(&call, &found, Ok(preview), Some(Kept::Unagreed), &asked)),
        Some(Kept::Moved) => reload::moved(state, Cause::Rollback, &call.actor, Some(&of), to.as_deref()).await,
        None => {
            let wanted = Wanted { texts: found.clone().texts(), of: Some(of), to };
            reload::apply(state, Cause::Rollback, &call.actor, wanted).await
        }
    };
    if !matches!(outcome, Outcome::Moved { .. }) {
        return done(outcome, "restored");
    }
    let previewed = self::preview(&call, &found).await;
    let mut response = shown(&call, &found, previewed.as_ref(), Some(Kept::Moved), &asked);
    *response.status_mut() = MOVED;
    Ok(response)
}

async fn preview(call: &Call, revision: &Revision) -> Result<Preview, String> {
    let texts = revision.clone().texts();
    let previewed = reload::preview(&call.port.state, call.actor.started, texts).await;
    previewed.map_err(|report| report.brief())
}

fn shown(
    call: &Call,
    found: &Revision,
    previewed: Result<&Preview, &String>,
    kept: Option<Kept>,
    asked: &Asked,
) -> Response {
    let Revision { revision, time, actor, actor_type, cause, files } = found;
    let of = call.port.state.live.load().settings.revision.to_string();
    let masked = |file: &Path| previewed.ok().and_then(|preview| preview.settings.masked(file)).unwrap_or_default();
    let pieces =
        files.iter().flat_map(|kept| parts::split(masked(&kept.file)).into_iter().map(|text| (&kept.file, text)));
    let (owners, texts): (Vec<_>, Vec<_>) = pieces.unzip();
    let (at, text, parts) = asked.choose(&texts);
    html(&RevisionPage {
        frame: Frame::of(call, format!("Revision {revision}")),
        revision: revision.clone(),
        told: format!("In force from {} UTC, by {actor} ({actor_type}), {cause}.", value::timestamp(*time)),
        report: previewed.err().cloned().unwrap_or_default(),
        difference: previewed.ok().map(|preview| DifferenceView::of(preview, &of)),
        of,
        kept,
        file: owners.get(at).map(|file| file.display().to_string()).unwrap_or_default(),
        text: text.to_owned(),
        parts,
    })
}

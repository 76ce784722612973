//! A change of a file, or the files as they are on disk: first what it comes to, then in force.

use askama::Template;
use axum::response::Response;

use super::difference::DifferenceView;
use crate::admin::config;
use crate::admin::door::Call;
use crate::admin::pages::{Frame, deed, html, required, sent};
use crate::admin::problem::Problem;
use crate::overlay::Texts;
use crate::reload::{self, Cause, Outcome, Preview, Wanted};

/// The field by which widened access is agreed to.
const WIDENS: &str = "widens";

#[derive(Template)]
#[template(path = "config_change.html")]
struct ChangePage {
    frame: Frame,
    /// The file that is edited; empty: those on disk are looked at.
    file: String,
    /// As it would be, secrets masked; the browser gives it back.
    text: String,
    /// The revision in force that is changed.
    of: String,
    /// Every problem; empty: none.
    report: String,
    /// Absent before it was asked for, and with problems.
    difference: Option<DifferenceView>,
    /// Access would be widened, and nobody has agreed.
    must_agree: bool,
}

/// `GET /config/edit`: `file`.
pub(in crate::admin) fn edit(call: &Call) -> Result<Response, Problem> {
    let file = config::file_of(call, call.only_parameter("file")?.as_deref())?;
    let live = call.port.state.live.load();
    let text = live.settings.masked(&file).unwrap_or_default().to_owned();
    let of = live.settings.revision.to_string();
    let file = file.display().to_string();
    let frame = Frame::of(call, "Edit a file");
    Ok(html(&ChangePage { frame, file, text, of, report: String::new(), difference: None, must_agree: false }))
}

/// `POST /config/check`: what a text in place of a `file`'s would come to, or without one the files on disk. Changes
/// nothing.
pub(in crate::admin) async fn check(call: Call) -> Result<Response, Problem> {
    let draft = Draft::of(&call)?;
    let previewed = draft.preview(&call).await?;
    Ok(shown(&call, draft, previewed.as_ref(), false))
}

/// `POST /config/apply`: the same, put in force. Who may enter from now on must have been agreed to.
pub(in crate::admin) async fn apply(call: Call) -> Result<Response, Problem> {
    let draft = Draft::of(&call)?;
    let previewed = draft.preview(&call).await?;
    let widens = previewed.as_ref().is_ok_and(|preview| preview.difference.widens());
    let must_agree = widens && sent(&call, WIDENS).is_none();
    if previewed.is_err() || must_agree {
        return Ok(shown(&call, draft, previewed.as_ref(), must_agree));
    }
    let state = &call.port.state;
    let outcome = match draft.texts(&call)? {
        texts if texts.is_empty() => reload::reload(state, Cause::Api, &call.actor).await,
        texts => reload::apply(state, Cause::Put, &call.actor, Wanted { texts, of: Some(draft.of) }).await,
    };
    done(outcome, "applied")
}

/// Back to the configuration, or why nothing was done.
pub(super) fn done(outcome: Outcome, word: &str) -> Result<Response, Problem> {
    let word = if matches!(outcome, Outcome::Unchanged { .. }) { "unchanged" } else { word };
    config::told(outcome).map(|_| deed("/config", word))
}

/// What a form brought.
struct Draft {
    /// Empty: the files on disk.
    file: String,
    text: String,
    of: String,
}

impl Draft {
    fn of(call: &Call) -> Result<Self, Problem> {
        let file = sent(call, "file").unwrap_or_default();
        // Browsers end every line of a form with two characters.
        let text = sent(call, "text").map(|text| text.replace("\r\n", "\n") + "\n").unwrap_or_default();
        Ok(Self { file, text, of: required(call, "of")? })
    }

    fn texts(&self, call: &Call) -> Result<Texts, Problem> {
        if self.file.is_empty() {
            return Ok(Texts::new());
        }
        config::texts_of(call, Some(&self.file), self.text.clone())
    }

    async fn preview(&self, call: &Call) -> Result<Result<Preview, String>, Problem> {
        let previewed = reload::preview(&call.port.state, call.actor.started, self.texts(call)?).await;
        Ok(previewed.map_err(|report| report.render(false)))
    }
}

fn shown(call: &Call, draft: Draft, previewed: Result<&Preview, &String>, must_agree: bool) -> Response {
    let Draft { file, text, of } = draft;
    let in_force = call.port.state.live.load().settings.revision.clone();
    let frame = Frame::of(call, if file.is_empty() { "The files on disk" } else { "Edit a file" });
    html(&ChangePage {
        frame,
        file,
        text,
        of,
        report: previewed.err().cloned().unwrap_or_default(),
        difference: previewed.ok().map(|preview| DifferenceView::of(preview, &in_force)),
        must_agree,
    })
}

//! A change of a file, or the files as they are on disk: first what it comes to, then in force.
//!
//! What is put in force is what was looked at: a form carries the revision that it would come to, and another one is not
//! taken.

use askama::Template;
use axum::response::Response;

use super::difference::DifferenceView;
use crate::admin::config;
use crate::admin::door::Call;
use crate::admin::pages::parts::{self, Asked, Parts};
use crate::admin::pages::{Frame, deed, html, required, sent};
use crate::admin::problem::Problem;
use crate::overlay::Texts;
use crate::reload::{self, Cause, MOVED, Outcome, Preview, Wanted};

/// The field by which widened access is agreed to.
pub(super) const WIDENS: &str = "widens";

#[derive(Template)]
#[template(path = "config_change.html")]
struct ChangePage {
    frame: Frame,
    /// The file that is edited; empty: those on disk are looked at.
    file: String,
    /// As it would be, secrets masked; the browser gives it back.
    text: String,
    /// The number of the part that the text is, from 0; absent: it is the whole file.
    part: Option<usize>,
    /// The ways to the others; absent once something was typed, which they would lose.
    parts: Option<Parts>,
    /// The revision in force that is changed.
    of: String,
    /// Every problem; empty: none.
    report: String,
    /// Absent before it was asked for, and with problems.
    difference: Option<DifferenceView>,
    /// Why nothing was changed.
    kept: Option<Kept>,
}

/// Why nothing was changed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    /// Access would be widened, and nobody has agreed.
    Unagreed,
    /// It would come to something else than what was looked at.
    Moved,
}

/// `GET /config/edit`: `file`, and of a long one `part` or what to `find`.
pub(in crate::admin) fn edit(call: &Call) -> Result<Response, Problem> {
    let asked = Asked::of(call, &["file", "find"])?;
    let file = config::file_of(call, asked.get("file"))?;
    let live = call.port.state.live.load();
    let texts = parts::split(live.settings.masked(&file).unwrap_or_default());
    let (at, text, parts) = asked.choose(&texts);
    Ok(html(&ChangePage {
        frame: Frame::of(call, "Edit a file"),
        file: file.display().to_string(),
        text: text.to_owned(),
        part: (texts.len() > 1).then_some(at),
        parts: Some(parts),
        of: live.settings.revision.to_string(),
        report: String::new(),
        difference: None,
        kept: None,
    }))
}

/// `POST /config/check`: what a text in place of a `file`'s would come to, or without one the files on disk. Changes
/// nothing.
pub(in crate::admin) async fn check(call: Call) -> Result<Response, Problem> {
    let draft = Draft::of(&call)?;
    let previewed = draft.preview(&call).await?;
    Ok(shown(&call, draft, previewed.as_ref(), None))
}

/// `POST /config/apply`: the same, put in force, if it is what was looked at. Who may enter from now on must have been
/// agreed to.
pub(in crate::admin) async fn apply(call: Call) -> Result<Response, Problem> {
    let draft = Draft::of(&call)?;
    if draft.part.is_some() && draft.is_late(&call) {
        return done(draft.moved(&call).await, "");
    }
    let previewed = draft.preview(&call).await?;
    let Ok(preview) = &previewed else { return Ok(shown(&call, draft, previewed.as_ref(), None)) };
    let outcome = match verdict(&call, preview) {
        Some(Kept::Unagreed) => return Ok(shown(&call, draft, previewed.as_ref(), Some(Kept::Unagreed))),
        Some(Kept::Moved) => draft.moved(&call).await,
        None => reload::apply(&call.port.state, draft.cause(), &call.actor, draft.wanted(&call)?).await,
    };
    if matches!(outcome, Outcome::Moved { .. }) {
        return draft.looked_at_again(&call).await;
    }
    done(outcome, "applied")
}

/// Whether a form speaks of what would come, and agrees to what that widens; absent: it does.
pub(super) fn verdict(call: &Call, preview: &Preview) -> Option<Kept> {
    if sent(call, "to").is_none_or(|to| *to != *preview.settings.revision) {
        return Some(Kept::Moved);
    }
    (preview.difference.widens() && sent(call, WIDENS).is_none()).then_some(Kept::Unagreed)
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
    /// Of the file that the text is, from 0; absent: it is the whole file.
    part: Option<usize>,
    of: String,
    /// What was looked at; absent: nothing was.
    to: Option<String>,
}

impl Draft {
    fn of(call: &Call) -> Result<Self, Problem> {
        let file = sent(call, "file").unwrap_or_default();
        // Browsers end every line of a form with two characters.
        let text = sent(call, "text").map(|text| text.replace("\r\n", "\n") + "\n").unwrap_or_default();
        let number = |part: String| part.parse().map_err(|_| Problem::bad_parameter("part", "write a number"));
        let part = sent(call, "part").map(number).transpose()?;
        Ok(Self { file, text, part, of: required(call, "of")?, to: sent(call, "to") })
    }

    /// How it is in the log.
    fn cause(&self) -> Cause {
        if self.file.is_empty() { Cause::Api } else { Cause::Put }
    }

    /// Whether another revision is in force than that which is to be changed.
    fn is_late(&self, call: &Call) -> bool {
        *self.of != *call.port.state.live.load().settings.revision
    }

    async fn moved(&self, call: &Call) -> Outcome {
        reload::moved(&call.port.state, self.cause(), &call.actor, Some(&self.of), self.to.as_deref()).await
    }

    /// A part of a file stands among those of the revision that it was taken from; with another one in force there is
    /// nothing to put it into.
    fn texts(&self, call: &Call) -> Result<Texts, Problem> {
        if self.file.is_empty() {
            return Ok(Texts::new());
        }
        let Some(part) = self.part else { return config::texts_of(call, Some(&self.file), self.text.clone()) };
        let live = call.port.state.live.load();
        if self.is_late(call) {
            let revision = live.settings.revision.clone();
            return config::told(Outcome::Moved { revision }).map(|_| Texts::new());
        }
        let file = config::file_of(call, Some(&self.file))?;
        let text = parts::replaced(live.settings.masked(&file).unwrap_or_default(), part, &self.text);
        config::texts_of(call, Some(&self.file), text)
    }

    fn wanted(&self, call: &Call) -> Result<Wanted, Problem> {
        Ok(Wanted { texts: self.texts(call)?, of: Some(self.of.clone()), to: self.to.clone() })
    }

    async fn preview(&self, call: &Call) -> Result<Result<Preview, String>, Problem> {
        let previewed = reload::preview(&call.port.state, call.actor.started, self.texts(call)?).await;
        Ok(previewed.map_err(|report| report.brief()))
    }

    /// What it would come to as things are by now.
    async fn looked_at_again(mut self, call: &Call) -> Result<Response, Problem> {
        let previewed = self.preview(call).await?;
        self.of = call.port.state.live.load().settings.revision.to_string();
        let mut response = shown(call, self, previewed.as_ref(), Some(Kept::Moved));
        *response.status_mut() = MOVED;
        Ok(response)
    }
}

fn shown(call: &Call, draft: Draft, previewed: Result<&Preview, &String>, kept: Option<Kept>) -> Response {
    let Draft { file, text, part, of, to: _ } = draft;
    let in_force = call.port.state.live.load().settings.revision.clone();
    let frame = Frame::of(call, if file.is_empty() { "The files on disk" } else { "Edit a file" });
    html(&ChangePage {
        frame,
        file,
        text,
        part,
        parts: None,
        of,
        report: previewed.err().cloned().unwrap_or_default(),
        difference: previewed.ok().map(|preview| DifferenceView::of(preview, &in_force)),
        kept,
    })
}

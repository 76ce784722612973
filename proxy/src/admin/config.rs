//! The configuration in force, its revisions, and its change.

use axum::response::Response;
use http::header::{CONTENT_TYPE, ETAG, IF_MATCH};
use http::{HeaderValue, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use vestibule_config::edit::{Edit, NotEdited};

use super::change::{self, off_the_runtime};
use super::door::Call;
use super::form::Form;
use super::list::List;
use super::problem::Problem;
use super::status::{json as answer, rfc3339};
use crate::overlay::Texts;
use crate::reload::{self, Cause, Named, Outcome, Preview, Revision, Unwritable, Wanted};

const COLUMNS: [&str; 7] = ["revision", "time", "actor", "actor_type", "cause", "files", "current"];

/// `GET /api/v1/config`: what is in force, or with `?file=` the text of a file as it was read; secrets masked. Its revision
/// is the `ETag`.
pub(super) fn show(call: &Call) -> Result<Response, Problem> {
    let named = call.only_parameter("file")?;
    let live = call.port.state.live.load();
    let settings = &live.settings;
    if let Some(named) = named {
        let text = settings.masked(&file_of(call, Some(&named))?).unwrap_or_default().to_owned();
        let mut response = answer(text);
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/toml"));
        return Ok(tagged(response, &settings.revision));
    }
    let files: Vec<_> = settings.config_files().map(|file| file.display().to_string()).collect();
    let body = json!({
        "revision": &*settings.revision,
        "since": rfc3339(live.since),
        "files": files,
        "toml": settings.show(true),
    });
    Ok(tagged(answer(body.to_string()), &settings.revision))
}

/// `GET /api/v1/config/history`: the revisions that can be gone back to, the latest first.
pub(super) async fn history(call: Call) -> Result<Response, Problem> {
    call.without_parameters()?;
    let form = Form::of(&call)?;
    let revisions = revisions(&call).await?;
    let current = call.port.state.live.load().settings.revision.clone();
    let rows = revisions.iter().enumerate().map(|(at, revision)| describe(revision, at == 0, &current)).collect();
    let beside = [("revision".to_owned(), Value::from(&*current))].into_iter().collect();
    Ok(List { columns: &COLUMNS, rows, complete: true, beside }.answer(form))
}

fn describe(revision: &Revision<Named>, is_latest: bool, current: &str) -> Value {
    let Revision { revision, time, actor, actor_type, cause, files } = revision;
    json!({
        "revision": revision,
        "time": rfc3339(*time),
        "actor": actor,
        "actor_type": actor_type,
        "cause": cause,
        "files": files.iter().map(|named| named.file.display().to_string()).collect::<Vec<_>>(),
        "current": is_latest && revision == current,
    })
}

/// `POST /api/v1/config/validate`: what the files, or the body in place of one, would come to. 200 also where they have
/// problems: that is the answer.
pub(super) async fn validate(call: Call) -> Result<Response, Problem> {
    let file = call.only_parameter("file")?;
    let texts = if call.body.is_empty() { Texts::new() } else { texts(&call, file.as_deref())? };
    let state = &call.port.state;
    let before = state.live.load().settings.revision.clone();
    let body = match reload::preview(state, call.actor.started, texts).await {
        Err(report) => json!({
            "valid": false,
            "before": &*before,
            "problems": reload::problems(&report),
            "report": report.brief(),
        }),
        Ok(Preview { settings, needs_restart, difference }) => {
            let mut body = json!({
                "valid": true,
                "before": &*before,
                "after": &*settings.revision,
                "changed": settings.revision != before,
                "needs_restart": needs_restart,
                "warnings": settings.warnings.len(),
                "problems": [],
                "report": settings.report().brief(),
            });
            body.as_object_mut().into_iter().for_each(|body| body.extend(difference.to_json()));
            body
        }
    };
    Ok(answer(body.to_string()))
}

/// `PUT /api/v1/config`: TOML, in place of the main file or of `?file=`, if the revision of `If-Match` is in force.
pub(super) async fn put(call: Call) -> Result<Response, Problem> {
    let file = call.only_parameter("file")?;
    let of = call.headers.get(IF_MATCH).and_then(|tag| tag.to_str().ok()).map(revision_of);
    let of = of.ok_or_else(|| {
        let detail = "send If-Match with the revision that is to be changed, the ETag of GET /api/v1/config";
        Problem::new(StatusCode::PRECONDITION_REQUIRED, "precondition_required", detail)
    })?;
    let texts = texts(&call, file.as_deref())?;
    // Whoever does not care which one it is says so.
    let wanted = Wanted { texts, of: (of != "*").then_some(of), to: None };
    told(reload::apply(&call.port.state, Cause::Put, &call.actor, wanted).await)
}

/// The body of a rollback.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Back {
    revision: String,
}

/// `POST /api/v1/config/rollback`: the files as they were in an earlier revision, or `?file=` of them.
pub(super) async fn rollback(call: Call) -> Result<Response, Problem> {
    let named = call.only_parameter("file")?;
    let Back { revision } = change::wanted(&call, "rollback", r#"{"revision": "0123456789abcdef"}"#)?;
    let only = named.as_deref().map(|named| file_of(&call, Some(named))).transpose()?;
    let mut texts = kept(&call, revision).await?.texts();
    texts.retain(|file, _| only.as_ref().is_none_or(|only| only == file));
    if texts.is_empty() {
        return Err(Problem::bad_parameter("file", "the revision has no such file"));
    }
    let wanted = Wanted { texts, ..Wanted::default() };
    told(reload::apply(&call.port.state, Cause::Rollback, &call.actor, wanted).await)
}

/// A revision that was in force.
pub(super) async fn kept(call: &Call, revision: String) -> Result<Revision, Problem> {
    let history = reload::history(&call.port.state);
    let found = off_the_runtime(move || Ok::<_, Problem>(history.find(&revision))).await?;
    found.ok_or_else(|| Problem::not_found("no revision of this name is kept; see /api/v1/config/history"))
}

/// The revisions that can be gone back to, the latest first.
pub(super) async fn revisions(call: &Call) -> Result<Vec<Revision<Named>>, Problem> {
    let history = reload::history(&call.port.state);
    off_the_runtime(move || Ok::<_, Problem>(history.list())).await
}

/// `POST /api/v1/config/reload`: 200 with both revisions, or 422 with every problem.
pub(super) async fn reload(call: Call) -> Result<Response, Problem> {
    call.without_parameters()?;
    told(reload::reload(&call.port.state, Cause::Api, &call.actor).await)
}

pub(super) fn told(outcome: Outcome) -> Result<Response, Problem> {
    match outcome {
        Outcome::Applied { before, after, needs_restart, warnings, difference } => {
            let mut body = json!({
                "changed": true,
                "before": &*before,
                "after": &*after,
                "needs_restart": needs_restart,
                "warnings": warnings,
            });
            body.as_object_mut().into_iter().for_each(|body| body.extend(difference.to_json()));
            Ok(tagged(answer(body.to_string()), &after))
        }
        Outcome::Unchanged { revision } => {
            let revision = &*revision;
            let body =
                json!({ "changed": false, "before": revision, "after": revision, "needs_restart": [], "warnings": 0 });
            Ok(tagged(answer(body.to_string()), revision))
        }
        Outcome::Refused(report) => {
            let detail = "the files have problems; the old configuration stays in force";
            Err(Problem::new(reload::REFUSED, "config_invalid", detail)
                .with("problems", reload::problems(&report).into())
                .with("report", report.brief().into()))
        }
        Outcome::Unrecorded(unavailable) => Err(unavailable.into()),
        Outcome::Unwritable(Unwritable { file, why }) => {
            let detail = format!("{} cannot be written: {why}; nothing changed", file.display());
            Err(Problem::new(reload::UNWRITABLE, "config_unwritable", detail))
        }
        Outcome::Moved { revision } => {
            let detail = "another revision is in force, or stands in the files; look at it first";
            Err(Problem::new(reload::MOVED, "config_moved", detail).with("revision", Value::from(&*revision)))
        }
    }
}

/// The body as the text of a file.
fn texts(call: &Call, file: Option<&str>) -> Result<Texts, Problem> {
    let text = String::from_utf8(call.body.to_vec());
    let text = text.map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "invalid_parameter", "the body is no text"))?;
    texts_of(call, file, text)
}

/// What a file would say; secrets that the text hides stay as they are there.
pub(super) fn texts_of(call: &Call, file: Option<&str>, text: String) -> Result<Texts, Problem> {
    let file = file_of(call, file)?;
    // What is no TOML is refused with its place, by the loader.
    let edited = Edit::of(&text).and_then(|mut edit| {
        let before = std::fs::read_to_string(&file).map_err(|_| NotEdited::Syntax)?;
        edit.restore_hidden(&Edit::of(&before)?);
        Ok(edit.text())
    });
    Ok(Texts::from([(file, edited.unwrap_or(text))]))
}

/// The file of the configuration in force that is meant.
pub(super) fn file_of(call: &Call, named: Option<&str>) -> Result<std::path::PathBuf, Problem> {
    let unknown = || Problem::bad_parameter("file", "this is no file of the configuration in force");
    reload::file_of(&call.port.state, named).ok_or_else(unknown)
}

fn tagged(mut response: Response, revision: &str) -> Response {
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{revision}\"")) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

/// Of an entity tag.
fn revision_of(tag: &str) -> String {
    tag.trim().trim_start_matches("W/").trim_matches('"').to_owned()
}

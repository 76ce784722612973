//! What a change of the configuration leaves in the audit log, also where it is refused.

use std::sync::Arc;

use http::StatusCode;
use serde_json::{Value, json};
use vestibule_config::{Report, Severity};
use vestibule_logstore::Unavailable;

use super::{Cause, MOVED, Outcome, REFUSED, UNWRITABLE, Unwritable};
use crate::audit::{Act, Actor};
use crate::state::State;

/// The files have problems.
pub(super) async fn refuse(state: &Arc<State>, cause: Cause, actor: &Actor, report: Report) -> Outcome {
    tracing::error!(
        cause = cause.code(),
        problems = report.problems.len(),
        "configuration refused; the old one stays in force\n{}",
        report.brief()
    );
    let details = json!({ "cause": cause.code(), "problems": problems(&report) });
    record_failure(state, (cause, actor), REFUSED, &details).await;
    Outcome::Refused(report)
}

pub(super) async fn refuse_unwritable(
    state: &Arc<State>,
    cause: Cause,
    actor: &Actor,
    unwritable: Unwritable,
) -> Outcome {
    let Unwritable { file, why } = &unwritable;
    tracing::error!(cause = cause.code(), file = %file.display(), why, "configuration kept: a file cannot be written");
    let details = json!({ "cause": cause.code(), "file": file.display().to_string(), "why": why });
    record_failure(state, (cause, actor), UNWRITABLE, &details).await;
    Outcome::Unwritable(unwritable)
}

/// A change was thought of for another revision than what is there: `of` is what it was to change, `to` what it was to
/// come to, as they were sent.
pub(crate) async fn moved(
    state: &Arc<State>,
    cause: Cause,
    actor: &Actor,
    of: Option<&str>,
    to: Option<&str>,
) -> Outcome {
    let revision = state.live.load().settings.revision.clone();
    let [of, to] = [of, to].map(|sent| sent.map(|sent| sent.chars().take(SENT_CHARS).collect::<String>()));
    tracing::warn!(cause = cause.code(), of, to, "configuration kept: something else is there than was looked at");
    let details = json!({ "cause": cause.code(), "of": of, "to": to });
    record_failure(state, (cause, actor), MOVED, &details).await;
    Outcome::Moved { revision }
}

/// Of a revision as a client sent it; our own are shorter.
const SENT_CHARS: usize = 64;

/// What failed changes nothing, so it stands also when it cannot be recorded.
async fn record_failure(state: &Arc<State>, asked: (Cause, &Actor), answer: StatusCode, details: &Value) {
    let before = json!({ "revision": &*state.live.load().settings.revision });
    if let Err(error) = record(state, asked, answer, &before, None, details).await {
        tracing::error!(%error, "the refused reload cannot be recorded");
    }
}

/// On disk when this returns.
pub(super) async fn record(
    state: &State,
    (cause, actor): (Cause, &Actor),
    answer: StatusCode,
    before: &Value,
    after: Option<&Value>,
    details: &Value,
) -> Result<(), Unavailable> {
    let (before, after, details) = (before.to_string(), after.map(Value::to_string), details.to_string());
    let file = state.config_path.display().to_string();
    let act = Act {
        actor,
        action_type: "policy",
        action: cause.action(),
        resource_type: "config",
        resource: Some(&file),
        status: if answer.is_success() { "success" } else { "failed" },
        http_status: cause.http_status(answer),
        before: Some(&before),
        after: after.as_deref(),
        details: Some(&details),
        count: 1,
    };
    act.commit(state).await.map(|_| ())
}

/// What refuses the files, as JSON, the same in audit entries, in the status and in answers. At most
/// [`Report::BRIEF_MAX`].
pub(crate) fn problems(report: &Report) -> Vec<Value> {
    let errors = report.problems.iter().filter(|problem| problem.severity == Severity::Error);
    errors.take(Report::BRIEF_MAX).map(|problem| json!(problem)).collect()
}

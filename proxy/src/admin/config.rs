//! The configuration in force, and its change.

use axum::response::Response;
use http::StatusCode;
use serde_json::json;

use super::door::Call;
use super::problem::Problem;
use super::status::json as answer;
use crate::reload::{self, Cause, Outcome};

/// `POST /api/v1/config/reload`: 200 with both revisions, or 422 with every problem.
pub(super) async fn reload(call: Call) -> Result<Response, Problem> {
    call.without_parameters()?;
    match reload::reload(&call.port.state, Cause::Api, &call.actor).await {
        Outcome::Applied { before, after, needs_restart, warnings } => Ok(answer(
            json!({
                "changed": true,
                "before": &*before,
                "after": &*after,
                "needs_restart": needs_restart,
                "warnings": warnings,
            })
            .to_string(),
        )),
        Outcome::Unchanged { revision } => Ok(answer(
            json!({ "changed": false, "before": &*revision, "after": &*revision, "needs_restart": [], "warnings": 0 })
                .to_string(),
        )),
        Outcome::Refused(report) => {
            let detail = "the files have problems; the old configuration stays in force";
            Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "config_invalid", detail)
                .with("problems", reload::problems(&report).into())
                .with("report", report.render(false).into()))
        }
        Outcome::Unrecorded(unavailable) => Err(unavailable.into()),
    }
}

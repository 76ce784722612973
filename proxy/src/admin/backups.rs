//! Copies of the data folder, which `vestibule backup create` takes away. One at a time.

use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

use super::change::{self, Change, off_the_runtime};
use super::door::Call;
use super::problem::Problem;
use super::status::json as answer;
use crate::backup::{self, NotStaged};

impl From<NotStaged> for Problem {
    fn from(error: NotStaged) -> Self {
        match error {
            NotStaged::Busy => Self::new(StatusCode::CONFLICT, "backup_running", error.to_string()),
            NotStaged::Failed(error) => Self::internal(&*error),
        }
    }
}

/// `POST /api/v1/backups`: makes a copy beside the data, and says where.
pub(super) async fn create(call: Call) -> Result<Response, Problem> {
    call.without_parameters()?;
    change::must_be_writable(&call)?;
    let state = call.port.state.clone();
    let staged = off_the_runtime(move || {
        backup::stage(&state.data_dir, &state.store, &state.auth, &state.signer.read(), state.clock.now())
    });
    let staged = serde_json::to_value(staged.await?).map_err(|error| Problem::internal(&error))?;
    record(&call, "backup.create", StatusCode::CREATED, &staged).await?;
    Ok(change::created(&staged))
}

/// `DELETE /api/v1/backups`: removes it again.
pub(super) async fn release(call: Call) -> Result<Response, Problem> {
    call.without_parameters()?;
    change::must_be_writable(&call)?;
    let state = call.port.state.clone();
    let removed = off_the_runtime(move || backup::release(&state.data_dir).map_err(NotStaged::Failed)).await?;
    if !removed {
        return Err(Problem::not_found("no backup is being taken"));
    }
    let details = json!({ "removed": true });
    record(&call, "backup.release", StatusCode::OK, &details).await?;
    Ok(answer(details.to_string()))
}

async fn record(call: &Call, action: &str, status: StatusCode, details: &Value) -> Result<(), Problem> {
    let change = Change {
        action_type: "admin",
        action,
        resource_type: "system",
        resource: "backup",
        status,
        before: None,
        after: None,
        details: Some(details),
    };
    Ok(change.record(call).await?)
}

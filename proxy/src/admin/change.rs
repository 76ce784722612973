//! What the changes of an administrator have in common: none without a record, and each on disk before its answer.

use std::time::Duration;

use axum::response::Response;
use http::StatusCode;
use serde::de::DeserializeOwned;
use serde_json::Value;
use vestibule_config::units;
use vestibule_logstore::Unavailable;

use super::door::Call;
use super::problem::Problem;
use super::status::json;
use crate::audit::Act;

/// One change that was made.
pub(super) struct Change<'a> {
    pub(super) action_type: &'a str,
    pub(super) action: &'a str,
    pub(super) resource_type: &'a str,
    pub(super) resource: &'a str,
    /// Of the answer to come.
    pub(super) status: StatusCode,
    pub(super) before: Option<&'a Value>,
    pub(super) after: Option<&'a Value>,
    pub(super) details: Option<&'a Value>,
}

impl Change<'_> {
    /// Its audit entry; on disk when this returns.
    pub(super) async fn record(self, call: &Call) -> Result<(), Unavailable> {
        let Self { action_type, action, resource_type, resource, status, before, after, details } = self;
        let [before, after, details] = [before, after, details].map(|value| value.map(Value::to_string));
        let act = Act {
            actor: &call.actor,
            action_type,
            action,
            resource_type,
            resource: Some(resource),
            status: "success",
            http_status: Some(status.as_u16()),
            before: before.as_deref(),
            after: after.as_deref(),
            details: details.as_deref(),
            count: 1,
        };
        act.commit(&call.port.state).await.map(|_| ())
    }
}

/// Refuses a change while it could not be recorded.
pub(super) fn must_be_writable(call: &Call) -> Result<(), Problem> {
    if call.port.state.store.writable() {
        return Ok(());
    }
    Err(Unavailable { cause: "the store is not writable".to_owned() }.into())
}

/// Work that waits for the disk, off the threads that serve requests.
pub(super) async fn off_the_runtime<T: Send + 'static, E: Into<Problem> + Send + 'static>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work).await.map_err(|error| Problem::internal(&error))?.map_err(Into::into)
}

/// What a body wants. `what` it should be, and how that looks.
pub(super) fn wanted<T: DeserializeOwned>(call: &Call, what: &str, example: &str) -> Result<T, Problem> {
    serde_json::from_slice(&call.body).map_err(|error| {
        let detail = format!("the body is no {what}: {error}; write {example}");
        Problem::new(StatusCode::BAD_REQUEST, "invalid_parameter", detail)
    })
}

/// The member `for`.
pub(super) fn period(text: &str) -> Result<Duration, Problem> {
    let period = units::parse_duration(text).filter(|period| *period > Duration::ZERO);
    period.ok_or_else(|| Problem::bad_parameter("for", "write a time such as 15m, 24h or 30d"))
}

/// 201, with what was made.
pub(super) fn created(made: &Value) -> Response {
    let mut response = json(made.to_string());
    *response.status_mut() = StatusCode::CREATED;
    response
}

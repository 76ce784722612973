//! Alerts that were sent, and those that are on their way.

use axum::response::Response;
use serde_json::Map;

use super::door::Call;
use super::form::Form;
use super::list::List;
use super::problem::Problem;

const COLUMNS: [&str; 10] = [
    "id",
    "time",
    "type",
    "receiver",
    "state",
    "attempts",
    "last_attempt",
    "last_status",
    "last_error",
    "next_attempt",
];

/// `GET /api/v1/alerts`: since the start, the latest first; what is older is in the audit log.
pub(super) fn list(call: &Call) -> Result<Response, Problem> {
    call.without_parameters()?;
    let form = Form::of(call)?;
    let state = &call.port.state;
    let rows = state.alerts.list(state.clock.elapsed(), state.clock.now());
    Ok(List { columns: &COLUMNS, rows, complete: true, beside: Map::new() }.answer(form))
}

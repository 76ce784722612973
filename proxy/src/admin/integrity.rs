//! What is known of the soundness of the logs.

use axum::response::Response;
use serde_json::{Value, json};

use super::door::Call;
use super::problem::Problem;
use super::status::json as answer;

/// `GET /api/v1/integrity`: segments that cannot be read.
pub(super) fn state(call: &Call) -> Result<Response, Problem> {
    call.without_parameters()?;
    let quarantined: Vec<Value> = call
        .port
        .state
        .store
        .quarantined()
        .into_iter()
        .map(|it| json!({ "log": it.log.name(), "first": it.first, "last": it.last, "fault": it.fault }))
        .collect();
    Ok(answer(json!({ "sound": quarantined.is_empty(), "quarantined": quarantined }).to_string()))
}

//! Bodies of requests: whole, within a bound and a time.

use std::time::Duration;

use axum::body::{Body, Bytes};
use http::StatusCode;

use crate::admin::problem::Problem;

/// Of what a request brings.
const BODY_BYTES: usize = 64 << 10;

/// A file of the configuration may be longer.
const CONFIG_BYTES: usize = 4 << 20;

/// Where files of the configuration are sent to.
const CONFIG: [&str; 2] = ["/api/v1/config", "/config"];

/// Until all of it is there.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// What somebody sends who may.
pub(super) async fn of_call(path: &str, body: Body) -> Result<Bytes, Problem> {
    let is_config = CONFIG.iter().any(|config| path.starts_with(config));
    read(body, if is_config { CONFIG_BYTES } else { BODY_BYTES }).await
}

/// What somebody sends who is not let in yet.
pub(super) async fn of_visitor(body: Body) -> Result<Bytes, Problem> {
    read(body, BODY_BYTES).await
}

async fn read(body: Body, most: usize) -> Result<Bytes, Problem> {
    let whole = tokio::time::timeout(BODY_TIMEOUT, axum::body::to_bytes(body, most)).await;
    let longer = format!("the body is longer than {} KiB", most >> 10);
    let too_long = |_| Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", longer);
    whole
        .map_err(|_| Problem::new(StatusCode::REQUEST_TIMEOUT, "too_slow", "the body took too long"))?
        .map_err(too_long)
}

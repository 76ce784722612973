//! Keys by which an upstream verifies what we say of a caller.

use bytes::Bytes;
use http::header::CACHE_CONTROL;
use http::{HeaderValue, StatusCode};

use super::Answer;
use crate::pages;
use crate::reply::{Mark, Reply};
use crate::visit::Visit;

/// As long as a token lives; the next key is published much earlier than it signs.
const FRESH: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// `GET /.vestibule/jwks.json`, for whoever asks.
pub(super) fn answer(visit: &Visit<'_>) -> Answer {
    let body = Bytes::copy_from_slice(visit.state.auth.assertion_keys().as_bytes());
    let mut headers = pages::data_headers("application/jwk-set+json");
    headers.retain(|(name, _)| name != CACHE_CONTROL);
    headers.push((CACHE_CONTROL, FRESH));
    Answer::to(visit, Reply { status: StatusCode::OK, headers, body, mark: Mark::Auth }, None)
}

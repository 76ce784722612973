//! `Strict-Transport-Security`: browsers that came by https keep to it.

use http::header::STRICT_TRANSPORT_SECURITY;
use http::{HeaderName, HeaderValue};
use vestibule_config::Settings;

use crate::context::Request;

/// For the answer to a request.
pub(crate) fn of(request: &Request) -> Option<(HeaderName, HeaderValue)> {
    if request.client.secure { field(&request.live.settings) } else { None }
}

/// For an answer to a client whose scheme is https; absent unless the settings want it.
pub(crate) fn field(settings: &Settings) -> Option<(HeaderName, HeaderValue)> {
    let value = format!("max-age={}", settings.server.hsts?.as_secs());
    Some((STRICT_TRANSPORT_SECURITY, HeaderValue::from_str(&value).ok()?))
}

//! `Strict-Transport-Security`: browsers that came by https keep to it.

use http::header::STRICT_TRANSPORT_SECURITY;
use http::{HeaderName, HeaderValue};
use vestibule_config::Settings;

use crate::context::Request;
use crate::state::Live;

/// For the answer to a request.
pub(crate) fn of(request: &Request) -> Option<(HeaderName, HeaderValue)> {
    if request.client.secure { field(&request.live) } else { None }
}

/// For an answer to a client whose scheme is https; absent unless the settings want it.
pub(crate) fn field(live: &Live) -> Option<(HeaderName, HeaderValue)> {
    live.hsts.clone().map(|value| (STRICT_TRANSPORT_SECURITY, value))
}

/// What the settings want to be said.
pub(crate) fn value(settings: &Settings) -> Option<HeaderValue> {
    let age = settings.server.hsts?.as_secs();
    HeaderValue::from_str(&format!("max-age={age}")).ok()
}

//! The yes to a browser that asks whether a page of another site may send a request.

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE, VARY,
};
use http::{HeaderName, HeaderValue, Method, StatusCode};
use vestibule_auth::cors::Allowed;

use crate::reply::{Mark, Reply};

/// Seconds for which the browser need not ask again; what a reload changes is in force after them.
const MAX_AGE: u16 = 300;

/// Names the one origin, as credentials want it; who they belong to is decided with the request itself.
pub(crate) fn preflight(allowed: &Allowed) -> Reply {
    let Allowed { origin, methods, headers } = allowed;
    let asked = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers";
    let mut fields = vec![
        (ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone()),
        (ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true")),
        (ACCESS_CONTROL_MAX_AGE, MAX_AGE.into()),
        (VARY, HeaderValue::from_static(asked)),
    ];
    fields.extend(list(ACCESS_CONTROL_ALLOW_METHODS, methods.iter().map(Method::as_str)));
    fields.extend(list(ACCESS_CONTROL_ALLOW_HEADERS, headers.iter().map(HeaderName::as_str)));
    Reply { status: StatusCode::NO_CONTENT, headers: fields, body: Bytes::new(), mark: Mark::Auth }
}

/// Absent where there is nothing to name.
fn list<'a>(name: HeaderName, items: impl Iterator<Item = &'a str>) -> Option<(HeaderName, HeaderValue)> {
    let text = items.collect::<Vec<_>>().join(", ");
    HeaderValue::from_str(&text).ok().filter(|_| !text.is_empty()).map(|value| (name, value))
}

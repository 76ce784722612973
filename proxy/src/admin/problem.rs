//! Errors of the admin port: problem+json (RFC 9457).

use axum::body::Body;
use axum::response::Response;
use http::header::{ALLOW, CONTENT_TYPE, HeaderName, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{Map, Value, json};
use vestibule_logstore::{BadParameter, QueryError, Unavailable};

/// Every [`Problem::reason`].
pub(crate) const REASONS: [&str; 20] = [
    "backup_running",
    "unauthorized",
    "forbidden",
    "misdirected",
    "not_found",
    "method_not_allowed",
    "invalid_parameter",
    "config_invalid",
    "config_moved",
    "config_unwritable",
    "precondition_required",
    "rate_limited",
    "busy",
    "internal",
    "log_unavailable",
    "full",
    "no_place",
    "too_large",
    "too_slow",
    "cross_site",
];

/// Why a request was not answered with what it asked for.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    /// One word for programs, of [`REASONS`].
    pub(crate) reason: &'static str,
    /// One sentence for people.
    pub(crate) detail: String,
    headers: Vec<(HeaderName, HeaderValue)>,
    members: Map<String, Value>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, reason: &'static str, detail: impl Into<String>) -> Self {
        Self { status, reason, detail: detail.into(), headers: Vec::new(), members: Map::new() }
    }

    /// One member more than every problem has.
    pub(crate) fn with(mut self, name: &str, value: Value) -> Self {
        self.members.insert(name.to_owned(), value);
        self
    }

    /// A member of its own, as [`Self::with`] added it.
    pub(crate) fn member(&self, name: &str) -> Option<&Value> {
        self.members.get(name)
    }

    fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    pub(crate) fn not_found(detail: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", detail)
    }

    pub(crate) fn method_not_allowed(allow: &str) -> Self {
        let problem =
            Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", format!("this path takes {allow}"));
        match HeaderValue::from_str(allow) {
            Ok(value) => problem.header(ALLOW, value),
            Err(_) => problem,
        }
    }

    pub(crate) fn unauthorized(detail: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", detail)
            .header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"vestibule admin\""))
    }

    pub(crate) fn forbidden(detail: String) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", detail)
    }

    pub(crate) fn misdirected() -> Self {
        let detail = "this name is not one of the admin port's; see [admin] hosts";
        Self::new(StatusCode::MISDIRECTED_REQUEST, "misdirected", detail)
    }

    pub(crate) fn cross_site() -> Self {
        let detail =
            "this form does not come from a page of this port, or from one of another sign-in; load the page again";
        Self::new(StatusCode::FORBIDDEN, "cross_site", detail)
    }

    pub(crate) fn too_many(detail: &str, retry_after_secs: u64) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", detail)
            .header(RETRY_AFTER, HeaderValue::from(retry_after_secs))
    }

    pub(crate) fn busy(detail: &str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", detail).header(RETRY_AFTER, HeaderValue::from_static("1"))
    }

    pub(crate) fn bad_parameter(parameter: &str, message: &str) -> Self {
        BadParameter { parameter: parameter.to_owned(), message: message.to_owned() }.into()
    }

    /// What went wrong is for the operator's log, not for the answer.
    pub(crate) fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error, "admin request failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the server's log says more")
    }

    /// What it says in header fields.
    pub(crate) fn put_headers(&self, to: &mut HeaderMap) {
        to.extend(self.headers.iter().cloned());
    }

    pub(crate) fn into_response(self, request_id: &str) -> Response {
        let Self { status, reason, detail, headers, members } = self;
        let mut body = json!({
            "type": "about:blank",
            "title": status.canonical_reason(),
            "status": status.as_u16(),
            "reason": reason,
            "request_id": request_id,
            "detail": detail,
        });
        if let Some(body) = body.as_object_mut() {
            body.extend(members);
        }
        let mut response = Response::new(Body::from(body.to_string()));
        *response.status_mut() = status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        response.headers_mut().extend(headers);
        response
    }
}

impl From<BadParameter> for Problem {
    fn from(bad: BadParameter) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_parameter", bad.to_string())
            .with("parameter", Value::from(bad.parameter))
    }
}

impl From<QueryError> for Problem {
    fn from(error: QueryError) -> Self {
        if matches!(error, QueryError::TooLong | QueryError::TooMany) {
            Self::busy(&error.to_string())
        } else {
            Self::internal(&error)
        }
    }
}

impl From<vestibule_auth::Error> for Problem {
    fn from(error: vestibule_auth::Error) -> Self {
        Self::internal(&error)
    }
}

impl From<Unavailable> for Problem {
    fn from(error: Unavailable) -> Self {
        tracing::error!(%error, "an act of administration cannot be recorded");
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "log_unavailable",
            "the log cannot be written; nothing is done unrecorded",
        )
    }
}

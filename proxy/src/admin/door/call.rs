//! What handlers get: a request that passed the door, or somebody who is at it.

use std::sync::Arc;

use axum::body::Bytes;
use http::{HeaderMap, Uri};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use vestibule_config::admin::LogName;

use super::pass::Pass;
use crate::admin::Port;
use crate::admin::problem::Problem;
use crate::audit::Actor;

/// One request that passed the door.
pub(crate) struct Call {
    pub(crate) port: Arc<Port>,
    /// Who asks.
    pub(crate) actor: Actor,
    /// Absent: every log.
    pub(crate) logs: Option<Vec<LogName>>,
    /// The log of the route.
    pub(crate) log: Option<LogName>,
    /// Decoded, in order.
    pub(crate) parameters: Vec<(String, String)>,
    /// As sent.
    pub(crate) headers: HeaderMap,
    /// As sent, within the bound of its path.
    pub(crate) body: Bytes,
    /// What opened.
    pub(crate) pass: Pass,
    /// Of the route, with its id.
    pub(crate) path: String,
    pub(super) id: String,
}

/// Somebody at the way in to the pages: not let in yet.
pub(crate) struct Visitor {
    pub(crate) port: Arc<Port>,
    /// Nobody yet.
    pub(crate) actor: Actor,
    /// Decoded, in order.
    pub(crate) parameters: Vec<(String, String)>,
    /// As sent, within a bound.
    pub(crate) body: Bytes,
    /// As sent.
    pub(crate) uri: Uri,
    /// As sent.
    pub(crate) headers: HeaderMap,
}

impl Call {
    /// What stands at `{id}` of the route's path, as sent.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// The same question, from a cursor on.
    pub(crate) fn with_cursor(&self, cursor: &str) -> String {
        let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let rest = self.parameters.iter().filter(|(name, _)| name != "cursor");
        let rest: String = rest.map(|(name, value)| format!("&{}={}", encoded(name), encoded(value))).collect();
        format!("{}?cursor={}{rest}", self.path, encoded(cursor))
    }

    /// For paths that take this parameter alone.
    pub(crate) fn only_parameter(&self, known: &str) -> Result<Option<String>, Problem> {
        match self.parameters.iter().find(|(name, _)| name != known) {
            Some((name, _)) => Err(Problem::bad_parameter(name, &format!("this path takes {known} alone"))),
            None => Ok(self.parameters.first().map(|(_, value)| value.clone())),
        }
    }

    /// For paths that take no parameters.
    pub(crate) fn without_parameters(&self) -> Result<(), Problem> {
        match self.parameters.first() {
            Some((name, _)) => Err(Problem::bad_parameter(name, "this path takes no parameters")),
            None => Ok(()),
        }
    }
}

//! An answer of our own, before it is written to a socket.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};

/// One answer; `Content-Length`, `X-Request-Id` and `X-Vestibule` are added where it is written.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    /// Status.
    pub(crate) status: StatusCode,
    /// Everything but what is added at writing.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// Whole.
    pub(crate) body: Bytes,
    /// Why the proxy itself answers.
    pub(crate) mark: Mark,
}

/// `X-Vestibule`, and the request entry's `origin`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    /// Sign-in, its pages, and refusals of policy.
    Auth,
    /// Address, country and limit rules.
    Rule,
    /// No such circuit.
    NoRoute,
    /// The upstream, or the proxy itself, failed.
    ProxyError,
}

impl Mark {
    /// The word of the header and of the log.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Rule => "rule",
            Self::NoRoute => "no_route",
            Self::ProxyError => "proxy_error",
        }
    }
}

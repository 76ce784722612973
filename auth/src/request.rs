//! What a decision may look at.

use std::net::IpAddr;

/// One request as policy sees it: canonical, without a socket.
#[derive(Debug, Clone, Copy)]
pub struct RequestView<'a> {
    /// As received.
    pub method: &'a http::Method,
    /// Lower-case, without port.
    pub host: &'a str,
    /// Begins with `/`; without query.
    pub path: &'a str,
    /// As received.
    pub headers: &'a http::HeaderMap,
    /// The resolved client address, never IPv4-mapped.
    pub client: IpAddr,
    /// The value of our session cookie, if exactly one was sent.
    pub cookie: Option<&'a str>,
}

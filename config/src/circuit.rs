//! `[circuits.NAME]`: one protected way in.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;
use ipnet::IpNet;
use jiff::Timestamp;

use crate::access::Access;
use crate::limit::RateLimit;
use crate::name::{CountryCode, Host, Name};
use crate::session::SessionLimits;

/// One circuit, with `[defaults]` and `[sessions]` already applied.
#[derive(Debug, Clone)]
pub struct Circuit {
    /// The table's key.
    pub name: Name,
    /// Required for `members`.
    pub project: Option<Name>,
    /// At least one; no two circuits share one.
    pub hosts: Vec<Host>,
    /// Where permitted requests go.
    pub upstream: Upstream,
    /// Who may enter.
    pub access: Access,
    /// Address and country rules.
    pub rules: AddressRules,
    /// Request limits in the file's order.
    pub rate_limits: Vec<Arc<RateLimit>>,
    /// The stricter of the circuit's and the general ones.
    pub session: SessionLimits,
    /// Header names towards the upstream.
    pub identity: IdentityHeaders,
    /// From this instant on the circuit does not exist.
    pub expires: Option<Timestamp>,
    /// Not enabled: answered as an unknown host, nothing recorded.
    pub enabled: bool,
    /// Line of the circuit's `access` key, for explanations: `vestibule.toml:17`.
    pub place: String,
}

/// `ip_allow`, `ip_block`, `country_allow`, `country_block`, with `@sets` resolved.
#[derive(Debug, Clone, Default)]
pub struct AddressRules {
    /// Absent: everywhere. Present: at least one must contain the address.
    pub ip_allow: Option<Vec<IpNet>>,
    /// Any match refuses, whatever `ip_allow` says.
    pub ip_block: Vec<IpNet>,
    /// Absent: every country, the unknown one too.
    pub country_allow: Option<Vec<CountryCode>>,
    /// Any match refuses.
    pub country_block: Vec<CountryCode>,
}

/// `identity`: names of the headers that carry who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityHeaders {
    /// Default `x-vestibule-user`.
    pub user: HeaderName,
    /// Default `x-vestibule-groups`.
    pub groups: HeaderName,
    /// Default `x-vestibule-assertion`. Client copies are removed; the value itself comes later.
    pub jwt: HeaderName,
}

/// `upstream`.
#[derive(Debug, Clone)]
pub struct Upstream {
    /// As written, for the log's `upstream` field: `http://10.0.0.11:8080`.
    pub url: Arc<str>,
    /// TLS with the certificate verified for the URL's host.
    pub tls: bool,
    /// Where to connect.
    pub address: UpstreamAddress,
    /// What the upstream sees as Host.
    pub host_header: HostHeader,
    /// From the request's head to the answer's head, and between two reads; default 60 s.
    pub timeout: Duration,
    /// Requests at the same time; one more is answered 503. Absent: no limit.
    pub max_in_flight: Option<usize>,
}

/// Host and port of an upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpstreamAddress {
    /// An address, used as it is.
    Socket(SocketAddr),
    /// A name, resolved while running.
    Named {
        /// Lower-case.
        host: String,
        /// From the URL or its scheme.
        port: u16,
    },
}

/// `host_header`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostHeader {
    /// `"client"` (default): the host that the client named.
    Client,
    /// `"upstream"`: the URL's own host and port.
    Upstream,
}

//! The one definition of every field of every log.

use std::net::IpAddr;

/// One of the three logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Log {
    /// Attempts to sign in or to be let in by a credential.
    Access,
    /// Every HTTP request.
    Requests,
    /// Changes and administration.
    Audit,
}

/// An entry before it has a place in a log. Text is borrowed: it is encoded where it is made and then forgotten.
#[derive(Debug, Clone, Copy)]
pub enum Entry<'a> {
    /// To the access log.
    Access(&'a AccessEntry<'a>),
    /// To the request log.
    Request(&'a RequestEntry<'a>),
    /// To the audit log.
    Audit(&'a AuditEntry<'a>),
}

/// What every entry has.
#[derive(Debug, Clone, Copy)]
pub struct Common<'a> {
    /// Microseconds since 1970, UTC: when the request's head was read, or the change began.
    pub time: i64,
    /// Joins the three logs.
    pub request_id: Option<&'a str>,
    /// The resolved client address.
    pub source_ip: Option<IpAddr>,
    /// ISO 3166-1 alpha-2.
    pub country: Option<&'a str>,
    /// ISO 3166-2 without the country.
    pub subdivision: Option<&'a str>,
    /// English name.
    pub city: Option<&'a str>,
    /// Autonomous system number.
    pub asn: Option<u64>,
    /// As sent, cut at 2 KiB.
    pub user_agent: Option<&'a str>,
    /// Configuration that decided.
    pub revision: Option<&'a str>,
    /// More than one only where equal entries were merged before writing.
    pub event_count: Option<u64>,
    /// Name of this node in a fleet.
    pub node: Option<&'a str>,
}

/// One attempt.
#[derive(Debug, Clone, Copy)]
pub struct AccessEntry<'a> {
    /// What every entry has.
    pub common: Common<'a>,
    /// Names the attempt over all its states.
    pub attempt_id: Option<&'a str>,
    /// `login`, `logout`, `reauth`, `revoke`.
    pub action: &'a str,
    /// `initiated`, `pending`, `success`, `failure`.
    pub status: &'a str,
    /// `success`, `failed`, `rate_limited`; absent until decided.
    pub result: Option<&'a str>,
    /// Of the closed list.
    pub reason: Option<&'a str>,
    /// `sso`, `password`, `pin`, `header`, `token`, `code`, `ip`, `none`.
    pub auth_method: &'a str,
    /// Identity provider.
    pub provider: Option<&'a str>,
    /// As tried, also when it failed.
    pub email: Option<&'a str>,
    /// `PROVIDER:sub`, `local:EMAIL`, `shared:CIRCUIT`.
    pub user_id: Option<&'a str>,
    /// A keyed hash.
    pub session_id: Option<&'a str>,
    /// Circuit's name.
    pub circuit: Option<&'a str>,
    /// Circuit's project.
    pub project: Option<&'a str>,
    /// Canonical host.
    pub host: Option<&'a str>,
    /// `public`, `members`, `allowlist`.
    pub policy: Option<&'a str>,
    /// What decided.
    pub rule: Option<&'a str>,
    /// From the request's head to the decision.
    pub duration_ms: Option<u64>,
}

/// One HTTP request.
#[derive(Debug, Clone, Copy)]
pub struct RequestEntry<'a> {
    /// What every entry has.
    pub common: Common<'a>,
    /// As sent.
    pub method: Option<&'a str>,
    /// Canonical host.
    pub host: Option<&'a str>,
    /// Without query, cut at 2 KiB.
    pub path: Option<&'a str>,
    /// Redacted, cut at 2 KiB.
    pub query: Option<&'a str>,
    /// `HTTP/1.1`, `HTTP/2`.
    pub protocol: Option<&'a str>,
    /// 0: client gone before one was sent.
    pub status_code: u64,
    /// `allowed`, `blocked`.
    pub action: &'a str,
    /// `backend`, `auth`, `rule`, `no_route`, `proxy_error`.
    pub origin: &'a str,
    /// Of the closed list.
    pub reason: Option<&'a str>,
    /// JSON array of codes of observed rules.
    pub would_block: Option<&'a str>,
    /// As in the access log.
    pub auth_method: &'a str,
    /// Only after a successful sign-in.
    pub email: Option<&'a str>,
    /// As in the access log.
    pub user_id: Option<&'a str>,
    /// As in the access log.
    pub session_id: Option<&'a str>,
    /// Circuit's name.
    pub circuit: Option<&'a str>,
    /// Circuit's project.
    pub project: Option<&'a str>,
    /// As configured.
    pub upstream: Option<&'a str>,
    /// Until the head of the upstream's answer.
    pub upstream_ms: Option<u64>,
    /// From head to the last byte of the answer.
    pub duration_ms: u64,
    /// Body bytes from the client.
    pub bytes_in: u64,
    /// Body bytes to the client.
    pub bytes_out: u64,
    /// Redacted.
    pub referer: Option<&'a str>,
    /// Version and cipher.
    pub tls: Option<&'a str>,
    /// JSON object.
    pub metadata: Option<&'a str>,
}

/// One change or act of administration.
#[derive(Debug, Clone, Copy)]
pub struct AuditEntry<'a> {
    /// What every entry has.
    pub common: Common<'a>,
    /// E-mail, token name, or `vestibule`.
    pub actor: Option<&'a str>,
    /// `user`, `token`, `system`.
    pub actor_type: &'a str,
    /// `authentication`, `proxy`, `user`, `token`, `policy`, `security`, `admin`.
    pub action_type: &'a str,
    /// `scope.verb`: `config.reload`.
    pub action: &'a str,
    /// `circuit`, `project`, `user`, `session`, `api_token`, `config`, `secret`, `ban`, `grant`, `auth`, `admin`,
    /// `system`, `log`.
    pub resource_type: &'a str,
    /// Which one.
    pub resource: Option<&'a str>,
    /// `success`, `failed`, `denied`, `error`, `alert`.
    pub status: &'a str,
    /// Of the admin answer.
    pub http_status: Option<u64>,
    /// How long it took.
    pub duration_ms: Option<u64>,
    /// JSON without secrets.
    pub before: Option<&'a str>,
    /// JSON without secrets.
    pub after: Option<&'a str>,
    /// JSON without secrets.
    pub details: Option<&'a str>,
}

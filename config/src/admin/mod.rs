//! `[admin]`.

mod operators;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::PathBuf;
use std::sync::Arc;

use crate::certificate::{self, Certificate};
use crate::name::{Host, Name};
use crate::provider::Providers;
use crate::secret::{Secret, TokenHash};
use crate::shape::{At, Field, Named, Reading, shape};
use crate::text::Span;
use crate::word::spellings;
use operators::RawOperators;
pub use operators::{Operator, Operators};

/// `[admin]`.
#[derive(Debug, Clone)]
pub struct Admin {
    /// Loopback unless said. Fixed until a restart.
    pub listen: SocketAddr,
    /// Further names accepted in Host; lower-case.
    pub hosts: Vec<String>,
    /// By name.
    pub tokens: BTreeMap<Name, AdminToken>,
    /// Absent: nobody signs in to the pages at a provider.
    pub operators: Option<Arc<Operators>>,
    /// Absent: in clear, on loopback.
    pub tls: Option<AdminTls>,
}

/// `tls` in `[admin]`: shown to whoever connects.
#[derive(Debug, Clone)]
pub struct AdminTls {
    /// Where the chain was read.
    pub file: PathBuf,
    /// What was read.
    pub certificate: Certificate,
}

/// `[admin.tokens.NAME]`.
#[derive(Debug, Clone)]
pub struct AdminToken {
    /// What it may do.
    pub role: Role,
    /// SHA-256 of the token.
    pub hash: TokenHash,
    /// `logs`: the logs that it reads; absent: all. Values `access`, `requests`, `audit`.
    pub logs: Option<Vec<LogName>>,
}

/// `role`, each including those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Reads.
    Reader,
    /// Also exports and verifies.
    Auditor,
    /// Also changes.
    Admin,
}

/// One of the three logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LogName {
    /// Attempts.
    Access,
    /// Requests.
    Requests,
    /// Changes and administration.
    Audit,
}

spellings!(pub Role { "reader" => Reader, "auditor" => Auditor, "admin" => Admin });
spellings!(pub LogName { "access" => Access, "requests" => Requests, "audit" => Audit });

shape! {
    /// What `[admin]` may say.
    pub(crate) struct RawAdmin {
        listen: At<SocketAddr>,
        hosts: Vec<Host>,
        tokens: Named<Name, RawToken>,
        operators: RawOperators,
        tls: RawTls,
    }
}

shape! {
    /// What `[admin.tokens.NAME]` may say.
    pub(crate) struct RawToken {
        role: Role,
        hash: TokenHash,
        logs: Vec<LogName>,
    }
}

shape! {
    /// What `tls` may say.
    pub(crate) struct RawTls {
        cert: At<PathBuf>,
        key: At<Secret>,
    }
}

/// Where the admin port listens unless said.
const LISTEN: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9180));

impl RawAdmin {
    /// `root` is where a missing `[admin]` is reported; `listened` is what `[server]` listens on.
    pub(crate) fn check(
        admin: Option<Self>,
        listened: &[SocketAddr],
        providers: &Providers,
        root: Span,
        reading: &mut Reading<'_>,
    ) -> Admin {
        let (table, listen, hosts, tokens, operators, tls) = match admin {
            Some(Self { table, listen, hosts, tokens, operators, tls }) => {
                (table, listen.optional(), hosts.or_default(), tokens.or_default(), operators.optional(), tls)
            }
            None => (root, None, Vec::new(), Named::default(), None, Field::Absent),
        };
        let operators = operators.and_then(|operators| operators.check(providers, reading)).map(Arc::new);
        if tokens.0.is_empty() {
            let finding = reading.findings.warning(table, "no admin token: nobody can read the logs or the metrics");
            finding.help("write [admin.tokens.NAME] with role and hash");
        }
        let span = listen.as_ref().map_or(table, |listen| listen.span);
        let listen = check_listen(listen, !tls.is_absent(), reading);
        let tls = tls.optional().and_then(|tls| tls.check(reading));
        if listened.iter().any(|other| take_the_same(*other, listen)) {
            let finding = reading.findings.error(span, format!("[server] listens on \"{listen}\" already"));
            finding.help("write listen = \"127.0.0.1:PORT\" with a port that nothing else uses");
        }
        let mut checked = BTreeMap::new();
        for (name, token) in tokens.0 {
            if let Some(token) = token.and_then(|token| token.check(reading)) {
                checked.insert(name.value, token);
            }
        }
        Admin { listen, hosts: hosts.iter().map(ToString::to_string).collect(), tokens: checked, operators, tls }
    }
}

impl RawTls {
    fn check(self, reading: &mut Reading<'_>) -> Option<AdminTls> {
        let Self { table, cert, key } = self;
        let cert = cert.required("cert", "\"/etc/vestibule/tls/admin.pem\"", table, reading);
        let key = key.required("key", "{ file = \"/etc/vestibule/tls/admin.key\" }", table, reading);
        let (cert, key) = (cert?, key?);
        let certificate = certificate::read_files(&cert, &key, reading)?;
        Some(AdminTls { file: cert.value, certificate })
    }
}

impl RawToken {
    fn check(self, reading: &mut Reading<'_>) -> Option<AdminToken> {
        let Self { table, role, hash, logs } = self;
        let role = role.required("role", "\"reader\"", table, reading);
        let hash = hash.required("hash", "\"sha256:…\"", table, reading);
        Some(AdminToken { role: role?, hash: hash?, logs: logs.optional() })
    }
}

/// Whether the second listener cannot have its address because of the first.
fn take_the_same(first: SocketAddr, second: SocketAddr) -> bool {
    let unspecified_takes = first.ip().is_unspecified() && (first.is_ipv6() || second.is_ipv4());
    first.port() == second.port() && first.port() != 0 && (first.ip() == second.ip() || unspecified_takes)
}

fn check_listen(listen: Option<At<SocketAddr>>, has_tls: bool, reading: &mut Reading<'_>) -> SocketAddr {
    let Some(At { value, span }) = listen else { return LISTEN };
    if !value.ip().to_canonical().is_loopback() && !has_tls {
        let message = format!("\"{value}\" is not on loopback, which needs [admin] tls: tokens would go in clear");
        let help =
            format!("write \"127.0.0.1:{}\", or tls = {{ cert = \"…\", key = {{ file = \"…\" }} }}", value.port());
        reading.findings.error(span, message).help(help);
    }
    value
}

//! `upstream` and `upstreams`: where permitted requests go.

mod address;
mod fields;
mod health;
mod tls;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue};

use crate::certificate::Certificates;
use crate::identity::IdentityHeaders;
use crate::name::Host;
use crate::network;
use crate::secret::Secret;
use crate::shape::{At, Field, Reading, Shape, Stage, shape};
use crate::text::Span;
use crate::tree::{Node, Value};
use crate::word::spellings;

use address::UpstreamUrl;
use fields::RawFields;
use tls::RawTls;

pub use address::UpstreamAddress;
pub use health::HealthCheck;
pub(crate) use health::RawHealth;
pub use tls::UpstreamTls;

/// What is behind a circuit or a path of it.
#[derive(Debug, Clone)]
pub struct Upstreams {
    /// At least one, and each URL once; a request goes to one of them.
    pub all: Vec<Upstream>,
    /// Whether they are asked how they are; absent: only what requests meet counts.
    pub health: Option<HealthCheck>,
}

/// One service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    /// As written, for the log's `upstream` field: `http://10.0.0.11:8080`.
    pub url: Arc<str>,
    /// Present over https.
    pub tls: Option<UpstreamTls>,
    /// Where to connect.
    pub address: UpstreamAddress,
    /// HTTP/2: over https where the upstream offers it, over plain HTTP always.
    pub http2: bool,
    /// What the upstream sees as Host.
    pub host_header: HostHeader,
    /// To make a connection to one address, with the handshake; default 5 s.
    pub connect: Duration,
    /// From the request's end to the answer's head, and between two reads; default 60 s.
    pub timeout: Duration,
    /// Silence after which a WebSocket is given up; default 1 h.
    pub tunnel_idle: Duration,
    /// Requests at the same time; one more is answered 503. Absent: no limit.
    pub max_in_flight: Option<usize>,
    /// Fields that each request to it carries, in place of the client's; secret values are marked as sensitive.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Redirects to the upstream's own address become redirects to the circuit's; default true.
    pub rewrite_redirects: bool,
}

/// `host_header`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostHeader {
    /// `"client"` (default): the host that the client named.
    Client,
    /// `"upstream"`: the URL's own host and port.
    Upstream,
}

spellings!(pub HostHeader { "client" => Client, "upstream" => Upstream });

/// `upstream` as a URL or as a table.
#[derive(Debug)]
pub(crate) struct RawUpstream(RawUpstreamTable);

/// Elements of `upstreams`, each as `upstream` would have it.
#[derive(Debug, Default)]
pub(crate) struct RawUpstreamList(Vec<RawUpstream>);

shape! {
    /// What the table `upstream` may say.
    pub(crate) struct RawUpstreamTable {
        url: UpstreamUrl,
        host_header: HostHeader,
        http2: bool,
        connect: At<Duration>,
        timeout: At<Duration>,
        tunnel_idle: At<Duration>,
        max_in_flight: NonZeroUsize,
        sni: Host,
        ca: Certificates,
        insecure: bool,
        client_cert: Certificates,
        client_key: At<Secret>,
        headers: RawFields,
        rewrite_redirects: bool,
    }
}

/// What a circuit or a path of it says of its upstreams.
pub(crate) struct RawUpstreams {
    pub(crate) upstream: Field<RawUpstream>,
    pub(crate) upstreams: Field<RawUpstreamList>,
    pub(crate) health: Field<RawHealth>,
}

/// What they are checked against.
pub(crate) struct Whereabouts<'a> {
    /// Addresses that this program itself listens on, with what listens there.
    pub(crate) own: &'a BTreeMap<SocketAddr, &'static str>,
    /// Of the circuit.
    pub(crate) identity: &'a IdentityHeaders,
}

/// How long each may take unless said, and what may be said.
const CONNECT: (Duration, RangeInclusive<Duration>) = (Duration::from_secs(5), LEAST..=Duration::from_secs(60));
const TIMEOUT: (Duration, RangeInclusive<Duration>) = (Duration::from_secs(60), LEAST..=Duration::from_secs(3600));
const TUNNEL_IDLE: (Duration, RangeInclusive<Duration>) = (Duration::from_secs(3600), LEAST..=MOST);
const LEAST: Duration = Duration::from_secs(1);
const MOST: Duration = Duration::from_secs(7 * 24 * 3600);

/// One circuit, or one path of it, has so many at most.
const UPSTREAMS_MAX: usize = 64;

impl Shape for RawUpstream {
    fn read(node: Node, reading: &mut Reading<'_>) -> Option<Self> {
        match &node.value {
            Value::Table(_) => RawUpstreamTable::read(node, reading).map(Self),
            Value::Text(_) => Some(Self(RawUpstreamTable::of_url(node.span, UpstreamUrl::read(node, reading)?))),
            Value::Integer(_) | Value::Float | Value::Boolean(_) | Value::Datetime(_) | Value::List(_) => {
                reading.wrong_kind(&node, "a URL or { url = \"…\" }").help("write \"http://127.0.0.1:8080\"");
                None
            }
        }
    }

    fn keys(path: &str, stage: Stage, visit: &mut dyn FnMut(&str, Stage)) {
        RawUpstreamTable::keys(path, stage, visit);
    }

    fn schema() -> serde_json::Value {
        crate::shape::either(&UpstreamUrl::schema(), &RawUpstreamTable::schema())
    }
}

/// Its keys are those of `upstream`, and not named again.
impl Shape for RawUpstreamList {
    fn read(node: Node, reading: &mut Reading<'_>) -> Option<Self> {
        Vec::read(node, reading).map(Self)
    }

    fn schema() -> serde_json::Value {
        Vec::<RawUpstream>::schema()
    }
}

impl RawUpstreamTable {
    /// A URL stands for a table that says nothing else.
    fn of_url(span: Span, url: UpstreamUrl) -> Self {
        Self {
            table: span,
            url: Field::Given { value: url, span, key: span },
            host_header: Field::Absent,
            http2: Field::Absent,
            connect: Field::Absent,
            timeout: Field::Absent,
            tunnel_idle: Field::Absent,
            max_in_flight: Field::Absent,
            sni: Field::Absent,
            ca: Field::Absent,
            insecure: Field::Absent,
            client_cert: Field::Absent,
            client_key: Field::Absent,
            headers: Field::Absent,
            rewrite_redirects: Field::Absent,
        }
    }
}

impl RawUpstreams {
    pub(crate) fn is_absent(&self) -> bool {
        self.upstream.is_absent() && self.upstreams.is_absent()
    }

    /// What is there, or nothing where nothing is said.
    pub(crate) fn check(self, at: &Whereabouts<'_>, reading: &mut Reading<'_>) -> Option<Upstreams> {
        let Self { upstream, upstreams, health } = self;
        if let (Some(one), Some(several)) = (upstream.key(), upstreams.key()) {
            let finding = reading.findings.error(several, "\"upstreams\" stands beside \"upstream\"");
            finding.help("keep one of the two").also(one, "also here");
        }
        if let Some(key) = health.key().filter(|_| upstream.is_absent() && upstreams.is_absent()) {
            let finding = reading.findings.error(key, "\"health\" asks nobody: no upstream stands here");
            finding.help("write upstreams = [\"http://127.0.0.1:8080\"] beside it");
        }
        let health = health.optional().map(|health| health.check(reading));
        let all = match upstream.optional() {
            Some(one) => vec![one.check(at, reading)?],
            None => check_list(upstreams, at, reading)?,
        };
        Some(Upstreams { all, health: health.flatten() })
    }
}

fn check_list(
    upstreams: Field<RawUpstreamList>,
    at: &Whereabouts<'_>,
    reading: &mut Reading<'_>,
) -> Option<Vec<Upstream>> {
    let span = upstreams.span()?;
    let all = upstreams.optional()?.0;
    if all.is_empty() {
        reading.findings.error(span, "no upstream stands here").help("write upstreams = [\"http://127.0.0.1:8080\"]");
        return None;
    }
    network::bounded(all.len(), UPSTREAMS_MAX, "upstreams", span, reading);
    let mut checked: Vec<Upstream> = Vec::with_capacity(all.len());
    for raw in all {
        let span = raw.0.url.span().unwrap_or(raw.0.table);
        let one = raw.check(at, reading)?;
        if checked.iter().any(|other| other.url == one.url) {
            let message = format!("the upstream {:?} stands here twice", &*one.url);
            reading.findings.error(span, message).help("keep one of the two");
        }
        checked.push(one);
    }
    Some(checked)
}

impl RawUpstream {
    fn check(self, at: &Whereabouts<'_>, reading: &mut Reading<'_>) -> Option<Upstream> {
        let RawUpstreamTable {
            table,
            url,
            host_header,
            http2,
            connect,
            timeout,
            tunnel_idle,
            max_in_flight,
            sni,
            ca,
            insecure,
            client_cert,
            client_key,
            headers,
            rewrite_redirects,
        } = self.0;
        let span = url.span().unwrap_or(table);
        let UpstreamUrl { text, tls, address } = url.required("url", "\"http://127.0.0.1:8080\"", table, reading)?;
        report_own(&address, span, at, reading);
        let raw = RawTls { sni, ca, insecure, client_cert, client_key };
        let tls = raw.check(tls.then(|| address.host()), table, reading);
        Some(Upstream {
            url: text,
            tls,
            address,
            http2: http2.or(false),
            host_header: host_header.or(HostHeader::Client),
            connect: within("connect", connect, CONNECT, reading),
            timeout: within("timeout", timeout, TIMEOUT, reading),
            tunnel_idle: within("tunnel_idle", tunnel_idle, TUNNEL_IDLE, reading),
            max_in_flight: max_in_flight.optional().map(usize::from),
            headers: fields::check(headers, at.identity, reading),
            rewrite_redirects: rewrite_redirects.or(true),
        })
    }
}

/// Requests to a listener of this program come back and are refused, and nothing of a circuit's may reach the admin
/// port.
fn report_own(address: &UpstreamAddress, span: Span, at: &Whereabouts<'_>, reading: &mut Reading<'_>) {
    let Some((own, what)) = at.own.iter().find(|(own, _)| address.reaches(**own)) else { return };
    let message = format!("this upstream is the {what} of this program itself, \"{own}\"");
    let finding = match *what {
        "admin port" => reading.findings.error(span, message),
        _ => reading.findings.warning(span, format!("{message}: every request is refused as a loop")),
    };
    finding.help("write the address of the service behind");
}

fn within(
    name: &str,
    field: Field<At<Duration>>,
    (usual, range): (Duration, RangeInclusive<Duration>),
    reading: &mut Reading<'_>,
) -> Duration {
    let Some(At { value, span }) = field.optional() else { return usual };
    if !range.contains(&value) {
        let most = crate::units::display_duration(*range.end());
        let finding = reading.findings.error(span, format!("{name:?} is out of range"));
        finding.help(format!("write a time from \"1s\" to \"{most}\""));
    }
    value
}

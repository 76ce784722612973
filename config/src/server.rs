//! `[server]`: where it listens, whom it believes, how long it waits.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use crate::listener::{self, Listener, RawListener};
use crate::name::Host;
use crate::shape::{At, Field, Reading, shape};
use crate::units::{ByteRate, ByteSize};

/// `[server]`.
#[derive(Debug, Clone)]
pub struct Server {
    /// Holds the logs, the state database and the keys. Fixed until a restart.
    pub data_dir: PathBuf,
    /// Where people sign in and out for all circuits; no circuit's host. Absent: each circuit's hosts do it themselves.
    pub login_host: Option<Host>,
    /// Fixed until a restart; at least one.
    pub listen: Vec<Listener>,
    /// Peers whose forwarding headers and request ids are believed; empty: nobody.
    pub trusted_proxies: Vec<IpNet>,
    /// How long running requests may take after TERM.
    pub shutdown_grace: Duration,
    /// How long browsers that came by https are to keep to it; absent: nothing is said of it.
    pub hsts: Option<Duration>,
    /// Sign-in over plain HTTP on hosts other than localhost.
    pub insecure_sign_in: bool,
    /// How long one key signs identity assertions; at least an hour.
    pub assertion_key_age: Duration,
    /// Bounds of the edge.
    pub limits: Limits,
}

/// `[server.limits]`.
#[derive(Debug, Clone)]
pub struct Limits {
    /// A longer request head is answered 431.
    pub header_bytes: ByteSize,
    /// From the first byte of a head to its last; later is answered 408.
    pub header_timeout: Duration,
    /// Between two requests of a connection.
    pub idle_timeout: Duration,
    /// A longer request body is answered 413.
    pub body_bytes: ByteSize,
    /// Open connections in all; one more is closed at once.
    pub connections: usize,
    /// Open connections of one address (IPv6 by /64).
    pub connections_per_ip: usize,
    /// Silence of a request's body; longer is answered 408. Its first ten seconds are not measured by `body_rate`, or
    /// this time where that is shorter.
    pub body_timeout: Duration,
    /// A second, on average; a slower request body is answered 408.
    pub body_rate: ByteRate,
    /// One write to a client that does not read; longer ends the connection.
    pub write_timeout: Duration,
    /// Open tunnels; one more is answered 503.
    pub tunnels: usize,
}

shape! {
    /// What `[server]` may say.
    pub(crate) struct RawServer {
        data_dir: PathBuf,
        login_host: At<Host>,
        trusted_proxies: Vec<At<IpNet>>,
        shutdown_grace: Duration,
        insecure_sign_in: bool,
        assertion_key_age: At<Duration>,
        listen: Vec<RawListener>,
        limits: RawLimits,
        hsts: Duration,
    }
}

shape! {
    /// What `[server.limits]` may say.
    pub(crate) struct RawLimits {
        header_bytes: At<ByteSize>,
        header_timeout: Duration,
        idle_timeout: Duration,
        body_bytes: ByteSize,
        connections: NonZeroUsize,
        connections_per_ip: NonZeroUsize,
        body_timeout: Duration,
        body_rate: ByteRate,
        write_timeout: Duration,
        tunnels: NonZeroUsize,
    }
}

const ASSERTION_KEY_AGE: Duration = Duration::from_secs(90 * 24 * 3600);
/// Verifiers fetch keys now and then only; what changes oftener is not known to them in time.
const ASSERTION_KEY_AGE_LEAST: Duration = Duration::from_secs(3600);

/// Smaller heads refuse browsers, larger ones are an attack.
const HEADER_BYTES: std::ops::RangeInclusive<ByteSize> = ByteSize(1 << 10)..=ByteSize(1 << 20);

impl RawServer {
    pub(crate) fn check(self, reading: &mut Reading<'_>) -> Option<Server> {
        let Self {
            table,
            data_dir,
            login_host,
            trusted_proxies,
            shutdown_grace,
            insecure_sign_in,
            assertion_key_age,
            listen,
            limits,
            hsts,
        } = self;
        let data_dir = data_dir.required("data_dir", "\"/var/lib/vestibule\"", table, reading);
        if let Field::Given { value: true, key, .. } = insecure_sign_in {
            let message = "people may send their passwords over plain HTTP";
            reading.findings.warning(key, message).help("remove insecure_sign_in once a proxy in front speaks TLS");
        }
        let trusted_proxies = check_trusted(trusted_proxies.or_default(), reading);
        let listen = listener::check_all(listen, table, !trusted_proxies.is_empty(), reading);
        Some(Server {
            data_dir: data_dir?,
            login_host: login_host.optional().map(|host| host.value),
            listen: listen?,
            trusted_proxies,
            shutdown_grace: shutdown_grace.or(Duration::from_secs(30)),
            hsts: hsts.optional(),
            insecure_sign_in: insecure_sign_in.or(false),
            assertion_key_age: check_key_age(assertion_key_age, reading),
            limits: limits.optional().map_or_else(Limits::default, |limits| limits.check(reading)),
        })
    }
}

impl RawLimits {
    fn check(self, reading: &mut Reading<'_>) -> Limits {
        let Self {
            table: _unused,
            header_bytes,
            header_timeout,
            idle_timeout,
            body_bytes,
            connections,
            connections_per_ip,
            body_timeout,
            body_rate,
            write_timeout,
            tunnels,
        } = self;
        let default = Limits::default();
        if let Some(At { value, span }) = header_bytes.as_ref()
            && !HEADER_BYTES.contains(value)
        {
            let (least, most) = (HEADER_BYTES.start(), HEADER_BYTES.end());
            let finding = reading.findings.error(*span, "\"header_bytes\" is out of range");
            finding.help(format!("write a size from \"{least}\" to \"{most}\""));
        }
        Limits {
            header_bytes: header_bytes.optional().map_or(default.header_bytes, |size| size.value),
            header_timeout: header_timeout.or(default.header_timeout),
            idle_timeout: idle_timeout.or(default.idle_timeout),
            body_bytes: body_bytes.or(default.body_bytes),
            connections: connections.optional().map_or(default.connections, usize::from),
            connections_per_ip: connections_per_ip.optional().map_or(default.connections_per_ip, usize::from),
            body_timeout: body_timeout.or(default.body_timeout),
            body_rate: body_rate.or(default.body_rate),
            write_timeout: write_timeout.or(default.write_timeout),
            tunnels: tunnels.optional().map_or(default.tunnels, usize::from),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_bytes: ByteSize(32 << 10),
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            body_bytes: ByteSize(1 << 30),
            connections: 20_000,
            connections_per_ip: 256,
            body_timeout: Duration::from_secs(60),
            body_rate: ByteRate(1 << 10),
            write_timeout: Duration::from_secs(60),
            tunnels: 10_000,
        }
    }
}

fn check_key_age(age: Field<At<Duration>>, reading: &mut Reading<'_>) -> Duration {
    let Some(At { value, span }) = age.optional() else { return ASSERTION_KEY_AGE };
    if value < ASSERTION_KEY_AGE_LEAST {
        let finding = reading.findings.error(span, "\"assertion_key_age\" is too short");
        finding.help("write \"1h\" or more, such as \"90d\"");
    }
    value
}

fn check_trusted(networks: Vec<At<IpNet>>, reading: &mut Reading<'_>) -> Vec<IpNet> {
    for network in networks.iter().filter(|network| network.value.prefix_len() == 0) {
        let message = format!("\"{}\" lets every client choose the address it is seen with", network.value);
        reading.findings.warning(network.span, message).help("write the addresses of the proxies in front");
    }
    networks.into_iter().map(|network| network.value).collect()
}

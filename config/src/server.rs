//! `[server]`: where it listens, whom it believes, how long it waits.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use crate::units::ByteSize;

/// `[server]`.
#[derive(Debug, Clone)]
pub struct Server {
    /// Holds the logs, the state database and the keys. Fixed until a restart.
    pub data_dir: PathBuf,
    /// Fixed until a restart; at least one.
    pub listen: Vec<Listener>,
    /// Peers whose forwarding headers and request ids are believed; empty: nobody.
    pub trusted_proxies: Vec<IpNet>,
    /// How long running requests may take after TERM.
    pub shutdown_grace: Duration,
    /// Sign-in over plain HTTP on hosts other than localhost.
    pub insecure_sign_in: bool,
    /// Bounds of the edge.
    pub limits: Limits,
}

/// One socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// Bound at start.
    pub address: SocketAddr,
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
}

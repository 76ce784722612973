//! Listening sockets, bound before anything else starts: a port that is taken is an error of the start, not of the
//! first connection.

use std::net::{SocketAddr, TcpListener};

use anyhow::{Context as _, bail};
use listenfd::ListenFd;
use socket2::{Domain, Protocol, Socket as Raw, Type};
use vestibule_config::listener::Listener;

/// Connections that the kernel keeps until we take them; it may keep fewer (`net.core.somaxconn`).
const BACKLOG: i32 = 4096;

/// A bound socket and what is spoken on it.
pub(crate) struct Socket {
    pub(super) listener: TcpListener,
    pub(super) of: Listener,
}

/// All of them.
///
/// # Errors
/// When a port is taken, or systemd did not hand over a socket that is named.
pub(crate) fn bind_all(listeners: &[Listener]) -> anyhow::Result<Vec<Socket>> {
    let mut handed = Handed::from_environment();
    let bind = |of: &Listener| -> anyhow::Result<Socket> {
        let listener = match &of.systemd {
            Some(name) => match (handed.take(name.as_str())?, of.address) {
                (Some(listener), _) => listener,
                // Started by hand, without systemd.
                (None, Some(address)) if handed.is_empty() => bind(address)?,
                (None, _) => bail!("systemd handed over no socket named {:?}", name.as_str()),
            },
            None => bind(of.address.context("a listener without an address")?)?,
        };
        listener.set_nonblocking(true).with_context(|| format!("cannot listen on {of}"))?;
        Ok(Socket { listener, of: of.clone() })
    };
    listeners.iter().map(bind).collect()
}

/// One socket.
///
/// # Errors
/// When the port is taken.
pub(crate) fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let bound = || -> std::io::Result<TcpListener> {
        let socket = Raw::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        Ok(socket.into())
    };
    bound().with_context(|| format!("cannot listen on {address}"))
}

/// Sockets that systemd passed on, by its names for them.
struct Handed {
    sockets: ListenFd,
    names: Vec<String>,
}

impl Handed {
    fn from_environment() -> Self {
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        let names = names.split(':').map(str::to_owned).collect();
        Self { sockets: ListenFd::from_env(), names }
    }

    fn is_empty(&self) -> bool {
        self.sockets.len() == 0
    }

    /// The first of this name that is not taken yet.
    fn take(&mut self, name: &str) -> anyhow::Result<Option<TcpListener>> {
        for (at, _) in self.names.iter().enumerate().filter(|(_, known)| *known == name) {
            let taken = self.sockets.take_tcp_listener(at);
            if let Some(listener) = taken.with_context(|| format!("systemd's socket {name:?} is no TCP socket"))? {
                return Ok(Some(listener));
            }
        }
        Ok(None)
    }
}

//! `listen` in `[server]`: sockets, and what is spoken on them.

use std::fmt;
use std::net::SocketAddr;

use crate::shape::{At, Field, Reading, shape};
use crate::text::Span;
use crate::word::{Word, Wrong, words};

/// One socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// Bound at the start. With [`Self::systemd`] only where systemd hands over no socket at all. One of both is there.
    pub address: Option<SocketAddr>,
    /// The socket that systemd hands over under this name.
    pub systemd: Option<SocketName>,
    /// HTTP/2 and HTTP/1 over TLS; else HTTP/1 in clear.
    pub tls: bool,
    /// Nothing is served but the way to `https`, and the answers that an authority for certificates waits for.
    pub redirect_to_https: bool,
    /// Connections begin with a header of the PROXY protocol, and come from trusted proxies only.
    pub proxy_protocol: bool,
}

/// `FileDescriptorName` of a socket unit: up to 255 visible characters of ASCII, no colon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketName(String);

impl SocketName {
    /// As in `LISTEN_FDNAMES`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SocketName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// As messages name it.
impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.systemd, self.address) {
            (Some(name), _) => write!(f, "systemd's socket {name:?}", name = name.as_str()),
            (None, Some(address)) => address.fmt(f),
            (None, None) => f.write_str("nowhere"),
        }
    }
}

shape! {
    /// One element of `listen`.
    pub(crate) struct RawListener {
        address: At<SocketAddr>,
        systemd: At<SocketName>,
        tls: bool,
        redirect_to_https: bool,
        proxy_protocol: bool,
    }
}

impl Word for SocketAddr {
    const EXAMPLE: &str = "\"[::]:8080\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        text.parse().map_err(|_| {
            Wrong::new(format!("{text:?} is not an address and port"))
                .help("write one such as \"127.0.0.1:8080\" or \"[::]:8080\"")
        })
    }
}

impl Word for SocketName {
    const EXAMPLE: &str = "\"https\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        let is_name =
            (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':');
        if is_name {
            return Ok(Self(text.to_owned()));
        }
        let wrong = Wrong::new(format!("{text:?} is not the name of a socket"));
        Err(wrong.help("write the FileDescriptorName of the socket unit, such as \"https\""))
    }
}

words!(SocketAddr, SocketName);

/// All elements of `listen`; `table` is where a missing one is reported.
pub(crate) fn check_all(
    listen: Field<Vec<RawListener>>,
    table: Span,
    trusts_somebody: bool,
    reading: &mut Reading<'_>,
) -> Option<Vec<Listener>> {
    let (span, key) = (listen.span().unwrap_or(table), listen.key());
    let listen = listen.required("listen", "[{ address = \"[::]:8080\" }]", table, reading)?;
    if listen.is_empty() {
        let finding = reading.findings.error(span, "nothing listens");
        finding.help("write listen = [{ address = \"[::]:8080\" }]");
    }
    let mut places = Places::default();
    let listeners: Vec<_> =
        listen.into_iter().filter_map(|raw| raw.check(&mut places, trusts_somebody, reading)).collect();
    if listeners.iter().any(|one| one.redirect_to_https) && !listeners.iter().any(|one| one.tls) {
        let message = "redirect_to_https leads to https, and no listener speaks TLS";
        let finding = reading.findings.warning(key, message);
        finding.help("add { address = \"[::]:443\", tls = true }, unless a proxy in front has the port");
    }
    Some(listeners)
}

/// Where listeners stand that were checked already.
#[derive(Default)]
struct Places {
    addresses: Vec<At<SocketAddr>>,
    names: Vec<At<SocketName>>,
}

impl RawListener {
    fn check(self, places: &mut Places, trusts_somebody: bool, reading: &mut Reading<'_>) -> Option<Listener> {
        let Self { table, address, systemd, tls, redirect_to_https, proxy_protocol } = self;
        let address = if systemd.is_absent() {
            Some(address.required("address", "\"[::]:8080\"", table, reading)?)
        } else {
            address.optional()
        };
        let systemd = systemd.optional();
        let (proxy_key, redirect_key) = (proxy_protocol.key(), redirect_to_https.key());
        let listener = Listener {
            address: address.as_ref().map(|address| address.value),
            systemd: systemd.as_ref().map(|name| name.value.clone()),
            tls: tls.or(false),
            redirect_to_https: redirect_to_https.or(false),
            proxy_protocol: proxy_protocol.or(false),
        };
        if listener.tls && listener.redirect_to_https {
            let message = "a listener with TLS has nothing to redirect";
            reading.findings.error(redirect_key, message).help("redirect from one on port 80");
        }
        if listener.proxy_protocol && !trusts_somebody {
            let message = "nobody may connect here: only a trusted proxy's PROXY header is believed";
            reading.findings.error(proxy_key, message).help("write the proxies in trusted_proxies");
        }
        let is_first = places.take(address, systemd, reading);
        is_first.then_some(listener)
    }
}

impl Places {
    /// False where another listener has the place.
    fn take(
        &mut self,
        address: Option<At<SocketAddr>>,
        systemd: Option<At<SocketName>>,
        reading: &mut Reading<'_>,
    ) -> bool {
        let bound = address.is_none_or(|address| {
            let any = address.value.port() == 0;
            any || add(&mut self.addresses, address, "listened on", reading)
        });
        systemd.is_none_or(|name| add(&mut self.names, name, "taken from systemd", reading)) && bound
    }
}

/// False, and a finding, where it is there already.
fn add<T: PartialEq + fmt::Display>(known: &mut Vec<At<T>>, new: At<T>, what: &str, reading: &mut Reading<'_>) -> bool {
    let first = known.iter().find(|known| known.value == new.value).map(|known| known.span);
    match first {
        Some(first) => {
            let message = format!("\"{}\" is {what} twice", new.value);
            reading.findings.error(new.span, message).help("remove one").also(first, "first here");
        }
        None => known.push(new),
    }
    first.is_none()
}

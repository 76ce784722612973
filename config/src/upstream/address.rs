//! Where an upstream is.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use http::uri::{Scheme, Uri};

use crate::name::Host;
use crate::word::{Word, Wrong, words};

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

/// A URL that a circuit may forward to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UpstreamUrl {
    pub(super) text: Arc<str>,
    pub(super) tls: bool,
    pub(super) address: UpstreamAddress,
}

impl UpstreamAddress {
    /// What a name may lead to: no link-local and metadata addresses, and none that no service has.
    pub fn may_be(address: IpAddr) -> bool {
        unfit(address.to_canonical()).is_none()
    }

    /// The host in the URL, without brackets.
    pub fn host(&self) -> String {
        match self {
            Self::Socket(address) => address.ip().to_string(),
            Self::Named { host, .. } => host.clone(),
        }
    }

    /// From the URL or its scheme.
    pub fn port(&self) -> u16 {
        match self {
            Self::Socket(address) => address.port(),
            Self::Named { port, .. } => *port,
        }
    }

    /// Whether a connection to it arrives at a listener of `own`, as far as that can be seen without asking a resolver.
    pub(super) fn reaches(&self, own: SocketAddr) -> bool {
        let here = own.ip().to_canonical();
        match self {
            Self::Socket(address) => {
                let there = address.ip().to_canonical();
                let everywhere = here.is_unspecified() && there.is_loopback();
                address.port() == own.port() && (there == here || everywhere)
            }
            Self::Named { host, port } => {
                let local = host == "localhost" || host.ends_with(".localhost");
                local && *port == own.port() && (here.is_loopback() || here.is_unspecified())
            }
        }
    }
}

impl Word for UpstreamUrl {
    fn parse(text: &str) -> Result<Self, Wrong> {
        // The text is not quoted: it may hold a password.
        let wrong = |what: &str| Wrong::new(format!("this is not an upstream: {what}"));
        let example = "write one such as \"http://10.0.0.11:8080\"";
        let uri: Uri = text.parse().map_err(|_| wrong("it is no URL").help(example))?;
        let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else {
            return Err(wrong("it has no scheme").help(example));
        };
        let tls = *scheme == Scheme::HTTPS;
        if !tls && *scheme != Scheme::HTTP {
            return Err(wrong("its scheme is neither http nor https").help(example));
        }
        if authority.as_str().contains('@') {
            return Err(
                wrong("it has a user name or password").help("remove what stands before the \"@\", and the \"@\"")
            );
        }
        if !matches!(uri.path(), "" | "/") || text.contains(['?', '#']) {
            return Err(
                wrong("it has a path or a query").help(format!("write {:?}", format!("{scheme}://{authority}")))
            );
        }
        let port = match (authority.port_u16(), tls) {
            (Some(0), _) => return Err(wrong("its port is 0").help(example)),
            (Some(port), _) => port,
            // A port that is there and no number, or empty.
            (None, _) if authority.as_str() != authority.host() => {
                return Err(wrong("its port is no number").help(example));
            }
            (None, true) => 443,
            (None, false) => 80,
        };
        let address = parse_address(authority.host(), port).map_err(|what| wrong(what).help(example))?;
        Ok(Self { text: text.trim_end_matches('/').into(), tls, address })
    }
}

words!(UpstreamUrl);

fn parse_address(host: &str, port: u16) -> Result<UpstreamAddress, &'static str> {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    if let Ok(address) = bare.parse::<IpAddr>() {
        let address = address.to_canonical();
        return match unfit(address) {
            Some(what) => Err(what),
            None => Ok(UpstreamAddress::Socket(SocketAddr::new(address, port))),
        };
    }
    let host = host.to_ascii_lowercase();
    let name = Host::parse(&host).map_err(|_| "its host is not a host name")?;
    // Resolvers take such names for addresses, written in one number or in hexadecimal.
    let last = host.rsplit('.').next().unwrap_or_default();
    if last.bytes().all(|byte| byte.is_ascii_digit()) || last.starts_with("0x") {
        return Err("its host is a number, but no address");
    }
    Ok(UpstreamAddress::Named { host: name.to_string(), port })
}

/// The service of cloud providers that hands out credentials, over IPv6.
const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

fn unfit(address: IpAddr) -> Option<&'static str> {
    let link_local = match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local() || v6 == METADATA_V6,
    };
    if link_local {
        return Some("link-local and metadata addresses are not forwarded to");
    }
    let nobody =
        address.is_unspecified() || address.is_multicast() || matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
    nobody.then_some("no service has this address")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_origins_pass() {
        let cases = [
            ("http://10.0.0.11:8080", Ok("10.0.0.11:8080")),
            ("https://10.0.0.11/", Ok("10.0.0.11:443")),
            ("http://[2001:db8::1]:81", Ok("[2001:db8::1]:81")),
            ("http://[::ffff:10.0.0.1]", Ok("10.0.0.1:80")),
            ("http://App.internal", Ok("app.internal:80")),
            ("", Err("no URL")),
            ("10.0.0.11:8080", Err("no scheme")),
            ("/var/run/x", Err("no scheme")),
            ("ftp://10.0.0.11", Err("neither http nor https")),
            ("http://me:secret@10.0.0.11", Err("user name or password")),
            ("http://10.0.0.11/app", Err("a path or a query")),
            ("http://10.0.0.11?x=1", Err("a path or a query")),
            ("http://10.0.0.11/#x", Err("a path or a query")),
            ("http://10.0.0.11:0", Err("port is 0")),
            ("http://10.0.0.11:", Err("port is no number")),
            ("http://10.0.0.11:99999", Err("")),
            ("http://169.254.169.254", Err("link-local")),
            ("http://[::ffff:169.254.169.254]", Err("link-local")),
            ("http://[fe80::1]", Err("link-local")),
            ("http://[fd00:ec2::254]", Err("link-local")),
            ("http://2852039166", Err("a number")),
            ("http://0xa9fea9fe", Err("a number")),
            ("http://0251.0376.0251.0376", Err("a number")),
            ("http://0.0.0.0", Err("no service")),
            ("http://a b", Err("no URL")),
        ];
        for (text, expected) in cases {
            let found = UpstreamUrl::parse(text).map(|url| match url.address {
                UpstreamAddress::Socket(address) => address.to_string(),
                UpstreamAddress::Named { host, port } => format!("{host}:{port}"),
            });
            match (found, expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{text}"),
                (Err(found), Err(expected)) => {
                    assert!(found.message.contains(expected), "{text}: {found:?}");
                    assert!(!format!("{found:?}").contains("secret"), "{text}: {found:?}");
                }
                (found, _) => panic!("{text}: {found:?}"),
            }
        }
    }

    #[test]
    fn an_upstream_that_is_this_program_is_noticed() {
        let cases = [
            ("http://127.0.0.1:9180", "127.0.0.1:9180", true),
            ("http://localhost:9180", "127.0.0.1:9180", true),
            ("http://[::ffff:127.0.0.1]:9180", "127.0.0.1:9180", true),
            ("http://127.0.0.1:80", "[::]:80", true),
            ("http://10.0.0.1:80", "10.0.0.1:80", true),
            ("http://127.0.0.1:9181", "127.0.0.1:9180", false),
            ("http://10.0.0.2:80", "[::]:80", false),
            ("http://app.internal:80", "[::]:80", false),
        ];
        for (url, own, expected) in cases {
            let url = UpstreamUrl::parse(url).unwrap();
            assert_eq!(url.address.reaches(own.parse().unwrap()), expected, "{} at {own}", url.text);
        }
    }
}

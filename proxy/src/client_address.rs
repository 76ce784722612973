//! Who is at the other end: the peer, or what a trusted proxy says of its client.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;

/// Addresses that proxies saw, each appended by the next.
pub(crate) const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// The scheme that the client used.
pub(crate) const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// Joins the answer, the upstream and the logs.
pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Hops of `X-Forwarded-For` that are looked at, from the right.
const HOPS_MAX: usize = 32;

/// Longest request id taken from a trusted proxy.
const REQUEST_ID_MAX_BYTES: usize = 128;

/// What is known of the client from its connection and, if the peer is trusted, from its head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Client {
    /// For rules, limits and logs; never IPv4-mapped.
    pub(crate) address: IpAddr,
    /// The other end of the connection; never IPv4-mapped.
    pub(crate) peer: IpAddr,
    /// The peer is one of `trusted_proxies`.
    pub(crate) peer_is_trusted: bool,
    /// And it says something of its client.
    pub(crate) peer_says: bool,
    /// The client's scheme is https, here or at the trusted peer.
    pub(crate) secure: bool,
}

impl Client {
    /// The right-most address that no trusted proxy has, as each proxy appends the address that it saw. `tls`: the
    /// connection has it; what a trusted peer says of its client's scheme counts before that.
    pub(crate) fn resolve(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet], tls: bool) -> Self {
        let peer = peer.to_canonical();
        if !is_trusted(peer, trusted) {
            return Self { address: peer, peer, peer_is_trusted: false, peer_says: false, secure: tls };
        }
        // One look at the names costs less than asking for each of them.
        if !headers.keys().any(says_something) {
            return Self { address: peer, peer, peer_is_trusted: true, peer_says: false, secure: tls };
        }
        let (address, secure) = (walk(peer, headers, trusted), is_https(headers).unwrap_or(tls));
        Self { address, peer, peer_is_trusted: true, peer_says: true, secure }
    }

    /// The request id that a trusted peer sent, if it is one.
    pub(crate) fn request_id(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        if !self.peer_says {
            return None;
        }
        let mut sent = headers.get_all(X_REQUEST_ID).iter();
        let id = sent.next().filter(|id| is_request_id(id.as_bytes()))?;
        sent.next().is_none().then(|| id.clone())
    }
}

/// One of the networks contains it.
pub(crate) fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|network| network.contains(&address))
}

/// A field by which a trusted peer tells of its client.
fn says_something(name: &HeaderName) -> bool {
    name.as_str().starts_with("x-forwarded-") || *name == X_REQUEST_ID
}

fn walk(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let lines = headers.get_all(X_FORWARDED_FOR).iter().rev();
    let hops = lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
    let mut address = peer;
    for hop in hops.take(HOPS_MAX) {
        // What cannot be read ends the walk: behind it everything may be made up.
        let Some(hop) = parse_hop(hop) else { break };
        address = hop;
        if !is_trusted(hop, trusted) {
            break;
        }
    }
    address
}

/// An address, as some proxies write it with a port or in brackets.
fn parse_hop(hop: &[u8]) -> Option<IpAddr> {
    let hop = std::str::from_utf8(hop.trim_ascii()).ok()?;
    let bare = hop.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(hop);
    let address = bare.parse().ok().or_else(|| hop.parse::<SocketAddr>().ok().map(|socket| socket.ip()));
    address.map(|address: IpAddr| address.to_canonical())
}

/// The last value counts, as it is the one nearest to us. Absent where nothing is said.
fn is_https(headers: &HeaderMap) -> Option<bool> {
    let last = headers.get_all(X_FORWARDED_PROTO).iter().next_back()?;
    let scheme = last.as_bytes().rsplit(|byte| *byte == b',').next()?;
    Some(scheme.trim_ascii().eq_ignore_ascii_case(b"https"))
}

fn is_request_id(id: &[u8]) -> bool {
    (1..=REQUEST_ID_MAX_BYTES).contains(&id.len()) && id.iter().all(u8::is_ascii_graphic)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in lines {
            map.append(*name, HeaderValue::from_str(value).unwrap());
        }
        map
    }

    fn resolve(peer: &str, forwarded: &[&str], trusted: &[&str]) -> String {
        let lines: Vec<_> = forwarded.iter().map(|line| ("x-forwarded-for", *line)).collect();
        let trusted: Vec<_> = trusted.iter().map(|network| network.parse().unwrap()).collect();
        Client::resolve(peer.parse().unwrap(), &headers(&lines), &trusted, false).address.to_string()
    }

    #[test]
    fn the_first_untrusted_address_from_the_right_is_the_client() {
        let own = ["127.0.0.1/32", "10.0.0.0/8"];
        for (peer, forwarded, trusted, client) in [
            ("127.0.0.1", &["9.9.9.9"][..], &[][..], "127.0.0.1"),
            ("8.8.8.8", &["9.9.9.9"], &own, "8.8.8.8"),
            ("127.0.0.1", &[], &own, "127.0.0.1"),
            ("127.0.0.1", &["9.9.9.9, 203.0.113.7"], &own, "203.0.113.7"),
            ("127.0.0.1", &["9.9.9.9", "203.0.113.7"], &own, "203.0.113.7"),
            ("127.0.0.1", &["203.0.113.7, 10.1.2.3"], &own, "203.0.113.7"),
            ("127.0.0.1", &["203.0.113.7", "10.1.2.3,10.1.2.4"], &own, "203.0.113.7"),
            ("127.0.0.1", &["10.1.2.3, 10.1.2.4"], &own, "10.1.2.3"),
            ("127.0.0.1", &["::ffff:203.0.113.7"], &own, "203.0.113.7"),
            ("::ffff:127.0.0.1", &["203.0.113.7"], &own, "203.0.113.7"),
            ("127.0.0.1", &["203.0.113.7:4711"], &own, "203.0.113.7"),
            ("127.0.0.1", &["[2001:db8::1]:4711"], &own, "2001:db8::1"),
            ("127.0.0.1", &["[2001:db8::1]"], &own, "2001:db8::1"),
            ("127.0.0.1", &["203.0.113.7, junk"], &own, "127.0.0.1"),
            ("127.0.0.1", &["203.0.113.7, junk, 10.1.2.3"], &own, "10.1.2.3"),
            ("127.0.0.1", &["203.0.113.7,"], &own, "127.0.0.1"),
            ("127.0.0.1", &["unknown"], &own, "127.0.0.1"),
            ("127.0.0.1", &[""], &own, "127.0.0.1"),
        ] {
            assert_eq!(resolve(peer, forwarded, trusted), client, "{peer} {forwarded:?}");
        }
    }

    #[test]
    fn the_walk_has_an_end() {
        let line = vec!["10.0.0.1"; 5000].join(",");
        assert_eq!(
            resolve("127.0.0.1", &[&format!("203.0.113.7,{line}")], &["127.0.0.1/32", "10.0.0.0/8"]),
            "10.0.0.1"
        );
    }

    #[test]
    fn scheme_and_request_id_count_from_trusted_peers_only() {
        let long = "x".repeat(129);
        for (peer, lines, secure, id) in [
            ("127.0.0.1", &[("x-forwarded-proto", "https"), ("x-request-id", "abc-1")][..], true, Some("abc-1")),
            ("8.8.8.8", &[("x-forwarded-proto", "https"), ("x-request-id", "abc-1")], false, None),
            ("127.0.0.1", &[("x-forwarded-proto", "https, http")], false, None),
            ("127.0.0.1", &[("x-forwarded-proto", "http"), ("x-forwarded-proto", "HTTPS ")], true, None),
            ("127.0.0.1", &[("x-request-id", "a"), ("x-request-id", "b")], false, None),
            ("127.0.0.1", &[("x-request-id", "a b")], false, None),
            ("127.0.0.1", &[("x-request-id", "")], false, None),
            ("127.0.0.1", &[("x-request-id", &long)], false, None),
        ] {
            let headers = headers(lines);
            let client = Client::resolve(peer.parse().unwrap(), &headers, &["127.0.0.1/32".parse().unwrap()], false);
            assert_eq!(client.secure, secure, "{lines:?}");
            assert_eq!(client.request_id(&headers).as_ref().and_then(|id| id.to_str().ok()), id, "{lines:?}");
        }
    }
}

//! What the upstream is told of the client and its caller, and what no client may tell it.

use std::net::IpAddr;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use pingora::{ErrorType, OrErr, Result};
use vestibule_auth::Caller;
use vestibule_config::{HostHeader, IdentityHeaders, Upstream};

use crate::context::{Request, authority};
use crate::host;
use crate::routes::{OWN_PREFIX, Routes};

/// Names by which backends learn who the client is; every client copy is removed.
const CLAIMS: [&str; 12] = [
    "cf-connecting-ip",
    "fastly-client-ip",
    "forwarded",
    "proxy",
    "true-client-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-original-forwarded-for",
    "x-original-url",
    "x-real-ip",
    "x-request-id",
    "x-rewrite-url",
];

/// Families of such names.
const CLAIM_PREFIXES: [&str; 3] = [OWN_PREFIX, "x-forwarded-", "remote-"];

/// Fields that we add, at the most.
const OWN_FIELDS: usize = 10;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// The client's fields without its copies of what we or another proxy could set, with room for ours.
pub(super) fn carried(sent: &HeaderMap, routes: &Routes) -> HeaderMap {
    let is_service_token = |value: &HeaderValue| is_service_token(value.as_bytes());
    let drops_authorization = sent.get_all(header::AUTHORIZATION).iter().any(is_service_token);
    let mut fields = HeaderMap::with_capacity(sent.len() + OWN_FIELDS);
    for (name, value) in sent {
        if is_claim(name, routes) || (drops_authorization && name == header::AUTHORIZATION) {
            continue;
        }
        fields.append(name.clone(), value.clone());
    }
    fields
}

/// The client's host in its one spelling with the client's port, or the upstream's own.
pub(super) fn set_host(fields: &mut HeaderMap, upstream: &Upstream, request: &Request) -> Result<()> {
    let host = match upstream.host_header {
        HostHeader::Upstream => {
            let own = upstream.url.split_once("://").map_or(&*upstream.url, |(_, rest)| rest);
            value(own.split('/').next().unwrap_or(own).to_owned())?
        }
        HostHeader::Client => {
            let written = authority(fields);
            let name = request.host.as_deref().unwrap_or_default();
            let canonical = match host::port(written) {
                None if written == name => return Ok(()),
                None => name.to_owned(),
                Some(port) if is_spelled(written, name, port) => return Ok(()),
                Some(port) => format!("{name}:{port}"),
            };
            value(canonical)?
        }
    };
    fields.insert(header::HOST, host);
    Ok(())
}

/// Address, host and scheme of the client. What a trusted peer said is kept and appended to.
pub(super) fn set_forwarding(fields: &mut HeaderMap, sent: &HeaderMap, request: &Request) -> Result<()> {
    let client = &request.client;
    let address = client.address.to_string();
    let authority = sent.get(header::HOST).cloned().unwrap_or(HeaderValue::from_static(""));
    let scheme = if client.secure { "https" } else { "http" };
    fields.insert(header::FORWARDED, value(forwarded(client.address, &address, text(&authority), scheme))?);
    fields.insert(X_FORWARDED_PROTO, HeaderValue::from_static(scheme));
    let address = value(address)?;
    fields.insert(X_REAL_IP, address.clone());
    let (chain, port, host) = if client.peer_is_trusted {
        (chain(sent, client.peer)?, kept(sent, &X_FORWARDED_PORT), kept(sent, &X_FORWARDED_HOST))
    } else {
        (address, None, None)
    };
    fields.insert(X_FORWARDED_FOR, chain);
    fields.insert(X_FORWARDED_PORT, port.unwrap_or_else(|| own_port(&authority, scheme)));
    fields.insert(X_FORWARDED_HOST, host.unwrap_or(authority));
    Ok(())
}

/// Who was let in; nothing for a public circuit, and no header for what is not known.
pub(super) fn set_identity(fields: &mut HeaderMap, names: &IdentityHeaders, caller: &Caller) {
    let Caller::Known(identity) = caller else { return };
    if let Some(email) = identity.email.as_deref().and_then(printable) {
        fields.insert(names.user.clone(), email);
    }
    let groups = identity.groups.iter().map(String::as_str).collect::<Vec<_>>().join(",");
    if let Some(groups) = printable(&groups) {
        fields.insert(names.groups.clone(), groups);
    }
}

/// Backends fold names in different ways (`_`, `.` and `-` become one), so that a name with anything but letters,
/// digits and hyphens never passes.
fn is_claim(name: &HeaderName, routes: &Routes) -> bool {
    let text = name.as_str();
    CLAIM_PREFIXES.iter().any(|prefix| text.starts_with(prefix))
        || CLAIMS.contains(&text)
        || text.bytes().any(|byte| !byte.is_ascii_alphanumeric() && byte != b'-')
        || routes.is_identity(name)
}

/// `Bearer vst_…` is for us; every other value is the upstream's affair.
fn is_service_token(value: &[u8]) -> bool {
    let value = value.trim_ascii_start();
    let Some((scheme, token)) = value.split_at_checked(b"bearer".len()) else { return false };
    scheme.eq_ignore_ascii_case(b"bearer") && token.trim_ascii_start().starts_with(b"vst_")
}

fn chain(sent: &HeaderMap, peer: IpAddr) -> Result<HeaderValue> {
    let mut chain = Vec::new();
    for line in sent.get_all(X_FORWARDED_FOR) {
        chain.extend_from_slice(line.as_bytes());
        chain.extend_from_slice(b", ");
    }
    chain.extend_from_slice(peer.to_string().as_bytes());
    value(chain)
}

/// The one value that a trusted peer sent.
fn kept(sent: &HeaderMap, name: &HeaderName) -> Option<HeaderValue> {
    sent.get(name).filter(|value| !value.is_empty()).cloned()
}

fn own_port(authority: &HeaderValue, scheme: &str) -> HeaderValue {
    let default = HeaderValue::from_static(if scheme == "https" { "443" } else { "80" });
    host::port(text(authority)).and_then(|port| HeaderValue::from_str(port).ok()).unwrap_or(default)
}

/// `name:port`, exactly so.
fn is_spelled(written: &str, name: &str, port: &str) -> bool {
    written.strip_suffix(port).and_then(|rest| rest.strip_suffix(':')) == Some(name)
}

/// RFC 7239; it wants IPv6 in brackets and quotes.
fn forwarded(client: IpAddr, address: &str, host: &str, scheme: &str) -> String {
    let (open, close) = if client.is_ipv6() { ("\"[", "]\"") } else { ("", "") };
    ["for=", open, address, close, ";host=\"", host, "\";proto=", scheme].concat()
}

fn value(text: impl Into<Bytes>) -> Result<HeaderValue> {
    HeaderValue::from_maybe_shared(text.into()).or_err(ErrorType::InvalidHTTPHeader, "forwarding header")
}

fn text(value: &HeaderValue) -> &str {
    value.to_str().unwrap_or_default()
}

/// Control characters dropped; nothing where nothing is left.
fn printable(value: &str) -> Option<HeaderValue> {
    let value: HeaderValue = match HeaderValue::from_str(value) {
        Ok(value) => value,
        Err(_) => HeaderValue::from_bytes(value.replace(char::is_control, "").as_bytes()).ok()?,
    };
    (!value.is_empty()).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stripped(names: &[&str]) -> Vec<String> {
        let mut sent = HeaderMap::new();
        for name in names {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            sent.append(name.clone(), HeaderValue::from_static("forged"));
            sent.append(name, HeaderValue::from_static("twice"));
        }
        let mut routes = Routes::default();
        routes.add_identity_names([HeaderName::from_static("x-auth-user")]);
        carried(&sent, &routes).keys().map(ToString::to_string).collect()
    }

    #[test]
    fn client_copies_go_in_every_spelling() {
        let forged = [
            "X-Vestibule-User",
            "x-vestibule-groups",
            "X-VESTIBULE-ASSERTION",
            "X_Vestibule_User",
            "X.Vestibule.User",
            "X-Vestibule_User",
            "X-Vestibule",
            "X-Auth-User",
            "x_auth_user",
            "X-Forwarded-For",
            "X_Forwarded_For",
            "X-Forwarded-Host",
            "X-Forwarded-Proto",
            "X-Forwarded-Port",
            "X-Forwarded-User",
            "Forwarded",
            "X-Real-IP",
            "X-Real_IP",
            "Proxy",
            "X-Request-Id",
            "Remote-User",
            "Remote_User",
            "Content_Length",
            "Transfer.Encoding",
            "True-Client-IP",
            "X-Original-URL",
        ];
        assert_eq!(stripped(&forged), Vec::<String>::new());
    }

    #[test]
    fn what_is_no_claim_passes() {
        let other = ["accept", "x-auth-users", "x-api-key", "user-agent", "sec-ch-ua", "x-real-ipx", "remoteness"];
        assert_eq!(stripped(&other), other);
    }

    #[test]
    fn only_our_own_tokens_are_taken_from_authorization() {
        for (value, ours) in [
            ("Bearer vst_abc", true),
            ("bearer  vst_abc", true),
            ("BEARER vst_", true),
            ("Bearer eyJhbGciOi", false),
            ("Basic dXNlcjpwYXNz", false),
            ("vst_abc", false),
            ("", false),
        ] {
            assert_eq!(is_service_token(value.as_bytes()), ours, "{value}");
        }
    }

    #[test]
    fn an_identity_cannot_bring_control_characters() {
        assert_eq!(printable("a,b").unwrap(), "a,b");
        assert_eq!(printable("a\r\nX-Evil: 1").unwrap(), "aX-Evil: 1");
        assert_eq!(printable("a\u{7f}b\0").unwrap(), "ab");
        assert_eq!(printable(""), None);
        assert_eq!(printable("\r\n"), None);
        assert_eq!(printable("j\u{e4}ger").unwrap().as_bytes(), "j\u{e4}ger".as_bytes());
    }

    #[test]
    fn addresses_are_written_as_rfc_7239_wants() {
        let forwarded = |address: &str| forwarded(address.parse().unwrap(), address, "a.test:81", "http");
        assert_eq!(forwarded("192.0.2.1"), "for=192.0.2.1;host=\"a.test:81\";proto=http");
        assert_eq!(forwarded("2001:db8::1"), "for=\"[2001:db8::1]\";host=\"a.test:81\";proto=http");
    }

    #[test]
    fn a_public_circuit_is_told_no_identity() {
        let names = IdentityHeaders {
            user: HeaderName::from_static("x-user"),
            groups: HeaderName::from_static("x-groups"),
            jwt: HeaderName::from_static("x-jwt"),
        };
        let mut fields = HeaderMap::new();
        set_identity(&mut fields, &names, &Caller::Anyone);
        assert!(fields.is_empty());
    }
}

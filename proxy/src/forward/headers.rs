//! What the upstream is told of the client and its caller, and what no client may tell it.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue, header};
use pingora::Result;
use pingora::http::RequestHeader;
use vestibule_auth::Caller;
use vestibule_config::{HostHeader, IdentityHeaders, Upstream};

use crate::context::{Request, authority};
use crate::host;
use crate::routes::Routes;

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
const CLAIM_PREFIXES: [&str; 3] = ["x-vestibule", "x-forwarded-", "remote-"];

/// Removes every client copy of what we or another proxy could set.
pub(super) fn strip(out: &mut RequestHeader, routes: &Routes) {
    let claims: Vec<_> = out.headers.keys().filter(|name| is_claim(name, routes)).cloned().collect();
    for name in claims {
        out.remove_header(&name);
    }
    let is_service_token = |value: &HeaderValue| is_service_token(value.as_bytes());
    if out.headers.get_all(header::AUTHORIZATION).iter().any(is_service_token) {
        out.remove_header(&header::AUTHORIZATION);
    }
}

/// The client's host in its one spelling with the client's port, or the upstream's own.
pub(super) fn set_host(out: &mut RequestHeader, upstream: &Upstream, request: &Request) -> Result<()> {
    match upstream.host_header {
        HostHeader::Upstream => {
            let own = upstream.url.split_once("://").map_or(&*upstream.url, |(_, rest)| rest);
            out.insert_header(header::HOST, own.split('/').next().unwrap_or(own))
        }
        HostHeader::Client => {
            let written = authority(&out.headers);
            let name = request.host.as_deref().unwrap_or_default();
            let port = host::parse(written).ok().and_then(|authority| authority.port);
            let canonical = match port {
                None if written == name => return Ok(()),
                None => name.to_owned(),
                Some(port) => format!("{name}:{port}"),
            };
            out.insert_header(header::HOST, canonical)
        }
    }
}

/// Address, host and scheme of the client. What a trusted peer said is kept and appended to.
pub(super) fn set_forwarding(out: &mut RequestHeader, sent: &HeaderMap, request: &Request) -> Result<()> {
    let client = &request.client;
    let address = address_value(client.address);
    let authority = sent.get(header::HOST).cloned().unwrap_or(HeaderValue::from_static(""));
    let scheme = if client.secure { "https" } else { "http" };
    let forwarded = format!("for={};host=\"{}\";proto={scheme}", node(client.address), text(&authority));
    out.insert_header("x-real-ip", address.clone())?;
    out.insert_header("x-forwarded-proto", HeaderValue::from_static(scheme))?;
    out.insert_header("forwarded", forwarded)?;
    if !client.peer_is_trusted {
        out.insert_header("x-forwarded-for", address)?;
        out.insert_header("x-forwarded-port", own_port(&authority, scheme))?;
        return out.insert_header("x-forwarded-host", authority);
    }
    out.insert_header("x-forwarded-for", chain(sent, client.peer))?;
    let port = kept(sent, "x-forwarded-port").unwrap_or_else(|| own_port(&authority, scheme));
    out.insert_header("x-forwarded-port", port)?;
    out.insert_header("x-forwarded-host", kept(sent, "x-forwarded-host").unwrap_or(authority))
}

/// Who was let in; nothing for a public circuit, and no header for what is not known.
pub(super) fn set_identity(out: &mut RequestHeader, names: &IdentityHeaders, caller: &Caller) -> Result<()> {
    let Caller::Known(identity) = caller else { return Ok(()) };
    if let Some(email) = identity.email.as_deref().and_then(printable) {
        out.insert_header(names.user.clone(), email)?;
    }
    let groups = identity.groups.iter().map(String::as_str).collect::<Vec<_>>().join(",");
    if let Some(groups) = printable(&groups) {
        out.insert_header(names.groups.clone(), groups)?;
    }
    Ok(())
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

fn chain(sent: &HeaderMap, peer: IpAddr) -> HeaderValue {
    let mut chain = Vec::new();
    for line in sent.get_all("x-forwarded-for") {
        chain.extend_from_slice(line.as_bytes());
        chain.extend_from_slice(b", ");
    }
    chain.extend_from_slice(peer.to_string().as_bytes());
    HeaderValue::from_bytes(&chain).unwrap_or_else(|_| address_value(peer))
}

/// The one value that a trusted peer sent.
fn kept(sent: &HeaderMap, name: &str) -> Option<HeaderValue> {
    sent.get(name).filter(|value| !value.is_empty()).cloned()
}

fn own_port(authority: &HeaderValue, scheme: &str) -> HeaderValue {
    let written = host::parse(text(authority)).ok().and_then(|authority| authority.port);
    let default = HeaderValue::from_static(if scheme == "https" { "443" } else { "80" });
    written.and_then(|port| HeaderValue::from_str(port).ok()).unwrap_or(default)
}

fn address_value(address: IpAddr) -> HeaderValue {
    HeaderValue::from_str(&address.to_string()).expect("addresses are visible ASCII")
}

/// RFC 7239 wants IPv6 in brackets and quotes.
fn node(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("\"[{address}]\""),
    }
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
        let mut head = RequestHeader::build("GET", b"/", None).unwrap();
        for name in names {
            head.append_header(name.to_string(), "forged").unwrap();
            head.append_header(name.to_string(), "twice").unwrap();
        }
        let mut routes = Routes::default();
        routes.add_identity_names([HeaderName::from_static("x-auth-user")]);
        strip(&mut head, &routes);
        head.headers.keys().map(ToString::to_string).collect()
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
        assert_eq!(node("192.0.2.1".parse().unwrap()), "192.0.2.1");
        assert_eq!(node("2001:db8::1".parse().unwrap()), "\"[2001:db8::1]\"");
    }

    #[test]
    fn a_public_circuit_is_told_no_identity() {
        let names = IdentityHeaders {
            user: HeaderName::from_static("x-user"),
            groups: HeaderName::from_static("x-groups"),
            jwt: HeaderName::from_static("x-jwt"),
        };
        let mut head = RequestHeader::build("GET", b"/", None).unwrap();
        set_identity(&mut head, &names, &Caller::Anyone).unwrap();
        assert!(head.headers.is_empty());
    }
}

//! What the upstream is told of the client and its caller.
//!
//! It is the same for most requests of a connection, so that it is made once and kept with the connection.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use pingora::{ErrorType, OrErr, Result};
use vestibule_auth::{Assertion, Caller, Identity};
use vestibule_config::IdentityHeaders;

use super::hop::HOP;
use crate::client_address::{Client, X_FORWARDED_FOR, X_FORWARDED_PROTO, X_REQUEST_ID};
use crate::context::Request;
use crate::host;
use crate::routes::Route;

/// Room for ours and a few of the client's.
const FIELDS: usize = 24;

const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// Everything that the fields depend on.
pub(super) struct Asked<'a> {
    pub(super) request: &'a Request,
    pub(super) route: &'a Arc<Route>,
    pub(super) caller: &'a Caller,
    /// The client's fields.
    pub(super) sent: &'a HeaderMap,
}

impl Asked<'_> {
    /// What the answer depends on is the connection's own. What a trusted peer says of its clients may differ with each
    /// request.
    pub(super) fn is_lasting(&self) -> bool {
        !self.request.client.peer_says
    }

    fn assertion(&self, identity: &Arc<Identity>) -> Arc<Assertion> {
        let location = self.request.location.as_deref().expect("a gate always says where the client is");
        self.route.gate.assertion(identity, location)
    }
}

/// Fields of ours, and of what they are true. Kept only where [`Asked::is_lasting`].
pub(crate) struct Told {
    route: Arc<Route>,
    client: Client,
    /// As the client wrote it.
    host: HeaderValue,
    identity: Option<Arc<Identity>>,
    assertion: Option<Arc<Assertion>>,
    fields: HeaderMap,
}

impl Told {
    /// # Errors
    /// When a value cannot be a header.
    pub(super) fn new(asked: &Asked<'_>) -> Result<Self> {
        let Asked { request, route, caller, sent } = asked;
        let host = sent.get(header::HOST).cloned().unwrap_or(HeaderValue::from_static(""));
        let mut fields = HeaderMap::with_capacity(FIELDS);
        fields.insert(header::HOST, asked_host(request, sent));
        fields.insert(HOP.0.clone(), HOP.1.clone());
        set_forwarding(&mut fields, &host, sent, &request.client)?;
        // Its place: the value is each request's own.
        fields.insert(X_REQUEST_ID, HeaderValue::from_static(""));
        let identity = known(caller).cloned();
        let assertion = identity.as_ref().map(|identity| asked.assertion(identity));
        if let (Some(identity), Some(assertion)) = (&identity, &assertion) {
            set_identity(&mut fields, &route.circuit.identity, identity);
            fields.insert(route.circuit.identity.jwt.clone(), assertion.value.clone());
        }
        Ok(Self { route: Arc::clone(route), client: request.client, host, identity, assertion, fields })
    }

    /// What it says is true of this request too.
    pub(super) fn is_of(&self, asked: &Asked<'_>) -> bool {
        let same_identity = match (&self.identity, known(asked.caller)) {
            (Some(told), Some(identity)) => Arc::ptr_eq(told, identity),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        same_identity
            && self.assertion.as_ref().is_none_or(|assertion| assertion.serves_at(asked.request.time_us))
            && asked.is_lasting()
            && Arc::ptr_eq(&self.route, asked.route)
            && self.client == asked.request.client
            && asked.sent.get(header::HOST) == Some(&self.host)
    }

    pub(super) fn fields(&self) -> HeaderMap {
        self.fields.clone()
    }
}

/// Nobody in particular on a public circuit.
fn known(caller: &Caller) -> Option<&Arc<Identity>> {
    match caller {
        Caller::Anyone => None,
        Caller::Known(identity) => Some(identity),
    }
}

/// The client's host in its one spelling, with the client's port. `sent` is the client's fields.
pub(super) fn asked_host(request: &Request, sent: &HeaderMap) -> HeaderValue {
    let name = request.host.as_deref().unwrap_or_default();
    let Some(written) = sent.get(header::HOST) else { return own(name.to_owned()) };
    match host::port(text(written)) {
        None if text(written) == name => written.clone(),
        None => own(name.to_owned()),
        Some(port) => own(format!("{name}:{port}")),
    }
}

/// A host that was parsed is visible ASCII.
fn own(host: String) -> HeaderValue {
    HeaderValue::from_maybe_shared(Bytes::from(host)).unwrap_or(HeaderValue::from_static(""))
}

/// Address, host and scheme of the client. What a trusted peer said is kept and appended to.
fn set_forwarding(fields: &mut HeaderMap, host: &HeaderValue, sent: &HeaderMap, client: &Client) -> Result<()> {
    let address = client.address.to_string();
    let scheme = if client.secure { "https" } else { "http" };
    fields.insert(header::FORWARDED, value(forwarded(client.address, &address, text(host), scheme))?);
    fields.insert(X_FORWARDED_PROTO, HeaderValue::from_static(scheme));
    let address = value(address)?;
    fields.insert(X_REAL_IP, address.clone());
    let (chain, port, said) = if client.peer_is_trusted {
        (chain(sent, client.peer)?, kept(sent, &X_FORWARDED_PORT), kept(sent, &X_FORWARDED_HOST))
    } else {
        (address, None, None)
    };
    fields.insert(X_FORWARDED_FOR, chain);
    fields.insert(X_FORWARDED_PORT, port.unwrap_or_else(|| own_port(host, scheme)));
    fields.insert(X_FORWARDED_HOST, said.unwrap_or_else(|| host.clone()));
    Ok(())
}

/// Who was let in; no header for what is not known.
fn set_identity(fields: &mut HeaderMap, names: &IdentityHeaders, identity: &Identity) {
    if let Some(email) = identity.email.as_deref().and_then(printable) {
        fields.insert(names.user.clone(), email);
    }
    let groups = identity.groups.iter().map(String::as_str).collect::<Vec<_>>().join(",");
    if let Some(groups) = printable(&groups) {
        fields.insert(names.groups.clone(), groups);
    }
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
    use super::super::carried::passes;
    use super::*;
    use crate::routes::Routes;

    #[test]
    fn no_field_of_the_client_has_a_name_of_ours() {
        let ours = [
            header::HOST,
            header::FORWARDED,
            X_FORWARDED_FOR,
            X_FORWARDED_HOST,
            X_FORWARDED_PORT,
            X_FORWARDED_PROTO,
            X_REAL_IP,
            X_REQUEST_ID,
        ];
        for name in ours {
            assert!(!passes(&name, &Routes::default()), "{name}");
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
}

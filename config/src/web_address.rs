//! Addresses of others that the program calls.

use std::net::IpAddr;
use std::sync::Arc;

use http::uri::{Scheme, Uri};

use crate::word::{Word, Wrong, words};

/// Where somebody is told or asked, as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WebAddress(pub(crate) Arc<str>);

impl Word for WebAddress {
    const EXAMPLE: &str = "\"https://hooks.example.net/vestibule\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        let wrong = |what| {
            Wrong::new(format!("this is not an address to call: {what}"))
                .help(format!("write one such as {}", Self::EXAMPLE))
        };
        parse(text).map(|_| Self(text.into())).map_err(wrong)
    }
}

words!(WebAddress);

/// An address over `https`, or over `http` on this machine, where nobody between can read or answer. What is wrong is
/// said without the text: it may hold a password.
pub(crate) fn parse(text: &str) -> Result<Uri, &'static str> {
    let uri: Uri = text.parse().map_err(|_| "it is no URL")?;
    let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else { return Err("it has no scheme") };
    if authority.as_str().contains('@') {
        return Err("it has a user name or password");
    }
    if *scheme == Scheme::HTTPS || (*scheme == Scheme::HTTP && is_loopback(authority.host())) {
        return Ok(uri);
    }
    Err("what it says must come over https, except from this machine")
}

/// Whether a host is this machine.
pub(crate) fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    address.is_ok_and(|address| address.is_loopback()) || host == "localhost" || host.ends_with(".localhost")
}

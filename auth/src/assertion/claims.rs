//! What a token says.

use std::collections::BTreeSet;

use serde::Serialize;
use vestibule_config::Circuit;

use crate::caller::Identity;

/// Clocks of upstreams may be behind by so much.
const EARLY_SECONDS: i64 = 30;

/// Together with [`EARLY_SECONDS`] five minutes.
pub(super) const LIFE_SECONDS: i64 = 270;

/// Bytes of all groups as they are written: servers take header fields of 8 KiB, and the token is a third longer.
const GROUPS_BYTES: usize = 4096;

/// Absent claims are left out.
#[derive(Serialize)]
pub(super) struct Claims<'a> {
    iss: String,
    aud: &'a str,
    sub: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    groups: Vec<&'a str>,
    /// The groups are not all of them.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    groups_cut: bool,
    method: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    country: Option<&'a str>,
    iat: i64,
    nbf: i64,
    exp: i64,
}

impl<'a> Claims<'a> {
    /// `now` in seconds since 1970.
    pub(super) fn new(
        circuit: &'a Circuit,
        login_host: Option<&str>,
        identity: &'a Identity,
        country: Option<&'a str>,
        now: i64,
    ) -> Self {
        let groups = bounded(&identity.groups);
        Self {
            iss: issuer(circuit, login_host),
            aud: circuit.name.as_str(),
            sub: &identity.user_id,
            email: identity.email.as_deref(),
            groups_cut: groups.len() < identity.groups.len(),
            groups,
            method: identity.method.code(),
            sid: identity.session.as_ref().map(crate::session::SessionId::as_str),
            country,
            iat: now,
            nbf: now.saturating_sub(EARLY_SECONDS),
            exp: now.saturating_add(LIFE_SECONDS),
        }
    }
}

/// The same whatever host of the circuit was asked, and never what a client wrote.
fn issuer(circuit: &Circuit, login_host: Option<&str>) -> String {
    let first = circuit.hosts.first().map(vestibule_config::Host::as_str);
    format!("https://{}", login_host.or(first).unwrap_or_default())
}

fn bounded(groups: &BTreeSet<String>) -> Vec<&str> {
    let mut bytes = 0;
    let fits = |group: &&str| {
        // With its comma.
        bytes += serde_json::to_string(group).map_or(GROUPS_BYTES, |written| written.len()) + 1;
        bytes <= GROUPS_BYTES
    };
    groups.iter().map(String::as_str).take_while(fits).collect()
}

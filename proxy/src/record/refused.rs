//! Entries of requests that never became one.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use vestibule_auth::{Location, Method, Reason};
use vestibule_logstore::entry::Common;
use vestibule_logstore::{Entry, RequestEntry};

use crate::metrics::Finished;
use crate::redact;
use crate::reply::Mark;
use crate::state::State;

/// A request that never became one: its head is no head, or came too slowly, or nobody had room for it.
pub(crate) struct Refused<'a> {
    /// Why.
    pub(crate) reason: Reason,
    /// As answered; 0 where nothing was.
    pub(crate) status: u16,
    /// Who answered.
    pub(crate) mark: Mark,
    /// Joins answer and entry.
    pub(crate) request_id: &'a str,
    /// The connection's; forwarding headers of such a head mean nothing. Absent: of several.
    pub(crate) peer: Option<IpAddr>,
    /// How many it stands for; absent: for one.
    pub(crate) count: Option<u64>,
    /// As far as it could be read.
    pub(crate) seen: Seen<'a>,
}

/// What is known of it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Seen<'a> {
    /// As sent.
    pub(crate) method: Option<&'a str>,
    /// The name that a handshake asked for.
    pub(crate) host: Option<&'a str>,
    /// With query.
    pub(crate) target: Option<&'a str>,
    /// As entries call it.
    pub(crate) protocol: Option<&'static str>,
    /// As entries tell it.
    pub(crate) tls: Option<&'a str>,
}

/// Writes its entry.
pub(crate) fn refused(state: &State, refused: &Refused<'_>) {
    let live = state.live.load();
    let location = refused.peer.map_or_else(Location::default, |peer| live.policy.locate(peer));
    let seen = &refused.seen;
    let (path, query) = match seen.target.map(|target| target.split_once('?').unwrap_or((target, ""))) {
        Some((path, query)) => (Some(path), Some(query).filter(|query| !query.is_empty())),
        None => (None, None),
    };
    let query = query.map(|query| redact::query(query, &live.settings.logs.redact_query));
    let entry = RequestEntry {
        common: Common {
            time: state.clock.now().as_microsecond(),
            request_id: Some(refused.request_id),
            source_ip: refused.peer,
            country: location.country.as_deref(),
            subdivision: location.subdivision.as_deref(),
            city: location.city.as_deref(),
            asn: location.asn.map(u64::from),
            user_agent: None,
            revision: Some(&live.settings.revision),
            event_count: refused.count,
            node: None,
        },
        method: seen.method,
        host: seen.host,
        path,
        query: query.as_deref(),
        protocol: seen.protocol,
        status_code: u64::from(refused.status),
        action: "blocked",
        origin: refused.mark.code(),
        reason: Some(refused.reason.code()),
        would_block: None,
        auth_method: Method::None.code(),
        email: None,
        user_id: None,
        session_id: None,
        circuit: None,
        project: None,
        upstream: None,
        upstream_ms: None,
        duration_ms: 0,
        bytes_in: 0,
        bytes_out: 0,
        referer: None,
        tls: seen.tls,
        metadata: None,
    };
    state.store.append(&Entry::Request(&entry));
}

/// Counts it, whether it has an entry of its own or not.
pub(crate) fn count_refused(state: &State, reason: Reason, mark: Mark, status: u16) {
    state.metrics.finished(&Finished {
        circuit: &Arc::default(),
        answered: None,
        action: "blocked",
        origin: mark.code(),
        status,
        reason: Some(reason),
        duration: Duration::ZERO,
        upstream: None,
    });
}

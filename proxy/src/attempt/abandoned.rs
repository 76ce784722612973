//! Attempts that began and of which nothing more came end by themselves, those that a restart left open too.
//!
//! What is open is asked of the log itself, so that nothing needs to be remembered over a restart.

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use vestibule_auth::{Method, Reason, sso};
use vestibule_logstore::entry::Common;
use vestibule_logstore::{AccessEntry, Entry, Log, Query};

use crate::state::State;

/// After its last sign of life; a callback that comes at the last moment is finished first.
const AFTER: Duration = sso::TTL.saturating_add(Duration::from_secs(30));
/// Ended by one round.
const ROUND: &str = "1000";
/// Looked at again before what was seen to be closed, for entries that come late.
const AGAIN: Duration = Duration::from_secs(60);

/// How far the log was looked through; everything before is closed.
#[derive(Debug, Default)]
pub(crate) struct Closed {
    since: Option<Timestamp>,
    /// The end of a look that is not through, and where it goes on.
    unfinished: Option<(Timestamp, String)>,
}

/// What of an entry goes on into the one that ends it.
#[derive(Deserialize)]
struct Open {
    attempt_id: String,
    request_id: Option<String>,
    source_ip: Option<std::net::IpAddr>,
    country: Option<String>,
    subdivision: Option<String>,
    city: Option<String>,
    asn: Option<u64>,
    user_agent: Option<String>,
    revision: Option<String>,
    node: Option<String>,
    auth_method: String,
    provider: Option<String>,
    email: Option<String>,
    user_id: Option<String>,
    circuit: Option<String>,
    project: Option<String>,
    host: Option<String>,
    policy: Option<String>,
    purpose: Option<String>,
    time: Timestamp,
}

/// One round. Blocks while the log is asked.
pub(crate) fn close(state: &State, closed: &mut Closed) {
    let now = state.clock.now();
    let (until, cursor) = match closed.unfinished.take() {
        Some((until, cursor)) => (until, Some(cursor)),
        None => (now.checked_sub(AFTER).unwrap_or(Timestamp::MIN), None),
    };
    match open(state, closed.since, until, cursor, now) {
        Ok((open, next)) => {
            for open in &open {
                state.store.append(&Entry::Access(&open.ending(now)));
                open.count(state);
            }
            match next {
                Some(cursor) => closed.unfinished = Some((until, cursor)),
                None => closed.since = until.checked_sub(AGAIN).ok(),
            }
        }
        Err(error) => tracing::error!(error, "open attempts cannot be asked for"),
    }
}

/// A page of them, oldest first, and where the next one begins.
fn open(
    state: &State,
    since: Option<Timestamp>,
    until: Timestamp,
    cursor: Option<String>,
    now: Timestamp,
) -> Result<(Vec<Open>, Option<String>), String> {
    let mut asked = vec![
        ("status", "initiated".to_owned()),
        ("status", "pending".to_owned()),
        ("until", until.to_string()),
        ("order", "asc".to_owned()),
        ("limit", ROUND.to_owned()),
    ];
    asked.extend(since.map(|since| ("since", since.to_string())));
    asked.extend(cursor.map(|cursor| ("cursor", cursor)));
    let asked: Vec<_> = asked.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let query = Query::parse(Log::Access, &asked, now).map_err(|error| error.to_string())?;
    let page = state.store.query(&query).map_err(|error| error.to_string())?;
    let read = |row: &vestibule_logstore::Row| serde_json::from_str(&row.to_json()).map_err(|error| error.to_string());
    let open = page.rows.iter().map(read).collect::<Result<_, String>>()?;
    Ok((open, page.next_cursor))
}

impl Open {
    /// A circuit that is gone has no figures.
    fn count(&self, state: &State) {
        let live = state.live.load();
        let circuit = self.circuit.as_deref().and_then(|name| live.settings.circuits.get(name));
        let method = Method::ALL.into_iter().find(|method| method.code() == self.auth_method);
        if let (Some(circuit), Some(method)) = (circuit, method) {
            state.metrics.attempt(&circuit.name.shared(), method, "failed");
        }
    }

    fn ending(&self, now: Timestamp) -> AccessEntry<'_> {
        let open_for = Duration::try_from(now.duration_since(self.time)).unwrap_or_default();
        AccessEntry {
            common: Common {
                time: now.as_microsecond(),
                request_id: self.request_id.as_deref(),
                source_ip: self.source_ip,
                country: self.country.as_deref(),
                subdivision: self.subdivision.as_deref(),
                city: self.city.as_deref(),
                asn: self.asn,
                user_agent: self.user_agent.as_deref(),
                revision: self.revision.as_deref(),
                event_count: None,
                node: self.node.as_deref(),
            },
            attempt_id: Some(&self.attempt_id),
            action: "login",
            status: "failure",
            result: Some("failed"),
            reason: Some(Reason::Abandoned.code()),
            auth_method: &self.auth_method,
            provider: self.provider.as_deref(),
            email: self.email.as_deref(),
            user_id: self.user_id.as_deref(),
            session_id: None,
            circuit: self.circuit.as_deref(),
            project: self.project.as_deref(),
            host: self.host.as_deref(),
            policy: self.policy.as_deref(),
            rule: None,
            duration_ms: Some(u64::try_from(open_for.as_millis()).unwrap_or(u64::MAX)),
            purpose: self.purpose.as_deref(),
        }
    }
}

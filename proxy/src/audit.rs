//! Entries of the audit log: who did what to which thing. The one place that fills an `AuditEntry` for administration.

use std::net::IpAddr;

use jiff::Timestamp;
use serde_json::Value;
use vestibule_auth::Location;
use vestibule_logstore::entry::{AuditEntry, Common};
use vestibule_logstore::{Committed, Entry, Unavailable};

use crate::state::State;

/// Who acts, from where, since when.
#[derive(Debug, Clone)]
pub(crate) struct Actor {
    /// Name of the token, an operator's address, or `vestibule`.
    pub(crate) name: String,
    /// What kind of actor that is.
    pub(crate) kind: ActorKind,
    /// Absent for a signal or a changed file.
    pub(crate) source_ip: Option<IpAddr>,
    /// As sent.
    pub(crate) user_agent: Option<String>,
    /// Of the admin request.
    pub(crate) request_id: Option<String>,
    /// When the act began.
    pub(crate) started: Timestamp,
}

/// `actor_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ActorKind {
    /// An operator, who signed in at a provider.
    User,
    /// A holder of an admin token.
    Token,
    /// The program itself.
    System,
}

impl ActorKind {
    /// The word of entries.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Token => "token",
            Self::System => "system",
        }
    }
}

impl Actor {
    /// The program itself.
    pub(crate) fn system(started: Timestamp) -> Self {
        Self {
            name: "vestibule".to_owned(),
            kind: ActorKind::System,
            source_ip: None,
            user_agent: None,
            request_id: None,
            started,
        }
    }
}

/// One act. Texts are words of the contract's audit log; `before`, `after` and `details` are JSON without secrets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Act<'a> {
    pub(crate) actor: &'a Actor,
    pub(crate) action_type: &'a str,
    pub(crate) action: &'a str,
    pub(crate) resource_type: &'a str,
    pub(crate) resource: Option<&'a str>,
    pub(crate) status: &'a str,
    pub(crate) http_status: Option<u16>,
    pub(crate) before: Option<&'a str>,
    pub(crate) after: Option<&'a str>,
    pub(crate) details: Option<&'a str>,
    /// More than one where equal acts were merged.
    pub(crate) count: u64,
}

impl Act<'_> {
    /// Returns when the entry is on disk.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) async fn commit(&self, state: &State) -> Result<Committed, Unavailable> {
        let surroundings = Surroundings::of(self.actor, state);
        state.store.commit(&Entry::Audit(&self.entry(&surroundings))).await
    }

    /// For acts that change nothing: a flood of them may be dropped, and is then counted.
    pub(crate) fn append(&self, state: &State) {
        let surroundings = Surroundings::of(self.actor, state);
        state.store.append(&Entry::Audit(&self.entry(&surroundings)));
    }

    fn entry<'a>(&'a self, surroundings: &'a Surroundings) -> AuditEntry<'a> {
        let Surroundings { location, revision, duration_ms } = surroundings;
        AuditEntry {
            common: Common {
                time: self.actor.started.as_microsecond(),
                request_id: self.actor.request_id.as_deref(),
                source_ip: self.actor.source_ip,
                country: location.country.as_deref(),
                subdivision: location.subdivision.as_deref(),
                city: location.city.as_deref(),
                asn: location.asn.map(u64::from),
                user_agent: self.actor.user_agent.as_deref(),
                revision: Some(revision),
                event_count: (self.count > 1).then_some(self.count),
                node: None,
            },
            actor: Some(&self.actor.name),
            actor_type: self.actor.kind.code(),
            action_type: self.action_type,
            action: self.action,
            resource_type: self.resource_type,
            resource: self.resource,
            status: self.status,
            http_status: self.http_status.map(u64::from),
            duration_ms: Some(*duration_ms),
            before: self.before,
            after: self.after,
            details: self.details,
        }
    }
}

/// What the program saw by itself and somebody should look at. Not waited for.
pub(crate) fn notice(state: &State, action_type: &str, action: &str, resource_type: &str, details: &Value) {
    let details = details.to_string();
    let act = Act {
        actor: &Actor::system(state.clock.now()),
        action_type,
        action,
        resource_type,
        resource: None,
        status: "alert",
        http_status: None,
        before: None,
        after: None,
        details: Some(&details),
        count: 1,
    };
    act.append(state);
}

/// What a command did to the data of a server that does not run.
pub(crate) fn of_command<'a>(action: &'a str, resource: &'a str, now: Timestamp, details: &'a str) -> AuditEntry<'a> {
    AuditEntry {
        common: Common {
            time: now.as_microsecond(),
            request_id: None,
            source_ip: None,
            country: None,
            subdivision: None,
            city: None,
            asn: None,
            user_agent: None,
            revision: None,
            event_count: None,
            node: None,
        },
        actor: Some("vestibule"),
        actor_type: "system",
        action_type: "admin",
        action,
        resource_type: "system",
        resource: Some(resource),
        status: "success",
        http_status: None,
        duration_ms: None,
        before: None,
        after: None,
        details: Some(details),
    }
}

/// What an entry borrows besides the act.
struct Surroundings {
    location: Location,
    revision: std::sync::Arc<str>,
    duration_ms: u64,
}

impl Surroundings {
    fn of(actor: &Actor, state: &State) -> Self {
        let live = state.live.load();
        let elapsed = state.clock.now().duration_since(actor.started);
        Self {
            location: actor.source_ip.map(|address| live.policy.locate(address)).unwrap_or_default(),
            revision: live.settings.revision.clone(),
            duration_ms: u64::try_from(elapsed.as_millis()).unwrap_or(0),
        }
    }
}

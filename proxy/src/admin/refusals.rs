//! Audit entries of refused reads: the first at once, equal ones after it counted and written once a minute, so that a
//! flood cannot fill the log.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::json;

use super::throttle::network;
use crate::audit::{Act, Actor, ActorKind};
use crate::state::State;

/// At most one entry per key in this time.
const PERIOD: Duration = Duration::from_secs(60);

/// When so many different refusals are counted, the rest of the minute's new ones are one entry, `others`.
const KEYS: usize = 1024;

/// What makes two refusals equal.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    /// IPv6 by /64.
    address: IpAddr,
    /// Name of the token, or the address of the operator; absent where nobody is known.
    who: Option<String>,
    /// A path of the table, or `others`: what a client invents is not kept.
    path: &'static str,
    reason: &'static str,
}

/// Refusals of the last minute.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    counts: Mutex<HashMap<Key, Count>>,
}

#[derive(Debug)]
struct Count {
    /// When the last entry of this key was written.
    written: Duration,
    /// Refused since then, and by whom last.
    waiting: Option<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    count: u64,
    status: u16,
    actor: Actor,
}

impl Refusals {
    /// One refused request.
    pub(super) fn refused(&self, state: &State, path: &'static str, reason: &'static str, status: u16, actor: Actor) {
        let now = state.clock.elapsed();
        let who = (actor.kind != ActorKind::System).then(|| actor.name.clone());
        let address = network(actor.source_ip.unwrap_or(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED)));
        let mut key = Key { address, who, path, reason };
        let mut counts = self.counts.lock();
        if counts.len() >= KEYS && !counts.contains_key(&key) {
            key = Key { address: IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), who: None, path: "others", reason };
        }
        match counts.get_mut(&key) {
            Some(count) => {
                let waiting = count.waiting.take().map_or(0, |waiting| waiting.count);
                count.waiting = Some(Waiting { count: waiting + 1, status, actor });
            }
            None => {
                write(state, &key, &Waiting { count: 1, status, actor });
                counts.insert(key, Count { written: now, waiting: None });
            }
        }
    }

    /// Writes what waited for a minute and forgets what is quiet; `all` at the end of the program.
    pub(super) fn flush(&self, state: &State, all: bool) {
        let now = state.clock.elapsed();
        self.counts.lock().retain(|key, count| {
            if !all && now.saturating_sub(count.written) < PERIOD {
                return true;
            }
            let Some(waiting) = count.waiting.take() else { return false };
            write(state, key, &waiting);
            count.written = now;
            true
        });
    }
}

fn write(state: &State, key: &Key, waiting: &Waiting) {
    let Waiting { count, status, actor } = waiting;
    let details = json!({ "reason": key.reason, "count": count }).to_string();
    let act = Act {
        actor,
        action_type: "admin",
        action: "admin.access",
        resource_type: "admin",
        resource: Some(key.path),
        status: "denied",
        http_status: Some(*status),
        before: None,
        after: None,
        details: Some(&details),
        count: *count,
    };
    act.append(state);
}

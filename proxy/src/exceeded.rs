//! Audit entries `rate_limit.exceeded`: one per limit, key and minute, with its count, so that a flood of refused
//! requests costs one entry.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use serde::Serialize;
use serde_json::json;
use vestibule_auth::{Budget, LOGIN_LIMITS, Reason};
use vestibule_config::alert::Occasion;
use vestibule_logstore::entry::Common;
use vestibule_logstore::{AuditEntry, Entry, Store};

use crate::attempt::Scene;
use crate::state::State;
use crate::{alerts, personal};

/// From the first refusal on, everything of one key is one entry.
const WINDOW_US: i64 = 60_000_000;
/// Keys counted at the same time; what comes on top is counted under [`OTHERS`], per limit.
const KEYS: usize = 10_000;
/// Key of everything beyond [`KEYS`].
const OTHERS: &str = "(others)";
/// How often finished windows are looked for.
const EVERY: Duration = Duration::from_secs(1);

/// One refusal by a limit.
pub(crate) struct Over<'a> {
    /// Which limit.
    pub(crate) budget: &'a Budget,
    /// Whose bucket it is.
    pub(crate) reason: Reason,
    /// E-mail or user id, where one is known.
    pub(crate) account: Option<&'a str>,
}

/// Refusals of the running minute.
#[derive(Default)]
pub(crate) struct Exceeded {
    windows: Mutex<HashMap<Key, Window>>,
}

/// Counts one refusal; its entry follows when its minute is over.
pub(crate) fn note(state: &State, scene: &Scene<'_>, over: &Over<'_>) {
    state.metrics.rate_limited(&scene.circuit.name.shared(), &over.budget.limit);
    let key = Key { limit: over.budget.limit.clone(), key: shown(state, scene, over) };
    // What it is locked for was told when it was.
    if LOGIN_LIMITS.contains(&&*key.limit) && over.reason != Reason::UserLocked {
        let circuit = scene.circuit.name.as_str();
        let details = json!({
            "circuit": circuit,
            "limit": &*key.limit,
            "key": &*key.key,
            "source_ip": personal::address(scene.circuit, scene.source_ip),
            "country": scene.location.country.as_deref(),
            "request_id": scene.request_id,
        });
        alerts::raise(state, Occasion::BruteForce, &format!("{circuit} {}", key.limit), details);
    }
    state.exceeded.count(key, scene);
}

/// Writes entries of finished minutes, until the program begins to stop; [`Exceeded::flush_all`] writes the rest.
pub(crate) async fn run(state: Arc<State>) {
    let mut stopping = state.stopping.subscribe();
    loop {
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            _ = stopping.wait_for(|stopping| *stopping) => return,
        }
        state.exceeded.flush(&state.store, state.clock.now().as_microsecond());
    }
}

impl Exceeded {
    /// Queues an entry for each minute that is over at `now_us`.
    pub(crate) fn flush(&self, store: &Store, now_us: i64) {
        self.write(store, |window| window.from_us.saturating_add(WINDOW_US) <= now_us);
    }

    /// Queues an entry for everything counted; for the end of the process.
    pub(crate) fn flush_all(&self, store: &Store) {
        self.write(store, |_| true);
    }

    fn count(&self, key: Key, scene: &Scene<'_>) {
        let mut windows = self.windows.lock();
        let full = windows.len() >= KEYS && !windows.contains_key(&key);
        let key = if full { Key { limit: key.limit, key: OTHERS.into() } } else { key };
        let window = windows.entry(key).or_insert_with(|| Window::new(scene));
        window.count += 1;
        window.until_us = window.until_us.max(scene.time_us);
    }

    fn write(&self, store: &Store, is_over: impl Fn(&Window) -> bool) {
        // Entries are built after the lock is given back: requests wait for it.
        let over: Vec<_> = self.windows.lock().extract_if(|_, window| is_over(window)).collect();
        for (key, window) in over {
            append(store, &key, &window);
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    limit: Arc<str>,
    key: Arc<str>,
}

/// What is known of one key's minute; place and revision are those of its first refusal.
struct Window {
    count: u64,
    from_us: i64,
    until_us: i64,
    circuit: Arc<str>,
    source_ip: Option<IpAddr>,
    country: Option<Arc<str>>,
    revision: Arc<str>,
    request_id: Box<str>,
}

impl Window {
    fn new(scene: &Scene<'_>) -> Self {
        Self {
            count: 0,
            from_us: scene.time_us,
            until_us: scene.time_us,
            circuit: scene.circuit.name.shared(),
            source_ip: personal::address(scene.circuit, scene.source_ip),
            country: scene.location.country.clone(),
            revision: scene.revision.clone(),
            request_id: scene.request_id.into(),
        }
    }
}

/// Whose bucket was empty, as far as the circuit's entries may tell.
fn shown(state: &State, scene: &Scene<'_>, over: &Over<'_>) -> Arc<str> {
    let bucket = bucket(scene, over);
    if over.reason == Reason::RateLimitedCircuit {
        return bucket;
    }
    personal::name(&state.auth, scene.circuit, bucket)
}

/// Whose bucket was empty, as an operator would name it.
fn bucket(scene: &Scene<'_>, over: &Over<'_>) -> Arc<str> {
    let per_account = matches!(over.reason, Reason::RateLimitedUser | Reason::UserLocked);
    match over.account {
        Some(account) if per_account => account.into(),
        Some(_) | None if over.reason == Reason::RateLimitedCircuit => scene.circuit.name.shared(),
        Some(_) | None => network(scene.source_ip).into(),
    }
}

/// Limits see an IPv6 address by its /64.
pub(crate) fn network(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => ipnet::Ipv6Net::new_assert(address, 64).trunc().to_string(),
    }
}

#[derive(Serialize)]
struct Details<'a> {
    limit: &'a str,
    key: &'a str,
    count: u64,
    from: Timestamp,
    to: Timestamp,
}

fn append(store: &Store, key: &Key, window: &Window) {
    let details = Details {
        limit: &key.limit,
        key: &key.key,
        count: window.count,
        from: Timestamp::from_microsecond(window.from_us).unwrap_or_default(),
        to: Timestamp::from_microsecond(window.until_us).unwrap_or_default(),
    };
    let details = serde_json::to_string(&details).expect("plain structs become JSON");
    store.append(&Entry::Audit(&AuditEntry {
        common: common(window),
        actor: Some("vestibule"),
        actor_type: "system",
        action_type: "security",
        action: "rate_limit.exceeded",
        resource_type: "circuit",
        resource: Some(&*window.circuit).filter(|circuit| !circuit.is_empty()),
        status: "denied",
        http_status: None,
        duration_ms: None,
        before: None,
        after: None,
        details: Some(&details),
    }));
}

fn common(window: &Window) -> Common<'_> {
    Common {
        time: window.from_us,
        request_id: Some(&window.request_id),
        source_ip: window.source_ip,
        country: window.country.as_deref(),
        subdivision: None,
        city: None,
        asn: None,
        user_agent: None,
        revision: Some(&window.revision),
        event_count: Some(window.count),
        node: None,
    }
}

#[cfg(test)]
mod tests {
    use vestibule_auth::Location;
    use vestibule_config::{Circuit, load_text};

    use super::*;

    const FILE: &str = "[server]\ndata_dir = \"data\"\nlisten = [{ address = \"127.0.0.1:8080\" }]\n\
        [circuits.open]\nhosts = [\"open.test\"]\nupstream = \"http://127.0.0.1:3000\"\naccess = \"public\"\n";

    fn circuit() -> Arc<Circuit> {
        let settings =
            load_text(FILE, Timestamp::UNIX_EPOCH).unwrap_or_else(|report| panic!("{}", report.render(false)));
        settings.circuits.get("open").unwrap().clone()
    }

    fn with_scene<T>(time_us: i64, source_ip: &str, act: impl FnOnce(&Scene<'_>) -> T) -> T {
        let circuit = circuit();
        act(&Scene {
            time_us,
            request_id: "r-1",
            source_ip: source_ip.parse().unwrap(),
            location: &Location::default(),
            user_agent: None,
            revision: &"abc".into(),
            circuit: &circuit,
            access: &circuit.access,
            host: "open.test",
            attempt: None,
            purpose: None,
        })
    }

    fn key(key: &str) -> Key {
        Key { limit: "browse".into(), key: key.into() }
    }

    #[test]
    fn refusals_of_one_key_are_one_window() {
        let exceeded = Exceeded::default();
        for time_us in [5, 9, 7] {
            with_scene(time_us, "192.0.2.1", |scene| exceeded.count(key("192.0.2.1"), scene));
        }
        with_scene(8, "192.0.2.2", |scene| exceeded.count(key("192.0.2.2"), scene));
        let windows = exceeded.windows.lock();
        let window = &windows[&key("192.0.2.1")];
        assert_eq!((window.count, window.from_us, window.until_us), (3, 5, 9));
        assert_eq!(windows[&key("192.0.2.2")].count, 1);
    }

    #[test]
    fn a_flood_of_keys_is_counted_together() {
        let exceeded = Exceeded::default();
        with_scene(0, "192.0.2.1", |scene| {
            for number in 0..KEYS + 500 {
                exceeded.count(key(&number.to_string()), scene);
            }
            exceeded.count(key("0"), scene);
        });
        let windows = exceeded.windows.lock();
        assert_eq!(windows.len(), KEYS + 1);
        assert_eq!((windows[&key(OTHERS)].count, windows[&key("0")].count), (500, 2));
    }

    #[test]
    fn a_key_is_named_as_its_limit_counts() {
        let budget = Budget {
            limit: "browse".into(),
            quota: 1,
            remaining: 0,
            retry_after: Duration::ZERO,
            reset: Duration::ZERO,
        };
        for (reason, account, name) in [
            (Reason::RateLimitedIp, Some("maya@example.net"), "2001:db8:1:2::/64"),
            (Reason::RateLimitedUser, Some("maya@example.net"), "maya@example.net"),
            (Reason::UserLocked, Some("maya@example.net"), "maya@example.net"),
            (Reason::RateLimitedUser, None, "2001:db8:1:2::/64"),
            (Reason::RateLimitedCircuit, Some("maya@example.net"), "open"),
        ] {
            let over = Over { budget: &budget, reason, account };
            with_scene(0, "2001:db8:1:2:3::9", |scene| assert_eq!(&*bucket(scene, &over), name));
        }
        assert_eq!(network("192.0.2.7".parse().unwrap()), "192.0.2.7");
    }
}

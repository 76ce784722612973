//! Entries of what is refused before it is a request: one each, until they are too many of one address.
//!
//! Then everything of one address and reason is one entry a second, with its count: who floods us cannot buy disk.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use vestibule_auth::Reason;

use super::connections::network;
use crate::record;
use crate::reply::Mark;
use crate::state::State;

/// Of one address and reason, within a second; what comes on top is counted.
const SINGLE_MAX: u64 = 20;
/// What is counted becomes an entry when so much time is over.
const WINDOW: Duration = Duration::from_secs(1);
/// How often that is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Addresses and reasons at the same time; what comes on top is counted as if of one address, which is not named.
const KEYS_MAX: usize = 4096;

/// What was refused in the running second.
#[derive(Default)]
pub(crate) struct Flood {
    windows: Mutex<HashMap<Key, Window>>,
}

/// What is counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    /// A network of IPv6, as one subscriber has a whole one. Absent: of many.
    network: Option<IpAddr>,
    reason: Reason,
    status: u16,
}

#[derive(Debug, Clone, Copy)]
struct Window {
    began: Duration,
    address: Option<IpAddr>,
    mark: Mark,
    single: u64,
    counted: u64,
}

/// One refusal.
pub(super) struct Refusal {
    pub(super) peer: IpAddr,
    pub(super) reason: Reason,
    pub(super) status: u16,
    pub(super) mark: Mark,
}

impl Flood {
    /// True where it gets an entry of its own; else it was counted. `now` is on the clock that never goes back.
    pub(super) fn has_room(&self, refusal: &Refusal, now: Duration) -> bool {
        let Refusal { peer, reason, status, mark } = *refusal;
        let mut windows = self.windows.lock();
        let own = Key { network: Some(network(peer)), reason, status };
        let is_full = windows.len() >= KEYS_MAX && !windows.contains_key(&own);
        let (key, address) = if is_full { (Key { network: None, ..own }, None) } else { (own, Some(peer)) };
        let window = windows.entry(key).or_insert(Window { began: now, address, mark, single: 0, counted: 0 });
        if is_full || window.single >= SINGLE_MAX {
            window.counted += 1;
            return false;
        }
        window.single += 1;
        true
    }

    /// Windows that are over. What flooded goes on to be counted, until it has been quiet for a window.
    fn over(&self, now: Duration, all: bool) -> Vec<(Key, Window)> {
        let mut over = Vec::new();
        self.windows.lock().retain(|key, window| {
            if !all && now < window.began + WINDOW {
                return true;
            }
            let floods = window.counted > 0;
            if floods {
                over.push((*key, *window));
                *window = Window { began: now, single: SINGLE_MAX, counted: 0, ..*window };
            }
            floods
        });
        over
    }

    /// Writes the entries of windows that are over; of all, at the end of the process.
    pub(crate) fn flush(&self, state: &State, all: bool) {
        for (key, window) in self.over(state.clock.elapsed(), all) {
            record::refused(
                state,
                &record::Refused {
                    reason: key.reason,
                    status: key.status,
                    mark: window.mark,
                    request_id: &state.request_ids.next().to_string(),
                    peer: window.address,
                    count: Some(window.counted),
                    seen: record::Seen::default(),
                },
            );
        }
    }
}

/// Writes what was counted, until the program begins to stop; [`Flood::flush`] writes the rest.
pub(crate) async fn run(state: Arc<State>) {
    let mut stopping = state.stopping.subscribe();
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => state.flood.flush(&state, false),
            _ = stopping.wait_for(|stopping| *stopping) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(peer: &str) -> Refusal {
        let peer = peer.parse().unwrap();
        Refusal { peer, reason: Reason::MalformedRequest, status: 400, mark: Mark::ProxyError }
    }

    #[test]
    fn what_is_too_much_of_one_address_is_one_entry_a_second() {
        let (flood, second) = (Flood::default(), Duration::from_secs(1));
        let single = (0..100).filter(|_| flood.has_room(&refusal("192.0.2.1"), Duration::ZERO)).count();
        assert_eq!(single as u64, SINGLE_MAX);
        assert!(flood.has_room(&refusal("192.0.2.2"), Duration::ZERO), "another address");
        assert!(flood.over(second / 2, false).is_empty());
        let over = flood.over(second, false);
        assert_eq!(over.iter().map(|(_, window)| window.counted).collect::<Vec<_>>(), [80]);
        assert!(!flood.has_room(&refusal("192.0.2.1"), second), "it goes on");
        assert_eq!(flood.over(second * 2, false).len(), 1);
        assert!(flood.over(second * 3, false).is_empty());
        assert!(flood.has_room(&refusal("192.0.2.1"), second * 4), "it was quiet");
    }

    #[test]
    fn many_addresses_are_counted_as_one() {
        let flood = Flood::default();
        for address in 0..u32::try_from(KEYS_MAX).unwrap() {
            assert!(flood.has_room(&refusal(&std::net::Ipv4Addr::from(address).to_string()), Duration::ZERO));
        }
        assert!(!flood.has_room(&refusal("192.0.2.1"), Duration::ZERO));
        assert!(!flood.has_room(&refusal("192.0.2.2"), Duration::ZERO));
        let over = flood.over(Duration::ZERO, true);
        assert_eq!(over.iter().map(|(key, window)| (key.network, window.counted)).collect::<Vec<_>>(), [(None, 2)]);
    }
}

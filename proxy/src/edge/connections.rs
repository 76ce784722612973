//! How many connections are open, in all and of one address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

/// Open connections; no larger than the cap in all.
#[derive(Default)]
pub(super) struct Connections {
    open: AtomicUsize,
    by_address: Mutex<HashMap<IpAddr, usize>>,
}

/// One open connection; counted until it is dropped.
pub(super) struct Connection {
    of: Arc<Connections>,
    counted_at: Option<IpAddr>,
}

/// The caps in force.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caps {
    /// In all.
    pub(super) total: usize,
    /// Of one address; absent for a trusted proxy, whose connections are those of many clients.
    pub(super) per_address: Option<usize>,
}

impl Connections {
    /// `None` when a cap is reached.
    pub(super) fn open(self: &Arc<Self>, peer: IpAddr, caps: Caps) -> Option<Connection> {
        let before = self.open.fetch_add(1, Ordering::AcqRel);
        let mut connection = Connection { of: self.clone(), counted_at: None };
        if before >= caps.total {
            return None;
        }
        let Some(per_address) = caps.per_address else { return Some(connection) };
        let key = network(peer);
        let mut by_address = self.by_address.lock();
        let open = by_address.entry(key).or_insert(0);
        if *open >= per_address {
            if *open == 0 {
                by_address.remove(&key);
            }
            drop(by_address);
            return None;
        }
        *open += 1;
        connection.counted_at = Some(key);
        Some(connection)
    }

    /// Open now.
    pub(super) fn count(&self) -> usize {
        self.open.load(Ordering::Acquire)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.of.open.fetch_sub(1, Ordering::AcqRel);
        let Some(key) = self.counted_at else { return };
        let mut by_address = self.of.by_address.lock();
        if let Some(open) = by_address.get_mut(&key) {
            *open -= 1;
            if *open == 0 {
                by_address.remove(&key);
            }
        }
    }
}

/// One subscriber has at least a /64 of IPv6.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        address @ IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(connections: &Arc<Connections>, peer: &str, caps: Caps) -> Option<Connection> {
        connections.open(peer.parse().unwrap(), caps)
    }

    #[test]
    fn caps_hold_in_all_and_for_each_address() {
        let caps = Caps { total: 10, per_address: Some(2) };
        let connections = Arc::new(Connections::default());
        let first = open(&connections, "192.0.2.1", caps);
        let second = open(&connections, "::ffff:192.0.2.1", caps);
        assert!(first.is_some() && second.is_some());
        assert!(open(&connections, "192.0.2.1", caps).is_none());
        let third = open(&connections, "2001:db8::1", caps);
        let fourth = open(&connections, "2001:db8::2", caps);
        assert!(third.is_some() && fourth.is_some());
        assert!(open(&connections, "2001:db8::3", caps).is_none(), "one /64 is one address");
        assert!(open(&connections, "198.51.100.1", Caps { total: 4, ..caps }).is_none(), "the cap in all");
        assert_eq!(connections.count(), 4);
        drop((first, third, fourth));
        assert!(open(&connections, "2001:db8::3", caps).is_some());
        drop(second);
        assert_eq!(connections.count(), 0);
        assert!(connections.by_address.lock().is_empty());
    }

    #[test]
    fn a_trusted_proxy_counts_in_all_only() {
        let caps = Caps { total: 3, per_address: None };
        let connections = Arc::new(Connections::default());
        let open: Vec<_> = (0..4).filter_map(|_| open(&connections, "10.0.0.1", caps)).collect();
        assert_eq!(open.len(), 3);
    }
}

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

impl Connections {
    /// `None` when there are `most` already.
    pub(super) fn open(self: &Arc<Self>, most: usize) -> Option<Connection> {
        let before = self.open.fetch_add(1, Ordering::AcqRel);
        let connection = Connection { of: self.clone(), counted_at: None };
        (before < most).then_some(connection)
    }

    /// Open now.
    pub(super) fn count(&self) -> usize {
        self.open.load(Ordering::Acquire)
    }
}

impl Connection {
    /// Counts it for an address too, once; false when that has `most` already. Not for a trusted proxy's, as its
    /// connections are those of many clients.
    pub(super) fn count_at(&mut self, address: IpAddr, most: usize) -> bool {
        let key = network(address);
        let mut by_address = self.of.by_address.lock();
        let open = by_address.entry(key).or_insert(0);
        let has_room = *open < most;
        if has_room {
            *open += 1;
            self.counted_at = Some(key);
        } else if *open == 0 {
            by_address.remove(&key);
        }
        has_room
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
pub(super) fn network(address: IpAddr) -> IpAddr {
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

    fn open(connections: &Arc<Connections>, total: usize, client: &str, per_address: usize) -> Option<Connection> {
        let mut connection = connections.open(total)?;
        connection.count_at(client.parse().unwrap(), per_address).then_some(connection)
    }

    #[test]
    fn caps_hold_in_all_and_for_each_address() {
        let connections = Arc::new(Connections::default());
        let first = open(&connections, 10, "192.0.2.1", 2);
        let second = open(&connections, 10, "::ffff:192.0.2.1", 2);
        assert!(first.is_some() && second.is_some());
        assert!(open(&connections, 10, "192.0.2.1", 2).is_none());
        let third = open(&connections, 10, "2001:db8::1", 2);
        let fourth = open(&connections, 10, "2001:db8::2", 2);
        assert!(third.is_some() && fourth.is_some());
        assert!(open(&connections, 10, "2001:db8::3", 2).is_none(), "one /64 is one address");
        assert!(open(&connections, 4, "198.51.100.1", 2).is_none(), "the cap in all");
        assert_eq!(connections.count(), 4);
        drop((first, third, fourth));
        assert!(open(&connections, 10, "2001:db8::3", 2).is_some());
        drop(second);
        assert_eq!(connections.count(), 0);
        assert!(connections.by_address.lock().is_empty());
    }

    #[test]
    fn a_trusted_proxy_counts_in_all_only() {
        let connections = Arc::new(Connections::default());
        let open: Vec<_> = (0..4).filter_map(|_| connections.open(3)).collect();
        assert_eq!(open.len(), 3);
    }
}

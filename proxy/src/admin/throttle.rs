//! Wrong tokens, counted by address. A good token passes whatever others at the same address tried: tokens are random,
//! so that only guesses need to be slowed down.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use parking_lot::Mutex;

/// So many wrong tokens an address may send within [`WINDOW`]; further ones are answered 429.
const WRONG_TOKENS: u32 = 20;
const WINDOW: Duration = Duration::from_secs(60);

/// When so many addresses are counted, those of the oldest windows go first.
const ADDRESSES: usize = 4096;

/// Wrong tokens by address; IPv6 by /64.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    counts: Mutex<HashMap<IpAddr, Count>>,
}

#[derive(Debug, Clone, Copy)]
struct Count {
    since: Duration,
    wrong: u32,
}

impl Throttle {
    /// Counts one wrong token. When the address has used up its guesses: how long to wait.
    pub(super) fn wrong(&self, address: IpAddr, now: Duration) -> Option<Duration> {
        let mut counts = self.counts.lock();
        let key = network(address);
        if counts.len() >= ADDRESSES && !counts.contains_key(&key) {
            make_room(&mut counts, now);
        }
        let count = counts.entry(key).or_insert(Count { since: now, wrong: 0 });
        if now.saturating_sub(count.since) >= WINDOW {
            *count = Count { since: now, wrong: 0 };
        }
        count.wrong = count.wrong.saturating_add(1);
        (count.wrong > WRONG_TOKENS).then(|| (count.since + WINDOW).saturating_sub(now))
    }

    /// Addresses that are counted.
    pub(super) fn addresses(&self) -> u64 {
        self.counts.lock().len() as u64
    }
}

fn make_room(counts: &mut HashMap<IpAddr, Count>, now: Duration) {
    counts.retain(|_, count| now.saturating_sub(count.since) < WINDOW);
    if counts.len() >= ADDRESSES
        && let Some(oldest) = counts.iter().min_by_key(|(_, count)| count.since).map(|(key, _)| *key)
    {
        counts.remove(&oldest);
    }
}

/// One household of IPv6 holds a /64.
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() & !u128::from(u64::MAX)).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_twenty_first_wrong_token_waits_until_the_minute_is_over() {
        let throttle = Throttle::default();
        let address = "192.0.2.1".parse().unwrap();
        for _ in 0..20 {
            assert_eq!(throttle.wrong(address, at(100)), None);
        }
        assert_eq!(throttle.wrong(address, at(110)), Some(at(50)));
        assert_eq!(throttle.wrong("192.0.2.2".parse().unwrap(), at(110)), None, "others are not counted with it");
        assert_eq!(throttle.wrong(address, at(160)), None, "a new minute begins");
    }

    #[test]
    fn addresses_of_one_ipv6_network_count_together() {
        let throttle = Throttle::default();
        for host in 0..20 {
            assert_eq!(throttle.wrong(format!("2001:db8::{host:x}").parse().unwrap(), at(0)), None);
        }
        assert_eq!(throttle.wrong("2001:db8::ffff".parse().unwrap(), at(0)), Some(at(60)));
        assert_eq!(throttle.wrong("2001:db8:0:1::1".parse().unwrap(), at(0)), None);
    }

    #[test]
    fn any_number_of_addresses_stays_bounded() {
        let throttle = Throttle::default();
        for number in 0..20_000_u32 {
            throttle.wrong(IpAddr::V4(number.into()), at(0));
        }
        assert_eq!(throttle.counts.lock().len(), ADDRESSES);
    }
}

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use vestibule_config::Rate;

use super::store::MAX_KEYS;
use super::{Check, Key, Limiter, Numbers, Registry, check_all};
use crate::clock::{Clock, Hand};

fn many(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap()
}

fn clock() -> Arc<Hand> {
    Arc::new(Hand::at(Timestamp::UNIX_EPOCH))
}

fn limiter(clock: &Arc<Hand>, count: u32, period: u64, burst: u32) -> (Limiter, Arc<AtomicU64>) {
    let rate = Rate { count: many(count), period: Duration::from_secs(period) };
    let evictions = Arc::<AtomicU64>::default();
    let clock: Arc<dyn Clock> = clock.clone();
    (Limiter::new("test".into(), rate, many(burst), clock, evictions.clone()), evictions)
}

fn ip(text: &str) -> Key {
    Key::address(text.parse::<IpAddr>().unwrap())
}

fn passes(limiter: &Limiter, key: &Key) -> bool {
    match limiter.check(key) {
        Check::Pass(_) => true,
        Check::Limited(_) => false,
    }
}

#[test]
fn over_ten_periods_a_bucket_gives_its_burst_and_its_rate() {
    for speed in [1, 2, 10] {
        let clock = clock();
        let (limiter, _) = limiter(&clock, 20, 1, 60);
        let key = ip("192.0.2.1");
        let mut passed = 0;
        // `speed` times the rate for ten seconds.
        for _ in 0..(200 * speed) {
            passed += u32::from(passes(&limiter, &key));
            clock.advance(Duration::from_millis(50) / speed);
        }
        let expected = if speed == 1 { 200 } else { 60 + 200 };
        assert!(passed.abs_diff(expected) <= 1, "at {speed} times the rate {passed} of {expected}");
    }
}

#[test]
fn the_told_wait_suffices_and_nothing_shorter_does() {
    let clock = clock();
    let (limiter, _) = limiter(&clock, 7, 60, 3);
    let key = ip("192.0.2.1");
    for remaining in [2, 1, 0] {
        let Check::Pass(budget) = limiter.check(&key) else { panic!("{remaining} are left") };
        assert_eq!((budget.quota, budget.remaining, budget.retry_after), (3, remaining, Duration::ZERO));
    }
    let Check::Limited(budget) = limiter.check(&key) else { panic!("none is left") };
    assert_eq!(budget.retry_after, Duration::from_secs(60) / 7);
    assert_eq!(budget.reset, Duration::from_secs(60) / 7 * 3);
    clock.advance(budget.retry_after - Duration::from_nanos(1));
    assert!(!passes(&limiter, &key));
    clock.advance(Duration::from_nanos(1));
    assert!(passes(&limiter, &key));
}

#[test]
fn a_look_takes_nothing_and_tells_the_same_wait() {
    let clock = clock();
    let (limiter, _) = limiter(&clock, 6, 60, 3);
    let limited = |key: &Key| match limiter.peek(key) {
        Check::Pass(_) => None,
        Check::Limited(budget) => Some(budget),
    };
    let key = ip("192.0.2.1");
    for _ in 0..3 {
        assert!(limited(&key).is_none());
        assert!(passes(&limiter, &key));
    }
    let Check::Limited(told) = limiter.check(&key) else { panic!("none is left") };
    assert_eq!(limited(&key), Some(told));
    assert!(limited(&ip("192.0.2.2")).is_none());
    clock.advance(Duration::from_secs(10));
    assert!(limited(&key).is_none());
    assert!(passes(&limiter, &key));
    assert!(limited(&key).is_some());
}

#[test]
fn a_wall_clock_that_is_set_changes_nothing() {
    let clock = clock();
    let (limiter, _) = limiter(&clock, 1, 60, 1);
    let key = ip("192.0.2.1");
    assert!(passes(&limiter, &key));
    clock.set("2030-01-01T00:00:00Z".parse().unwrap());
    assert!(!passes(&limiter, &key));
    clock.set("1990-01-01T00:00:00Z".parse().unwrap());
    clock.advance(Duration::from_secs(60));
    assert!(passes(&limiter, &key));
}

#[test]
fn addresses_share_a_bucket_by_host_or_by_network() {
    for (one, other, shared) in [
        ("192.0.2.1", "192.0.2.1", true),
        ("192.0.2.1", "192.0.2.2", false),
        ("192.0.2.1", "::ffff:192.0.2.1", true),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", true),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", false),
        ("::c000:201", "192.0.2.1", false),
    ] {
        assert_eq!(ip(one) == ip(other), shared, "{one} {other}");
    }
}

#[test]
fn the_numbers_of_the_file_cannot_overflow() {
    let clock = clock();
    let year = 366 * 24 * 3600;
    for (count, period, burst) in [(1, year * 100, u32::MAX), (u32::MAX, 1, u32::MAX), (1, 1, 1), (u32::MAX, 1, 1)] {
        let (limiter, _) = limiter(&clock, count, period, burst);
        assert!(passes(&limiter, &ip("192.0.2.1")), "{count}/{period} s, {burst}");
        clock.advance(Duration::from_secs(1));
        limiter.check(&ip("192.0.2.1"));
    }
}

#[test]
fn a_million_keys_stay_bounded_and_free_no_limited_one() {
    let clock = clock();
    let (limiter, evictions) = limiter(&clock, 10, 3600, 2);
    let limited: Vec<Key> = (0..1_000).map(|number| Key::V6(number << 32)).collect();
    for key in &limited {
        while passes(&limiter, key) {}
    }
    for number in 0..1_000_000 {
        limiter.check(&Key::V4(number));
        assert!(limiter.keys() <= MAX_KEYS || number % 10_000 != 0);
    }
    assert!(limiter.keys() <= MAX_KEYS);
    assert!(evictions.load(Ordering::Relaxed) > 800_000);
    let free = limited.iter().filter(|key| passes(&limiter, key)).count();
    assert_eq!(free, 0, "limited keys were set free");
    clock.advance(Duration::from_secs(3600));
    limiter.sweep();
    assert_eq!(limiter.keys(), 0);
    assert!(passes(&limiter, &Key::V4(1)));
}

#[test]
fn where_every_key_is_limited_the_rest_share_one_bucket() {
    let clock = clock();
    // Each bucket has its one, and is limited from then on.
    let (limiter, evictions) = limiter(&clock, 1, 3600, 1);
    let mut passed = 0;
    for number in 0..400_000 {
        passed += usize::from(passes(&limiter, &Key::V4(number)));
    }
    // A bucket of one is limited from its first on, but for those keys whose shard was full.
    assert_eq!(limiter.keys(), MAX_KEYS);
    assert_eq!(passed, MAX_KEYS + 1);
    assert_eq!(evictions.load(Ordering::Relaxed), 0);
}

#[test]
fn a_refusal_takes_nothing_and_its_wait_suffices_for_all() {
    let clock = clock();
    let (fast, _) = limiter(&clock, 10, 1, 2);
    let (slow, _) = limiter(&clock, 1, 10, 1);
    let key = ip("192.0.2.1");
    let both = || check_all([(&fast, key.clone()), (&slow, key.clone())].into_iter(), Duration::ZERO);
    assert!(both().is_ok());
    for _ in 0..20 {
        let Err((at, budget)) = both() else { panic!("the slow one is empty") };
        assert_eq!((at, budget.retry_after), (1, Duration::from_secs(10)));
    }
    // The fast one lost only what the admitted request took.
    assert!(passes(&fast, &key));
    assert!(!passes(&fast, &key));
    // Both are empty: the first is named, the longer wait is told.
    let Err((at, budget)) = both() else { panic!("both are empty") };
    assert_eq!((at, budget.retry_after), (0, Duration::from_secs(10)));
    clock.advance(budget.retry_after);
    assert!(both().is_ok());
}

#[test]
fn counts_survive_while_the_numbers_do() {
    let registry = Registry::new(clock());
    let numbers = |count| {
        let (name, period) = ("browse".into(), Duration::from_secs(60));
        Numbers { name, per: None, count: many(count), period, burst: many(1) }
    };
    let old = registry.limiter(numbers(5));
    let key = ip("192.0.2.1");
    assert!(passes(&old, &key));
    let (same, other) = (registry.limiter(numbers(5)), registry.limiter(numbers(6)));
    assert!(!passes(&same, &key));
    assert!(passes(&other, &key));
    assert_eq!(registry.living().len(), 2);
    drop((old, same));
    assert!(passes(&registry.limiter(numbers(5)), &key));
}

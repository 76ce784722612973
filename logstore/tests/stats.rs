//! Counters compared with a look at every entry, through every kind of end.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail by a panic")]

mod sample;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use sample::{common, options, request};
use vestibule_logstore::entry::Common;
use vestibule_logstore::stats::{By, Range, Ranking, Step, TOP, Totals};
use vestibule_logstore::{Entry, RequestEntry, Stats, Store};

const MINUTE: i64 = 60_000_000;
const HOUR: i64 = 60 * MINUTE;

/// Half a minute past a quarter of an hour.
fn now() -> Timestamp {
    "2026-11-23T12:15:30Z".parse().unwrap()
}

/// What the store is told, kept beside it.
#[derive(Debug, Clone)]
struct Told {
    time: i64,
    circuit: Option<&'static str>,
    is_allowed: bool,
    country: Option<&'static str>,
    status: u64,
    email: Option<String>,
    user_id: Option<&'static str>,
    reason: Option<&'static str>,
    ip: IpAddr,
    method: &'static str,
    bytes: u64,
}

impl Told {
    fn append(&self, store: &Store) {
        let entry = RequestEntry {
            common: Common { source_ip: Some(self.ip), country: self.country, ..common(self.time) },
            circuit: self.circuit,
            action: if self.is_allowed { "allowed" } else { "blocked" },
            status_code: self.status,
            email: self.email.as_deref(),
            user_id: self.user_id,
            reason: self.reason,
            method: Some(self.method),
            bytes_in: self.bytes,
            bytes_out: self.bytes * 3,
            ..request(self.time, "/")
        };
        store.append(&Entry::Request(&entry));
    }

    /// The value that it counts under.
    fn value(&self, by: By) -> Option<String> {
        match by {
            By::Country => self.country.map(str::to_owned),
            By::Status => Some(self.status.to_string()),
            By::Circuit => self.circuit.map(str::to_owned),
            By::User => self.email.clone().or(self.user_id.map(str::to_owned)),
            By::Reason => self.reason.map(str::to_owned),
            By::Ip => Some(self.ip.to_string()),
            By::Method => Some(self.method.to_owned()),
        }
    }

    fn totals(&self) -> Totals {
        let (allowed, blocked) = (u64::from(self.is_allowed), u64::from(!self.is_allowed));
        Totals { allowed, blocked, bytes_in: self.bytes, bytes_out: self.bytes * 3 }
    }
}

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }

    fn one_of<T: Clone>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())].clone()
    }

    /// Begun at any time of the last thirty hours, and ended in any order.
    fn told(&mut self) -> Told {
        let ago = self.one_of(&[2 * MINUTE, 10 * MINUTE, HOUR, 30 * HOUR]) as usize;
        Told {
            time: now().as_microsecond() - self.below(ago) as i64,
            circuit: self.one_of(&[None, Some("wiki"), Some("wiki"), Some("status")]),
            is_allowed: self.below(3) > 0,
            country: self.one_of(&[None, Some("DE"), Some("DE"), Some("US"), Some("CN")]),
            status: self.one_of(&[0, 200, 200, 302, 403, 502]),
            email: self.one_of(&[None, None, Some("maya@example.net".to_owned()), Some("noor@example.net".to_owned())]),
            user_id: self.one_of(&[None, Some("shared:wiki")]),
            reason: self.one_of(&[None, None, Some("ip_restricted"), Some("no_credentials")]),
            ip: self.one_of(&["192.0.2.7", "192.0.2.8", "2001:db8::5"]).parse().unwrap(),
            method: self.one_of(&["GET", "GET", "POST"]),
            bytes: self.below(1000) as u64,
        }
    }

    fn tell(&mut self, count: usize) -> Vec<Told> {
        (0..count).map(|_| self.told()).collect()
    }
}

/// Appends all of it and waits until it is readable.
fn tell(store: &Store, told: &[Told]) {
    let news = store.watch();
    let before = *news.borrow();
    told.iter().for_each(|told| told.append(store));
    let since = Instant::now();
    while *news.borrow() < before + told.len() as u64 {
        assert!(since.elapsed() < Duration::from_secs(10));
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// What the statistics should be, by a look at every entry.
fn expected(told: &[Told], range: Range, circuit: Option<&str>) -> Stats {
    let (minutes, step) = match range {
        Range::FiveMinutes => (5, MINUTE),
        Range::QuarterHour => (15, MINUTE),
        Range::Hour => (60, MINUTE),
        Range::Day => (24 * 60, HOUR),
    };
    let until = now().as_microsecond();
    let since = until - until % MINUTE - minutes * MINUTE;
    let told: Vec<&Told> = told
        .iter()
        .filter(|told| (since..=until).contains(&told.time))
        .filter(|told| circuit.is_none_or(|circuit| told.circuit.unwrap_or_default() == circuit))
        .collect();
    let add = |sum: Totals, more: Totals| Totals {
        allowed: sum.allowed + more.allowed,
        blocked: sum.blocked + more.blocked,
        bytes_in: sum.bytes_in + more.bytes_in,
        bytes_out: sum.bytes_out + more.bytes_out,
    };
    let sum = |told: &mut dyn Iterator<Item = &&Told>| told.map(|told| told.totals()).fold(Totals::default(), add);
    let first = since - since % step;
    let steps = (0..=(until - first) / step).map(|index| first + index * step);
    Stats {
        since,
        until,
        totals: sum(&mut told.iter()),
        rankings: By::ALL.map(|by| ranking(&told, by)).to_vec(),
        step: Duration::from_micros(step.unsigned_abs()),
        series: steps
            .map(|time| Step {
                time,
                totals: sum(&mut told.iter().filter(|told| told.time - told.time % step == time)),
            })
            .collect(),
    }
}

fn ranking(told: &[&Told], by: By) -> Ranking {
    let mut counts = BTreeMap::new();
    for value in told.iter().filter_map(|told| told.value(by)) {
        *counts.entry(value).or_insert(0) += 1;
    }
    let absent = told.iter().filter(|told| told.value(by).is_none()).count() as u64;
    let mut top: Vec<(String, u64)> = counts.into_iter().collect();
    top.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    Ranking { by, top, absent, other: 0 }
}

#[track_caller]
fn check(store: &Store, told: &[Told], circuits: &[Option<&str>]) {
    for range in Range::ALL {
        for circuit in circuits {
            let mut found = store.stats(range, *circuit, now());
            let expected = expected(told, range, *circuit);
            for (ranking, expected) in found.rankings.iter_mut().zip(&expected.rankings) {
                // Equal ones stand in the order of their stored bytes, which for addresses is not that of their text.
                let key = |(value, count): &(String, u64)| (std::cmp::Reverse(*count), value.clone());
                assert!(ranking.top.is_sorted_by_key(|(_, count)| std::cmp::Reverse(*count)));
                ranking.top.sort_by_key(key);
                assert_eq!(ranking, expected, "{range:?} {circuit:?}");
            }
            assert_eq!(found, expected, "{range:?} {circuit:?}");
        }
    }
}

/// What a killed process leaves behind.
fn killed(dir: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(dir).unwrap() {
        let file = file.unwrap();
        if file.file_name() != "LOCK" {
            std::fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
        }
    }
    copy
}

#[test]
fn counters_agree_with_a_look_at_every_entry() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), options()).unwrap();
    let told = Dice(7).tell(5000);
    tell(&store, &told);
    check(&store, &told, &[None, Some("wiki"), Some("status"), Some(""), Some("nobody")]);
}

#[test]
fn no_kind_of_end_loses_or_doubles_a_count() {
    let dir = tempfile::tempdir().unwrap();
    let mut dice = Dice(11);
    let mut told = dice.tell(400);
    let store = Store::open(dir.path(), options()).unwrap();
    tell(&store, &told);
    check(&Store::open(killed(dir.path()).path(), options()).unwrap(), &told, &[None, Some("wiki")]);

    store.save_stats(now()).unwrap();
    let saved = told.clone();
    check(&Store::open(killed(dir.path()).path(), options()).unwrap(), &saved, &[None]);
    let more = dice.tell(400);
    tell(&store, &more);
    told.extend(more);
    let copy = killed(dir.path());
    for _ in 0..2 {
        let again = Store::open(copy.path(), options()).unwrap();
        check(&again, &told, &[None, Some("wiki")]);
        again.close().unwrap();
    }

    store.close().unwrap();
    let store = Store::open(dir.path(), options()).unwrap();
    check(&store, &told, &[None, Some("wiki")]);
    let more = dice.tell(100);
    tell(&store, &more);
    told.extend(more);
    check(&store, &told, &[None, Some("status")]);
}

#[test]
fn what_is_older_than_a_day_goes_from_memory_and_from_disk() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), options()).unwrap();
    let told = Dice(3).tell(500);
    tell(&store, &told);
    store.save_stats(now()).unwrap();
    let later = now().checked_add(jiff::SignedDuration::from_hours(25)).unwrap();
    store.save_stats(later).unwrap();
    store.close().unwrap();
    let store = Store::open(dir.path(), options()).unwrap();
    assert_eq!(store.stats(Range::Day, None, now()).totals, Totals::default());
}

/// More addresses in a minute than are told apart: they are counted, and what has few values is exact.
#[test]
fn a_flood_of_addresses_is_counted_and_takes_no_more_room() {
    const FLOOD: u32 = 50_000;
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), options()).unwrap();
    let quiet = Dice(5).tell(200).into_iter().map(|told| Told { time: now().as_microsecond(), ..told });
    let quiet: Vec<Told> = quiet.collect();
    let flood = (0..FLOOD).map(|number| Told {
        ip: Ipv4Addr::from_bits(0x0a00_0000 + number).into(),
        country: Some("FR"),
        ..quiet[0].clone()
    });
    let flood: Vec<Told> = flood.collect();
    tell(&store, &flood);
    tell(&store, &quiet);

    let stats = store.stats(Range::Hour, None, now());

    let exact = expected(&[flood, quiet].concat(), Range::Hour, None);
    assert_eq!((stats.totals, &stats.series), (exact.totals, &exact.series));
    let count = stats.totals.count();
    for (ranking, exact) in stats.rankings.iter().zip(&exact.rankings) {
        let top: u64 = ranking.top.iter().map(|(_, count)| count).sum();
        assert_eq!(top + ranking.absent + ranking.other, count, "{ranking:?}");
        if ![By::Ip, By::User].contains(&ranking.by) {
            assert_eq!(ranking, exact);
        }
    }
    let ips = &stats.rankings[5];
    assert!(ips.top.len() == TOP && ips.other > u64::from(FLOOD) / 2, "{ips:?}");
    store.close().unwrap();
    let again = Store::open(dir.path(), options()).unwrap();
    assert_eq!(again.stats(Range::Hour, None, now()), stats);
}

#[test]
fn a_range_that_is_not_counted_names_those_that_are() {
    for range in Range::ALL {
        assert_eq!(Range::parse(range.name()), Ok(range));
    }
    let bad = Range::parse("7d").unwrap_err();
    assert_eq!(bad.parameter, "range");
    assert!(bad.message.contains("5m, 15m, 1h, 24h"), "{bad}");
}

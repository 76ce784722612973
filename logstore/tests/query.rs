//! Answers compared with those of a direct scan, and paging while entries arrive.

#![expect(clippy::unwrap_used, reason = "a test may fail by a panic")]

mod sample;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::LazyLock;
use std::time::Duration;

use jiff::Timestamp;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use sample::{common, options, request};
use vestibule_logstore::entry::Common;
use vestibule_logstore::{Entry, Log, Page, Query, RequestEntry, Store};

/// What the store is told, kept beside it.
#[derive(Debug, Clone)]
struct Told {
    time: i64,
    path: String,
    country: Option<&'static str>,
    address: Option<IpAddr>,
    status: u64,
    blocked: bool,
    bytes_out: u64,
    upstream_ms: Option<u64>,
    would_block: Option<&'static str>,
}

impl Told {
    fn tell<T>(&self, tell: impl FnOnce(&Entry<'_>) -> T) -> T {
        let entry = RequestEntry {
            common: Common { source_ip: self.address, country: self.country, ..common(self.time) },
            status_code: self.status,
            action: if self.blocked { "blocked" } else { "allowed" },
            bytes_out: self.bytes_out,
            upstream_ms: self.upstream_ms,
            would_block: self.would_block,
            ..request(self.time, &self.path)
        };
        tell(&Entry::Request(&entry))
    }
}

prop_compose! {
    fn told()(
        place in 0..20_000_i64,
        length in prop_oneof![8 => 0..50_i64, 1 => 0..20_000_i64],
        path in select(vec!["/", "/admin", "/Admin/users", "/a,b", "/a_b", "/100%", "/zürich", "/long/way/to/go"]),
        country in select(vec![None, Some("DE"), Some("US"), Some("CH")]),
        address in select(vec![None, Some("192.0.2.7"), Some("192.0.2.200"), Some("198.51.100.1"), Some("2001:db8::5")]),
        status in select(vec![0, 200, 204, 301, 403, 404, 500, 502]),
        blocked in any::<bool>(),
        bytes_out in 0..1000_u64,
        upstream_ms in proptest::option::of(0..5_u64),
        would_block in select(vec![None, None, Some(r#"["country_restricted","bot_blocked"]"#)]),
    ) -> Told {
        Told {
            // Sorted by `place` below: entries arrive in the order of their ends.
            time: place - length,
            path: path.to_owned(),
            country,
            address: address.map(|address| address.parse().unwrap()),
            status,
            blocked,
            bytes_out,
            upstream_ms,
            would_block,
        }
    }
}

/// A store of five thousand entries, five chunks, and what it was told.
static STORE: LazyLock<(tempfile::TempDir, Store, Vec<Told>)> = LazyLock::new(|| {
    let dir = tempfile::tempdir().unwrap();
    let mut told: Vec<Told> =
        prop::collection::vec(told(), 5000).new_tree(&mut TestRunner::deterministic()).unwrap().current();
    told.sort_by_key(|told| told.time / 500);
    let store = Store::open(dir.path(), options()).unwrap();
    for entry in &told {
        entry.tell(|entry| store.append(entry));
    }
    store.close().unwrap();
    let store = Store::open(dir.path(), options()).unwrap();
    (dir, store, told)
});

type Holds = fn(&Told) -> bool;

/// Conditions, and what they mean in other words.
const CONDITIONS: &[(&str, &str, Holds)] = &[
    ("status_code", "404", |told| told.status == 404),
    ("status_code", "4xx,5XX", |told| told.status >= 400),
    ("status_code.not", "200", |told| told.status != 200),
    ("status_code.min", "300", |told| told.status >= 300),
    ("bytes_out.max", "500", |told| told.bytes_out <= 500),
    ("bytes_out", "0,1,2,3,4,5,6,7,8,9", |told| told.bytes_out < 10),
    ("status", "success", |told| (200..400).contains(&told.status)),
    ("status", "FAILED", |told| !(200..400).contains(&told.status)),
    ("outcome", "denied", |told| told.blocked),
    ("outcome", "allowed", |told| !told.blocked && (100..500).contains(&told.status)),
    ("outcome", "error,denied", |told| told.blocked || told.status >= 500),
    ("outcome.not", "error", |told| told.status < 500),
    ("action", "Blocked", |told| told.blocked),
    ("country", "DE", |told| told.country == Some("DE")),
    ("country", "DE,CH", |told| matches!(told.country, Some("DE" | "CH"))),
    ("country", "de,Ch", |told| matches!(told.country, Some("DE" | "CH"))),
    ("country.not", "de,us", |told| !matches!(told.country, Some("DE" | "US"))),
    ("country.prefix", "d", |told| told.country == Some("DE")),
    ("country", "", |told| told.country.is_none()),
    ("country.not", "", |told| told.country.is_some()),
    ("country.not", "DE,US", |told| !matches!(told.country, Some("DE" | "US"))),
    ("source_ip", "192.0.2.7", |told| told.address == "192.0.2.7".parse().ok()),
    ("source_ip", "::ffff:192.0.2.7", |told| told.address == "192.0.2.7".parse().ok()),
    ("source_ip", "192.0.2.9/24", |told| told.address.is_some_and(|ip| ip.to_string().starts_with("192.0.2."))),
    ("source_ip", "2001:db8::/32", |told| told.address.is_some_and(|ip| ip.is_ipv6())),
    ("source_ip.contains", "51.100", |told| told.address.is_some_and(|ip| ip.to_string().contains("51.100"))),
    ("path", "/a\\,b", |told| told.path == "/a,b"),
    ("path", "/,/admin", |told| told.path == "/" || told.path == "/admin"),
    ("path.contains", "ADMIN", |told| told.path.to_lowercase().contains("admin")),
    ("path.prefix", "/A", |told| told.path.starts_with("/A")),
    ("would_block", "bot_blocked", |told| told.would_block.is_some()),
    ("upstream_ms", "0", |told| told.upstream_ms == Some(0)),
    ("upstream_ms", "", |told| told.upstream_ms.is_none()),
    ("event_count", "1", |_| true),
    ("event_count.min", "2", |_| false),
    ("email", "nobody@x", |_| false),
    ("q", "0%", |told| told.path == "/100%"),
    ("q", "A_", |told| told.path == "/a_b"),
    ("q", "t_B", |told| told.would_block.is_some()),
    ("q", "ZÜR", |told| told.path == "/zürich"),
    ("q", "example.NET", |_| true),
    ("q", "2001:DB8", |told| told.address.is_some_and(|ip| ip.is_ipv6())),
    ("since", "1970-01-01T00:00:00.005Z", |told| told.time >= 5000),
    ("until", "1970-01-01T00:00:00.012Z", |told| told.time <= 12_000),
];

fn parse(parameters: &[(&str, String)]) -> Query {
    let parameters: Vec<_> = parameters.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    Query::parse(Log::Requests, &parameters, Timestamp::UNIX_EPOCH).unwrap()
}

/// Positions of the entries for which all conditions hold, in order.
fn scan(told: &[Told], holds: &[Holds], ascending: bool) -> Vec<u64> {
    let mut found: Vec<_> = told
        .iter()
        .zip(0..)
        .filter(|(told, _)| holds.iter().all(|holds| holds(told)))
        .map(|(told, seq)| (told.time, seq))
        .collect();
    found.sort_unstable();
    if !ascending {
        found.reverse();
    }
    found.into_iter().map(|(_, seq)| seq).collect()
}

fn seqs(page: &Page) -> Vec<u64> {
    page.rows.iter().map(|row| row.seq).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn pages_are_those_of_a_direct_scan_both_ways(
        conditions in subsequence(CONDITIONS.to_vec(), 0..4),
        ascending in any::<bool>(),
        limit in select(vec![3_usize, 25, 400, 1000]),
    ) {
        let (_, store, told) = &*STORE;
        let mut names = BTreeSet::new();
        // The same name twice means either, which the table does not model.
        let conditions: Vec<_> = conditions.into_iter().filter(|(name, ..)| names.insert(*name)).collect();
        let holds: Vec<Holds> = conditions.iter().map(|(_, _, holds)| *holds).collect();
        let expected = scan(told, &holds, ascending);
        let mut asked: Vec<(&str, String)> = conditions.iter().map(|(name, value, _)| (*name, (*value).into())).collect();
        asked.push(("limit", limit.to_string()));
        asked.push(("order", if ascending { "asc" } else { "desc" }.into()));

        asked.push(("count", "true".into()));
        let first = store.query(&parse(&asked)).unwrap();
        asked.pop();
        prop_assert_eq!(first.total, Some(expected.len() as u64));
        prop_assert!(first.complete && first.prev_cursor.is_none());

        let mut page = first;
        let mut pages = expected.chunks(limit).take(8).enumerate().peekable();
        if expected.is_empty() {
            prop_assert!(page.rows.is_empty() && page.next_cursor.is_none());
        }
        while let Some((at, wanted)) = pages.next() {
            prop_assert_eq!(seqs(&page), wanted, "page {}", at);
            prop_assert_eq!(page.next_cursor.is_some(), (at + 1) * limit < expected.len());
            if at > 0 {
                let mut back = asked.clone();
                back.push(("cursor", page.prev_cursor.clone().unwrap()));
                let before = store.query(&parse(&back)).unwrap();
                prop_assert_eq!(seqs(&before), &expected[(at - 1) * limit..at * limit]);
                prop_assert_eq!(before.prev_cursor.is_some(), at > 1);
                prop_assert!(before.next_cursor.is_some());
            }
            if let (Some(next), Some(_)) = (&page.next_cursor, pages.peek()) {
                let mut on = asked.clone();
                on.push(("cursor", next.clone()));
                page = store.query(&parse(&on)).unwrap();
            }
        }
    }

    #[test]
    fn an_answer_cut_by_the_deadline_says_so_and_its_cursor_leads_on(
        conditions in subsequence(CONDITIONS.to_vec(), 0..2),
        ascending in any::<bool>(),
    ) {
        let (_, store, told) = &*STORE;
        prop_assume!(conditions.len() < 2 || conditions[0].0 != conditions[1].0);
        let holds: Vec<Holds> = conditions.iter().map(|(_, _, holds)| *holds).collect();
        let mut asked: Vec<(&str, String)> = conditions.iter().map(|(name, value, _)| (*name, (*value).into())).collect();
        asked.push(("order", if ascending { "asc" } else { "desc" }.into()));
        asked.push(("limit", "1000".into()));
        let (mut found, mut cut, mut cursor) = (Vec::new(), 0, None::<String>);
        loop {
            let mut on = asked.clone();
            on.extend(cursor.take().map(|cursor| ("cursor", cursor)));
            let mut query = parse(&on);
            query.deadline = Duration::ZERO;
            let page = store.query(&query).unwrap();
            found.extend(seqs(&page));
            cut += u32::from(!page.complete);
            prop_assert!(page.complete || page.next_cursor.is_some());
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
            prop_assert!(cut < 1000, "no way ahead");
        }
        let first_wrong = found.iter().zip(&scan(told, &holds, ascending)).position(|(found, wanted)| found != wanted);
        prop_assert_eq!((first_wrong, found.len()), (None, scan(told, &holds, ascending).len()));
        prop_assert!(cut > 0);
    }
}

#[test]
fn no_time_no_count() {
    let (_, store, _) = &*STORE;
    let mut query = parse(&[("count", "true".into()), ("path", "/admin".into())]);
    query.deadline = Duration::ZERO;
    let page = store.query(&query).unwrap();
    assert_eq!((page.total, page.complete), (None, false));
    assert!(page.to_json(&query, Duration::ZERO).ends_with(r#","total":null,"complete":false,"took_ms":0}"#));
}

#[tokio::test]
async fn paging_shows_every_entry_once_while_others_arrive() {
    for order in ["asc", "desc"] {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), options()).unwrap();
        for time in 0..2000 {
            store.append(&Entry::Request(&request(time * 10 % 7001, "/before")));
        }
        let (mut seen, mut cursor) = (Vec::new(), None::<String>);
        for round in 0.. {
            // Earlier than all, in between, at the same time as others, and later than all.
            for time in [-5, 3500 + round, round * 10, 20_000 + round] {
                store.append(&Entry::Request(&request(time, "/meanwhile")));
            }
            store.commit(&Entry::Audit(&sample::audit(0, "x.y"))).await.unwrap();
            let mut asked = vec![("order", order.to_owned()), ("limit", "30".to_owned())];
            asked.extend(cursor.take().map(|cursor| ("cursor", cursor)));
            let page = store.query(&parse(&asked)).unwrap();
            seen.extend(seqs(&page));
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
            assert!(round < 1000, "no end");
        }
        let distinct: BTreeSet<_> = seen.iter().copied().collect();
        assert_eq!(distinct.len(), seen.len(), "an entry twice");
        assert!((0..2000).all(|seq| distinct.contains(&seq)), "an entry is missing");
    }
}

#[tokio::test]
async fn from_an_end_one_can_go_back_and_see_what_came() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), options()).unwrap();
    store.append(&Entry::Request(&request(1, "/a")));
    store.append(&Entry::Request(&request(2, "/b")));
    store.commit(&Entry::Audit(&sample::audit(0, "x.y"))).await.unwrap();
    let ask = |limit: &str, cursor: Option<&String>| {
        let mut asked = vec![("limit", limit.to_owned())];
        asked.extend(cursor.map(|cursor| ("cursor", cursor.clone())));
        store.query(&parse(&asked)).unwrap()
    };
    let second = ask("1", ask("1", None).next_cursor.as_ref());
    assert_eq!((seqs(&second), &second.next_cursor), (vec![0], &None));
    let first = ask("1", second.prev_cursor.as_ref());
    assert_eq!((seqs(&first), &first.prev_cursor), (vec![1], &None));
    // Before the first page there is nothing, until something comes.
    let newest = ask("1", first.next_cursor.as_ref()).prev_cursor;
    let newer = ask("10", newest.as_ref());
    assert_eq!(seqs(&newer), [1]);
    let again = ask("10", newer.next_cursor.as_ref());
    assert_eq!(seqs(&again), [0]);
}

#[tokio::test]
async fn one_entry_is_found_by_its_id_and_by_its_id_as_text() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), options()).unwrap();
    let id = store.commit(&Entry::Access(&sample::access(1, "maya@example.net"))).await.unwrap().id;
    store.commit(&Entry::Access(&sample::access(2, "noor@example.net"))).await.unwrap();
    let find = |name: &str, value: &str| {
        let query = Query::parse(Log::Access, &[(name.into(), value.into())], Timestamp::UNIX_EPOCH).unwrap();
        let found = store.query(&query).unwrap();
        assert!(found.rows.iter().all(|row| query.matches(row)));
        seqs(&found)
    };
    assert_eq!(find("id", &id.to_string()), [0]);
    assert_eq!(find("id.not", &id.to_string()), [1]);
    assert_eq!(find("q", &id.to_string().to_uppercase()), [0]);
    let text = id.to_string();
    for part in [&text[..13], &text[9..24], &text[20..]] {
        assert_eq!(find("id.contains", &part.to_uppercase()), [0], "{part}");
        assert_eq!(find("q", part), [0], "{part}");
        assert_eq!(find("id.prefix", part), if text.starts_with(part) { vec![0] } else { vec![] }, "{part}");
    }
    assert_eq!(find("seq", "1"), [1]);
    assert_eq!(find("seq.max", "0"), [0]);
    assert_eq!(find("time", "1970-01-01T00:00:00.000002Z"), [1]);
    // A valid UUID that was not made here names nothing.
    assert_eq!(find("id", "7f4df9a6-90f1-8c4e-9d2b-3b3a1c1d2e3f"), Vec::<u64>::new());
}

#[test]
fn a_projection_has_the_fields_asked_for_in_the_order_of_the_contract() {
    let (_, store, _) = &*STORE;
    let query = parse(&[("fields", "status_code,id,path".into()), ("seq", "17".into())]);
    let page = store.query(&query).unwrap();
    let row = &page.rows[0];
    let (status, path) = (row.value("status_code").unwrap(), row.value("path").unwrap());
    let (vestibule_logstore::row::Value::Number(status), vestibule_logstore::row::Value::Text(path)) = (status, path)
    else {
        panic!("{status:?} {path:?}");
    };
    let (id, seq) = (row.id, row.seq);
    assert_eq!(seq, 17);
    let expected = format!(
        r#"{{"data":[{{"id":"{id}","path":"{path}","status_code":{status}}}],"next_cursor":null,"prev_cursor":null,"took_ms":3}}"#
    );
    assert_eq!(page.to_json(&query, Duration::from_micros(3999)), expected);
}

#[tokio::test]
async fn a_histogram_has_at_most_ten_thousand_steps() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), options()).unwrap();
    let steps = async |until: i64| {
        for second in store.end(Log::Requests).cast_signed()..until {
            store.append(&Entry::Request(&request(second * 1_000_000, "/")));
            // What is committed covers no more than a batch of what was appended before it.
            if second % 1_000 == 999 || second == until - 1 {
                store.commit(&Entry::Audit(&sample::audit(0, "x.y"))).await.unwrap();
            }
        }
        store.histogram(&parse(&[]), Duration::from_secs(1), None)
    };
    assert_eq!(steps(10_000).await.unwrap().buckets.len(), 10_000);
    assert!(matches!(steps(10_001).await, Err(vestibule_logstore::QueryError::TooMany)));
}

#[tokio::test]
async fn the_most_frequent_paths_count_rows_that_are_not_sealed() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), options()).unwrap();
    for second in 0..10_000 {
        let path = if second % 10 == 0 { "/often".to_owned() } else { format!("/once/{second}") };
        store.append(&Entry::Request(&request(second * 1_000_000, &path)));
        if second % 1_000 == 999 {
            store.commit(&Entry::Audit(&sample::audit(0, "x.y"))).await.unwrap();
        }
    }
    // What is asked about again is kept in another form than at first.
    for _ in 0..4 {
        let found = store.facets(&parse(&[]), &[*Log::Requests.field("path").unwrap()], 1).unwrap();
        assert!(found.exact);
        assert_eq!(found.facets.first().unwrap().values, [("/often".to_owned(), 1_000)]);
    }
}

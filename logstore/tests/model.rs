//! Random questions to a store of segments and rows, compared with a plain list of what it was told.

#![expect(clippy::unwrap_used, reason = "a test may fail by a panic")]

mod sample;

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

use jiff::Timestamp;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use sample::{common, options, request};
use vestibule_logstore::entry::Common;
use vestibule_logstore::export::Format;
use vestibule_logstore::row::Value;
use vestibule_logstore::{Entry, Export, Keep, Log, Page, Query, RequestEntry, Row, Store};

/// More than one full segment, and smaller ones after it.
const ENTRIES: usize = 42_000;

/// What differs between entries.
#[derive(Debug, Clone)]
struct Told {
    delay: i64,
    path: String,
    agent: Option<String>,
    email: Option<&'static str>,
    address: Option<&'static str>,
    request_id: u8,
    status: u64,
    bytes_out: u64,
    upstream_ms: Option<u64>,
}

prop_compose! {
    fn told()(
        delay in prop_oneof![20 => 0..50_i64, 1 => 0..60_000_000_i64],
        path in prop_oneof![
            "/(wiki|Wiki|files)/[a-c]{1,3}",
            "/projects/[0-9]{1,6}",
            Just("/100%_done".to_owned()),
            Just("/zürich".to_owned()),
        ],
        agent in proptest::option::of(prop_oneof![Just("curl/8".to_owned()), "Agent [0-9]{1,4}"]),
        email in select(vec![None, Some("maya@example.net"), Some("noor@example.net"), Some("rare@example.net")]),
        address in select(vec![None, Some("192.0.2.7"), Some("192.0.2.200"), Some("9.0.0.1"), Some("2001:db8::5")]),
        request_id in 0..12_u8,
        status in prop_oneof![100 => select(vec![0_u64, 200, 204, 301, 404, 500]), 1 => Just(418_u64)],
        bytes_out in prop_oneof![Just(0_u64), any::<u64>(), 0..2000_u64],
        upstream_ms in proptest::option::of(0..400_u64),
    ) -> Told {
        Told { delay, path, agent, email, address, request_id, status, bytes_out, upstream_ms }
    }
}

/// A store, and every entry that is in it.
struct Model {
    store: Store,
    rows: Vec<Row>,
    _dir: tempfile::TempDir,
}

static MODEL: LazyLock<Model> = LazyLock::new(|| {
    let model = filled(ENTRIES);
    seal(&model.store, ENTRIES as i64 * 1_000_000 - 600_000_000);
    model
});

/// So many entries, none of them in a segment unless they fill one.
fn filled(entries: usize) -> Model {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), options()).unwrap();
    let told = prop::collection::vec(told(), 3000).new_tree(&mut TestRunner::deterministic()).unwrap().current();
    let ids = store.request_ids();
    for at in 0..entries {
        // Each is told more than once, in ever other company.
        let told = told.get(at * 31 % told.len()).unwrap();
        let id = match told.request_id {
            0 => None,
            1 => Some(format!("edge-{at}")),
            2 => Some("the same".to_owned()),
            _ => Some(ids.next().to_string()),
        };
        let time = at as i64 * 1_000_000 - told.delay;
        let entry = RequestEntry {
            common: Common {
                request_id: id.as_deref(),
                source_ip: told.address.map(|address| address.parse().unwrap()),
                user_agent: told.agent.as_deref(),
                ..common(time)
            },
            status_code: told.status,
            email: told.email,
            bytes_out: told.bytes_out,
            upstream_ms: told.upstream_ms,
            ..request(time, &told.path)
        };
        while store.queue_depth() > 10_000 {
            std::thread::yield_now();
        }
        store.append(&Entry::Request(&entry));
    }
    store.close().unwrap();
    drop(store);
    let store = Store::open(dir.path(), options()).unwrap();
    let rows = everything(&store);
    assert_eq!(rows.len(), entries);
    Model { store, rows, _dir: dir }
}

/// Entries as they stand in the rows, before anything is sealed by age.
fn everything(store: &Store) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut cursor = None;
    loop {
        let mut parameters = vec![("sort", "seq"), ("order", "asc"), ("limit", "1000")];
        parameters.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
        let page = store.query(&parse(&parameters)).unwrap();
        rows.extend(page.rows);
        match page.next_cursor {
            Some(next) => cursor = Some(next),
            None => return rows,
        }
    }
}

/// Makes rows that are older than six hours before a time sealed, and waits for it.
fn seal(store: &Store, until: i64) {
    store.set_keep([Keep::default(); 3]);
    let six_hours = 6 * 3_600_000_000;
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    while store.segments(Log::Requests) < 3 {
        store.prune(Timestamp::from_microsecond(until + six_hours).unwrap()).unwrap();
        assert!(std::time::Instant::now() < deadline, "{} segments", store.segments(Log::Requests));
        std::thread::yield_now();
    }
}

fn parse(parameters: &[(&str, &str)]) -> Query {
    let parameters: Vec<_> = parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let mut query = Query::parse(Log::Requests, &parameters, Timestamp::UNIX_EPOCH).unwrap();
    query.deadline = Duration::from_secs(60);
    query
}

const CONDITIONS: &[(&str, &str)] = &[
    ("status_code", "418"),
    ("status_code", "4xx"),
    ("status_code.not", "200,204"),
    ("status", "failed"),
    ("outcome", "allowed"),
    ("email", "maya@example.net,rare@example.net"),
    ("email", ""),
    ("email.not", "noor@example.net"),
    ("email", "nobody@example.net"),
    ("path", "/projects/7"),
    ("path.prefix", "/projects/1"),
    ("path.prefix", "/w"),
    ("path.contains", "WIKI/a"),
    ("path.contains", "ÜR"),
    ("url.contains", "net/wiki/b"),
    ("user_agent", "curl/8"),
    ("user_agent", ""),
    ("user_agent.contains", "nt 7"),
    ("source_ip", "192.0.2.0/24"),
    ("source_ip", "2001:db8::/32,9.0.0.1"),
    ("source_ip.not", "192.0.2.7"),
    ("source_ip.contains", "2.20"),
    ("source_ip.prefix", "192.0.2.2"),
    ("source_ip.prefix", "2001:"),
    ("request_id", "the same"),
    ("request_id", "edge-77"),
    ("request_id", ""),
    ("request_id.contains", "edge-1"),
    ("request_id.contains", "a1b"),
    ("request_id.prefix", "7"),
    ("id.contains", "A1b"),
    ("id.contains", "7-8"),
    ("id.contains", "wiki"),
    ("id.prefix", "7"),
    ("id.prefix", "c0f"),
    ("bytes_out", "0"),
    ("bytes_out.min", "1000"),
    ("bytes_out.max", "1500"),
    ("upstream_ms", ""),
    ("upstream_ms.max", "3"),
    ("upstream_ms.not", "7"),
    ("seq.min", "32000"),
    ("seq.max", "33000"),
    ("seq", "5,32767,32768,41999"),
    ("q", "wiki/"),
    ("q", "100%_"),
    ("q", "edge-40"),
    ("q", "Agent 12"),
    ("q", "f00d"),
    ("q", "a-8b"),
    ("q", "nowhere to be found"),
    ("since", "1970-01-01T09:00:00Z"),
    ("until", "1970-01-01T09:10:00.5Z"),
    ("since", "1970-01-01T00:00:10Z"),
];

const SORTS: &[&str] = &[
    "time",
    "seq",
    "status_code",
    "bytes_out",
    "upstream_ms",
    "email",
    "path",
    "user_agent",
    "source_ip",
    "request_id",
    "url",
    "id",
    "event_count",
    "duration_ms",
    "host",
];

/// Sorted as the contract says: absent first, addresses as numbers, ties by position in the same direction.
fn sorted<'a>(rows: &[&'a Row], sort: &str, ascending: bool) -> Vec<&'a Row> {
    let text = |row: &Row, name| match row.value(name) {
        Some(Value::Text(text)) => text.to_owned(),
        _ => String::new(),
    };
    let key = |row: &Row| -> (u8, u128, String) {
        if sort == "url" {
            return (2, 0, text(row, "host") + &text(row, "path"));
        }
        match row.value(sort) {
            None => (0, 0, String::new()),
            Some(Value::Number(number)) => (1, u128::from(number), String::new()),
            Some(Value::Time(time)) => (1, (i128::from(time) + (1 << 64)) as u128, String::new()),
            Some(Value::Address(std::net::IpAddr::V4(address))) => (1, u128::from(u32::from(address)), String::new()),
            Some(Value::Address(std::net::IpAddr::V6(address))) => (2, u128::from(address), String::new()),
            Some(Value::Text(text) | Value::Json(text)) => (2, 0, text.to_owned()),
            Some(Value::Id(id)) => (2, 0, id.to_string()),
        }
    };
    let mut rows: Vec<&Row> = rows.to_vec();
    rows.sort_by_cached_key(|row| (key(row), row.seq));
    if !ascending {
        rows.reverse();
    }
    rows
}

fn seqs<'a>(rows: impl IntoIterator<Item = &'a Row>) -> Vec<u64> {
    rows.into_iter().map(|row| row.seq).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn segments_answer_as_a_plain_list_does(
        conditions in subsequence(CONDITIONS, 0..=2),
        sort in select(SORTS),
        ascending in any::<bool>(),
        limit in select(vec![1_usize, 7, 100, 1000]),
        offset in select(vec![0_usize, 0, 3, 10_000, 23_456]),
    ) {
        // Conditions on one field add values; times and text are given once.
        prop_assume!(conditions.len() < 2 || conditions[0].0 != conditions[1].0);
        let model = &*MODEL;
        let filter = parse(&conditions);
        // What a condition means is tested against another wording in `query.rs`; here rows judge themselves.
        let matching: Vec<&Row> = model.rows.iter().filter(|row| filter.matches(row)).collect();
        let expected = sorted(&matching, sort, ascending);
        let limit_text = limit.to_string();
        let order = if ascending { "asc" } else { "desc" };
        let asked = [("sort", sort), ("order", order), ("limit", &limit_text), ("count", "true")];
        let parameters: Vec<_> = conditions.iter().copied().chain(asked).collect();
        let mut query = parse(&parameters);
        query.offset = offset;
        let page = model.store.query(&query).unwrap();
        prop_assert_eq!(page.total, Some(matching.len() as u64));
        prop_assert_eq!(seqs(&page.rows), seqs(expected.iter().copied().skip(offset).take(limit)));
        for row in &page.rows {
            prop_assert_eq!(row, &model.rows[row.seq as usize]);
        }
        // Three pages on, and back again.
        let mut pages = vec![page];
        while pages.len() < 3 && let Some(next) = pages.last().unwrap().next_cursor.clone() {
            let more: Vec<_> = parameters.iter().copied().chain([("cursor", next.as_str())]).collect();
            pages.push(model.store.query(&parse(&more)).unwrap());
        }
        let shown: Vec<u64> = pages.iter().flat_map(|page| seqs(&page.rows)).collect();
        prop_assert_eq!(shown, seqs(expected.iter().copied().skip(offset).take(limit * pages.len())));
        if let [.., before, last] = pages.as_slice() && let Some(back) = &last.prev_cursor {
            let more: Vec<_> = parameters.iter().copied().chain([("cursor", back.as_str())]).collect();
            let again: Page = model.store.query(&parse(&more)).unwrap();
            prop_assert_eq!(seqs(&again.rows), seqs(&before.rows));
        }
    }

    #[test]
    fn counts_by_time_and_value_are_those_of_a_plain_list(
        conditions in subsequence(CONDITIONS, 0..=1),
        field in select(vec!["status_code", "email", "path", "user_agent", "source_ip", "bytes_out", "request_id"]),
        step in select(vec![60_u64, 3600, 86_400]),
        timed in any::<bool>(),
        top in select(vec![1_usize, 3, 10, 64, 65]),
    ) {
        let model = &*MODEL;
        let query = parse(&conditions);
        let matching = model.rows.iter().filter(|row| query.matches(row));
        let mut expected: BTreeMap<(i64, String), u64> = BTreeMap::new();
        for row in matching {
            let name = match row.value(field) {
                None => String::new(),
                Some(Value::Number(number)) => number.to_string(),
                Some(Value::Address(address)) => address.to_string(),
                Some(Value::Text(text) | Value::Json(text)) => text.to_owned(),
                Some(value) => panic!("{value:?}"),
            };
            let Some(Value::Time(time)) = row.value("time") else { panic!() };
            let step = step as i64 * 1_000_000;
            *expected.entry((if timed { time.div_euclid(step) * step } else { 0 }, name)).or_default() += 1;
        }
        let field = Log::Requests.field(field).unwrap();
        if timed {
            let found = model.store.histogram(&query, Duration::from_secs(step), Some(field)).unwrap();
            let found = found.buckets.iter().flat_map(|bucket| {
                bucket.counts.iter().map(|(name, rows)| ((bucket.time, name.to_string()), *rows))
            });
            prop_assert_eq!(found.collect::<BTreeMap<_, _>>(), expected);
        } else {
            let found = model.store.facets(&query, &[*field], usize::MAX).unwrap();
            prop_assert!(found.exact);
            let found: Vec<_> = found.facets[0].values.iter().map(|(name, rows)| ((0, name.clone()), *rows)).collect();
            prop_assert!(found.is_sorted_by(|one, other| one.1 >= other.1));
            prop_assert_eq!(&found.into_iter().collect::<BTreeMap<_, _>>(), &expected);
            let mut first: Vec<_> = expected.into_iter().map(|((_, name), rows)| (name, rows)).collect();
            first.sort_by(|one, other| (other.1, &one.0).cmp(&(one.1, &other.0)));
            first.truncate(top);
            let found = model.store.facets(&query, &[*field], top).unwrap();
            prop_assert!(found.exact);
            prop_assert_eq!(&found.facets[0].values, &first);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_export_is_the_lines_of_a_plain_list(
        conditions in subsequence(CONDITIONS, 0..=1),
        sort in select(vec!["time", "time", "time", "seq", "path", "bytes_out"]),
        ascending in any::<bool>(),
        fields in select(vec!["", "time,path", "id,seq,request_id,email,source_ip", "user_agent,event_count,upstream_ms"]),
        format in select(vec![Format::Csv, Format::Ndjson]),
        place in any::<prop::sample::Index>(),
    ) {
        let model = &*MODEL;
        let filter = parse(&conditions);
        let matching: Vec<&Row> = model.rows.iter().filter(|row| filter.matches(row)).collect();
        let order = if ascending { "asc" } else { "desc" };
        let asked = [("sort", sort), ("order", order), ("fields", fields)];
        let asked = asked.into_iter().filter(|(_, value)| !value.is_empty());
        let parameters: Vec<_> = conditions.iter().copied().chain(asked).collect();
        let query = parse(&parameters);
        let mut expected = String::new();
        format.write_head(&query, &mut expected);
        sorted(&matching, sort, ascending).iter().for_each(|row| format.write_row(&query, row, &mut expected));
        let export = |parameters: &[(&str, &str)]| {
            let pieces: Result<Vec<_>, _> = Export::new(model.store.clone(), parse(parameters), format, None).collect();
            pieces.unwrap()
        };
        let pieces = export(&parameters);
        prop_assert_eq!(pieces.iter().map(|piece| piece.rows).sum::<u64>(), matching.len() as u64);
        prop_assert!(pieces.iter().map(|piece| piece.text.as_str()).collect::<String>() == expected);
        // From any piece on.
        let at = place.index(pieces.len());
        if let Some(cursor) = &pieces[at].cursor {
            let parameters: Vec<_> = parameters.iter().copied().chain([("cursor", cursor.as_str())]).collect();
            let rest: String = export(&parameters).into_iter().map(|piece| piece.text).collect();
            prop_assert!(expected.ends_with(&rest));
            let before: usize = pieces[..=at].iter().map(|piece| piece.text.len()).sum();
            prop_assert_eq!(before + rest.len(), expected.len());
        }
    }
}

/// In one segment a value is at the top, in the other just below the values that are listed.
#[test]
fn a_value_at_the_top_is_counted_where_it_is_not_listed_too() {
    const SEGMENT: usize = 32_768;
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), options()).unwrap();
    let filled = |values: &[(String, usize)]| {
        let rows = values.iter().flat_map(|(value, rows)| std::iter::repeat_n(value.clone(), *rows));
        rows.chain((0..SEGMENT).map(|at| format!("/low/{}", at % 900))).take(SEGMENT).collect::<Vec<_>>()
    };
    let middle = (0..140).map(|at| (format!("/middle/{at:03}"), 80));
    let first: Vec<_> = [("/a".to_owned(), 2000), ("/b".to_owned(), 1990)].into_iter().chain(middle).collect();
    let first = filled(&[first, vec![("/x".to_owned(), 70)]].concat());
    let second = filled(&[("/x".to_owned(), 1950), ("/b".to_owned(), 20)]);
    for (at, path) in first.iter().chain(&second).enumerate() {
        while store.queue_depth() > 10_000 {
            std::thread::yield_now();
        }
        store.append(&Entry::Request(&request(at as i64, path)));
    }
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    while store.segments(Log::Requests) < 2 {
        assert!(std::time::Instant::now() < deadline, "{} segments", store.segments(Log::Requests));
        std::thread::yield_now();
    }

    let found = store.facets(&parse(&[]), &[*Log::Requests.field("path").unwrap()], 3).unwrap();

    let expected = [("/x", 2020), ("/b", 2010), ("/a", 2000)].map(|(value, rows)| (value.to_owned(), rows));
    assert!(found.exact);
    assert_eq!(found.facets[0].values, expected);
}

/// Pages of rows become segments in memory meanwhile: those that are asked about for the second time.
#[test]
fn rows_that_are_not_sealed_answer_the_same_however_often_they_are_asked() {
    let model = filled(10_500);
    assert_eq!(model.store.segments(Log::Requests), 0);
    for (condition, sort) in CONDITIONS.iter().zip(SORTS.iter().cycle()) {
        let filter = parse(&[*condition]);
        let matching: Vec<&Row> = model.rows.iter().filter(|row| filter.matches(row)).collect();
        let query = parse(&[*condition, ("sort", sort), ("order", "desc"), ("limit", "100"), ("count", "true")]);
        for _ in 0..2 {
            let page = model.store.query(&query).unwrap();
            assert_eq!(page.total, Some(matching.len() as u64), "{condition:?}");
            let expected = sorted(&matching, sort, false);
            assert_eq!(seqs(&page.rows), seqs(expected.into_iter().take(100)), "{condition:?} by {sort}");
            page.rows.iter().for_each(|row| assert_eq!(row, &model.rows[row.seq as usize]));
        }
        let statuses = Log::Requests.field("status_code").unwrap();
        let hours = model.store.histogram(&filter, Duration::from_secs(3600), Some(statuses)).unwrap();
        let counted: u64 = hours.buckets.iter().flat_map(|bucket| &bucket.counts).map(|(_, rows)| rows).sum();
        assert_eq!(counted, matching.len() as u64, "{condition:?}");
    }
}

#[test]
fn an_entry_is_found_by_its_id_wherever_it_is() {
    let model = &*MODEL;
    for seq in [0, 1, 32_767, 32_768, 36_863, 41_999] {
        let row = &model.rows[seq];
        assert_eq!(model.store.entry(Log::Requests, &row.id).unwrap().as_ref(), Some(row));
        assert_eq!(seqs(&model.store.query(&parse(&[("q", &row.id.to_string())])).unwrap().rows), [seq as u64]);
    }
}

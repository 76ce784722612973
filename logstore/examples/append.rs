//! Measures the store: nanoseconds of an append on the caller's thread, entries per CPU-second of the writer, the
//! latency of commits, the time of opening, and a few questions.
//!
//! `cargo run --release --example append -- [ENTRIES] [PER_SECOND]`

#![expect(clippy::print_stdout, clippy::expect_used, clippy::disallowed_methods, reason = "a measurement prints")]

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use vestibule_logstore::entry::Common;
use vestibule_logstore::{AccessEntry, Entry, Log, Options, Query, RequestEntry, Store};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let entries: u64 = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    let per_second: u64 = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(2000);
    let dir = tempfile::tempdir().expect("a temporary folder");
    let options = Options { sync: Duration::from_millis(50), queue_entries: 65_536, queue_bytes: 64 << 20 };
    let store = Store::open(dir.path(), options.clone()).expect("a store");

    steady(&store, per_second);
    flood(&store, entries);
    commits(&store);
    store.close().expect("a close");
    println!("on disk: {} bytes for {} entries", store.figures().bytes, entries);
    drop(store);

    let since = Instant::now();
    let store = Store::open(dir.path(), options).expect("a store");
    println!("open after close: {:?}", since.elapsed());
    questions(&store);
}

/// Appends at a steady rate and shows what one costs the caller.
fn steady(store: &Store, per_second: u64) {
    let mut costs = Vec::new();
    let (start, cpu) = (Instant::now(), writer_cpu());
    for at in 0..per_second * 3 {
        let due = start + Duration::from_secs(1) * at as u32 / per_second as u32;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        costs.push(append(store, at).as_nanos());
    }
    costs.sort_unstable();
    let at = |share: usize| costs.get(costs.len() * share / 1000).copied().unwrap_or(0);
    println!("append at {per_second}/s: p50 {} ns, p99 {} ns, p999 {} ns", at(500), at(990), at(999));
    println!("writer at {per_second}/s: {:.2} % of a core", (writer_cpu() - cpu).as_secs_f64() / 0.03);
}

/// Appends as fast as the queue takes them.
fn flood(store: &Store, entries: u64) {
    let (start, cpu) = (Instant::now(), writer_cpu());
    let mut inside = Duration::ZERO;
    for at in 0..entries {
        while store.queue_depth() > 30_000 {
            std::thread::sleep(Duration::from_millis(1));
        }
        inside += append(store, at);
    }
    while store.queue_depth() > 0 {
        std::thread::sleep(Duration::from_millis(1));
    }
    let (wall, cpu) = (start.elapsed().as_secs_f64(), (writer_cpu() - cpu).as_secs_f64());
    println!(
        "flood: {} ns each for the caller, {:.0} entries/s",
        inside.as_nanos() / u128::from(entries),
        entries as f64 / wall
    );
    println!("flood: {:.0} entries per CPU-second of the writer", entries as f64 / cpu);
}

fn commits(store: &Store) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut costs = Vec::new();
    runtime.block_on(async {
        for at in 0..300 {
            let since = Instant::now();
            let entry = attempt(now() + at);
            store.commit(&Entry::Access(&entry)).await.expect("a commit");
            costs.push(since.elapsed());
        }
    });
    costs.sort_unstable();
    println!("commit, one after another: p50 {:?}, p99 {:?}", costs.get(150), costs.get(296));
}

fn questions(store: &Store) {
    let ask = |name: &str, parameters: &[(&str, &str)]| {
        let parameters: Vec<_> = parameters.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let mut query = Query::parse(Log::Requests, &parameters, Timestamp::UNIX_EPOCH).expect("a query");
        query.deadline = Duration::from_secs(60);
        let since = Instant::now();
        let page = store.query(&query).expect("an answer");
        println!("{name}: {:?}, {} rows, total {:?}", since.elapsed(), page.rows.len(), page.total);
    };
    for _ in 0..2 {
        ask("latest 100", &[("limit", "100")]);
        ask("oldest 100", &[("limit", "100"), ("order", "asc")]);
        ask("one user, newest 100", &[("limit", "100"), ("email", "user77@example.net")]);
        ask("no match, equality", &[("email", "nobody@example.net")]);
        ask("no match, text", &[("q", "nobody@example.net")]);
        ask("count of a status", &[("status_code", "404"), ("count", "true")]);
    }
}

/// The time that the store took, the making of the entry not counted.
fn append(store: &Store, at: u64) -> Duration {
    let (path, email) = (format!("/projects/{}/files/{}", at % 997, at % 13), format!("user{}@example.net", at % 5000));
    let request_id = format!("{:032x}", u128::from(at).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c834));
    let entry = RequestEntry {
        common: Common { request_id: Some(&request_id), ..common(now()) },
        method: Some("GET"),
        host: Some("wiki.example.net"),
        path: Some(&path),
        query: Some("page=2&sort=name"),
        protocol: Some("HTTP/2"),
        status_code: if at.is_multiple_of(50) { 404 } else { 200 },
        action: "allowed",
        origin: "backend",
        reason: None,
        would_block: None,
        auth_method: "sso",
        email: Some(&email),
        user_id: Some(&email),
        session_id: Some("0f1e2d3c4b5a6978"),
        circuit: Some("wiki"),
        project: Some("docs"),
        upstream: Some("http://10.0.0.21:8080"),
        upstream_ms: Some(at % 90),
        duration_ms: at % 100,
        bytes_in: 0,
        bytes_out: at % 100_000,
        referer: Some("https://wiki.example.net/projects"),
        tls: Some("TLSv1.3 TLS13_AES_128_GCM_SHA256"),
        metadata: None,
    };
    let since = Instant::now();
    store.append(&Entry::Request(&entry));
    since.elapsed()
}

fn common(time: i64) -> Common<'static> {
    Common {
        time,
        request_id: None,
        source_ip: Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7))),
        country: Some("CH"),
        subdivision: Some("ZH"),
        city: Some("Zurich"),
        asn: Some(64_500),
        user_agent: Some("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
        revision: Some("a1b2c3d4e5f60718"),
        event_count: None,
        node: None,
    }
}

fn attempt(time: i64) -> AccessEntry<'static> {
    AccessEntry {
        common: common(time),
        attempt_id: None,
        action: "login",
        status: "success",
        result: Some("success"),
        reason: None,
        auth_method: "pin",
        provider: None,
        email: Some("maya@example.net"),
        user_id: None,
        session_id: None,
        circuit: Some("wiki"),
        project: Some("docs"),
        host: Some("wiki.example.net"),
        policy: Some("members"),
        rule: None,
        duration_ms: Some(40),
    }
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as i64)
}

/// CPU time of the writer's thread and of RocksDB's background threads: all but this one.
fn writer_cpu() -> Duration {
    let own = std::process::id().to_string();
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let others = tasks.filter(|task| task.file_name().to_string_lossy() != own);
    let nanos = others.filter_map(|task| {
        let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanos.sum())
}

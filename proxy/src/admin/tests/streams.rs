//! Exports and tails: who may, how many, and how they end.

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use hyper::body::Body as _;
use vestibule_logstore::entry::{Common, RequestEntry};
use vestibule_logstore::{Entry, Keep, Log};

use super::*;

fn entry(path: &str) -> RequestEntry<'_> {
    RequestEntry {
        common: Common {
            time: 1_700_000_000_000_000,
            request_id: None,
            source_ip: None,
            country: None,
            subdivision: None,
            city: None,
            asn: None,
            user_agent: None,
            revision: None,
            event_count: None,
            node: None,
        },
        method: Some("GET"),
        host: None,
        path: Some(path),
        query: None,
        protocol: None,
        status_code: 200,
        action: "allowed",
        origin: "backend",
        reason: None,
        would_block: None,
        auth_method: "none",
        email: None,
        user_id: None,
        session_id: None,
        circuit: None,
        project: None,
        upstream: None,
        upstream_ms: None,
        duration_ms: 0,
        bytes_in: 0,
        bytes_out: 0,
        referer: None,
        tls: None,
        metadata: None,
    }
}

impl Bench {
    /// With so many requests that can be read.
    async fn with_requests(count: u64) -> Self {
        let bench = Self::new();
        bench.append(count).await;
        bench
    }

    async fn append(&self, count: u64) {
        let store = &self.rig.state.store;
        let end = store.end(Log::Requests);
        let mut news = store.watch();
        for number in end..end + count {
            store.append_or_wait(&Entry::Request(&entry(&format!("/{number}")))).await;
        }
        while store.end(Log::Requests) < end + count {
            news.changed().await.unwrap();
        }
    }

    async fn get(&self, path: &str, token: &str, fields: &[(&str, &str)]) -> Response {
        self.open("127.0.0.1:9180", "GET", path, Some(token), fields).await
    }

    async fn reload(&self, text: &str) {
        self.rig.write(text);
        assert_eq!(self.ask("POST", "/api/v1/config/reload", Some("admin")).await.status, 200);
    }

    async fn audit(&self, action: &str, count: usize) -> Vec<Value> {
        let entries = || self.rig.entries(Log::Audit, &[("action", action)]);
        crate::rig::until(|| entries().len() >= count).await;
        entries()
    }
}

/// The next events of a tail, until there are so many with data.
async fn events(tail: &mut axum::body::Body, count: usize) -> String {
    let mut text = String::new();
    while text.matches("data: ").count() < count {
        let frame =
            tokio::time::timeout(Duration::from_secs(5), poll_fn(|context| Pin::new(&mut *tail).poll_frame(context)))
                .await;
        let bytes = frame.expect("an event within five seconds").expect("no end yet").unwrap().into_data().unwrap();
        text.push_str(str::from_utf8(&bytes).unwrap());
    }
    text
}

/// A configuration without a token, that of which `next` comes after it.
fn without(text: &str, token: &str, next: &str) -> String {
    let next = format!("[admin.tokens.{next}]");
    let (before, rest) = text.split_once(&format!("[admin.tokens.{token}]")).unwrap();
    let (_, after) = rest.split_once(&next).unwrap();
    format!("{before}{next}{after}")
}

#[tokio::test]
async fn an_export_is_on_record_before_its_first_byte_and_again_with_its_count() {
    let bench = Bench::with_requests(3).await;
    let path = "/api/v1/logs/requests/export?format=csv&path=/0,/2&fields=seq,path&order=asc";
    let response = bench.get(path, "auditor", &[]).await;
    let begun = bench.audit("log.export", 1).await;
    let answered = read(response).await;
    assert_eq!((answered.status.as_u16(), answered.body.as_str()), (200, "seq,path\r\n0,/0\r\n2,/2\r\n"));
    assert_eq!(answered.headers["content-type"], "text/csv; charset=utf-8");
    let file = "attachment; filename=\"vestibule-requests-2026-11-23.csv\"";
    assert_eq!(answered.headers["content-disposition"], file);

    assert_eq!((begun[0]["actor"].as_str(), begun[0]["resource"].as_str()), (Some("auditor"), Some("requests")));
    assert_eq!((begun[0]["resource_type"].as_str(), begun[0]["status"].as_str()), (Some("log"), Some("success")));
    let filters = serde_json::json!({ "path": ["/0,/2"], "fields": ["seq,path"], "order": ["asc"] });
    assert_eq!(begun[0]["details"], serde_json::json!({ "format": "csv", "filters": filters }));
    let ended = bench.audit("log.exported", 1).await;
    assert_eq!(ended[0]["details"]["rows"], 2);
    assert_eq!(
        (ended[0]["details"]["outcome"].as_str(), ended[0]["status"].as_str()),
        (Some("complete"), Some("success"))
    );
}

#[tokio::test]
async fn exports_beyond_the_bound_are_refused_until_a_reader_leaves() {
    let bench = Bench::with_requests(4000).await;
    let path = "/api/v1/logs/requests/export?format=ndjson";
    let first = bench.get(path, "auditor", &[]).await;
    let second = bench.get(path, "auditor", &[]).await;
    let third = read(bench.get(path, "auditor", &[]).await).await;
    assert_eq!((third.status.as_u16(), third.json()["reason"].as_str()), (503, Some("busy")));
    assert_eq!(third.headers["retry-after"], "1");
    assert!(
        bench.ask("GET", "/metrics", Some("reader")).await.body.contains("vestibule_admin_streams{kind=\"export\"} 2")
    );

    drop(first);

    let ended = bench.audit("log.exported", 1).await;
    assert_eq!(
        (ended[0]["status"].as_str(), ended[0]["details"]["outcome"].as_str()),
        (Some("failed"), Some("the client left"))
    );
    let after = read(bench.get(path, "auditor", &[]).await).await;
    assert_eq!((after.status.as_u16(), after.body.lines().count()), (200, 4000));
    assert_eq!(read(second).await.body.lines().count(), 4000);
}

#[tokio::test]
async fn an_export_whose_token_is_taken_away_breaks_off_so_that_nobody_takes_a_part_for_the_whole() {
    let bench = Bench::with_requests(4000).await;
    let body = bench.get("/api/v1/logs/requests/export?format=ndjson", "auditor", &[]).await.into_body();
    bench.reload(&without(&example(), "auditor", "admin")).await;
    let ended = bench.audit("log.exported", 1).await;
    assert_eq!(ended[0]["details"]["outcome"], "the token was taken away");
    assert!(ended[0]["details"]["rows"].as_u64().unwrap() < 4000);
    assert!(axum::body::to_bytes(body, 1 << 24).await.is_err());
}

#[tokio::test]
async fn an_export_says_what_is_wrong_with_its_parameters() {
    let bench = Bench::new();
    for (query, parameter) in
        [("format=xml", "format"), ("frames=1", "frames"), ("colour=red", "colour"), ("limit=0", "limit")]
    {
        let answered = bench.ask("GET", &format!("/api/v1/logs/access/export?{query}"), Some("auditor")).await;
        assert_eq!((answered.status.as_u16(), answered.json()["parameter"].as_str()), (400, Some(parameter)));
    }
    assert_eq!(bench.rig.entries(Log::Audit, &[]).len(), 0, "nothing was exported");
}

#[tokio::test]
async fn a_list_is_lines_for_an_auditor_who_asks_for_them() {
    let bench = Bench::with_requests(3).await;
    let path = "/api/v1/logs/requests?fields=seq,path&limit=2&count=true&path.prefix=%2F";
    let csv = read(bench.get(path, "auditor", &[("accept", "text/csv")]).await).await;
    assert_eq!((csv.status.as_u16(), csv.body.as_str()), (200, "seq,path\r\n2,/2\r\n1,/1\r\n"));
    assert_eq!(
        (&csv.headers["content-type"], &csv.headers["x-total-count"]),
        (&"text/csv; charset=utf-8".parse().unwrap(), &"3".parse().unwrap())
    );
    let link = csv.headers["link"].to_str().unwrap();
    let next = link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\"")).unwrap();
    let rest = read(bench.get(next, "auditor", &[("accept", "application/x-ndjson")]).await).await;
    assert_eq!(
        (rest.headers["content-type"].to_str().unwrap(), rest.body.as_str()),
        ("application/x-ndjson", "{\"seq\":0,\"path\":\"/0\"}\n")
    );

    assert_eq!(bench.get(path, "reader", &[("accept", "text/csv")]).await.status(), 403);
    bench.audit("admin.access", 1).await;
    assert_eq!(bench.get(path, "reader", &[("accept", "text/csv;q=0.5, */*")]).await.status(), 200, "JSON will do");
    assert_eq!(bench.rig.entries(Log::Audit, &[("action", "log.export")]).len(), 0, "a list is no export");
}

#[tokio::test]
async fn a_tail_has_what_comes_and_what_matches_and_goes_on_after_the_last_event() {
    let bench = Bench::with_requests(2).await;
    let path = "/api/v1/logs/requests/tail?fields=seq,path&path.not=/3";
    let mut tail = bench.get(path, "reader", &[]).await.into_body();
    bench.append(3).await;
    let expected = "retry: 1000\nid: 1\n\nid: 2\nevent: entry\ndata: {\"seq\":2,\"path\":\"/2\"}\n\n\
                    id: 4\nevent: entry\ndata: {\"seq\":4,\"path\":\"/4\"}\n\n";
    assert_eq!(events(&mut tail, 2).await, expected);
    let seen = bench.rig.entries(Log::Requests, &[("seq", "2")]).remove(0);
    for last in ["2", seen["id"].as_str().unwrap()] {
        let mut again = bench.get(path, "reader", &[("last-event-id", last)]).await.into_body();
        let heard = events(&mut again, 1).await;
        assert!(heard.starts_with("retry: 1000\nid: 2\n\nid: 4\n"), "{heard}");
    }
    let mut all = bench.get(path, "reader", &[("last-event-id", "-1")]).await.into_body();
    assert_eq!(events(&mut all, 4).await.matches("event: entry").count(), 4);
    for wrong in ["5", "nonsense", "-2", "00000000-0000-0000-0000-000000000000"] {
        let answered = read(bench.get(path, "reader", &[("last-event-id", wrong)]).await).await;
        assert_eq!((answered.status.as_u16(), answered.json()["parameter"].as_str()), (400, Some("Last-Event-ID")));
    }
    for (query, parameter) in [("limit=5", "limit"), ("order=asc", "order"), ("colour=red", "colour")] {
        let answered = bench.ask("GET", &format!("/api/v1/logs/requests/tail?{query}"), Some("reader")).await;
        assert_eq!((answered.status.as_u16(), answered.json()["parameter"].as_str()), (400, Some(parameter)));
    }
}

#[tokio::test]
async fn a_tail_that_is_too_far_behind_is_told_what_it_missed() {
    let bench = Bench::with_requests(100_003).await;
    let path = "/api/v1/logs/requests/tail?fields=seq";
    let mut near = bench.get(path, "reader", &[("last-event-id", "2")]).await.into_body();
    assert!(events(&mut near, 1).await.contains("data: {\"seq\":3}"), "that far is near enough");
    drop(near);

    let mut far = bench.get(path, "reader", &[("last-event-id", "1")]).await.into_body();
    let heard = events(&mut far, 2).await;

    let gap = "id: 50002\nevent: gap\ndata: {\"from\":2,\"to\":50002,\"count\":50001}\n\nid: 50003\nevent: entry\n";
    assert!(heard.contains(gap), "{}", &heard[..200]);
    assert!(
        bench.ask("GET", "/metrics", Some("reader")).await.body.contains("vestibule_tail_skipped_entries_total 50001")
    );
}

#[tokio::test]
async fn a_gap_is_told_at_once_although_no_entry_follows_it() {
    let bench = Bench::with_requests(3).await;
    let (store, now) = (bench.rig.state.store.clone(), bench.rig.state.clock.now());
    let pruned = tokio::task::spawn_blocking(move || {
        let keep = Keep { age: Some(Duration::from_secs(1)), bytes: None };
        store.set_keep([Keep::default(), keep, Keep::default()]);
        store.prune(now)
    });
    pruned.await.unwrap().unwrap();
    let path = "/api/v1/logs/requests/tail?fields=seq";
    let mut tail = bench.get(path, "reader", &[("last-event-id", "-1")]).await.into_body();
    let gap = "id: 2\nevent: gap\ndata: {\"from\":0,\"to\":2,\"count\":3}\n\n";
    assert_eq!(events(&mut tail, 1).await, format!("retry: 1000\nid: -1\n\n{gap}"));
    bench.append(1).await;
    assert_eq!(events(&mut tail, 1).await, "id: 3\nevent: entry\ndata: {\"seq\":3}\n\n", "and once");
}

#[tokio::test]
async fn a_tail_ends_with_its_token_and_with_the_server() {
    let bench = Bench::new();
    let path = "/api/v1/logs/access/tail";
    let reader = bench.get(path, "reader", &[]).await;
    let narrow = bench.get(path, "narrow", &[]).await;
    let auditor = bench.get(path, "auditor", &[]).await;
    let text = example().replace("logs = [\"access\"]", "logs = [\"audit\"]");
    bench.reload(&without(&text, "reader", "auditor")).await;
    let end = Duration::from_secs(5);
    tokio::time::timeout(end, read(reader)).await.expect("a token that is gone");
    tokio::time::timeout(end, read(narrow)).await.expect("a token that does not read this log any more");

    bench.rig.state.stopping.send_replace(true);
    let heard = tokio::time::timeout(end, read(auditor)).await.expect("a server that stops");
    assert!(heard.body.starts_with("retry: 1000\nid: -1\n\n"), "{}", heard.body);
    assert_eq!(bench.ask("GET", path, Some("reader")).await.status, 401);
    assert_eq!(bench.ask("GET", path, Some("auditor")).await.status, 503);
}

#[tokio::test]
async fn tails_beyond_the_bound_are_refused() {
    let bench = Bench::new();
    let mut tails = Vec::new();
    for _ in 0..tail::TAILS_AT_ONCE {
        tails.push(bench.get("/api/v1/logs/access/tail", "reader", &[]).await);
    }
    assert!(tails.iter().all(|tail| tail.status() == 200));
    let refused = bench.get("/api/v1/logs/access/tail", "reader", &[]).await;
    assert_eq!((refused.status().as_u16(), &refused.headers()["retry-after"]), (503, &"1".parse().unwrap()));
}

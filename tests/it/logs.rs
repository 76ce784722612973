//! The three logs: every field, every filter, no secret, and no row lost.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use harness::house::{MAYA, NOOR};
use harness::secrets::{ADMIN_TOKEN, OTHER_PASSWORD, PASSWORD, PIN, SHARED_PASSWORD, SHARED_PIN};
use harness::{House, client, until};
use serde_json::{Value, json};

const COMMON: &str = "id seq time request_id source_ip country subdivision city asn user_agent revision event_count node \
     erased";
const ACCESS: &str = "attempt_id action status result reason auth_method provider email user_id session_id circuit project \
                      host policy rule duration_ms purpose";
const REQUESTS: &str = "method host path query protocol status_code action origin reason would_block auth_method email \
                        user_id session_id circuit project upstream upstream_ms duration_ms bytes_in bytes_out referer \
                        tls metadata";
const AUDIT: &str = "actor actor_type action_type action resource_type resource status http_status duration_ms before \
                     after details";

/// Two people's successes and failures from three countries, and requests of every kind.
fn lived_in() -> House {
    let house = House::start();
    let cookie = house.session("mem.localhost", MAYA);
    house.get("mem.localhost", "/page?x=1").cookie(&cookie).header("User-Agent", "first/1.0").send();
    house.get("pub.localhost", "/status/403").from("203.0.113.7").send();
    house.get("pub.localhost", "/status/500").from("198.51.100.7").send();
    house.get("mem.localhost", "/").from("203.0.113.8").send();
    house.get("nope.localhost", "/").send();
    let attempt =
        |fields: &[(&str, &str)], address| house.gateway.sign_in("list.localhost", fields).from(address).send();
    attempt(&[("email", NOOR), ("password", PASSWORD)], "203.0.113.7");
    attempt(&[("email", NOOR), ("password", OTHER_PASSWORD)], "198.51.100.7");
    attempt(&[("email", "eve@example.net"), ("pin", "000000")], "192.0.2.7");
    house.gateway.logs_when("access", "", 4);
    house.gateway.logs_when("requests", "", 9);
    house
}

fn keys(entry: &Value) -> BTreeSet<String> {
    entry.as_object().unwrap().keys().cloned().collect()
}

fn names(lists: [&str; 2]) -> BTreeSet<String> {
    lists.iter().flat_map(|list| list.split_whitespace()).map(str::to_owned).collect()
}

#[test]
fn every_entry_has_every_field_of_its_log() {
    let house = lived_in();
    for (log, own) in [("access", ACCESS), ("requests", REQUESTS), ("audit", AUDIT)] {
        for entry in house.gateway.logs_when(log, "", 1) {
            assert_eq!(keys(&entry), names([COMMON, own]), "{log}");
        }
    }
}

#[test]
fn an_attempt_says_who_when_where_and_why() {
    let house = lived_in();
    let success = house.gateway.logs("access", "status=success").remove(0);
    let expected = json!({
        "action": "login", "status": "success", "result": "success", "reason": null, "auth_method": "password",
        "provider": null, "email": MAYA, "user_id": format!("local:{MAYA}"), "circuit": "mem", "project": "docs",
        "host": "mem.localhost", "policy": "members", "source_ip": "127.0.0.1", "country": null, "event_count": 1,
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&success[name], value, "{name}: {success}");
    }
    for name in ["attempt_id", "session_id", "request_id", "revision", "id", "time"] {
        assert!(success[name].is_string(), "{name}: {success}");
    }
    let failed = house.gateway.logs("access", "email=eve@example.net").remove(0);
    assert_eq!(
        (&failed["reason"], &failed["auth_method"]),
        (&json!("user_not_found"), &json!("pin")),
        "the account as tried"
    );
    assert_eq!(
        (&failed["country"], &failed["result"], &failed["session_id"]),
        (&json!("US"), &json!("failed"), &Value::Null)
    );
    let reasons: BTreeSet<_> =
        house.gateway.logs("access", "status=failure").iter().map(|e| e["reason"].to_string()).collect();
    assert_eq!(reasons.len(), 3, "{reasons:?}");
}

#[test]
fn a_request_says_what_was_decided_and_by_whom() {
    let house = lived_in();
    let only = |query: &str| {
        let mut entries = house.gateway.logs("requests", query);
        assert_eq!(entries.len(), 1, "{query}: {entries:?}");
        entries.remove(0)
    };
    let page = only("path=/page");
    let expected = json!({
        "method": "GET", "host": "mem.localhost", "path": "/page", "query": "x=1", "protocol": "HTTP/1.1", "status_code": 200,
        "action": "allowed", "origin": "backend", "reason": null, "would_block": null, "auth_method": "password",
        "email": MAYA, "user_id": format!("local:{MAYA}"), "circuit": "mem", "project": "docs", "bytes_in": 0,
        "upstream": house.upstream.url(), "user_agent": "first/1.0", "tls": null,
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&page[name], value, "{name}: {page}");
    }
    assert!(page["duration_ms"].is_u64() && page["upstream_ms"].is_u64() && page["bytes_out"].as_u64().unwrap() > 0);

    let forbidden = only("path=/status/403");
    let facts = |entry: &Value| {
        ["action", "origin", "reason", "auth_method", "email"]
            .map(|name| entry[name].as_str().unwrap_or("-").to_owned())
    };
    assert_eq!(facts(&forbidden), ["allowed", "backend", "-", "none", "-"], "the backend's own 403 is allowed");
    let stranger = only("circuit=mem&reason=no_credentials");
    assert_eq!(facts(&stranger), ["blocked", "auth", "no_credentials", "none", "-"]);
    let nowhere = only("origin=no_route");
    assert_eq!(facts(&nowhere), ["blocked", "no_route", "circuit_not_found", "none", "-"]);
    let refused = only("path=/.vestibule/login&reason=not_on_allowlist");
    assert_eq!((&refused["status_code"], &refused["origin"]), (&json!(403), &json!("auth")));
}

#[test]
fn the_time_of_a_request_is_when_its_head_was_read() {
    let house = House::start();
    let clock = || {
        let output = std::process::Command::new("date").args(["-u", "+%Y-%m-%dT%H:%M:%S.%6NZ"]).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let before = clock();
    let running = house.get("pub.localhost", "/slow/1000");
    let answer = std::thread::spawn(move || running.send());
    until(Duration::from_secs(2), "the request's start", || (house.upstream.count() == 1).then_some(()));
    let after = clock();
    let entry = house.gateway.entry_of(&answer.join().unwrap());
    let time = entry["time"].as_str().unwrap();
    assert!(before.as_str() <= time && time <= after.as_str(), "{before} {time} {after}");
    assert_eq!(time.len(), "2026-01-01T00:00:00.000000Z".len(), "microseconds, UTC: {time}");
    assert!(entry["duration_ms"].as_u64().unwrap() >= 1000);
}

#[test]
fn every_request_is_recorded_once() {
    let house = House::start();
    let hosts = ["pub.localhost", "mem.localhost", "nope.localhost", "pw.localhost"];
    let answers = harness::load::parallel(4, 100, |number| {
        let target = if number % 5 == 0 { "/.vestibule/login" } else { "/x" };
        house.get(hosts[number % 4], target)
    });
    house.gateway.logs_when("requests", "", 100);
    house.gateway.admin_request("GET", "/livez").send();
    let entries = house.gateway.logs("requests", "");
    assert_eq!(entries.len(), 100);
    let sent: BTreeSet<_> = answers.iter().map(|answer| answer.header("x-request-id").unwrap().to_owned()).collect();
    let kept: BTreeSet<_> = entries.iter().map(|entry| entry["request_id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(sent, kept);
    let mut positions: Vec<_> = entries.iter().map(|entry| entry["seq"].as_u64().unwrap()).collect();
    positions.sort_unstable();
    assert_eq!(positions, (0..100).collect::<Vec<_>>(), "no gaps");
}

#[test]
fn an_entry_is_readable_within_a_second_of_its_answer() {
    let house = House::start();
    for _ in 0..5 {
        let answer = house.gateway.sign_in("mem.localhost", &[("email", MAYA), ("pin", "999999")]).send();
        let start = Instant::now();
        let id = answer.header("x-request-id").unwrap();
        for log in ["access", "requests"] {
            house.gateway.logs_when(log, &format!("request_id={id}"), 1);
        }
        assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    }
}

type Matches = Box<dyn Fn(&Value) -> bool>;

/// Each filter alone gives the entries that a look at all of them finds.
#[test]
fn filters_agree_with_a_look_at_every_entry() {
    let house = lived_in();
    let all = house.gateway.logs("requests", "");
    let status = |entry: &Value| entry["status_code"].as_u64().unwrap();
    let is = |name: &'static str, value: &'static str| move |entry: &Value| entry[name] == value;
    let cases: Vec<(&str, Matches)> = vec![
        ("circuit=mem", Box::new(is("circuit", "mem"))),
        ("circuit=mem,pub", Box::new(|entry| entry["circuit"] == "mem" || entry["circuit"] == "pub")),
        ("circuit=mem&circuit=pub", Box::new(|entry| entry["circuit"] == "mem" || entry["circuit"] == "pub")),
        ("circuit=mem&action=blocked", Box::new(|entry| entry["circuit"] == "mem" && entry["action"] == "blocked")),
        ("country=DE", Box::new(is("country", "DE"))),
        ("action=ALLOWED", Box::new(is("action", "allowed"))),
        ("reason=", Box::new(|entry| entry["reason"].is_null())),
        ("status_code=403", Box::new(move |entry| status(entry) == 403)),
        ("status_code=4xx", Box::new(move |entry| (400..500).contains(&status(entry)))),
        ("status=success", Box::new(move |entry| (200..400).contains(&status(entry)))),
        ("status=failed", Box::new(move |entry| !(200..400).contains(&status(entry)))),
        ("outcome=denied", Box::new(move |entry| entry["action"] == "blocked" && status(entry) < 500)),
        ("outcome=error", Box::new(move |entry| status(entry) >= 500)),
        ("source_ip=203.0.113.7", Box::new(is("source_ip", "203.0.113.7"))),
        ("source_ip=203.0.113.0/24", Box::new(|entry| entry["source_ip"].as_str().unwrap().starts_with("203.0.113."))),
        ("email=maya@example.net", Box::new(is("email", MAYA))),
        ("email=nobody@example.net", Box::new(|_| false)),
        ("q=FIRST/1", Box::new(is("user_agent", "first/1.0"))),
        ("method=GET&origin=backend", Box::new(|entry| entry["method"] == "GET" && entry["origin"] == "backend")),
        ("since=15m", Box::new(|_| true)),
        ("range=1h", Box::new(|_| true)),
        ("until=2020-01-01T00:00:00Z", Box::new(|_| false)),
    ];
    for (query, matches) in cases {
        let expected: Vec<_> = all.iter().filter(|entry| matches(entry)).map(|entry| entry["id"].clone()).collect();
        let found: Vec<_> = house.gateway.logs("requests", query).iter().map(|entry| entry["id"].clone()).collect();
        assert_eq!(found, expected, "{query}");
    }
    let times: Vec<_> = all.iter().map(|entry| entry["time"].as_str().unwrap().to_owned()).collect();
    let (newest, oldest) = (times.first().unwrap(), times.last().unwrap());
    let both = house.gateway.logs("requests", &format!("since={oldest}&until={newest}"));
    assert_eq!(both.len(), all.len(), "both ends are inclusive");
    let mut reversed = all.clone();
    reversed.reverse();
    assert_eq!(house.gateway.logs("requests", "order=asc"), reversed);
}

#[test]
fn attempts_are_found_by_what_they_are() {
    let house = lived_in();
    let count = |query: &str| house.gateway.logs("access", query).len();
    assert_eq!(count(""), 4);
    assert_eq!(
        (count("status=success"), count("status=success&status=failure"), count("status=Success,FAILURE")),
        (1, 4, 4)
    );
    assert_eq!((count("result=failed"), count("result=rate_limited")), (3, 0));
    assert_eq!((count("auth_method=pin"), count("auth_method=password")), (1, 3));
    assert_eq!((count("email=noor@example.net"), count("email=noor@example.net&result=failed")), (2, 2));
    assert_eq!((count("country=CN"), count("circuit=list"), count("user_id=local:maya@example.net")), (1, 3, 1));
    assert_eq!(count("q=eve@"), 1);
}

#[test]
fn what_is_not_understood_is_400_and_named() {
    let house = House::start();
    let bad = [
        ("requests", "nonsense=1", "nonsense"),
        ("requests", "action=maybe", "action"),
        ("access", "result=maybe", "result"),
        ("access", "reason=because", "reason"),
        ("requests", "status_code=9xx", "status_code"),
        ("requests", "source_ip=300.1.1.1", "source_ip"),
        ("requests", "limit=0", "limit"),
        ("requests", "limit=1001", "limit"),
        ("requests", "cursor=made-up", "cursor"),
        ("requests", "order=sideways", "order"),
        ("requests", "since=tomorrow-ish", "since"),
        ("requests", "since=2026-02-01T00:00:00Z&until=2026-01-01T00:00:00Z", "since"),
        ("requests", "range=2y", "range"),
        ("requests", "fields=id,nothing", "fields"),
        ("audit", "status=maybe", "status"),
    ];
    for (log, query, name) in bad {
        let answer = house.gateway.admin(&format!("/api/v1/logs/{log}?{query}"));
        assert_eq!(answer.status, 400, "{query}: {}", answer.text());
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        assert!(answer.text().contains(name), "{query}: {}", answer.text());
    }
    assert_eq!(house.gateway.admin("/api/v1/logs/nothing").status, 404);
    assert_eq!(house.gateway.admin("/api/v1/status?x=1").status, 400);
}

#[test]
fn pages_follow_each_other_while_entries_arrive() {
    let house = House::start();
    for number in 0..30 {
        house.get("pub.localhost", &format!("/{number}")).send();
    }
    house.gateway.logs_when("requests", "", 30);
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let query = format!("/api/v1/logs/requests?limit=7&fields=path&count=true{cursor}");
        let page = house.gateway.admin(&query).json();
        let rows = page["data"].as_array().unwrap().clone();
        assert!(rows.len() <= 7);
        assert!(rows.iter().all(|row| keys(row) == BTreeSet::from(["path".to_owned()])), "{rows:?}");
        seen.extend(rows.iter().map(|row| row["path"].as_str().unwrap().to_owned()));
        house.get("pub.localhost", "/later").send();
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={}", client::encode(next)),
            None => break,
        }
    }
    seen.retain(|path| path != "/later");
    assert_eq!(seen, (0..30).rev().map(|number| format!("/{number}")).collect::<Vec<_>>());
}

#[test]
fn one_entry_is_found_by_its_id() {
    let house = lived_in();
    for log in ["access", "requests", "audit"] {
        let entry = house.gateway.logs_when(log, "", 1).remove(0);
        let id = entry["id"].as_str().unwrap();
        let one = house.gateway.admin(&format!("/api/v1/logs/{log}/{id}"));
        assert_eq!(one.status, 200);
        assert!(one.json() == entry || one.json()["data"] == entry, "{}", one.text());
    }
    assert_eq!(house.gateway.admin("/api/v1/logs/access/01890000-0000-7000-8000-000000000000").status, 404);
    assert_eq!(house.gateway.admin("/api/v1/logs/access/not-an-id").status, 404);
}

/// Everything that a person or a program might take for a secret, put wherever it can go.
#[test]
fn no_secret_is_on_disk_in_output_or_in_an_answer() {
    let mut house = House::start();
    let cookie = house.session("mem.localhost", MAYA);
    let marked =
        ["bearer-7391", "basic-7391", "query-7391", "encoded-7391", "refer-7391", "foreign-cookie-7391", "set-7391"];
    house
        .get("mem.localhost", "/x?token=query-7391&ACCESS_token=query-7391&%74oken=encoded-7391&page=2&code=query-7391")
        .cookie(&format!("{cookie}; other=foreign-cookie-7391"))
        .bearer("vst_bearer-7391")
        .header("Referer", "http://elsewhere.example/cb?state=refer-7391&page=3")
        .send();
    house.get("pub.localhost", "/x").header("Authorization", "Basic basic-7391").header("X-Set", "set-7391").send();
    house.get("nope.localhost", "/?password=query-7391").send();
    house.gateway.sign_in("pw.localhost", &[("password", SHARED_PASSWORD)]).send();
    house.gateway.sign_in("pin.localhost", &[("pin", SHARED_PIN)]).send();
    house.gateway.sign_in("mem.localhost", &[("email", MAYA), ("pin", PIN)]).send();
    house.gateway.sign_in("mem.localhost", &[("email", MAYA), ("password", OTHER_PASSWORD)]).send();
    house.gateway.admin_request("GET", "/api/v1/status").bearer("vsta_wrong-bearer-7391").send();
    let kept = house.gateway.logs_when("requests", "path=/x&circuit=mem", 1).remove(0);
    let query = kept["query"].as_str().unwrap();
    assert!(query.contains("page=2") && query.contains("token="), "the names and the rest stay: {query}");
    assert!(kept["referer"].as_str().unwrap().contains("page=3"), "{kept}");
    let answers = ["requests", "access", "audit"].map(|log| json!(house.gateway.logs(log, "")).to_string()).concat();
    house.gateway.stop();

    let session = cookie.split_once('=').unwrap().1.to_owned();
    let typed = [SHARED_PASSWORD, PASSWORD, OTHER_PASSWORD, ADMIN_TOKEN].map(str::to_owned);
    let secrets: Vec<_> = marked.iter().map(|text| (*text).to_owned()).chain(typed).chain([session]).collect();
    let mut files = Vec::new();
    collect(&house.gateway.data_dir(), &mut files);
    assert!(files.len() > 3, "{files:?}");
    files.push(house.gateway.folder().join("output"));
    for file in files {
        let bytes = fs::read(&file).unwrap();
        for secret in &secrets {
            assert!(!contains(&bytes, secret.as_bytes()), "{secret} is in {}", file.display());
        }
    }
    for secret in &secrets {
        assert!(!answers.contains(secret.as_str()), "{secret} is in an answer");
    }
}

fn collect(folder: &Path, files: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() { collect(&path, files) } else { files.push(path) }
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[test]
fn hostile_text_is_kept_as_text() {
    let house = House::start();
    let agent = "x\u{e9}\"}<script>alert(1)</script>{\"a\":";
    let answer = house.get("pub.localhost", "/%0a%0d%3Cscript%3E?a=%22%0aevil").header("User-Agent", agent).send();
    let entry = house.gateway.entry_of(&answer);
    assert_eq!(entry["user_agent"], agent);
    let long = house.get("pub.localhost", &format!("/{}", "a".repeat(6000))).send();
    let path = house.gateway.entry_of(&long)["path"].as_str().unwrap().to_owned();
    assert!(path.len() < 2200 && path.contains("[+"), "cut at 2 KiB with a mark: {}", path.len());
}

#[test]
fn nothing_in_the_data_folder_is_open_to_others() {
    let house = House::start();
    house.get("mem.localhost", "/").cookie(&house.session("mem.localhost", MAYA)).send();
    let (mut folders, mut seen) = (vec![house.gateway.data_dir()], 0);
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
        for path in entries.chain([folder.clone()]) {
            let meta = fs::metadata(&path).unwrap();
            assert_eq!(meta.permissions().mode() & 0o077, 0, "{}", path.display());
            if meta.is_dir() && path != folder {
                folders.push(path);
            }
            seen += 1;
        }
    }
    assert!(seen > 10, "{seen}");
}

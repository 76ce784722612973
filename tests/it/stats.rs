//! Numbers of the last day, from known traffic; who was here; projects and users.

use std::time::Duration;

use harness::house::{BRAM, MAYA, NOOR};
use harness::secrets::{OTHER_PASSWORD, PASSWORD};
use harness::{House, until};
use serde_json::{Value, json};

/// Ten requests: seven let through, three refused; five from Germany, two from China, three from nowhere.
fn known_traffic(house: &House) {
    for path in ["/bytes/1000", "/bytes/500", "/status/403", "/status/500"] {
        house.get("pub.localhost", path).from("203.0.113.7").send();
    }
    house.gateway.request("POST", "pub.localhost", "/").body("text/plain", "x".repeat(300)).send();
    house.get("mem.localhost", "/").from("203.0.113.8").send();
    house.get("mem.localhost", "/").from("198.51.100.7").send();
    house.get("nope.localhost", "/").from("198.51.100.7").send();
    let cookie = house.session("mem.localhost", MAYA);
    house.get("mem.localhost", "/bytes/10").cookie(&cookie).send();
    house.gateway.logs_when("requests", "", 10);
}

fn stats(house: &House, query: &str) -> Value {
    let answer = house.gateway.admin(&format!("/api/v1/stats?{query}"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// Entries are counted at the moment at which they become readable.
#[track_caller]
fn stats_when(house: &House, query: &str, total: u64) -> Value {
    until(Duration::from_secs(3), &format!("{total} counted"), || {
        let found = stats(house, query);
        (found["total"] == total).then_some(found)
    })
}

/// What is asked again and again differs in its last moment only.
fn without_until(mut stats: Value) -> Value {
    stats["until"].take();
    stats["since"].take();
    stats["series"].take();
    stats
}

fn ranked(stats: &Value, by: &str) -> Vec<(Value, u64)> {
    let list = stats[format!("by_{by}")].as_array().unwrap();
    list.iter().map(|entry| (entry["value"].clone(), entry["count"].as_u64().unwrap())).collect()
}

fn sum(series: &Value, of: &str) -> u64 {
    series.as_array().unwrap().iter().map(|step| step[of].as_u64().unwrap()).sum()
}

#[test]
fn known_traffic_gives_exact_numbers() {
    let house = House::start();
    known_traffic(&house);
    let found = stats_when(&house, "range=24h", 10);
    let entries = house.gateway.logs("requests", "");
    let count = |field: &str, value: Value| entries.iter().filter(|entry| entry[field] == value).count() as u64;
    let bytes = |field: &str| entries.iter().map(|entry| entry[field].as_u64().unwrap()).sum::<u64>();
    assert_eq!(found["allowed"], json!({ "count": 7, "percent": 70.0 }));
    assert_eq!(found["blocked"], json!({ "count": 3, "percent": 30.0 }));
    assert_eq!((&found["bytes_in"], &found["bytes_out"]), (&json!(bytes("bytes_in")), &json!(bytes("bytes_out"))));
    assert!(bytes("bytes_in") >= 300 && bytes("bytes_out") >= 1510);

    assert_eq!(ranked(&found, "country"), [(json!("DE"), 5), (json!("CN"), 2)], "the most frequent first");
    assert_eq!(ranked(&found, "circuit"), [(json!("pub"), 5), (json!("mem"), 4)]);
    assert_eq!(ranked(&found, "user"), [(json!(MAYA), count("email", json!(MAYA)))]);
    assert_eq!(ranked(&found, "ip")[0], (json!("203.0.113.7"), 4));
    assert_eq!(ranked(&found, "method"), [(json!("GET"), 8), (json!("POST"), 2)]);
    for (by, field) in [("status", "status_code"), ("reason", "reason")] {
        for (value, found) in ranked(&found, by) {
            assert_eq!(found, count(field, value.clone()), "{by} {value}");
        }
    }
    for by in ["country", "status", "circuit", "user", "reason", "ip", "method"] {
        let named: u64 = ranked(&found, by).iter().map(|(_, count)| count).sum();
        let unnamed = ["absent", "other"].map(|part| found[part][by].as_u64().unwrap_or(0)).iter().sum::<u64>();
        assert_eq!(named + unnamed, 10, "{by}: {found}");
    }
}

#[test]
fn the_series_adds_up_and_a_circuit_is_part_of_the_whole() {
    let house = House::start();
    known_traffic(&house);
    stats_when(&house, "", 10);
    for (range, step, steps) in [("5m", 60, 6), ("15m", 60, 16), ("1h", 60, 61), ("24h", 3600, 25)] {
        let found = stats(&house, &format!("range={range}"));
        let series = &found["series"];
        assert_eq!((&found["step_seconds"], series.as_array().unwrap().len()), (&json!(step), steps), "{range}");
        for part in ["allowed", "blocked"] {
            assert_eq!(sum(series, part), found[part]["count"].as_u64().unwrap(), "{range} {part}");
        }
        for part in ["bytes_in", "bytes_out"] {
            assert_eq!(sum(series, part), found[part].as_u64().unwrap(), "{range} {part}");
        }
    }
    let mem = stats(&house, "circuit=mem");
    assert_eq!((&mem["total"], &mem["blocked"]["count"]), (&json!(4), &json!(2)));
    assert_eq!(ranked(&mem, "circuit"), [(json!("mem"), 4)]);
    assert_eq!(stats(&house, "circuit=")["total"], 1, "what found no circuit");
    assert_eq!(stats(&house, "circuit=nobody")["total"], 0);
}

#[test]
fn a_restart_and_a_kill_keep_the_numbers() {
    let mut house = House::start();
    known_traffic(&house);
    let before = without_until(stats_when(&house, "", 10));
    house.gateway.kill();
    house.gateway.launch();
    assert_eq!(without_until(stats(&house, "")), before, "after kill -9");
    house.get("pub.localhost", "/bytes/10").from("203.0.113.7").send();
    let before = without_until(stats_when(&house, "", 11));
    house.gateway.stop();
    house.gateway.launch();
    assert_eq!(without_until(stats(&house, "")), before, "after a stop");
    house.gateway.kill();
    house.gateway.launch();
    assert_eq!(without_until(stats(&house, "")), before, "after both");
}

#[test]
fn what_the_counters_cannot_tell_is_400_and_says_what_they_can() {
    let house = House::start();
    for (query, name, part) in [
        ("range=7d", "range", "5m, 15m, 1h, 24h"),
        ("range=all", "range", "facets"),
        ("range=", "range", "24h"),
        ("since=1h", "since", "range and circuit"),
        ("circuit=pub&circuit=mem", "circuit", "twice"),
    ] {
        let answer = house.gateway.admin(&format!("/api/v1/stats?{query}"));
        assert_eq!((answer.status, answer.json()["parameter"].as_str()), (400, Some(name)), "{query}");
        assert!(answer.text().contains(part), "{query}: {}", answer.text());
    }
}

#[test]
fn only_people_who_signed_in_were_seen() {
    let house = House::start();
    let attempt = |email: &str, password: &str, address: &str| {
        house.gateway.sign_in("mem.localhost", &[("email", email), ("password", password)]).from(address).send()
    };
    attempt(MAYA, PASSWORD, "203.0.113.7");
    attempt(MAYA, PASSWORD, "198.51.100.7");
    attempt(NOOR, OTHER_PASSWORD, "203.0.113.7");
    attempt(BRAM, PASSWORD, "203.0.113.7");
    let all = house.gateway.logs_when("access", "", 4);
    let seen = |query: &str| house.gateway.admin(&format!("/api/v1/users-seen?{query}"));

    let this_month = seen("").json();

    let times: Vec<_> = all.iter().filter(|entry| entry["result"] == "success").map(|entry| &entry["time"]).collect();
    let maya = json!({
        "email": MAYA, "count": 2, "first": times[1], "last": times[0], "last_ip": "198.51.100.7", "last_country": "CN",
    });
    assert_eq!(this_month["data"], json!([maya]));
    assert_eq!((&this_month["total"], &this_month["next_cursor"]), (&json!(1), &Value::Null));
    let month = times[0].as_str().unwrap().get(..7).unwrap();
    assert_eq!(seen(&format!("month={month}")).json()["data"], json!([maya]));
    assert_eq!(seen("month=2020-02").json()["data"], json!([]));
    assert_eq!(seen("since=15m").json()["data"], json!([maya]));
    assert_eq!(seen(&format!("until={}", times[1].as_str().unwrap())).json()["data"][0]["count"], 1);
    for (query, name) in [
        ("month=november", "month"),
        ("month=2026-13", "month"),
        ("month=2026-11&since=1h", "month"),
        ("since=tomorrow-ish", "since"),
        ("since=2026-02-01T00:00:00Z&until=2026-01-01T00:00:00Z", "since"),
        ("limit=1", "limit"),
        ("month=2026-11&month=2026-11", "month"),
    ] {
        let answer = seen(query);
        assert_eq!((answer.status, answer.json()["parameter"].as_str()), (400, Some(name)), "{query}");
    }
}

#[test]
fn projects_and_users_are_shown_with_their_sessions_and_without_hashes() {
    let house = House::start();
    house.session("mem.localhost", MAYA);
    house.session("list.localhost", MAYA);
    let list = |path: &str| {
        let answer = house.gateway.admin(path);
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(!answer.text().contains("argon2"), "{}", answer.text());
        answer.json()["data"].as_array().unwrap().clone()
    };
    let projects = list("/api/v1/projects");
    assert_eq!(projects.len(), 1);
    let docs = &projects[0];
    assert_eq!(
        (&docs["name"], &docs["label"], &docs["sessions"]),
        (&json!("docs"), &json!("Documentation"), &json!(2))
    );
    assert_eq!(docs["members"].as_array().unwrap().len(), 4);
    assert!(docs["circuits"].as_array().unwrap().contains(&json!({ "name": "mem", "state": "active" })), "{docs}");

    let users = list("/api/v1/users");
    let user = |email: &str| users.iter().find(|user| user["email"] == email).unwrap();
    let maya = user(MAYA);
    assert_eq!((&maya["state"], &maya["sessions"]), (&json!("active"), &json!(2)));
    assert_eq!((&maya["login"], &maya["groups"]), (&json!(["password", "pin"]), &json!(["writers"])));
    assert_eq!((&maya["projects"], maya["latest_session"].is_string()), (&json!(["docs"]), true));
    let bram = user(BRAM);
    assert_eq!(
        (&bram["state"], &bram["sessions"], &bram["latest_session"]),
        (&json!("blocked"), &json!(0), &Value::Null)
    );
    assert_eq!(house.gateway.admin("/api/v1/users?limit=1").status, 400);
}

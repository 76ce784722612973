//! Sorting, counting over time and by value, runs of equal entries: over the admin API.

use harness::House;
use serde_json::{Value, json};

/// Requests with known paths and outcomes; three bad PINs from one address at the end.
fn known_traffic(house: &House) {
    for size in [300, 20, 4000] {
        house.get("pub.localhost", &format!("/bytes/{size}")).from("203.0.113.7").send();
    }
    house.get("pub.localhost", "/status/404").from("198.51.100.7").send();
    house.get("nope.localhost", "/").from("198.51.100.8").send();
    for _ in 0..3 {
        house.gateway.sign_in("pin.localhost", &[("pin", "000000")]).from("203.0.113.9").send();
    }
    house.gateway.logs_when("requests", "", 8);
}

fn admin(house: &House, path: &str) -> Value {
    let answer = house.gateway.admin(path);
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    answer.json()
}

fn refused(house: &House, path: &str, parameter: &str) {
    let answer = house.gateway.admin(path);
    assert_eq!(answer.status, 400, "{path}");
    assert_eq!(answer.json()["parameter"], parameter, "{path}: {}", answer.text());
}

fn column(page: &Value, field: &str) -> Vec<Value> {
    page["data"].as_array().unwrap().iter().map(|entry| entry[field].clone()).collect()
}

#[test]
fn every_field_sorts_both_ways() {
    let house = House::start();
    known_traffic(&house);
    let sorted = admin(&house, "/api/v1/logs/requests?sort=bytes_out&order=desc&host=pub.localhost&limit=3");
    assert_eq!(column(&sorted, "path"), ["/bytes/4000", "/bytes/300", "/bytes/20"]);
    let fields = admin(&house, "/api/v1/logs/requests?limit=1")["data"][0].as_object().unwrap().clone();
    for field in fields.keys() {
        let asked = |order: &str| admin(&house, &format!("/api/v1/logs/requests?sort={field}&order={order}"));
        let (up, mut down) = (column(&asked("asc"), "seq"), column(&asked("desc"), "seq"));
        down.reverse();
        assert_eq!(up, down, "{field}");
        assert_eq!(up.len(), 8);
    }
    refused(&house, "/api/v1/logs/requests?sort=moon", "sort");
}

#[test]
fn matches_are_counted_over_time_and_by_value() {
    let house = House::start();
    known_traffic(&house);
    let hours = admin(&house, "/api/v1/logs/requests/histogram?step=1h&by=status_code&host=pub.localhost");
    assert_eq!(hours["step"], "1h");
    let buckets = hours["buckets"].as_array().unwrap();
    let sum = |code: &str| buckets.iter().filter_map(|bucket| bucket["counts"][code].as_u64()).sum::<u64>();
    assert_eq!((sum("200"), sum("404")), (3, 1));
    let days = admin(&house, "/api/v1/logs/requests/histogram?step=1d");
    let total: u64 = days["buckets"].as_array().unwrap().iter().map(|it| it["counts"]["total"].as_u64().unwrap()).sum();
    assert_eq!(total, 8);
    let facets = admin(&house, "/api/v1/logs/requests/facets?fields=country,status_code&top=2");
    assert_eq!(facets["exact"], true);
    assert_eq!(facets["facets"]["country"], json!([{ "value": "DE", "count": 6 }, { "value": "CN", "count": 2 }]));
    assert_eq!(facets["facets"]["status_code"].as_array().unwrap().len(), 2);
    for (path, parameter) in [
        ("requests/histogram?step=soon", "step"),
        ("requests/histogram?by=moon", "by"),
        ("requests/histogram?limit=5", "limit"),
        ("requests/facets", "fields"),
        ("requests/facets?fields=moon", "fields"),
        ("requests/facets?fields=path&top=0", "top"),
        ("requests/facets?fields=path&moon=1", "moon"),
    ] {
        refused(&house, &format!("/api/v1/logs/{path}"), parameter);
    }
}

#[test]
fn equal_attempts_are_one_row_when_folded_and_stay_apart_on_disk() {
    let house = House::start();
    known_traffic(&house);
    house.gateway.logs_when("access", "result=failed", 3);
    let folded = admin(&house, "/api/v1/logs/access?fold=true&result=failed");
    assert_eq!(column(&folded, "event_count"), [3]);
    let row = &folded["data"][0];
    assert_ne!(row["first_id"], row["last_id"]);
    assert!(row["first_time"].as_str() <= row["last_time"].as_str());
    assert_eq!(admin(&house, "/api/v1/logs/access?result=failed&count=true")["total"], 3);
    assert_eq!(admin(&house, "/api/v1/logs/access?view=events&result=failed&count=true")["total"], 3);
}

#[test]
fn a_sound_log_says_so() {
    let house = House::start();
    let integrity = admin(&house, "/api/v1/integrity");
    assert_eq!((&integrity["sound"], &integrity["quarantined"]), (&json!(true), &json!([])));
}

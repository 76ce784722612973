//! Networks that an administrator keeps out, and accounts that are let in again.

use harness::house::MAYA;
use harness::secrets::{ADMIN_TOKEN, OTHER_PASSWORD, PASSWORD, READER_TOKEN};
use harness::{House, Response};
use serde_json::{Value, json};

fn post(house: &House, body: &Value) -> Response {
    house.gateway.admin_request("POST", "/api/v1/bans").bearer(ADMIN_TOKEN).json(body).send()
}

fn delete(house: &House, id: &str) -> u16 {
    house.gateway.admin_request("DELETE", &format!("/api/v1/bans/{id}")).bearer(ADMIN_TOKEN).send().status
}

fn bans(house: &House) -> Vec<Value> {
    house.gateway.admin("/api/v1/bans").json()["data"].as_array().cloned().unwrap()
}

fn visit(house: &House, host: &str, address: &str) -> (u16, String) {
    let answer = house.get(host, "/").from(address).send();
    (answer.status, answer.reason())
}

#[test]
fn a_banned_network_is_out_of_every_circuit_at_once_and_after_a_kill() {
    let mut house = House::start();
    assert_eq!(visit(&house, "pub.localhost", "203.0.113.7").0, 200);
    let made = post(&house, &json!({ "network": "203.0.113.0/24", "for": "1h", "note": "scans" }));
    assert_eq!(made.status, 201, "{}", made.text());
    let id = made.json()["id"].as_str().unwrap().to_owned();
    let banned = (403, "ip_banned".to_owned());
    assert_eq!(visit(&house, "pub.localhost", "203.0.113.7"), banned);
    assert_eq!(visit(&house, "mem.localhost", "203.0.113.200"), banned);
    assert_eq!(visit(&house, "pub.localhost", "203.0.114.7").0, 200);
    let tried = house.gateway.sign_in("mem.localhost", &[("email", MAYA), ("password", PASSWORD)]);
    assert_eq!(tried.from("203.0.113.7").send().reason(), "ip_banned");

    house.gateway.kill();
    house.gateway.launch();
    assert_eq!(visit(&house, "pub.localhost", "203.0.113.7"), banned, "a kill lets nobody in");
    assert_eq!((bans(&house)[0]["by"].as_str(), bans(&house)[0]["note"].as_str()), (Some("ops"), Some("scans")));
    assert_eq!(delete(&house, &id), 200);
    assert_eq!(visit(&house, "pub.localhost", "203.0.113.7").0, 200);
    assert_eq!(delete(&house, &id), 404);

    let acts = house.gateway.logs("audit", "resource_type=ban&order=asc");
    let acts: Vec<_> = acts.iter().map(|act| (act["action"].as_str(), act["resource"].as_str())).collect();
    let network = Some("203.0.113.0/24");
    assert_eq!(acts, [(Some("ban.add"), network), (Some("ban.remove"), network)]);
}

#[test]
fn a_locked_account_is_listed_and_let_in_again() {
    let house = House::start();
    let sign_in = |password| {
        house.gateway.sign_in("mem.localhost", &[("email", MAYA), ("password", password)]).from("192.0.2.1").send()
    };
    for _ in 0..5 {
        assert_eq!(sign_in(OTHER_PASSWORD).status, 401);
    }
    assert_eq!(sign_in(PASSWORD).reason(), "user_locked");
    let lock = bans(&house).pop().unwrap();
    assert_eq!((lock["kind"].as_str(), lock["account"].as_str()), (Some("lock"), Some(MAYA)));
    assert_eq!(delete(&house, lock["id"].as_str().unwrap()), 200);
    assert_eq!(bans(&house), Vec::<Value>::new());
    // The limit of tries of an account is another thing, and still counts.
    assert_eq!(sign_in(PASSWORD).reason(), "rate_limited_user");
    assert_eq!(delete(&house, "lock:nobody%40example.net"), 404);
    assert_eq!(house.gateway.logs("audit", "action=user.unlock").len(), 1);
}

#[test]
fn a_ban_that_means_nothing_is_refused_with_what_to_write() {
    let house = House::start();
    for (body, hint) in [
        (json!({ "network": "203.0.113.7/24" }), "203.0.113.0/24"),
        (json!({ "network": "0.0.0.0/0" }), "everybody"),
        (json!({ "network": "everywhere" }), "such as"),
        (json!({ "network": "203.0.113.7", "for": "soon" }), "15m"),
        (json!({ "network": "203.0.113.7", "for": "0s" }), "15m"),
        (json!({ "network": "203.0.113.7", "note": "a\nb" }), "one line"),
        (json!({ "address": "203.0.113.7" }), "network"),
    ] {
        let answer = post(&house, &body);
        assert_eq!(answer.status, 400, "{body}");
        assert!(answer.json()["detail"].as_str().unwrap().contains(hint), "{}", answer.text());
    }
    let long = "x".repeat(70_000);
    assert_eq!(post(&house, &json!({ "network": "203.0.113.7", "note": long })).status, 413);
    let reader = house.gateway.admin_request("POST", "/api/v1/bans").bearer(READER_TOKEN);
    assert_eq!(reader.json(&json!({ "network": "203.0.113.7" })).send().status, 403);
    assert_eq!(bans(&house), Vec::<Value>::new());
}

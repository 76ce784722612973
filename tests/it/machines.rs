//! Machines: service tokens, keys in a header, trusted addresses.

use std::time::Duration;

use harness::wait::soon;
use harness::{House, Request, until};
use serde_json::Value;

/// SHA-256 of `vst_nightly-build`, of `vst_last-week` and of `0123456789abcdef`.
const MACHINES: &str = r#"
[service_tokens.ci]
hash = "sha256:2119f0325918f0b500dc81e557b25017a5919e5b8aefa58637769846fea1e3b0"
previous = { hash = "sha256:ac1888588eeb5d8a98156712155944f9b1cba9218db8bf3677e335a5b3461cdc", until = 2099-01-01T00:00:00Z }
[circuits.machines]
hosts = ["machines.localhost"]
upstream = "UPSTREAM"
access = "allowlist"
allow = ["token:ci"]
login = ["password"]
header_auth = [{ header = "X-Api-Key", hash = "sha256:9f9f5111f7b27a781f1f1ddde5ebc2dd2b796bfc7365c9c28b548e564176929f" }]
trusted_addresses = ["198.51.100.0/24"]
"#;

const HOST: &str = "machines.localhost";
const TOKEN: &str = "vst_nightly-build";
const BEFORE: &str = "vst_last-week";
const KEY: &str = "0123456789abcdef";

fn start() -> House {
    let mut house = House::with("[login_limits]\nper_ip = \"1000/m\"\n");
    let more = MACHINES.replace("UPSTREAM", &house.upstream.url());
    let body = house.gateway.body().to_owned() + &more;
    house.gateway.reconfigure(&body);
    house
}

fn get(house: &House) -> Request {
    house.get(HOST, "/")
}

fn text<'a>(entry: &'a Value, field: &str) -> &'a str {
    entry[field].as_str().unwrap_or("-")
}

#[test]
fn a_token_opens_without_a_cookie_and_never_reaches_the_upstream() {
    let house = start();
    for token in [TOKEN, BEFORE] {
        let answer = get(&house).bearer(token).send();
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.header("set-cookie"), None);
    }
    assert_eq!(house.upstream.last().header("authorization"), None);
    assert_eq!(house.upstream.last().header("x-vestibule-user"), None);
    let entry = house.gateway.entry_of(&get(&house).bearer(TOKEN).send());
    assert_eq!((text(&entry, "auth_method"), text(&entry, "user_id")), ("token", "token:ci"));
    assert_eq!((&entry["email"], &entry["session_id"]), (&Value::Null, &Value::Null));
}

#[test]
fn a_token_ends_at_its_instant_and_the_one_before_a_rotation_at_its_own() {
    let mut house = start();
    let body = house.gateway.body().to_owned();
    let told = |house: &House, token: &str| {
        let answer = get(house).bearer(token).send();
        (answer.status, answer.reason())
    };
    let expired = (401, "token_expired".to_owned());
    let ends = |house: &House, token: &str| {
        until(Duration::from_secs(6), "the token's end", || {
            let told = told(house, token);
            (told.0 != 200).then(|| assert_eq!(told, expired))
        });
    };
    house.gateway.reconfigure(&body.replace("until = 2099-01-01T00:00:00Z", &format!("until = {}", soon(3))));
    assert_eq!(told(&house, BEFORE).0, 200, "within its grace");
    ends(&house, BEFORE);
    assert_eq!(told(&house, TOKEN).0, 200, "the new one goes on");
    let hash = "[service_tokens.ci]\n";
    house.gateway.reconfigure(&body.replace(hash, &format!("{hash}expires = {}\n", soon(3))));
    assert_eq!(told(&house, TOKEN).0, 200);
    ends(&house, TOKEN);
    house.gateway.reconfigure(&body.replace(hash, &format!("{hash}disabled = true\n")));
    assert_eq!(told(&house, TOKEN), (401, "token_disabled".to_owned()));
    let reasons = house.gateway.logs_when("access", "result=failed&user_id=token%3Aci&order=asc", 3);
    let reasons: Vec<_> = reasons.iter().map(|entry| text(entry, "reason")).collect();
    assert_eq!(reasons, ["token_expired", "token_expired", "token_disabled"]);
}

#[test]
fn what_a_machine_shows_is_answered_strictly() {
    let house = start();
    let before = house.upstream.count();
    for (request, status, reason) in [
        (get(&house).bearer("vst_guessed"), 401, "invalid_token"),
        (get(&house).bearer("vst_guessed").browser(), 401, "invalid_token"),
        (get(&house).header("X-Api-Key", "guessed"), 401, "invalid_header"),
        (house.get("mem.localhost", "/").bearer(TOKEN), 403, "not_project_member"),
        (house.get("list.localhost", "/").bearer(TOKEN), 403, "not_on_allowlist"),
        (get(&house), 401, "no_credentials"),
    ] {
        let answer = request.send();
        assert_eq!((answer.status, answer.reason().as_str()), (status, reason));
        assert_eq!(answer.header("location"), None);
        assert_eq!(answer.header("www-authenticate").is_some(), status == 401);
    }
    assert_eq!(house.upstream.count(), before);
    let failed = house.gateway.logs_when("access", "result=failed&order=asc", 5);
    let told: Vec<_> = failed
        .iter()
        .map(|entry| (text(entry, "auth_method"), text(entry, "reason"), text(entry, "user_id")))
        .collect();
    assert_eq!(
        told,
        [
            ("token", "invalid_token", "-"),
            ("token", "invalid_token", "-"),
            ("header", "invalid_header", "-"),
            ("token", "not_project_member", "token:ci"),
            ("token", "not_on_allowlist", "token:ci"),
        ],
        "what was merely asked to sign in is no attempt"
    );
}

#[test]
fn a_key_and_an_address_open_their_circuit() {
    let house = start();
    let answer = get(&house).header("X-Api-Key", KEY).send();
    assert_eq!(answer.status, 200);
    assert_eq!(house.upstream.last().header("x-api-key"), None, "it is meant for us");
    assert_eq!(get(&house).from("198.51.100.7").send().status, 200);
    assert_eq!(get(&house).from("203.0.113.7").send().status, 401);
    house.get("pub.localhost", "/").header("X-Api-Key", KEY).send();
    assert_eq!(house.upstream.last().header("x-api-key"), Some(KEY), "elsewhere it means nothing");

    let entries = house.gateway.logs_when("access", "result=success&order=asc", 2);
    let told: Vec<_> = entries.iter().map(|entry| (text(entry, "auth_method"), text(entry, "user_id"))).collect();
    assert_eq!(told, [("header", "header:machines"), ("ip", "ip:machines")]);
}

#[test]
fn one_success_an_hour_is_one_attempt_also_when_many_come_at_once() {
    let house = start();
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| assert_eq!(get(&house).bearer(TOKEN).send().status, 200));
        }
    });
    house.gateway.logs_when("requests", "user_id=token%3Aci", 16);
    assert_eq!(house.gateway.logs("access", "auth_method=token").len(), 1);
}

#[test]
fn tokens_are_listed_with_their_last_use_and_without_hashes() {
    let house = start();
    get(&house).bearer(TOKEN).send();
    let answer = house.gateway.admin("/api/v1/tokens");
    let tokens = answer.json()["data"].as_array().cloned().unwrap();
    let ci = tokens.iter().find(|token| token["name"] == "ci").unwrap();
    assert_eq!((text(ci, "kind"), text(ci, "state")), ("service", "active"));
    assert_eq!(ci["circuits"], serde_json::json!(["machines"]));
    assert!(ci["last_used"].is_string() && ci["last_used_ip"] == "127.0.0.1", "{ci}");
    assert!(!answer.text().contains("sha256") && !answer.text().contains("2119f0325918f0b5"));
    let admin = tokens.iter().find(|token| token["kind"] == "admin" && token["last_used"].is_string());
    assert!(admin.is_some(), "the one that asks is in use: {}", answer.text());
}

#[test]
fn a_name_that_leaves_the_file_is_forgotten() {
    let mut house = start();
    let last_used = |house: &House| {
        let tokens = house.gateway.admin("/api/v1/tokens").json()["data"].as_array().cloned().unwrap();
        tokens.into_iter().find(|token| token["name"] == "ci").map(|token| token["last_used"].clone())
    };
    get(&house).bearer(TOKEN).send();
    assert!(last_used(&house).unwrap().is_string());
    let with = house.gateway.body().to_owned();
    let without = with.split_once("[service_tokens.ci]").unwrap().0.to_owned();
    house.gateway.reconfigure(&without);
    assert_eq!(last_used(&house), None);
    house.gateway.stop();
    house.gateway.rewrite(&with);
    house.gateway.launch();
    assert_eq!(last_used(&house), Some(Value::Null), "another machine of the same name");
    get(&house).bearer(TOKEN).send();
    house.gateway.stop();
    house.gateway.launch();
    assert!(last_used(&house).unwrap().is_string(), "one that stays is remembered");
}

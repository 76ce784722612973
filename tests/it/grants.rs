//! Temporary access.

use std::time::Duration;

use harness::house::{BRAM, INES, MAYA, NOOR};
use harness::provider::person;
use harness::secrets::{ADMIN_TOKEN, PASSWORD, READER_TOKEN};
use harness::{Browser, House, Provider, Response, until};
use serde_json::{Value, json};

fn post(house: &House, body: &Value) -> Response {
    house.gateway.admin_request("POST", "/api/v1/grants").bearer(ADMIN_TOKEN).json(body).send()
}

#[track_caller]
fn grant(house: &House, email: &str, circuit: &str, period: &str) -> Value {
    let answer = post(house, &json!({ "email": email, "circuit": circuit, "for": period }));
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()
}

fn delete(house: &House, id: &Value) -> u16 {
    let target = format!("/api/v1/grants/{}", id.as_str().unwrap());
    house.gateway.admin_request("DELETE", &target).bearer(ADMIN_TOKEN).send().status
}

fn grants(house: &House) -> Vec<Value> {
    house.gateway.admin("/api/v1/grants").json()["data"].as_array().cloned().unwrap()
}

fn visit(house: &House, host: &str, cookie: &str) -> (u16, String) {
    let answer = house.get(host, "/").cookie(cookie).send();
    (answer.status, answer.reason())
}

#[test]
fn a_grant_lets_in_for_its_time_and_every_step_is_recorded() {
    let house = House::start();
    let sign_in = || house.gateway.sign_in("list.localhost", &[("email", NOOR), ("password", PASSWORD)]).send();
    assert_eq!(sign_in().reason(), "not_on_allowlist");
    let made = grant(&house, "Noor@Example.net", "list", "3s");
    assert_eq!((made["email"].as_str(), made["circuit"].as_str()), (Some(NOOR), Some("list")));
    assert_eq!((&made["by"], &made["login"]), (&json!("ops"), &json!(["password"])));
    let cookie = house.session("list.localhost", NOOR);
    assert_eq!(visit(&house, "list.localhost", &cookie).0, 200);
    assert_eq!(house.gateway.metric("vestibule_grants", &[]) as u64, 1);
    let reason = until(Duration::from_secs(8), "the grant's end", || {
        let (status, reason) = visit(&house, "list.localhost", &cookie);
        (status != 200).then_some((status, reason))
    });
    assert_eq!(reason, (403, "grant_expired".to_owned()));
    let again = sign_in();
    assert_eq!((again.status, again.reason().as_str()), (403, "grant_expired"));
    assert!(house.gateway.metric("vestibule_grants", &[]) < 0.5);

    let attempts = house.gateway.logs_when("access", "circuit=list&order=asc", 4);
    let told: Vec<_> =
        attempts.iter().map(|row| (row["result"].as_str(), row["reason"].as_str(), row["rule"].as_str())).collect();
    let rule = format!("grants.{}", made["id"].as_str().unwrap());
    assert_eq!(
        told,
        [
            (Some("failed"), Some("not_on_allowlist"), Some("circuits.list.allow")),
            (Some("success"), None, Some(rule.as_str())),
            (Some("failed"), Some("grant_expired"), Some(rule.as_str())),
            (Some("failed"), Some("grant_expired"), Some(rule.as_str())),
        ]
    );
}

#[test]
fn a_revoked_grant_is_out_on_the_next_request_and_a_kept_one_survives_a_kill() {
    let mut house = House::start();
    let (one, other) = (grant(&house, NOOR, "list", "1h"), grant(&house, INES, "mem", "24h"));
    let (noor, ines) = (house.session("list.localhost", NOOR), house.session("mem.localhost", INES));
    house.gateway.kill();
    house.gateway.launch();
    assert_eq!((visit(&house, "list.localhost", &noor).0, visit(&house, "mem.localhost", &ines).0), (200, 200));
    assert_eq!(grants(&house).iter().map(|grant| &grant["id"]).collect::<Vec<_>>(), [&other["id"], &one["id"]]);
    assert_eq!(delete(&house, &one["id"]), 200);
    assert_eq!(visit(&house, "list.localhost", &noor), (403, "not_on_allowlist".to_owned()));
    assert_eq!((visit(&house, "mem.localhost", &ines).0, delete(&house, &one["id"])), (200, 404));
    let one = house.gateway.admin(&format!("/api/v1/grants/{}", other["id"].as_str().unwrap()));
    assert_eq!(one.json(), grants(&house)[0]);

    let acts = house.gateway.logs("audit", "resource_type=grant&order=asc");
    let told: Vec<_> =
        acts.iter().map(|act| (act["action"].as_str().unwrap(), act["resource"].as_str().unwrap())).collect();
    assert_eq!(told, [("grant.add", NOOR), ("grant.add", INES), ("grant.revoke", NOOR)]);
    assert!(acts.iter().all(|act| act["actor"] == "ops" && act["action_type"] == "policy"), "{acts:?}");
}

#[test]
fn a_person_whom_no_file_names_comes_by_a_provider_that_speaks_for_her() {
    let provider = Provider::start();
    let mut house = House::start();
    let body = house.gateway.body().replace("login = [\"password\", \"pin\"]", "login = [\"sso:corp\", \"password\"]")
        + &provider.toml("corp", "email_domains = [\"partner.example\", \"example.net\"]");
    house.gateway.reconfigure(&body);
    provider.person(person("eve-1", "eve@partner.example", &[]));
    let mut browser = Browser::new(&house.gateway, "list.localhost", "203.0.113.1");
    let to = "/.vestibule/sso/corp?return=/a";
    assert_eq!(browser.sign_in(to, &provider).status, 403);
    let made = grant(&house, "eve@partner.example", "list", "1h");
    assert_eq!(made["login"], json!(["sso:corp"]));
    let back = browser.sign_in(to, &provider);
    assert_eq!((back.status, back.header("location")), (303, Some("/a")), "{}", back.text());
    assert_eq!(browser.get("/a").status, 200);
    assert_eq!(house.upstream.last().header("x-vestibule-user"), Some("eve@partner.example"));
    let row = house.gateway.logs_when("access", "status=success", 1).remove(0);
    assert_eq!(row["rule"], format!("grants.{}", made["id"].as_str().unwrap()));

    // A grant makes no provider speak for others, and nobody of them active.
    provider.person(person("mal-1", "mal@evil.example", &[]));
    assert_eq!(grant(&house, "mal@evil.example", "list", "1h")["login"], json!([]));
    browser.forget();
    assert_eq!(browser.sign_in(to, &provider).status, 403);
    provider.person(person("bram-1", BRAM, &[]));
    assert_eq!(grant(&house, BRAM, "list", "1h")["login"], json!([]), "who is blocked stays out");
    assert_eq!(browser.sign_in(to, &provider).status, 401);
    let reasons = house.gateway.logs_when("access", "status=failure", 3);
    let reasons: Vec<_> = reasons.iter().rev().map(|row| row["reason"].as_str().unwrap()).collect();
    assert_eq!(reasons, ["not_on_allowlist", "domain_not_allowed", "user_blocked"]);
}

#[test]
fn a_grant_that_means_nothing_is_refused_with_what_to_write() {
    let house = House::start();
    for (body, hint) in [
        (json!({ "email": MAYA, "circuit": "list", "for": "25h" }), "24h"),
        (json!({ "email": MAYA, "circuit": "list", "for": "0s" }), "15m"),
        (json!({ "email": MAYA, "circuit": "list" }), "for"),
        (json!({ "email": "maya", "circuit": "list", "for": "1h" }), "e-mail"),
        (json!({ "email": MAYA, "circuit": "lost", "for": "1h" }), "no circuit"),
        (json!({ "email": MAYA, "circuit": "pub", "for": "1h" }), "everybody"),
        (json!({ "email": MAYA, "circuit": "list", "for": "1h", "note": "x" }), "note"),
    ] {
        let answer = post(&house, &body);
        assert_eq!(answer.status, 400, "{body}");
        assert!(answer.json()["detail"].as_str().unwrap().contains(hint), "{}", answer.text());
    }
    let reader = house.gateway.admin_request("POST", "/api/v1/grants").bearer(READER_TOKEN);
    assert_eq!(reader.json(&json!({ "email": MAYA, "circuit": "list", "for": "1h" })).send().status, 403);
    assert_eq!(grants(&house), Vec::<Value>::new());
}

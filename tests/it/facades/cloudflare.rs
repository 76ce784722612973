//! `GET /accounts/{id}/access/logs/access_requests` of Cloudflare Access.

use std::collections::BTreeSet;

use harness::House;
use harness::house::{MAYA, NOOR};
use serde_json::{Value, json};

use super::{CLOUDFLARE, Matches, ask, check, found, has, is, lived_in, rows, times};

fn decided(entry: &Value) -> bool {
    entry["action"] != "revoke" && entry["result"].is_string()
}

#[test]
fn finds_attempts_by_each_parameter() {
    let house = lived_in();
    let all = house.gateway.logs("access", "");
    let (newest, oldest) = times(&all);
    let whole = format!("since={oldest}&until={newest}");
    let late = format!("since={newest}");
    let ray = all[1]["request_id"].as_str().unwrap().to_owned();
    let rows_of = |query: &str| rows(&house, CLOUDFLARE, query);
    let list = rows_of("email=eve").remove(0)["app_uid"].as_str().unwrap().to_owned();
    let (by_ray, not_ray) = (format!("ray_id={ray}"), format!("ray_id={ray}&ray_idOp=neq"));
    let (by_app, not_app) = (format!("app_uid={list}"), format!("app_uid={list}&app_uidOp=neq"));
    let (that_ray, other_ray) = (ray.clone(), ray);
    let not = |matches: Matches| -> Matches { Box::new(move |entry| !matches(entry)) };
    check(
        &house,
        CLOUDFLARE,
        "access",
        "request_id",
        vec![
            ("", Box::new(decided)),
            ("email=@EXAMPLE.org", has("email", "@example.org")),
            ("email=noor@example.net&email_exact=true", is("email", NOOR)),
            ("email=noor&email_exact=true", Box::new(|_| false)),
            ("email=NOOR@example.net&emailOp=eq", is("email", NOOR)),
            ("email=noor&emailOp=contains", has("email", "noor")),
            ("email=NOOR&emailOp=contains", Box::new(|_| false)),
            ("email=noor&emailOp=neq", not(has("email", "noor"))),
            ("email=noor&emailOp=neq&email_exact=true", Box::new(|_| true)),
            ("email=noor@example.net&emailOp=neq&email_exact=true", not(is("email", NOOR))),
            ("email=nobody@example.net", Box::new(|_| false)),
            ("allowed=true", is("status", "success")),
            ("allowed=false", is("status", "failure")),
            ("allowed=true&allowedOp=neq", is("status", "failure")),
            ("app_type=self_hosted", Box::new(|_| true)),
            ("app_type=self_hosted&app_typeOp=neq", Box::new(|_| false)),
            ("app_type=saas", Box::new(|_| false)),
            (&by_app, is("circuit", "list")),
            (&not_app, not(is("circuit", "list"))),
            ("app_uid=00000000-0000-5000-8000-000000000000", Box::new(|_| false)),
            ("country_code=cn", is("country", "CN")),
            ("country_code=CN&country_codeOp=neq", not(is("country", "CN"))),
            ("idp=pin", is("auth_method", "pin")),
            ("idp=pin&idpOp=neq", not(is("auth_method", "pin"))),
            ("idp=okta", Box::new(|_| false)),
            ("non_identity=true", Box::new(|_| false)),
            ("non_identity=true&non_identityOp=neq", Box::new(|_| true)),
            ("non_identity=false", Box::new(|_| true)),
            (&by_ray, Box::new(move |entry| entry["request_id"] == that_ray)),
            (&not_ray, Box::new(move |entry| entry["request_id"] != other_ray)),
            ("user_id=nobody&user_idOp=neq", Box::new(|_| true)),
            (&whole, Box::new(|_| true)),
            (&late, Box::new(move |entry| entry["time"] == newest)),
            ("until=2020-01-01T00:00:00Z", Box::new(|_| false)),
            (
                "email=noor&allowed=false&country_code=CN",
                Box::new(|entry| entry["email"] == NOOR && entry["country"] == "CN"),
            ),
        ],
    );
    let docs = all.iter().filter(|entry| entry["project"] == "docs").count();
    assert!(docs < all.len());
    for (account, expected) in [("docs", docs), ("default", all.len()), ("nobody", 0), ("more", 0)] {
        for prefix in ["", "/client/v4"] {
            let path = format!("{prefix}/accounts/{account}/access/logs/access_requests");
            assert_eq!(rows(&house, &path, "").len(), expected, "{path}");
        }
    }
    let mut ascending = rows_of("direction=asc");
    ascending.reverse();
    assert_eq!(ascending, rows_of("direction=desc"));
}

#[test]
fn finds_attempts_at_an_application_that_is_no_more() {
    let mut house = lived_in();
    let list = rows(&house, CLOUDFLARE, "email=eve").remove(0)["app_uid"].as_str().unwrap().to_owned();
    let before = rows(&house, CLOUDFLARE, &format!("app_uid={list}"));
    assert_eq!(before.len(), 5);
    let body = house.gateway.body().replace("[circuits.list]", "[circuits.renamed]");
    house.gateway.reconfigure(&body);
    assert_eq!(rows(&house, CLOUDFLARE, &format!("app_uid={list}")), before);
}

#[test]
fn says_what_it_documents_of_an_attempt() {
    let house = lived_in();
    let eve = ask(&house, CLOUDFLARE, "email=eve");
    let ours = house.gateway.logs("access", "email=eve@example.org").remove(0);
    let expected = json!({
        "action": "login", "allowed": false, "app_domain": "list.localhost", "app_name": "list",
        "app_type": "self_hosted", "app_uid": eve["result"][0]["app_uid"], "connection": "pin", "country": "US",
        "created_at": ours["time"], "ip_address": "192.0.2.7", "purpose_justification_prompt": null,
        "purpose_justification_response": null, "ray_id": ours["request_id"], "temporary_access_approvers": [],
        "temporary_access_duration": null, "user_email": "eve@example.org", "user_id": null,
    });
    assert_eq!(eve, json!({ "success": true, "errors": [], "messages": [], "result": [expected] }));
    let uid = eve["result"][0]["app_uid"].as_str().unwrap();
    assert_eq!((uid.len(), &uid[14..15]), (36, "5"), "a UUID of version 5");

    let logout = rows(&house, CLOUDFLARE, "limit=1").remove(0);
    assert_eq!((&logout["action"], &logout["allowed"]), (&json!("logout"), &json!(true)));
    let row = rows(&house, CLOUDFLARE, "limit=1&fields=user_email,add_domain").remove(0);
    assert_eq!(row, json!({ "user_email": MAYA, "app_domain": "mem.localhost" }));
    let told = ask(&house, CLOUDFLARE, "user_id=x");
    assert!(told["messages"][0]["message"].as_str().unwrap().contains("user_id"), "{told}");
}

#[test]
fn pages_by_number() {
    let house = lived_in();
    let all = found(&house, CLOUDFLARE, "");
    for (query, expected) in [
        ("limit=3", &all[..3]),
        ("per_page=3", &all[..3]),
        ("per_page=3&page=2", &all[3..6]),
        ("limit=3&page=3", &all[6..]),
        ("limit=2&per_page=3&page=2", &all[3..5]),
        ("per_page=3&page=99", &[]),
        ("limit=100000", &all[..]),
    ] {
        assert_eq!(found(&house, CLOUDFLARE, query), expected, "{query}");
    }
}

#[test]
fn more_rows_than_a_page_of_ours_come_in_one_answer() {
    let house = House::with("[login_limits]\nper_ip = \"1/m\"\n");
    let wrong = [("email", "eve@example.org"), ("pin", "000000")];
    harness::load::parallel(2, 1100, |_| house.gateway.sign_in("list.localhost", &wrong).from("192.0.2.7"));
    harness::until(std::time::Duration::from_secs(3), "1,100 attempts", || {
        let page = house.gateway.admin("/api/v1/logs/access?limit=1&count=true").json();
        (page["total"] == 1100).then_some(())
    });
    for (query, expected) in [("limit=5000", 1100), ("limit=1050", 1050), ("limit=300&page=4", 200)] {
        let found = found(&house, CLOUDFLARE, query);
        assert_eq!(found.len(), expected, "{query}");
        assert_eq!(found.iter().collect::<BTreeSet<_>>().len(), expected, "{query}: none twice");
    }
}

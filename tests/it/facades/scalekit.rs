//! `GET /api/v1/logs/authentication/requests` of Scalekit.

use harness::client::encode;
use harness::house::NOOR;
use serde_json::{Value, json};

use super::{Matches, SCALEKIT, ask, check, found, ids, is, lived_in, times};

#[test]
fn finds_attempts_by_each_parameter() {
    let house = lived_in();
    let all = house.gateway.logs("access", "action=login");
    let (newest, oldest) = times(&all);
    let (whole, late) = (format!("start_time={oldest}&end_time={newest}"), format!("start_time={newest}"));
    let login = |matches: Matches| -> Matches { Box::new(move |entry| entry["action"] == "login" && matches(entry)) };
    check(
        &house,
        SCALEKIT,
        "access",
        "attempt_id",
        vec![
            ("", is("action", "login")),
            ("email=Noor@Example.net", is("email", NOOR)),
            ("email=noor", Box::new(|_| false)),
            ("status=success", login(is("status", "success"))),
            ("status=FAILED", login(is("status", "failure"))),
            ("status=Failure", login(is("status", "failure"))),
            ("status=SUCCESS&status=failed", is("action", "login")),
            ("status=INITIATED&status=PENDING", Box::new(|_| false)),
            ("email=noor@example.net&status=failed", is("email", NOOR)),
            ("resource_id=pin", is("circuit", "pin")),
            ("resource_id=nobody", Box::new(|_| false)),
            ("client_id=list.localhost", is("host", "list.localhost")),
            ("client_id=nobody", Box::new(|_| false)),
            (&whole, is("action", "login")),
            (&late, login(Box::new(move |entry| entry["time"] == newest))),
            ("end_time=2020-01-01T00:00:00Z", Box::new(|_| false)),
        ],
    );
}

#[test]
fn says_what_it_documents_of_an_attempt() {
    let house = lived_in();
    let answer = ask(&house, SCALEKIT, "email=eve@example.org");
    let ours = house.gateway.logs("access", "email=eve@example.org").remove(0);
    let details = json!({
        "connection_id": "pin", "connection_type": "PIN", "connection_provider": null, "organization_id": "docs",
    });
    let expected = json!({
        "auth_request_id": ours["attempt_id"], "timestamp": ours["time"], "status": "FAILED", "email": "eve@example.org",
        "workflow": "pin", "connection_id": "pin", "connection_type": "PIN", "connection_provider": null,
        "connection_details": [details], "organization_id": "docs", "environment_id": null,
        "client_id": "list.localhost", "client_name": "list.localhost", "client_type": "WEB", "resource_id": "list",
        "resource_name": "list", "resource_type": "circuit",
    });
    let whole = json!({ "authRequests": [expected], "next_page_token": "", "prev_page_token": "", "total_size": 1 });
    assert_eq!(answer, whole);
}

#[test]
fn pages_by_token_both_ways_while_attempts_arrive() {
    let house = lived_in();
    let all = found(&house, SCALEKIT, "");
    let step = |token: &Value| {
        let token = token.as_str().unwrap();
        assert!(!token.is_empty());
        ask(&house, SCALEKIT, &format!("page_size=3&page_token={}", encode(token)))
    };
    let first = ask(&house, SCALEKIT, "page_size=3");
    assert_eq!((&first["prev_page_token"], &first["total_size"]), (&json!(""), &json!(8)));
    house
        .gateway
        .sign_in("list.localhost", &[("email", "late@example.net"), ("pin", "000000")])
        .from("192.0.2.9")
        .send();
    house.gateway.logs_when("access", "email=late@example.net", 1);
    let second = step(&first["next_page_token"]);
    let third = step(&second["next_page_token"]);
    let pages = [&first, &second, &third].map(|page| ids(SCALEKIT, page["authRequests"].as_array().unwrap()));
    assert_eq!(pages.concat(), all);
    assert_eq!((&third["next_page_token"], &third["total_size"]), (&json!(""), &json!(9)), "the total is of now");
    assert_eq!(step(&third["prev_page_token"])["authRequests"], second["authRequests"]);
}

//! Views of the logs in the shape of other products: each documented parameter does what it says, and finds what a look
//! at every entry finds.

mod cloudflare;
mod netbird;
mod rack_gateway;
mod scalekit;

use harness::house::{MAYA, NOOR};
use harness::secrets::{OTHER_PASSWORD, PASSWORD, PASSWORD_HASH, READER_TOKEN, SHARED_PIN};
use harness::{House, Response};
use serde_json::{Value, json};

const NETBIRD: &str = "/api/events/proxy";
const CLOUDFLARE: &str = "/accounts/default/access/logs/access_requests";
const SCALEKIT: &str = "/api/v1/logs/authentication/requests";
const RACK: &str = "/api/v1/audit-logs";
const RACK_EXPORT: &str = "/api/v1/audit-logs/export";

/// Somebody whose name is no part of her address.
const ZOE: &str = "staff7@example.net";

/// Attempts of each result, requests of each kind, changes and refusals.
fn lived_in() -> House {
    let mut house = House::with(&format!(
        "[login_limits]\nper_ip = \"2/m\"\n[users.\"{ZOE}\"]\nname = \"Zoë\"\npassword_hash = \"{PASSWORD_HASH}\"\n\
         [circuits.zoe]\nhosts = [\"zoe.localhost\"]\nupstream = \"http://127.0.0.1:9\"\naccess = \"allowlist\"\n\
         allow = [\"{ZOE}\"]\nlogin = [\"password\"]\n"
    ));
    let zoe = house.session("zoe.localhost", ZOE);
    house.get("zoe.localhost", "/").cookie(&zoe).send();
    let cookie = house.session("mem.localhost", MAYA);
    house.get("mem.localhost", "/page?x=1").cookie(&cookie).header("User-Agent", "first/1.0").send();
    house.get("pub.localhost", "/status/403").from("203.0.113.7").send();
    house.get("pub.localhost", "/status/500").from("198.51.100.7").send();
    house.gateway.request("POST", "pub.localhost", "/100%25_x").body("text/plain", "12345").send();
    house.get("pub.localhost", "/1000x").send();
    house.get("mem.localhost", "/").from("203.0.113.8").send();
    house.get("nope.localhost", "/").send();
    let attempt =
        |host: &str, fields: &[(&str, &str)], address| house.gateway.sign_in(host, fields).from(address).send();
    attempt("list.localhost", &[("email", NOOR), ("password", PASSWORD)], "203.0.113.7");
    for _ in 0..3 {
        attempt("list.localhost", &[("email", NOOR), ("password", OTHER_PASSWORD)], "198.51.100.7");
    }
    attempt("list.localhost", &[("email", "eve@example.org"), ("pin", "000000")], "192.0.2.7");
    attempt("pin.localhost", &[("pin", SHARED_PIN)], "192.0.2.8");
    house.gateway.request("POST", "mem.localhost", "/.vestibule/logout").cookie(&cookie).form(&[]).send();
    house.gateway.logs_when("access", "", 9);
    house.gateway.logs_when("requests", "", 17);

    let body = house.gateway.body().to_owned();
    house.gateway.reconfigure(&(body + "\n[projects.more]\nmembers = []\n"));
    house.gateway.admin_request("GET", "/api/v1/logs/audit").header("User-Agent", "nobody/2.0").send();
    house.gateway.admin_request("DELETE", "/api/v1/sessions?all=true").bearer(READER_TOKEN).send();
    house.gateway.logs_when("audit", "status=denied", 2);
    house
}

fn ask(house: &House, path: &str, query: &str) -> Value {
    let answer = house.gateway.admin(&format!("{path}?{query}"));
    assert_eq!(answer.status, 200, "{path}?{query}: {}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/json"));
    answer.json()
}

fn rows(house: &House, path: &str, query: &str) -> Vec<Value> {
    let answer = ask(house, path, query);
    let rows = ["data", "result", "authRequests", "logs"].iter().find_map(|name| answer[*name].as_array());
    rows.unwrap_or_else(|| panic!("{answer}")).clone()
}

/// Our id of each row, in order.
fn ids(path: &str, rows: &[Value]) -> Vec<String> {
    let pointer = match path {
        NETBIRD => "/metadata/entry_id",
        SCALEKIT => "/auth_request_id",
        RACK => "/id",
        _ => "/ray_id",
    };
    rows.iter().map(|row| row.pointer(pointer).unwrap().as_str().unwrap().to_owned()).collect()
}

/// The ids of what a query finds, in order.
fn found(house: &House, path: &str, query: &str) -> Vec<String> {
    ids(path, &rows(house, path, query))
}

/// Of the first and of the last of entries.
fn times(all: &[Value]) -> (String, String) {
    let time = |entry: Option<&Value>| entry.unwrap()["time"].as_str().unwrap().to_owned();
    (time(all.first()), time(all.last()))
}

type Matches = Box<dyn Fn(&Value) -> bool>;

/// Each query alone gives, newest first, what a look at every entry of the log finds; `name` names an entry there as
/// [`ids`] does here.
fn check(house: &House, path: &str, log: &str, name: &str, cases: Vec<(&str, Matches)>) {
    let all = house.gateway.logs(log, "");
    for (query, matches) in cases {
        let expected: Vec<_> = all.iter().filter(|entry| matches(entry)).map(|entry| entry[name].clone()).collect();
        assert_eq!(json!(found(house, path, query)), json!(expected), "{path}?{query}");
    }
}

fn is(name: &'static str, value: &'static str) -> Matches {
    Box::new(move |entry| entry[name] == value)
}

fn has(name: &'static str, part: &'static str) -> Matches {
    Box::new(move |entry| entry[name].as_str().is_some_and(|text| text.contains(part)))
}

#[test]
fn what_is_not_understood_is_400_and_named_in_their_words() {
    let house = House::start();
    let bad = [
        (NETBIRD, "nonsense=1", "nonsense"),
        (NETBIRD, "sort_by=size", "sort_by"),
        (NETBIRD, "sort_order=up", "sort_order"),
        (NETBIRD, "status=maybe", "status"),
        (NETBIRD, "status_code=99", "status_code"),
        (NETBIRD, "source_ip=300.1.1.1", "source_ip"),
        (NETBIRD, "start_date=yesterday", "start_date"),
        (NETBIRD, "start_date=2026-02-01T00:00:00Z&end_date=2026-01-01T00:00:00Z", "start_date"),
        (CLOUDFLARE, "nonsense=1", "nonsense"),
        (CLOUDFLARE, "limit=many", "limit"),
        (CLOUDFLARE, "per_page=0", "per_page"),
        (CLOUDFLARE, "page=0", "page"),
        (CLOUDFLARE, "direction=up", "direction"),
        (CLOUDFLARE, "emailOp=like", "emailOp"),
        (CLOUDFLARE, "fields=action,size", "fields"),
        (CLOUDFLARE, "until=now", "until"),
        (SCALEKIT, "nonsense=1", "nonsense"),
        (SCALEKIT, "status=success&status=maybe", "status"),
        (SCALEKIT, "page_token=made-up", "page_token"),
        (SCALEKIT, "page_size=many", "page_size"),
        (SCALEKIT, "start_time=15m", "start_time"),
        (RACK, "nonsense=1", "nonsense"),
        (RACK, "status=maybe", "status"),
        (RACK, "action_type=maybe", "action_type"),
        (RACK, "resource_type=maybe", "resource_type"),
        (RACK, "user_id=maya", "user_id"),
        (RACK, "range=2y", "range"),
        (RACK, "start=noon", "start"),
        (RACK, "start=2026-02-01T00:00&end=2026-01-01T00:00", "end"),
        (RACK_EXPORT, "limit=10", "limit"),
    ];
    for (path, query, name) in bad {
        let answer = house.gateway.admin(&format!("{path}?{query}"));
        assert_eq!(answer.status, 400, "{path}?{query}: {}", answer.text());
        let told = told(path, &answer);
        assert!(told.contains(name), "{path}?{query}: {told}");
        assert_eq!(answer.json()["parameter"], name, "{path}?{query}");
    }
}

/// The message where the clients of a path look for it.
fn told(path: &str, answer: &Response) -> String {
    let body = answer.json();
    let message = match path {
        NETBIRD => {
            assert_eq!(body["code"], answer.status);
            &body["message"]
        }
        SCALEKIT => {
            assert!(body["code"].is_u64() && body["details"].is_array(), "{body}");
            &body["message"]
        }
        RACK | RACK_EXPORT => &body["error"],
        _ => {
            assert_eq!((&body["success"], &body["result"]), (&json!(false), &Value::Null));
            assert!(body["errors"][0]["code"].as_u64().unwrap() >= 1000, "{body}");
            &body["errors"][0]["message"]
        }
    };
    message.as_str().unwrap_or_else(|| panic!("{body}")).to_owned()
}

#[test]
fn who_may_not_read_is_told_in_their_words() {
    let house = House::start();
    let v4 = format!("/client/v4{CLOUDFLARE}");
    for path in [NETBIRD, CLOUDFLARE, v4.as_str(), SCALEKIT, RACK, RACK_EXPORT] {
        let anonymous = house.gateway.admin_request("GET", path).send();
        assert_eq!(anonymous.status, 401, "{path}");
        assert!(!told(path, &anonymous).is_empty());
        let reader = house.gateway.admin_request("GET", path).bearer(READER_TOKEN).send();
        assert_eq!(reader.status, if path == RACK_EXPORT { 403 } else { 200 }, "{path}");
        assert_eq!(house.gateway.admin_request("POST", path).bearer(READER_TOKEN).send().status, 405, "{path}");
    }
}

//! Views of the logs in the shape of other products: each documented parameter does what it says, and finds what a look
//! at every entry finds.

use std::collections::BTreeSet;

use harness::client::encode;
use harness::house::{MAYA, NOOR};
use harness::secrets::{ADMIN_TOKEN, AUDITOR_TOKEN, OTHER_PASSWORD, PASSWORD, PASSWORD_HASH, READER_TOKEN, SHARED_PIN};
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

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

type Matches = Box<dyn Fn(&Value) -> bool>;

/// Each query alone gives, newest first, what a look at every entry of the log finds; `name` names an entry there as
/// [`ids`] does here.
fn check(house: &House, path: &str, log: &str, name: &str, cases: Vec<(&str, Matches)>) {
    let all = house.gateway.logs(log, "");
    for (query, matches) in cases {
        let expected: Vec<_> = all.iter().filter(|entry| matches(entry)).map(|entry| entry[name].clone()).collect();
        assert_eq!(json!(ids(path, &rows(house, path, query))), json!(expected), "{path}?{query}");
    }
}

fn is(name: &'static str, value: &'static str) -> Matches {
    Box::new(move |entry| entry[name] == value)
}

fn has(name: &'static str, part: &'static str) -> Matches {
    Box::new(move |entry| entry[name].as_str().is_some_and(|text| text.contains(part)))
}

fn status(entry: &Value) -> u64 {
    entry["status_code"].as_u64().unwrap()
}

#[test]
fn netbird_finds_requests_by_each_parameter() {
    let house = lived_in();
    let all = house.gateway.logs("requests", "");
    let (newest, oldest) = (all[0]["time"].as_str().unwrap(), all[all.len() - 1]["time"].as_str().unwrap());
    let whole = format!("start_date={oldest}&end_date={newest}");
    let early = format!("end_date={oldest}");
    let request_id = all[2]["request_id"].as_str().unwrap().to_owned();
    let entry_id = all[3]["id"].as_str().unwrap().to_owned();
    let (by_request, by_entry) = (format!("search={}", &request_id[4..30]), format!("search={entry_id}"));
    let oldest = oldest.to_owned();
    check(
        &house,
        NETBIRD,
        "requests",
        "id",
        vec![
            ("", Box::new(|_| true)),
            ("host=&status=", Box::new(|_| true)),
            ("host=pub.localhost", is("host", "pub.localhost")),
            ("host=pub.local", Box::new(|_| false)),
            ("path=status/", has("path", "status/")),
            ("path=%25", has("path", "%")),
            ("path=_", has("path", "_")),
            ("method=POST", is("method", "POST")),
            ("source_ip=203.0.113.7", is("source_ip", "203.0.113.7")),
            ("user_id=local:maya@example.net", is("user_id", "local:maya@example.net")),
            ("user_id=nobody", Box::new(|_| false)),
            ("user_email=MAYA", is("email", MAYA)),
            ("user_email=nobody", Box::new(|_| false)),
            ("user_name=ZO%C3%8B", is("email", ZOE)),
            ("user_name=nobody", Box::new(|_| false)),
            ("status=success", Box::new(|entry| (200..400).contains(&status(entry)))),
            ("status=Failed", Box::new(|entry| !(200..400).contains(&status(entry)))),
            ("status_code=403", Box::new(|entry| status(entry) == 403)),
            ("status_code=418", Box::new(|_| false)),
            (
                "host=pub.localhost&status=failed",
                Box::new(|entry| entry["host"] == "pub.localhost" && status(entry) >= 400),
            ),
            ("search=100%25", has("path", "100%")),
            ("search=localhost/page", is("path", "/page")),
            ("search=LOCALHOST/PAGE", is("path", "/page")),
            ("search=203.0.113", has("source_ip", "203.0.113")),
            ("search=maya@", is("email", MAYA)),
            ("search=zo%C3%AB", is("email", ZOE)),
            ("search=first/1.0", Box::new(|_| false)),
            (&by_request, Box::new(move |entry| entry["request_id"] == request_id)),
            (&by_entry, Box::new(move |entry| entry["id"] == entry_id)),
            (&whole, Box::new(|_| true)),
            (&early, Box::new(move |entry| entry["time"] == oldest)),
            ("start_date=2099-01-01T00:00:00Z", Box::new(|_| false)),
        ],
    );
}

#[test]
fn netbird_says_what_it_documents_of_a_request() {
    let house = lived_in();
    let page = rows(&house, NETBIRD, "path=/page").remove(0);
    let ours = house.gateway.logs("requests", "path=/page").remove(0);
    let expected = json!({
        "id": ours["request_id"], "service_id": "mem", "timestamp": ours["time"], "method": "GET",
        "host": "mem.localhost", "path": "/page", "duration_ms": ours["duration_ms"], "status_code": 200,
        "source_ip": "127.0.0.1", "reason": null, "user_id": "local:maya@example.net", "auth_method_used": "password",
        "country_code": null, "city_name": null, "subdivision_code": null, "bytes_upload": 0,
        "bytes_download": ours["bytes_out"], "protocol": "http",
        "metadata": { "entry_id": ours["id"], "action": "allowed", "origin": "backend" },
    });
    assert_eq!(page, expected);
    let upload = rows(&house, NETBIRD, "method=POST&path=100").remove(0);
    assert_eq!((&upload["bytes_upload"], &upload["auth_method_used"]), (&json!(5), &json!("none")));
    let refused = rows(&house, NETBIRD, "host=mem.localhost&status_code=401").remove(0);
    let facts = ["reason", "auth_method_used", "country_code", "user_id"].map(|name| refused[name].clone());
    assert_eq!(facts, [json!("no_credentials"), json!("none"), json!("DE"), Value::Null], "no code in the method");
    let nowhere = rows(&house, NETBIRD, "host=nope.localhost").remove(0);
    assert_eq!(nowhere["service_id"], "", "required texts are never null");
}

#[test]
fn netbird_counts_its_pages_and_clamps_their_numbers() {
    let house = lived_in();
    let all = ids(NETBIRD, &rows(&house, NETBIRD, "page_size=100"));
    let facts = |answer: &Value| {
        ["page", "page_size", "total_records", "total_pages"].map(|name| answer[name].as_u64().unwrap())
    };
    let total = all.len() as u64;
    for (query, expected) in [
        ("", [1, 50, total, 1]),
        ("page=1&page_size=4", [1, 4, total, total.div_ceil(4)]),
        ("page=99&page_size=4", [99, 4, total, total.div_ceil(4)]),
        ("page=0&page_size=101", [1, 100, total, 1]),
        ("page=x&page_size=x", [1, 50, total, 1]),
        ("page=-1&page_size=0", [1, 50, total, 1]),
        ("host=nobody", [1, 50, 0, 0]),
    ] {
        assert_eq!(facts(&ask(&house, NETBIRD, query)), expected, "{query}");
    }
    let mut paged = Vec::new();
    for page in 1..=total.div_ceil(4) {
        paged.extend(ids(NETBIRD, &rows(&house, NETBIRD, &format!("page={page}&page_size=4"))));
    }
    assert_eq!(paged, all);
    assert!(rows(&house, NETBIRD, "page=18446744073709551615&page_size=100").is_empty());
}

#[test]
fn netbird_sorts_by_each_column_both_ways() {
    let house = lived_in();
    let columns = [
        ("timestamp", "timestamp"),
        ("host", "host"),
        ("path", "path"),
        ("method", "method"),
        ("status_code", "status_code"),
        ("duration", "duration_ms"),
        ("source_ip", "source_ip"),
        ("user_id", "user_id"),
        ("auth_method", "auth_method_used"),
        ("reason", "reason"),
    ];
    for (column, name) in columns {
        let ascending = rows(&house, NETBIRD, &format!("sort_by={column}&sort_order=asc"));
        let mut descending = rows(&house, NETBIRD, &format!("sort_by={column}&sort_order=desc"));
        descending.reverse();
        assert_eq!(ascending, descending, "{column}: one is the other turned round");
        let sorted = |keys: &mut dyn Iterator<Item = String>| keys.collect::<Vec<_>>().is_sorted();
        let present: Vec<_> = ascending.iter().map(|row| &row[name]).filter(|value| !value.is_null()).collect();
        let in_order = match name {
            "status_code" | "duration_ms" => present.iter().map(|value| value.as_u64().unwrap()).is_sorted(),
            "source_ip" => {
                present.iter().map(|value| value.as_str().unwrap().parse::<std::net::IpAddr>().unwrap()).is_sorted()
            }
            _ => sorted(&mut present.iter().map(|value| value.as_str().unwrap().to_owned())),
        };
        assert!(in_order, "{column}: {present:?}");
    }
    let urls: Vec<_> = rows(&house, NETBIRD, "sort_by=url&sort_order=asc")
        .iter()
        .map(|row| (row["host"].as_str().unwrap().to_owned(), row["path"].as_str().unwrap().to_owned()))
        .collect();
    assert!(urls.is_sorted(), "{urls:?}");
}

fn decided(entry: &Value) -> bool {
    entry["action"] != "revoke" && entry["result"].is_string()
}

#[test]
fn cloudflare_finds_attempts_by_each_parameter() {
    let house = lived_in();
    let all = house.gateway.logs("access", "");
    let times: Vec<_> = all.iter().map(|entry| entry["time"].as_str().unwrap().to_owned()).collect();
    let (newest, oldest) = (times[0].clone(), times[times.len() - 1].clone());
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
fn cloudflare_finds_attempts_at_an_application_that_is_no_more() {
    let mut house = lived_in();
    let list = rows(&house, CLOUDFLARE, "email=eve").remove(0)["app_uid"].as_str().unwrap().to_owned();
    let before = rows(&house, CLOUDFLARE, &format!("app_uid={list}"));
    assert_eq!(before.len(), 5);
    let body = house.gateway.body().replace("[circuits.list]", "[circuits.renamed]");
    house.gateway.reconfigure(&body);
    assert_eq!(rows(&house, CLOUDFLARE, &format!("app_uid={list}")), before);
}

#[test]
fn cloudflare_says_what_it_documents_of_an_attempt() {
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
fn cloudflare_pages_by_number() {
    let house = lived_in();
    let all = ids(CLOUDFLARE, &rows(&house, CLOUDFLARE, ""));
    for (query, expected) in [
        ("limit=3", &all[..3]),
        ("per_page=3", &all[..3]),
        ("per_page=3&page=2", &all[3..6]),
        ("limit=3&page=3", &all[6..]),
        ("limit=2&per_page=3&page=2", &all[3..5]),
        ("per_page=3&page=99", &[]),
        ("limit=100000", &all[..]),
    ] {
        assert_eq!(ids(CLOUDFLARE, &rows(&house, CLOUDFLARE, query)), expected, "{query}");
    }
}

#[test]
fn scalekit_finds_attempts_by_each_parameter() {
    let house = lived_in();
    let all = house.gateway.logs("access", "action=login");
    let (newest, oldest) = (all[0]["time"].as_str().unwrap(), all[all.len() - 1]["time"].as_str().unwrap());
    let (whole, late) = (format!("start_time={oldest}&end_time={newest}"), format!("start_time={newest}"));
    let newest = newest.to_owned();
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
fn scalekit_says_what_it_documents_of_an_attempt() {
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
fn scalekit_pages_by_token_both_ways_while_attempts_arrive() {
    let house = lived_in();
    let all = ids(SCALEKIT, &rows(&house, SCALEKIT, ""));
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

#[test]
fn rack_gateway_finds_changes_by_each_parameter() {
    let house = lived_in();
    let all = house.gateway.logs("audit", "");
    let (newest, oldest) = (all[0]["time"].as_str().unwrap(), all[all.len() - 1]["time"].as_str().unwrap());
    let whole = format!("start={oldest}&end={newest}");
    let early = format!("range=all&end={oldest}");
    let oldest = oldest.to_owned();
    check(
        &house,
        RACK,
        "audit",
        "id",
        vec![
            ("", Box::new(|_| true)),
            ("range=5m", Box::new(|_| true)),
            ("range=all", Box::new(|_| true)),
            ("range=custom", Box::new(|_| true)),
            ("action_type=all&resource_type=all&status=all", Box::new(|_| true)),
            ("action_type=admin", is("action_type", "admin")),
            ("action_type=users", is("action_type", "user")),
            ("action_type=convox", Box::new(|_| false)),
            ("resource_type=config", is("resource_type", "config")),
            ("status=denied", is("status", "denied")),
            ("status=blocked", is("status", "denied")),
            ("status=success", is("status", "success")),
            ("user=view", is("actor", "view")),
            ("user=nobody@example.net", Box::new(|_| false)),
            ("user_id=1", Box::new(|_| false)),
            ("search=CONFIG.RELOAD", is("action", "config.reload")),
            ("search=nobody/2.0", is("user_agent", "nobody/2.0")),
            ("search=nothing-of-this", Box::new(|_| false)),
            ("action_type=admin&status=denied", is("status", "denied")),
            (&whole, Box::new(|_| true)),
            (&early, Box::new(move |entry| entry["time"] == oldest)),
            ("start=2099-01-01T00:00", Box::new(|_| false)),
        ],
    );
}

#[test]
fn rack_gateway_says_what_it_documents_of_a_change() {
    let house = lived_in();
    let row = rows(&house, RACK, "search=config.reload&status=success").remove(0);
    let ours = house.gateway.logs("audit", "action=config.reload&status=success").remove(0);
    let expected = json!({
        "user_email": null, "user_name": null, "api_token_name": "ops", "actor": "ops", "action_type": ours["action_type"],
        "action": "config.reload", "command": null, "resource": ours["resource"], "resource_type": "config",
        "request_id": ours["request_id"], "ip_address": "127.0.0.1", "user_agent": null, "status": "success",
        "rbac_decision": "allow", "http_status": ours["http_status"], "event_count": 1, "first_event_id": ours["id"],
        "last_event_id": ours["id"], "first_seen": ours["time"], "last_seen": ours["time"], "timestamp": ours["time"],
        "response_time_ms": ours["duration_ms"], "avg_response_time_ms": ours["duration_ms"], "chain_index": ours["seq"],
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&row[name], value, "{name}: {row}");
    }
    let denied = rows(&house, RACK, "user=view").remove(0);
    assert_eq!((&denied["rbac_decision"], &denied["http_status"]), (&json!("deny"), &json!(403)));
}

#[test]
fn rack_gateway_pages_by_number_without_a_largest_limit() {
    let house = lived_in();
    let all = ids(RACK, &rows(&house, RACK, ""));
    let total = all.len() as u64;
    for (query, page, limit) in [
        ("", 1, 100),
        ("page=0&limit=0", 1, 100),
        ("page=x&limit=x", 1, 100),
        ("limit=100000", 1, 100_000),
        ("page=9&limit=2", 9, 2),
    ] {
        let answer = ask(&house, RACK, query);
        assert_eq!(keys(&answer), BTreeSet::from(["logs", "total", "page", "limit"]));
        assert_eq!(
            [&answer["page"], &answer["limit"], &answer["total"]],
            [&json!(page), &json!(limit), &json!(total)],
            "{query}"
        );
    }
    let mut paged = Vec::new();
    for page in 1..=total.div_ceil(2) {
        paged.extend(ids(RACK, &rows(&house, RACK, &format!("page={page}&limit=2"))));
    }
    assert_eq!(paged, all);
}

#[test]
fn rack_gateway_makes_one_row_of_equal_adjacent_changes() {
    let house = House::start();
    let end = |token: &str| {
        house.gateway.admin_request("DELETE", "/api/v1/sessions?circuit=nobody").bearer(token).send().status
    };
    for _ in 0..3 {
        assert_eq!(end(ADMIN_TOKEN), 200);
    }
    assert_eq!(end(READER_TOKEN), 403);
    house.gateway.logs_when("audit", "status=denied", 1);
    assert_eq!(end(ADMIN_TOKEN), 200);
    let raw = house.gateway.logs("audit", "action=session.revoke");
    assert_eq!(raw.len(), 4);
    let mut folded = rows(&house, RACK, "");
    folded.retain(|row| row["action"] == "session.revoke");
    let counts: Vec<_> = folded.iter().map(|row| row["event_count"].as_u64().unwrap()).collect();
    assert_eq!(counts, [1, 3], "the refusal between them ends the run");
    assert_eq!([&folded[1]["first_event_id"], &folded[1]["last_event_id"]], [&raw[3]["id"], &raw[1]["id"]]);
    assert_eq!([&folded[1]["first_seen"], &folded[1]["last_seen"]], [&raw[3]["time"], &raw[1]["time"]]);
    let alone = rows(&house, RACK, "search=session.revoke");
    assert_eq!(alone.len(), 2, "a filter does not make entries adjacent that are not: {alone:?}");
}

/// One row of a CSV file; the tests' texts have no line ends.
fn cells(line: &str) -> Vec<String> {
    let (mut cells, mut quoted) = (vec![String::new()], false);
    for character in line.chars() {
        match character {
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(String::new()),
            other => cells.last_mut().unwrap().push(other),
        }
    }
    cells
}

#[test]
fn rack_gateway_exports_every_field_and_says_so_in_the_log() {
    let house = lived_in();
    let export = |query: &str, token: &str| {
        house.gateway.admin_request("GET", &format!("{RACK_EXPORT}?{query}")).bearer(token).send()
    };
    let found = rows(&house, RACK, "status=denied");
    let answer = export("status=denied", AUDITOR_TOKEN);
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/csv; charset=utf-8")));
    let name = answer.header("content-disposition").unwrap().to_owned();
    let date = found[0]["timestamp"].as_str().unwrap()[..10].to_owned();
    assert_eq!(name, format!("attachment; filename=\"audit-logs-{date}.csv\""));
    let text = answer.text();
    let lines: Vec<_> = text.strip_suffix("\r\n").unwrap().split("\r\n").map(cells).collect();
    let theirs = "first_seen,last_seen,user_email,user_name,action_type,action,command,resource,status,event_count,\
                  min_response_ms,max_response_ms,avg_response_ms,ip_address,user_agent";
    assert_eq!(lines[0][..15].join(","), theirs);
    assert_eq!(lines.len(), found.len() + 1);
    for (line, row) in lines[1..].iter().zip(&found) {
        assert_eq!(line.len(), lines[0].len());
        for (name, cell) in lines[0].iter().zip(line) {
            let value = &row[name.replace("response_ms", "response_time_ms").as_str()];
            let value = value.as_str().map_or_else(|| value.to_string().replace("null", ""), str::to_owned);
            assert_eq!(cell, &value.replace('"', ""), "{name}");
        }
    }

    assert_eq!(export("", READER_TOKEN).status, 403);
    let entry = house.gateway.logs_when("audit", "action=log.export", 1).remove(0);
    assert_eq!(
        (&entry["actor"], &entry["resource"], &entry["status"]),
        (&json!("audit"), &json!("audit"), &json!("success"))
    );
    assert_eq!(entry["details"]["filters"], json!({ "status": "denied" }));
}

#[test]
fn a_formula_in_an_export_is_a_text() {
    let house = House::start();
    house.gateway.admin_request("GET", "/api/v1/status").header("User-Agent", "=1+1").send();
    house.gateway.logs_when("audit", "status=denied", 1);
    let text = house.gateway.admin(RACK_EXPORT).text();
    assert!(text.contains(",'=1+1,"), "{text}");
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
        let found = ids(CLOUDFLARE, &rows(&house, CLOUDFLARE, query));
        assert_eq!(found.len(), expected, "{query}");
        assert_eq!(found.iter().collect::<BTreeSet<_>>().len(), expected, "{query}: none twice");
    }
}

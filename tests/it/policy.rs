//! Who may enter, on every request.

use harness::house::{BRAM, INES, MAYA, NOOR, PETRA, plan};
use harness::secrets::{PASSWORD, SHARED_PASSWORD, SHARED_PIN};
use harness::{Gateway, House};
use std::fmt::Write as _;

/// Every policy against every caller, as a program sees it: the last status, and the reason where it is refused.
/// `sign-in` marks an answer to the form itself.
const MATRIX: &str = "\
caller     pub                     mem                               list                              pw                                pin
nobody     200                     401 no_credentials                401 no_credentials                401 no_credentials                401 no_credentials
maya       200                     200                               200                               sign-in 401 invalid_credentials   sign-in 401 invalid_credentials
noor       200                     200                               sign-in 403 not_on_allowlist      sign-in 401 invalid_credentials   sign-in 401 invalid_credentials
ines       200                     sign-in 403 not_project_member    200                               sign-in 401 invalid_credentials   sign-in 401 invalid_credentials
bram       200                     sign-in 401 invalid_credentials   sign-in 401 invalid_credentials   sign-in 401 invalid_credentials   sign-in 401 invalid_credentials
petra      200                     sign-in 401 invalid_credentials   sign-in 401 invalid_credentials   sign-in 401 invalid_credentials   sign-in 401 invalid_credentials
unknown    200                     sign-in 401 invalid_credentials   sign-in 401 invalid_credentials   sign-in 401 invalid_credentials   sign-in 401 invalid_credentials
password   200                     sign-in 401 invalid_credentials   sign-in 401 invalid_credentials   200                               sign-in 401 invalid_credentials
pin        200                     sign-in 401 invalid_credentials   sign-in 401 invalid_credentials   sign-in 401 invalid_credentials   200
elsewhere  200                     401 missing_session               401 missing_session               401 missing_session               401 missing_session
made up    200                     401 missing_session               401 missing_session               401 missing_session               401 missing_session
revoked    200                     401 session_revoked               401 session_revoked               401 session_revoked               401 session_revoked
blocked ip 403 ip_restricted       403 ip_restricted                 403 ip_restricted                 403 ip_restricted                 403 ip_restricted
china      403 country_restricted  403 country_restricted            403 country_restricted            403 country_restricted            403 country_restricted
";

/// Comes to a host and tells what it got.
type Caller = fn(&Gateway, &str) -> String;

const HOSTS: [&str; 5] = ["pub", "mem", "list", "pw", "pin"];

#[test]
fn the_access_matrix_holds() {
    let upstream = harness::Upstream::start();
    let ruled =
        |host| format!("hosts = [\"{host}.localhost\"]\nip_block = [\"192.0.2.0/24\"]\ncountry_block = [\"CN\"]");
    let mut body = plan(&upstream) + "[login_limits]\nper_user = \"100/m\"\nper_ip = \"200/m\"\n";
    for host in HOSTS {
        body = body.replace(&format!("hosts = [\"{host}.localhost\"]"), &ruled(host));
    }
    let gateway = Gateway::start(&body);
    let callers: [(&str, Caller); 14] = [
        ("nobody", |gateway, host| visit(gateway, host, "", "203.0.113.1")),
        ("maya", |gateway, host| enter(gateway, host, &[("email", MAYA), ("password", PASSWORD)])),
        ("noor", |gateway, host| enter(gateway, host, &[("email", NOOR), ("password", PASSWORD)])),
        ("ines", |gateway, host| enter(gateway, host, &[("email", INES), ("password", PASSWORD)])),
        ("bram", |gateway, host| enter(gateway, host, &[("email", BRAM), ("password", PASSWORD)])),
        ("petra", |gateway, host| enter(gateway, host, &[("email", PETRA), ("password", PASSWORD)])),
        ("unknown", |gateway, host| enter(gateway, host, &[("email", "eve@example.net"), ("password", PASSWORD)])),
        ("password", |gateway, host| enter(gateway, host, &[("password", SHARED_PASSWORD)])),
        ("pin", |gateway, host| enter(gateway, host, &[("pin", SHARED_PIN)])),
        ("elsewhere", |gateway, host| {
            let other = if host == "mem" { "list" } else { "mem" };
            visit(gateway, host, &cookie(gateway, other), "203.0.113.1")
        }),
        ("made up", |gateway, host| visit(gateway, host, &format!("vestibule={}", "A".repeat(43)), "203.0.113.1")),
        ("revoked", |gateway, host| {
            let cookie = cookie(gateway, host);
            gateway.request("POST", &at(host), "/.vestibule/logout").cookie(&cookie).send();
            visit(gateway, host, &cookie, "203.0.113.1")
        }),
        ("blocked ip", |gateway, host| visit(gateway, host, &cookie(gateway, host), "192.0.2.9")),
        ("china", |gateway, host| visit(gateway, host, &cookie(gateway, host), "198.51.100.9")),
    ];

    let mut seen = format!("{:11}{:24}{:34}{:34}{:34}pin\n", "caller", "pub", "mem", "list", "pw");
    for (name, caller) in callers {
        let cells = HOSTS.map(|host| caller(&gateway, host));
        let [public, mem, list, pw, pin] = cells;
        writeln!(seen, "{name:11}{public:24}{mem:34}{list:34}{pw:34}{pin}").unwrap();
    }

    assert!(seen == MATRIX, "\n{seen}");
}

fn at(host: &str) -> String {
    format!("{host}.localhost")
}

/// A session of somebody who may enter; empty where nobody can sign in.
fn cookie(gateway: &Gateway, host: &str) -> String {
    let fields: &[(&str, &str)] = match host {
        "pub" => return String::new(),
        "pw" => &[("password", SHARED_PASSWORD)],
        "pin" => &[("pin", SHARED_PIN)],
        _ => &[("email", MAYA), ("password", PASSWORD)],
    };
    let answer = gateway.sign_in(&at(host), fields).from("203.0.113.1").send();
    answer.session().unwrap_or_else(|| panic!("{host}: {} {}", answer.status, answer.text()))
}

fn visit(gateway: &Gateway, host: &str, cookie: &str, address: &str) -> String {
    let answer = gateway.get(&at(host), "/").cookie(cookie).from(address).send();
    format!("{} {}", answer.status, answer.reason()).trim_end().to_owned()
}

fn enter(gateway: &Gateway, host: &str, fields: &[(&str, &str)]) -> String {
    let answer = gateway.sign_in(&at(host), fields).from("203.0.113.1").send();
    match answer.session() {
        Some(cookie) => visit(gateway, host, &cookie, "203.0.113.1"),
        // There is nothing to sign in to.
        None if answer.status == 404 => visit(gateway, host, "", "203.0.113.1"),
        None => format!("sign-in {} {}", answer.status, answer.reason()),
    }
}

#[test]
fn a_public_circuit_made_private_refuses_the_next_request() {
    let mut house = House::start();
    assert_eq!(house.get("pub.localhost", "/").send().status, 200);
    let body = house.gateway.body().replace("access = \"public\"", "access = \"members\"\nlogin = [\"password\"]");
    house.gateway.reconfigure(&body);

    assert_eq!(house.get("pub.localhost", "/").send().status, 401);
    assert_eq!(house.get("pub.localhost", "/").browser().send().status, 302);
    assert_eq!(house.upstream.count(), 1);
}

#[test]
fn a_removed_member_is_out_on_the_next_request() {
    let mut house = House::start();
    let cookie = house.session("mem.localhost", NOOR);
    assert_eq!(house.get("mem.localhost", "/").cookie(&cookie).send().status, 200);
    let body = house.gateway.body().replace(&format!("\"{MAYA}\", \"{NOOR}\", "), &format!("\"{MAYA}\", "));
    house.gateway.reconfigure(&body);

    for _ in 0..3 {
        let answer = house.get("mem.localhost", "/").cookie(&cookie).send();
        assert_eq!((answer.status, answer.reason().as_str()), (403, "not_project_member"));
    }

    assert_eq!(house.upstream.count(), 1);
    let failures = house.gateway.logs_when("access", "status=failure", 1);
    assert_eq!(failures.len(), 1, "one failed attempt per session, circuit and revision: {failures:?}");
    assert_eq!(failures[0]["reason"], "not_project_member");
    assert_eq!(failures[0]["email"], NOOR);
    assert_eq!(house.gateway.logs_when("requests", "reason=not_project_member", 3).len(), 3);
}

#[test]
fn a_blocked_person_is_out_on_the_next_request() {
    let mut house = House::start();
    let cookie = house.session("mem.localhost", NOOR);
    let body = house.gateway.body().replace("name = \"Noor\"", "name = \"Noor\"\nstate = \"blocked\"");
    house.gateway.reconfigure(&body);

    let answer = house.get("mem.localhost", "/").cookie(&cookie).send();

    assert_eq!((answer.status, answer.reason().as_str()), (403, "user_blocked"));
    assert_eq!(house.upstream.count(), 0);
}

#[test]
fn the_allowlist_ignores_the_case_of_letters() {
    let house = House::start();
    let answer =
        house.gateway.sign_in("list.localhost", &[("email", "MAYA@Example.NET"), ("password", PASSWORD)]).send();
    assert_eq!(answer.status, 303);
    let cookie = answer.session().unwrap();
    assert_eq!(house.get("list.localhost", "/").cookie(&cookie).send().status, 200);
    assert_eq!(house.upstream.last().header("x-vestibule-user"), Some(MAYA));
}

#[test]
fn membership_alone_does_not_open_an_allowlist() {
    let house = House::start();
    let answer = house.gateway.sign_in("list.localhost", &[("email", NOOR), ("password", PASSWORD)]).send();
    assert_eq!((answer.status, answer.reason().as_str()), (403, "not_on_allowlist"));
    assert_eq!(answer.session(), None);
    let entry = house.gateway.logs_when("access", "status=failure", 1).remove(0);
    assert_eq!((entry["reason"].as_str(), entry["email"].as_str()), (Some("not_on_allowlist"), Some(NOOR)));
}

#[test]
fn a_list_of_groups_alone_names_the_missing_group() {
    let mut house = House::start();
    let body = house
        .gateway
        .body()
        .replace(&format!("allow = [\"{MAYA}\", \"group:reviewers\"]"), "allow = [\"group:reviewers\"]");
    house.gateway.reconfigure(&body);
    let refused = house.gateway.sign_in("list.localhost", &[("email", MAYA), ("password", PASSWORD)]).send();
    assert_eq!((refused.status, refused.reason().as_str()), (403, "not_in_group"));
    let admitted = house.session("list.localhost", INES);
    assert_eq!(house.get("list.localhost", "/").cookie(&admitted).send().status, 200);
    assert_eq!(house.upstream.last().header("x-vestibule-groups"), Some("reviewers"));
}

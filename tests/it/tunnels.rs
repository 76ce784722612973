//! WebSockets and other requests that last: what opens them, and what ends them.

use std::io::{BufRead, Read};
use std::time::{Duration, Instant};

use harness::house::{self, MAYA, NOOR};
use harness::secrets::ADMIN_TOKEN;
use harness::wait::soon;
use harness::{Connection, House, Response, until};
use serde_json::{Value, json};

/// What may not go on ends within a second; a busy machine of the tests has half of one more.
const END_BOUND: Duration = Duration::from_millis(1500);

fn ask(house: &House, host: &str, cookie: &str) -> (Connection, Response) {
    let mut connection = Connection::open(house.gateway.proxy()).unwrap();
    connection.write(&house.get(host, "/tunnel").cookie(cookie).upgrade().bytes()).unwrap();
    let answer = connection.read(false).unwrap();
    (connection, answer)
}

#[track_caller]
fn open(house: &House, host: &str, cookie: &str) -> (Connection, String) {
    let (mut connection, answer) = ask(house, host, cookie);
    assert_eq!(answer.status, 101, "{}", answer.text());
    exchange(&mut connection, b"hello");
    (connection, answer.header("x-request-id").unwrap().to_owned())
}

#[track_caller]
fn exchange(connection: &mut Connection, bytes: &[u8]) {
    connection.write(bytes).unwrap();
    let mut back = vec![0; bytes.len()];
    connection.stream().read_exact(&mut back).unwrap();
    assert_eq!(back, bytes);
}

/// The connection ends soon, for this reason.
#[track_caller]
fn ends(house: &House, (mut connection, id): (Connection, String), reason: &str) {
    let start = Instant::now();
    // Ended with bytes unread or without: both are an end.
    let mut rest = Vec::new();
    drop(connection.stream().read_to_end(&mut rest));
    assert!(start.elapsed() < END_BOUND, "{reason}: ended after {:?}", start.elapsed());
    let entry = closed(house, &id);
    assert_eq!((&entry["reason"], &entry["action"]), (&reason.into(), &"allowed".into()), "{entry}");
}

/// The entry of a tunnel's end.
#[track_caller]
fn closed(house: &House, id: &str) -> Value {
    let entries = house.gateway.logs_when("requests", &format!("request_id={id}&order=asc&sort=seq"), 2);
    assert_eq!(entries.len(), 2, "{entries:?}");
    entries[1].clone()
}

#[test]
fn an_upgrade_passes_after_signing_in_and_its_bytes_are_counted() {
    let house = House::start();
    let (_, refused) = ask(&house, "mem.localhost", "");
    assert_eq!((refused.status, house.upstream.count()), (401, 0));
    let cookie = house.session("mem.localhost", MAYA);
    let (mut connection, id) = open(&house, "mem.localhost", &cookie);
    let opened = house.gateway.logs_when("requests", &format!("request_id={id}"), 1).remove(0);
    assert_eq!(
        [&opened["status_code"], &opened["metadata"]["tunnel"], &opened["event_count"], &opened["bytes_in"]],
        [&json!(101), &json!("opened"), &json!(0), &json!(0)]
    );
    assert_eq!(house.gateway.metric("vestibule_tunnels", &[]), 1.0);
    exchange(&mut connection, &[7; 10_000]);
    drop(connection);
    let entry = closed(&house, &id);
    assert_eq!(
        [&entry["status_code"], &entry["metadata"]["tunnel"], &entry["event_count"], &entry["email"]],
        [&json!(101), &json!("closed"), &json!(1), &json!(MAYA)]
    );
    assert_eq!([&entry["bytes_in"], &entry["bytes_out"]], [&json!(10_005), &json!(10_005)]);
    assert_eq!((&entry["reason"], &entry["action"]), (&Value::Null, &json!("allowed")));
    let upgrade = house.upstream.last();
    assert_eq!((upgrade.header("upgrade"), upgrade.header("connection")), (Some("websocket"), Some("Upgrade")));
    assert_eq!(upgrade.header("x-vestibule-user"), Some(MAYA));
    // The refused one, the sign-in, and the tunnel.
    assert_eq!(house.gateway.admin("/api/v1/stats?range=1h").json()["total"], 3, "one request, whatever is said of it");
    until(Duration::from_secs(1), "no tunnel", || {
        (house.gateway.metric("vestibule_tunnels", &[]) == 0.0).then_some(())
    });
}

#[test]
fn no_upgrade_is_lost_on_an_upstream_that_answers_at_once() {
    let house = House::start();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..250).for_each(|_| drop(open(&house, "pub.localhost", ""))));
        }
    });
    assert_eq!(house.upstream.count(), 1000);
}

#[test]
fn what_may_not_go_on_ends_within_a_second() {
    let mut house = House::start();
    let plan = house::plan(&house.upstream);
    let reconfigure = |house: &mut House, from: &str, to: &str| {
        assert!(plan.contains(from), "{from}");
        house.gateway.reconfigure(&plan.replace(from, to));
    };
    let admin = |house: &House, method: &str, target: &str, body: Value| {
        let answer = house.gateway.admin_request(method, target).bearer(ADMIN_TOKEN).json(&body).send();
        assert!(answer.status < 300, "{}", answer.text());
        answer
    };

    let maya = house.session("mem.localhost", MAYA);
    let (tunnel, bystander) = (open(&house, "mem.localhost", &maya), open(&house, "pub.localhost", ""));
    let answer = house.gateway.request("POST", "mem.localhost", "/.vestibule/logout").cookie(&maya).form(&[]).send();
    assert!(answer.status < 400, "{}", answer.text());
    ends(&house, tunnel, "session_revoked");

    let noor = house.session("mem.localhost", NOOR);
    let tunnel = open(&house, "mem.localhost", &noor);
    admin(&house, "DELETE", &format!("/api/v1/sessions?user={NOOR}"), json!({}));
    ends(&house, tunnel, "session_revoked");

    let noor = house.session("mem.localhost", NOOR);
    let tunnel = open(&house, "mem.localhost", &noor);
    reconfigure(&mut house, "\"noor@example.net\", ", "");
    ends(&house, tunnel, "not_project_member");

    house.gateway.reconfigure(&plan);
    let tunnel = open(&house, "mem.localhost", &noor);
    reconfigure(&mut house, "hosts = [\"mem.localhost\"]", "hosts = [\"mem.localhost\"]\nenabled = false");
    ends(&house, tunnel, "circuit_not_found");

    house.gateway.reconfigure(&plan);
    let tunnel = open(&house, "mem.localhost", &noor);
    let soon = soon(2);
    reconfigure(&mut house, "hosts = [\"mem.localhost\"]", &format!("hosts = [\"mem.localhost\"]\nexpires = {soon}"));
    let (mut connection, id) = tunnel;
    exchange(&mut connection, b"still there");
    std::thread::sleep(Duration::from_secs(2));
    ends(&house, (connection, id), "circuit_expired");

    let (mut connection, id) = bystander;
    exchange(&mut connection, b"not touched by any of it");
    let ban = admin(&house, "POST", "/api/v1/bans", json!({ "network": "127.0.0.1" })).json();
    ends(&house, (connection, id), "ip_banned");
    admin(&house, "DELETE", &format!("/api/v1/bans/{}", ban["id"].as_str().unwrap()), json!({}));
}

#[test]
fn a_tunnel_ends_with_the_time_of_its_session() {
    let house = House::with(
        "[circuits.brief]\nproject = \"docs\"\nhosts = [\"brief.localhost\"]\nupstream = \"http://127.0.0.1:1\"\naccess = \"members\"\nlogin = [\"password\"]\n",
    );
    let body = house.gateway.body().replace("http://127.0.0.1:1", &house.upstream.url());
    let mut house = house;
    house.gateway.reconfigure(&format!("{body}session = {{ max_age = \"2s\", idle = \"2s\" }}\n"));
    let cookie = house.session("brief.localhost", MAYA);
    let (mut connection, id) = open(&house, "brief.localhost", &cookie);
    std::thread::sleep(Duration::from_millis(1200));
    exchange(&mut connection, b"in use, so that it is not idle");
    let start = Instant::now();
    ends(&house, (connection, id), "session_expired");
    assert!(start.elapsed() > Duration::from_millis(300), "not before its time: {:?}", start.elapsed());
}

#[test]
fn a_stream_of_events_ends_with_its_session() {
    let house = House::start();
    let cookie = house.session("mem.localhost", MAYA);
    let mut connection = Connection::open(house.gateway.proxy()).unwrap();
    connection.write(&house.get("mem.localhost", "/ticks/50").cookie(&cookie).bytes()).unwrap();
    let (status, head) = connection.read_head().unwrap();
    let head = String::from_utf8(head).unwrap().to_lowercase();
    let id = head.split("x-request-id: ").nth(1).unwrap().split("\r\n").next().unwrap().to_owned();
    let mut line = String::new();
    connection.stream().read_line(&mut line).unwrap();
    assert_eq!(status, 200);
    let answer = house.gateway.request("POST", "mem.localhost", "/.vestibule/logout").cookie(&cookie).form(&[]).send();
    assert!(answer.status < 400, "{}", answer.text());
    let start = Instant::now();
    drop(connection.stream().read_to_end(&mut Vec::new()));
    assert!(start.elapsed() < END_BOUND, "{:?}", start.elapsed());
    let entry = house.gateway.logs_when("requests", &format!("request_id={id}"), 1).remove(0);
    assert_eq!((&entry["reason"], &entry["status_code"]), (&json!("session_revoked"), &json!(200)));
    assert!(entry["bytes_out"].as_u64().unwrap() > 0, "{entry}");
}

#[test]
fn a_page_of_another_site_opens_no_tunnel_in_a_session() {
    let cors = "cors = { origins = [\"https://app.example.net\"] }";
    let upstream = harness::Upstream::start();
    let plan = house::plan(&upstream);
    let plan = plan.replace("hosts = [\"mem.localhost\"]", &format!("hosts = [\"mem.localhost\"]\n{cors}"));
    let house = House { gateway: harness::Gateway::start(&plan), upstream };
    let port = house.gateway.proxy().port();
    let cookie = house.session("mem.localhost", MAYA);
    let status = |host: &str, fields: &[(&str, &str)]| {
        let mut request = house.get(host, "/tunnel").cookie(&cookie).upgrade();
        for (name, value) in fields {
            request = request.header(name, value);
        }
        let mut connection = Connection::open(house.gateway.proxy()).unwrap();
        connection.write(&request.bytes()).unwrap();
        let answer = connection.read(false).unwrap();
        (answer.status, answer.reason())
    };
    let passes = (101, String::new());
    let refused = (403, "cross_site".to_owned());
    for origin in ["https://evil.example", "http://list.localhost", "null", "http://mem.localhost.evil.example"] {
        assert_eq!(status("mem.localhost", &[("Origin", origin)]), refused, "{origin}");
    }
    assert_eq!(status("mem.localhost", &[("Sec-Fetch-Site", "cross-site")]), refused);
    assert_eq!(house.upstream.count(), 0);
    assert_eq!(status("mem.localhost", &[("Origin", "http://mem.localhost")]), passes);
    assert_eq!(status("mem.localhost", &[("Origin", "https://app.example.net")]), passes);
    assert_eq!(status("mem.localhost", &[]), passes);
    assert_eq!(status("pub.localhost", &[("Origin", "https://evil.example")]), passes);
    let with_port = format!("mem.localhost:{port}");
    assert_eq!(status(&with_port, &[("Origin", &format!("http://{with_port}"))]), passes);
}

#[test]
fn tunnels_beyond_their_cap_are_503() {
    let house = House::with_server("trusted_proxies = [\"127.0.0.1\"]\n[server.limits]\ntunnels = 2");
    let first = open(&house, "pub.localhost", "");
    let _second = open(&house, "pub.localhost", "");
    let (_, answer) = ask(&house, "pub.localhost", "");
    assert_eq!((answer.status, answer.reason().as_str()), (503, "too_many_in_flight"));
    assert_eq!(house.get("pub.localhost", "/").send().status, 200);
    drop(first);
    until(Duration::from_secs(2), "a place", || (ask(&house, "pub.localhost", "").1.status == 101).then_some(()));
}

#[test]
fn what_only_looks_like_an_upgrade_is_a_plain_request() {
    let house = House::start();
    let upgrade = |request: harness::Request| request.header("Connection", "Upgrade").header("Upgrade", "websocket");
    let posted = upgrade(house.gateway.request("POST", "pub.localhost", "/tunnel")).body("text/plain", "body").send();
    assert_eq!(
        (posted.status, posted.reason().as_str()),
        (400, "malformed_request"),
        "what it holds could be a request"
    );
    assert_eq!(upgrade(house.gateway.request("POST", "pub.localhost", "/tunnel")).send().status, 200);
    assert_eq!(house.upstream.last().header("upgrade"), None);
    for other in ["h2c", "foo/2", "websocket, h2c"] {
        let request = house.get("pub.localhost", "/tunnel").header("Connection", "Upgrade").header("Upgrade", other);
        assert_eq!(request.send().status, 200, "{other}");
        assert_eq!(house.upstream.last().header("upgrade"), None, "{other}");
    }
}

#[test]
fn a_tunnel_may_be_silent_for_longer_than_an_upstream_may_think() {
    let upstream = harness::Upstream::start();
    let table = format!("upstream = {{ url = \"{}\", timeout = \"1s\" }}", upstream.url());
    let plan = house::plan(&upstream).replacen(&format!("upstream = \"{}\"", upstream.url()), &table, 1);
    let house = House { gateway: harness::Gateway::start(&plan), upstream };
    let (mut connection, _) = open(&house, "pub.localhost", "");
    let (mut slow, start) = (Connection::open(house.gateway.proxy()).unwrap(), Instant::now());
    slow.write(&house.get("pub.localhost", "/slow/5000").upgrade().bytes()).unwrap();
    let late = slow.read(false).unwrap();
    assert_eq!((late.status, late.reason().as_str()), (504, "backend_timeout"));
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    exchange(&mut connection, b"after more than a second of silence");
}

//! Attempts and requests are limited, and each refusal is recorded.

use std::time::{Duration, Instant};

use harness::house::{MAYA, NOOR};
use harness::secrets::{OTHER_PASSWORD, PASSWORD};
use harness::{House, Response, until};

fn try_password(house: &House, email: &str, password: &str, address: &str) -> Response {
    house.gateway.sign_in("mem.localhost", &[("email", email), ("password", password)]).from(address).send()
}

/// A true `Retry-After` and the budget.
fn check_limited(answer: &Response, quota: u64) -> u64 {
    assert_eq!(answer.status, 429, "{}", answer.text());
    let number =
        |name: &str| answer.header(name).unwrap_or_else(|| panic!("{name}: {answer:?}")).parse::<u64>().unwrap();
    assert_eq!(number("x-ratelimit-limit"), quota);
    assert_eq!(number("x-ratelimit-remaining"), 0);
    assert!(number("x-ratelimit-reset") >= 1);
    let wait = number("retry-after");
    assert!(wait >= 1);
    wait
}

#[test]
fn the_sixth_attempt_of_an_address_is_refused_even_with_the_right_password() {
    let house = House::with("[login_limits]\nper_ip = \"5/m\"\n");
    for number in 0..5 {
        let answer = try_password(&house, &format!("person{number}@example.net"), OTHER_PASSWORD, "203.0.113.7");
        assert_eq!(answer.status, 401);
    }
    let sixth = try_password(&house, MAYA, PASSWORD, "203.0.113.7");
    check_limited(&sixth, 5);
    assert_eq!(sixth.reason(), "rate_limited_ip");
    assert_eq!(try_password(&house, MAYA, PASSWORD, "203.0.113.8").status, 303, "another address is not concerned");

    let limited = house.gateway.logs_when("access", "result=rate_limited", 1);
    assert_eq!(limited.len(), 1);
    assert_eq!(
        (limited[0]["reason"].as_str(), limited[0]["status"].as_str()),
        (Some("rate_limited_ip"), Some("failure"))
    );
    assert_eq!(limited[0]["email"], MAYA);
}

#[test]
fn the_sixth_attempt_on_an_account_is_refused_whatever_the_address() {
    let house = House::start();
    for (number, email) in [MAYA, "MAYA@example.net", "Maya@Example.Net", MAYA, MAYA].into_iter().enumerate() {
        let answer = try_password(&house, email, OTHER_PASSWORD, &format!("203.0.113.{number}"));
        assert_eq!(answer.status, 401);
    }
    let sixth = try_password(&house, MAYA, PASSWORD, "192.0.2.1");
    check_limited(&sixth, 5);
    assert_eq!(try_password(&house, NOOR, PASSWORD, "192.0.2.1").status, 303);

    for number in 0..5 {
        try_password(&house, "nobody@example.net", OTHER_PASSWORD, &format!("198.51.100.{number}"));
    }
    let unknown = try_password(&house, "nobody@example.net", PASSWORD, "198.51.100.77");
    assert_eq!((unknown.status, unknown.reason()), (sixth.status, sixth.reason()), "unknown accounts look the same");
}

#[test]
fn five_failures_lock_the_pair_of_account_and_address() {
    let house = House::with(
        "[login_limits]\nper_user = \"100/m\"\nper_ip = \"100/m\"\nfailures = { count = 5, within = \"5m\", lock = \"2s\" }\n",
    );
    for _ in 0..5 {
        assert_eq!(try_password(&house, MAYA, OTHER_PASSWORD, "203.0.113.7").status, 401);
    }
    let start = Instant::now();
    let locked = try_password(&house, MAYA, PASSWORD, "203.0.113.7");
    assert_eq!(locked.status, 429);
    assert_eq!(house.gateway.logs_when("access", "result=rate_limited", 1)[0]["reason"], "user_locked");
    assert_eq!(try_password(&house, MAYA, PASSWORD, "203.0.113.8").status, 303, "elsewhere the account works");
    until(Duration::from_secs(5), "the lock's end", || {
        (try_password(&house, MAYA, PASSWORD, "203.0.113.7").status == 303).then_some(())
    });
    assert!(start.elapsed() > Duration::from_millis(1500), "{:?}", start.elapsed());
}

#[test]
fn a_lock_survives_a_restart() {
    let mut house = House::with("[login_limits]\nper_user = \"100/m\"\nper_ip = \"100/m\"\n");
    for _ in 0..5 {
        try_password(&house, MAYA, OTHER_PASSWORD, "203.0.113.7");
    }
    house.gateway.stop();
    house.gateway.launch();
    let answer = try_password(&house, MAYA, PASSWORD, "203.0.113.7");
    assert_eq!(answer.status, 429);
    assert_eq!(house.gateway.logs_when("access", "result=rate_limited", 1)[0]["reason"], "user_locked");
}

#[test]
fn success_does_not_use_up_the_budget_of_failures() {
    let house = House::with("[login_limits]\nper_user = \"1000/m\"\nper_ip = \"1000/m\"\n");
    for _ in 0..4 {
        assert_eq!(try_password(&house, MAYA, OTHER_PASSWORD, "203.0.113.7").status, 401);
    }
    for _ in 0..20 {
        assert_eq!(try_password(&house, MAYA, PASSWORD, "203.0.113.7").status, 303);
    }
}

#[test]
fn requests_beyond_the_burst_are_refused_until_retry_after() {
    let mut house = House::with("[rate_limits.few]\nper = \"ip\"\nrate = \"20/20s\"\n");
    let body = house
        .gateway
        .body()
        .replace("hosts = [\"pub.localhost\"]", "hosts = [\"pub.localhost\"]\nrate_limits = [\"few\"]");
    house.gateway.reconfigure(&body);
    for number in 0..20 {
        assert_eq!(house.get("pub.localhost", "/").from("203.0.113.7").send().status, 200, "{number}");
    }
    let start = Instant::now();
    let limited = house.get("pub.localhost", "/").from("203.0.113.7").send();
    let wait = check_limited(&limited, 20);
    assert!(wait <= 2, "{wait}");
    assert_eq!((limited.reason().as_str(), limited.header("x-vestibule")), ("rate_limited_ip", Some("rule")));
    assert_eq!(house.get("pub.localhost", "/").from("203.0.113.8").send().status, 200);

    until(Duration::from_secs(5), "Retry-After", || (start.elapsed() >= Duration::from_secs(wait)).then_some(()));
    assert_eq!(house.get("pub.localhost", "/").from("203.0.113.7").send().status, 200, "the wait was true");
    let entry = house.gateway.entry_of(&limited);
    assert_eq!(
        (&entry["action"], &entry["origin"], &entry["status_code"]),
        (&"blocked".into(), &"rule".into(), &429.into())
    );
}

#[test]
fn a_person_has_one_bucket_whatever_the_address() {
    let mut house = House::with("[rate_limits.person]\nper = \"user\"\nrate = \"3/m\"\n");
    let body = house
        .gateway
        .body()
        .replace("hosts = [\"mem.localhost\"]", "hosts = [\"mem.localhost\"]\nrate_limits = [\"person\"]");
    house.gateway.reconfigure(&body);
    let (maya, noor) = (house.session("mem.localhost", MAYA), house.session("mem.localhost", NOOR));
    for number in 0..3 {
        let answer = house.get("mem.localhost", "/").cookie(&maya).from(&format!("203.0.113.{number}")).send();
        assert_eq!(answer.status, 200);
    }
    let limited = house.get("mem.localhost", "/").cookie(&maya).from("203.0.113.99").send();
    check_limited(&limited, 3);
    assert_eq!(limited.reason(), "rate_limited_user");
    assert_eq!(house.get("mem.localhost", "/").cookie(&noor).from("203.0.113.99").send().status, 200);
}

#[test]
fn forged_forwarding_headers_do_not_help() {
    let upstream = harness::Upstream::start();
    let body = harness::house::plan(&upstream) + "[rate_limits.few]\nper = \"ip\"\nrate = \"5/m\"\n";
    let body = body.replace("hosts = [\"pub.localhost\"]", "hosts = [\"pub.localhost\"]\nrate_limits = [\"few\"]");
    let gateway = harness::Setup::new(&body).server("trusted_proxies = []").start();
    let statuses: Vec<_> = (0..6)
        .map(|number| gateway.get("pub.localhost", "/").from(&format!("203.0.113.{number}")).send().status)
        .collect();
    assert_eq!(statuses, [200, 200, 200, 200, 200, 429]);
}

#[test]
fn addresses_of_one_ipv6_network_share_a_bucket() {
    let mut house = House::with("[rate_limits.few]\nper = \"ip\"\nrate = \"2/m\"\n");
    let body = house
        .gateway
        .body()
        .replace("hosts = [\"pub.localhost\"]", "hosts = [\"pub.localhost\"]\nrate_limits = [\"few\"]");
    house.gateway.reconfigure(&body);
    let status = |address| house.get("pub.localhost", "/").from(address).send().status;
    assert_eq!(status("2001:db8:1:2::1"), 200);
    assert_eq!(status("2001:db8:1:2:ffff::2"), 200);
    assert_eq!(status("2001:db8:1:2:abcd::3"), 429);
    assert_eq!(status("2001:db8:1:3::1"), 200);
}

#[test]
fn each_key_and_minute_leaves_one_audit_entry_with_its_count() {
    let mut house = House::with("[login_limits]\nper_ip = \"2/m\"\n");
    for _ in 0..9 {
        try_password(&house, MAYA, OTHER_PASSWORD, "203.0.113.7");
    }
    assert_eq!(house.gateway.logs_when("access", "result=rate_limited", 7).len(), 7, "an access entry each");
    house.gateway.stop();
    house.gateway.launch();
    let entries = house.gateway.logs_when("audit", "action=rate_limit.exceeded", 1);
    let count: u64 = entries.iter().map(|entry| entry["details"]["count"].as_u64().unwrap()).sum();
    assert_eq!(count, 7, "{entries:?}");
    // A minute may turn in between.
    assert!(entries.len() <= 2, "{entries:?}");
    assert!(entries.iter().all(|entry| entry["actor_type"] == "system" && entry["action_type"] == "security"));
}

#[test]
fn many_addresses_stay_bounded_and_counted() {
    let mut house = House::with("[rate_limits.few]\nper = \"ip\"\nrate = \"100/m\"\n");
    let body = house
        .gateway
        .body()
        .replace("hosts = [\"pub.localhost\"]", "hosts = [\"pub.localhost\"]\nrate_limits = [\"few\"]");
    house.gateway.reconfigure(&body);
    harness::load::parallel(8, 2000, |number| {
        house.get("pub.localhost", "/").from(&format!("10.{}.{}.1", number / 250, number % 250))
    });
    let keys = house.gateway.metric("vestibule_limiter_keys", &["few"]);
    assert!((2000.0..=2001.0).contains(&keys), "{keys}");
}

#[test]
fn limits_that_did_not_change_keep_their_counts_over_a_reload() {
    let mut house = House::with("[rate_limits.few]\nper = \"ip\"\nrate = \"3/m\"\n");
    let body = house
        .gateway
        .body()
        .replace("hosts = [\"pub.localhost\"]", "hosts = [\"pub.localhost\"]\nrate_limits = [\"few\"]");
    house.gateway.reconfigure(&body);
    for _ in 0..3 {
        house.get("pub.localhost", "/").send();
    }
    house.gateway.reconfigure(&body.replace("label = \"Documentation\"", "label = \"Docs\""));
    assert_eq!(house.get("pub.localhost", "/").send().status, 429);
}

#[test]
fn an_address_whose_requests_lead_nowhere_is_refused() {
    let house = House::with("[failed_answers]\nrate = \"20/m\"\nburst = 3\n");
    let ask = |host: &str, target: &str, address: &str| house.get(host, target).from(address).send();
    let prober = "203.0.113.7";
    // What the upstream says is its own affair here.
    (0..5).for_each(|_| assert_eq!(ask("pub.localhost", "/status/404", prober).status, 404));
    let answers: Vec<_> =
        ["mem.localhost", "nope.localhost", "mem.localhost"].iter().map(|host| ask(host, "/", prober).status).collect();
    assert_eq!(answers, [401, 404, 401]);
    let refused = until(Duration::from_secs(2), "a refusal", || {
        Some(ask("pub.localhost", "/", prober)).filter(|answer| answer.status == 429)
    });
    let wait = check_limited(&refused, 3);
    assert!(wait <= 3, "{wait}");
    assert_eq!((refused.reason().as_str(), refused.header("x-vestibule")), ("failed_answers", Some("rule")));
    let entry = house.gateway.entry_of(&refused);
    assert_eq!((&entry["reason"], &entry["action"]), (&"failed_answers".into(), &"blocked".into()));
    assert_eq!(ask("nope.localhost", "/", prober).reason(), "failed_answers", "where no circuit is either");
    assert_eq!(ask("pub.localhost", "/", "203.0.113.8").status, 200, "another address is not concerned");
    assert!(house.gateway.metric("vestibule_rate_limited_total", &["limit=\"failed_answers\""]) >= 1.0);
    assert!(house.gateway.metric("vestibule_limiter_keys", &["limit=\"failed_answers\""]) >= 1.0);
    std::thread::sleep(Duration::from_secs(wait));
    assert_eq!(ask("pub.localhost", "/", prober).status, 200, "the told wait suffices");
}

#[test]
fn answers_of_upstreams_count_where_they_are_to() {
    let house = House::with("[failed_answers]\nrate = \"3/m\"\nupstream = true\n");
    let statuses: Vec<_> = (0..3).map(|_| house.get("pub.localhost", "/status/404").send().status).collect();
    assert_eq!(statuses, [404; 3]);
    until(Duration::from_secs(2), "a refusal", || {
        Some(house.get("pub.localhost", "/status/404").send()).filter(|answer| answer.reason() == "failed_answers")
    });
}

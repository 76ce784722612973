//! Where a request comes from, and the rules about it, in their order.

use harness::house::MAYA;
use harness::{House, Setup, Upstream};
use serde_json::json;

/// The standard house whose circuit `host` has further keys.
fn with_rules(host: &str, rules: &str) -> House {
    let upstream = Upstream::start();
    let gateway = Setup::new(&body(&upstream, host, rules)).start();
    House { upstream, gateway }
}

fn body(upstream: &Upstream, host: &str, rules: &str) -> String {
    let line = format!("hosts = [\"{host}.localhost\"]");
    harness::house::plan(upstream).replace(&line, &format!("{line}\n{rules}"))
}

fn from(house: &House, address: &str) -> (u16, String) {
    let answer = house.get("pub.localhost", "/").from(address).send();
    (answer.status, answer.reason())
}

fn ok() -> (u16, String) {
    (200, String::new())
}

fn refused(reason: &str) -> (u16, String) {
    (403, reason.to_owned())
}

#[test]
fn nobodys_word_is_believed_unless_the_file_says_so() {
    let house = House::with_server("");
    let entry = house.gateway.entry_of(&house.get("pub.localhost", "/").from("203.0.113.7").send());
    assert_eq!((&entry["source_ip"], &entry["country"]), (&json!("127.0.0.1"), &json!(null)));
}

#[test]
fn the_client_is_the_first_untrusted_address_from_the_right() {
    let house = House::with_server("trusted_proxies = [\"127.0.0.1\", \"10.0.0.0/8\"]");
    let cases = [
        ("9.9.9.9, 203.0.113.7", "203.0.113.7"),
        ("203.0.113.7, 10.1.2.3", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8::1", "2001:db8::1"),
        ("203.0.113.7, nonsense", "127.0.0.1"),
        ("nonsense, 203.0.113.7", "203.0.113.7"),
        ("10.1.2.3", "10.1.2.3"),
    ];
    for (header, address) in cases {
        let entry = house.gateway.entry_of(&house.get("pub.localhost", "/").from(header).send());
        assert_eq!(entry["source_ip"], address, "{header}");
    }
    let two = house.get("pub.localhost", "/").from("203.0.113.7").from("10.9.9.9").send();
    assert_eq!(house.gateway.entry_of(&two)["source_ip"], "203.0.113.7", "several lines are one list");
}

#[test]
fn country_and_city_stand_in_the_entry() {
    let house = House::start();
    let entry = house.gateway.entry_of(&house.get("pub.localhost", "/").from("203.0.113.7").send());
    assert_eq!(
        (&entry["country"], &entry["subdivision"], &entry["city"]),
        (&json!("DE"), &json!("BE"), &json!("Berlin"))
    );
}

#[test]
fn a_block_list_wins_over_an_allow_list() {
    let house = with_rules("pub", "ip_block = [\"203.0.113.0/24\"]\nip_allow = [\"203.0.113.0/24\", \"127.0.0.1\"]");
    assert_eq!(from(&house, "203.0.113.7"), refused("ip_restricted"));
    assert_eq!(from(&house, "::ffff:203.0.113.7"), refused("ip_restricted"));
    assert_eq!(from(&house, "192.0.2.1"), refused("ip_restricted"), "not on the allow list");
    assert_eq!(from(&house, "127.0.0.1"), ok());
    assert_eq!(house.upstream.count(), 1);
}

#[test]
fn a_plain_address_is_one_host() {
    let house = with_rules("pub", "ip_block = [\"203.0.113.7\"]");
    assert_eq!(from(&house, "203.0.113.7"), refused("ip_restricted"));
    assert_eq!(from(&house, "203.0.113.8"), ok());
}

#[test]
fn named_sets_of_addresses_work_in_lists() {
    let upstream = Upstream::start();
    let body = body(&upstream, "pub", "ip_allow = [\"@office\"]") + "[ip_sets]\noffice = [\"192.0.2.0/24\"]\n";
    let house = House { gateway: Setup::new(&body).start(), upstream };
    assert_eq!(from(&house, "192.0.2.200"), ok());
    assert_eq!(from(&house, "203.0.113.7"), refused("ip_restricted"));
}

#[test]
fn a_country_list_ignores_the_case_of_its_codes() {
    let house = with_rules("pub", "country_block = [\"de\"]");
    assert_eq!(from(&house, "203.0.113.7"), refused("country_restricted"));
    assert_eq!(from(&house, "192.0.2.1"), ok());
    assert_eq!(from(&house, "10.0.0.1"), ok(), "unknown countries pass where only a block list stands");
}

#[test]
fn unknown_countries_are_not_on_an_allow_list() {
    let house = with_rules("pub", "country_allow = [\"DE\"]");
    assert_eq!(from(&house, "203.0.113.7"), ok());
    assert_eq!(from(&house, "192.0.2.1"), refused("country_restricted"));
    assert_eq!(from(&house, "10.0.0.1"), refused("country_restricted"));
}

#[test]
fn without_a_database_country_rules_refuse_everybody_and_health_says_so() {
    let upstream = Upstream::start();
    let mut gateway = Setup::new(&body(&upstream, "pub", "country_block = [\"KP\"]")).prepare();
    std::fs::remove_file(gateway.folder().join("geo.mmdb")).unwrap();
    gateway.launch();
    let house = House { upstream, gateway };
    assert_eq!(from(&house, "203.0.113.7"), refused("geo_unavailable"));
    assert_eq!(house.get("mem.localhost", "/").send().status, 401, "circuits without country rules go on");
    let health = house.gateway.admin_request("GET", "/readyz").send();
    assert!(health.status == 200 && health.text().contains("geo"), "{}", health.text());
    assert_eq!(house.upstream.count(), 0);
}

#[test]
fn a_broken_database_is_a_missing_one() {
    let upstream = Upstream::start();
    let mut gateway = Setup::new(&body(&upstream, "pub", "country_block = [\"KP\"]")).prepare();
    std::fs::write(gateway.folder().join("geo.mmdb"), b"not a database").unwrap();
    gateway.launch();
    let house = House { upstream, gateway };
    assert_eq!(from(&house, "203.0.113.7"), refused("geo_unavailable"));
}

#[test]
fn the_first_rule_that_refuses_is_the_only_reason() {
    let rules = "ip_block = [\"203.0.113.0/24\"]\nip_allow = [\"192.0.2.0/24\", \"198.51.100.0/24\", \"203.0.113.0/24\"]\ncountry_block = [\"DE\", \"CN\", \"US\"]\nrate_limits = [\"one\"]";
    let upstream = Upstream::start();
    let plan = body(&upstream, "mem", rules) + "[rate_limits.one]\nper = \"ip\"\nrate = \"1/h\"\n";
    let mut house = House { gateway: Setup::new(&plan).start(), upstream };
    let visit = |house: &House, address: &str| {
        let answer = house.get("mem.localhost", "/").from(address).send();
        (answer.status, answer.reason())
    };
    assert_eq!(visit(&house, "203.0.113.7"), refused("ip_restricted"), "block list before country");
    assert_eq!(visit(&house, "10.0.0.1"), refused("ip_restricted"), "allow list before country");
    assert_eq!(visit(&house, "198.51.100.7"), refused("country_restricted"), "country before limits and sign-in");
    house.gateway.reconfigure(&plan.replace("\"DE\", \"CN\", \"US\"", "\"KP\""));
    assert_eq!(visit(&house, "198.51.100.7"), (401, "no_credentials".to_owned()));
    assert_eq!(visit(&house, "198.51.100.7"), (429, "rate_limited_ip".to_owned()), "limits before sign-in");
    assert_eq!(house.upstream.count(), 0);
}

#[test]
fn rules_hold_inside_a_session_and_for_the_sign_in_page() {
    let mut house = House::start();
    let cookie = house.session("mem.localhost", MAYA);
    let visit = |house: &House, address: &str| {
        let answer = house.get("mem.localhost", "/").cookie(&cookie).from(address).send();
        (answer.status, answer.reason())
    };
    assert_eq!(visit(&house, "203.0.113.7"), ok());
    let plan = body(&house.upstream, "mem", "country_block = [\"DE\"]");
    house.gateway.reconfigure(&plan);
    assert_eq!(visit(&house, "203.0.113.7"), refused("country_restricted"));
    assert_eq!(visit(&house, "192.0.2.7"), ok());
    let page = house.get("mem.localhost", "/.vestibule/login").browser().from("203.0.113.7").send();
    assert_eq!(page.status, 403, "no sign-in page either");
    assert_eq!(house.upstream.count(), 2);
}

//! Service tokens, keys in a header, trusted addresses.

use vestibule_auth::{Caller, Decision, Policy, Record, Verdict};

use crate::house::{GERMANY, HOME, House, Visit, answer, password};

fn hash(text: &str) -> String {
    use aws_lc_rs::digest::{SHA256, digest};
    let digest = digest(&SHA256, text.as_bytes());
    let digits: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("\"sha256:{digits}\"")
}

fn plan() -> String {
    format!(
        r#"
[users."maya@example.net"]
password_hash = PASSWORD_HASH
[service_tokens.ci]
hash = {one}
expires = 2026-06-03T00:00:00Z
previous = {{ hash = {old}, until = 2026-06-02T00:00:00Z }}
[service_tokens.stranger]
hash = {two}
[service_tokens.off]
hash = {off}
disabled = true
[projects.docs]
members = ["maya@example.net", "token:ci"]
[circuits.wiki]
project = "docs"
hosts = ["wiki.example.net"]
upstream = "http://127.0.0.1:9"
access = "members"
login = ["password"]
header_auth = [{{ header = "X-Api-Key", hash = {key_one} }}, {{ header = "X-Other", hash = {key_two} }}]
trusted_addresses = ["203.0.113.0/24"]
[circuits.list]
hosts = ["list.example.net"]
upstream = "http://127.0.0.1:9"
access = "allowlist"
allow = ["token:ci", "token:off"]
login = ["password"]
[circuits.status]
hosts = ["status.example.net"]
upstream = "http://127.0.0.1:9"
access = "public"
[login_limits]
per_ip = "3/m"
"#,
        one = hash("vst_one"),
        old = hash("vst_old"),
        two = hash("vst_two"),
        off = hash("vst_off"),
        key_one = hash("key-one"),
        key_two = hash("key-two"),
    )
}

fn token(token: &str) -> Visit {
    Visit::from(HOME).showing("authorization", &format!("Bearer {token}"))
}

fn key(header: &'static str, value: &str) -> Visit {
    Visit::from(HOME).showing(header, value)
}

/// The answer, who it was, and what is recorded.
fn told(decision: &Decision) -> String {
    let machine = decision.machine.as_ref();
    let who = machine.and_then(|machine| machine.sign_in.user_id.as_deref()).unwrap_or("nobody");
    let method = machine.map_or("-", |machine| machine.sign_in.method.code());
    let record = machine.map_or(Record::Nothing, |machine| machine.record);
    format!("{} {who} {method} {record:?}", answer(&decision.verdict))
}

/// As the proxy does: what is let in is noted.
fn come(policy: &Policy, circuit: &str, visit: &Visit) -> String {
    let decision = visit.decide(policy, circuit);
    if let (Verdict::Pass(permit), Some(machine)) = (&decision.verdict, &decision.machine) {
        let Caller::Known(identity) = permit.caller() else { panic!("a machine is somebody") };
        assert_eq!(machine.sign_in.user_id.as_ref(), Some(&identity.user_id));
        policy.gate(circuit).unwrap().note_came(machine);
    }
    told(&decision)
}

#[test]
fn what_is_shown_decides() {
    let (unknown, wrong_key) = ("401 invalid_token nobody token Failure", "401 invalid_header nobody header Failure");
    let (holder, nobody) = ("allow header:wiki header Success", "login no_credentials nobody - Nothing");
    for (name, circuit, visit, expected) in [
        ("good", "wiki", token("vst_one"), "allow token:ci token Success"),
        ("listed", "list", token("vst_one"), "allow token:ci token Success"),
        ("old, in grace", "wiki", token("vst_old"), "allow token:ci token Success"),
        ("not a member", "wiki", token("vst_two"), "403 not_project_member token:stranger token Failure"),
        ("not listed", "list", token("vst_two"), "403 not_on_allowlist token:stranger token Failure"),
        ("disabled", "list", token("vst_off"), "401 token_disabled token:off token Failure"),
        ("unknown", "wiki", token("vst_six"), unknown),
        ("long", "wiki", token(&format!("vst_{}", "o".repeat(300))), unknown),
        ("two", "wiki", token("vst_one").showing("authorization", "bearer vst_two"), unknown),
        ("another scheme", "wiki", key("authorization", "Basic dnN0X29uZTo="), nobody),
        ("another token", "wiki", token("eyJhbGciOi"), nobody),
        ("public", "status", token("vst_six"), "allow nobody - Nothing"),
        ("key", "wiki", key("x-api-key", "key-one"), holder),
        ("other key", "wiki", key("x-other", "key-two"), holder),
        ("one of two keys", "wiki", key("x-api-key", "wrong").showing("x-other", "key-two"), holder),
        ("wrong key", "wiki", key("x-api-key", "key-two"), wrong_key),
        ("key twice", "wiki", key("x-api-key", "key-one").showing("x-api-key", "key-one"), wrong_key),
        ("no key there", "list", key("x-api-key", "key-one"), nobody),
        ("trusted", "wiki", Visit::from(GERMANY), "allow ip:wiki ip Success"),
        ("trusted elsewhere", "list", Visit::from(GERMANY), nobody),
        (
            "trusted with a wrong token",
            "wiki",
            Visit::from(GERMANY).showing("authorization", "Bearer vst_six"),
            unknown,
        ),
    ] {
        let house = House::new();
        let policy = house.policy(&plan());
        assert_eq!(come(&policy, circuit, &visit), expected, "{name}");
    }
}

#[tokio::test]
async fn a_wrong_credential_is_not_saved_by_a_session() {
    let house = House::new();
    let policy = house.policy(&plan());
    let cookie = house.cookie(&policy, "wiki", password("maya@example.net")).await;
    assert_eq!(Visit::from(HOME).with(&cookie).answer(&policy, "wiki"), "allow");
    assert_eq!(token("vst_six").with(&cookie).answer(&policy, "wiki"), "401 invalid_token");
    let decision = Visit::from(GERMANY).with(&cookie).decide(&policy, "wiki");
    assert!(decision.session.is_some(), "who has a session is that person, wherever he is");
}

#[test]
fn a_token_ends_at_its_instants() {
    let house = House::new();
    let policy = house.policy(&plan().replace("3/m", "1000/m"));
    for (now, old, one) in [
        ("2026-06-01T23:59:59Z", "allow", "allow"),
        ("2026-06-02T00:00:00Z", "401 token_expired", "allow"),
        ("2026-06-03T00:00:00Z", "401 token_expired", "401 token_expired"),
    ] {
        house.clock.set(now.parse().unwrap());
        assert_eq!(token("vst_old").answer(&policy, "wiki"), old, "{now}");
        assert_eq!(token("vst_one").answer(&policy, "wiki"), one, "{now}");
    }
}

#[test]
fn a_success_is_recorded_once_an_hour_and_address() {
    let house = House::new();
    let policy = house.policy(&plan());
    let visit = token("vst_one");
    assert_eq!(come(&policy, "wiki", &visit), "allow token:ci token Success");
    assert_eq!(come(&policy, "wiki", &visit), "allow token:ci token Nothing");
    assert_eq!(come(&policy, "list", &visit), "allow token:ci token Success");
    let elsewhere = Visit::from("10.9.9.9").showing("authorization", "Bearer vst_one");
    assert_eq!(come(&policy, "wiki", &elsewhere), "allow token:ci token Success");
    house.clock.advance(std::time::Duration::from_secs(3_600));
    assert_eq!(come(&policy, "wiki", &visit), "allow token:ci token Success");
}

#[test]
fn tries_are_limited_and_repeats_are_not() {
    let house = House::new();
    let policy = house.policy(&plan());
    assert_eq!(come(&policy, "wiki", &token("vst_one")), "allow token:ci token Success");
    for _ in 0..2 {
        assert_eq!(come(&policy, "wiki", &token("vst_six")), "401 invalid_token nobody token Failure");
    }
    assert_eq!(come(&policy, "wiki", &token("vst_six")), "429 rate_limited_ip nobody token Limited");
    assert_eq!(come(&policy, "list", &token("vst_one")), "429 rate_limited_ip token:ci token Limited");
    assert_eq!(come(&policy, "wiki", &token("vst_one")), "allow token:ci token Nothing");
    // What came lately and is refused now is counted as every other.
    let off = house.policy(&plan().replace("expires = 2026-06-03T00:00:00Z", "disabled = true"));
    assert_eq!(come(&off, "wiki", &token("vst_one")), "429 rate_limited_ip token:ci token Limited");
}

#[test]
fn a_token_that_is_not_listed_any_more_is_counted_as_every_other_failure() {
    let house = House::new();
    let policy = house.policy(&plan());
    assert_eq!(come(&policy, "wiki", &token("vst_one")), "allow token:ci token Success");
    let removed = house.policy(&plan().replace(", \"token:ci\"]", "]"));
    for _ in 0..2 {
        assert_eq!(come(&removed, "wiki", &token("vst_one")), "403 not_project_member token:ci token Failure");
    }
    assert_eq!(come(&removed, "wiki", &token("vst_one")), "429 rate_limited_ip token:ci token Limited");
    drop(policy);
}

#[test]
fn neighbours_do_not_use_up_each_others_tries() {
    let house = House::new();
    let policy = house.policy(&plan().replace("203.0.113.0/24", "2001:db8:1::/64"));
    for number in 1..9 {
        let neighbour = Visit::from(&format!("2001:db8:1::{number}"));
        assert_eq!(come(&policy, "wiki", &neighbour), "allow ip:wiki ip Success");
    }
}

#[test]
fn the_last_use_survives_a_restart() {
    let house = House::new();
    let policy = house.policy(&plan());
    let last = |house: &House, name: &str| house.auth.uses().of(name).last().map(|(at, from)| format!("{at} {from}"));
    assert_eq!(last(&house, "service:ci"), None);
    token("vst_old").decide(&policy, "wiki");
    token("vst_two").decide(&policy, "wiki");
    drop(policy);
    let house = house.restart();
    assert_eq!(last(&house, "service:ci").as_deref(), Some("2026-06-01T12:00:00Z 10.1.2.3"));
    assert_eq!(last(&house, "service:stranger"), None, "it opened nothing");
}

//! Changes of the configuration: what they end, and what they leave alone.

use std::time::Duration;

use vestibule_auth::{Caller, Verdict};

use crate::house::{GERMANY, HOME, House, PIN, Visit, hash, password, shared_pin};

const WIKI: &str = r#"
[users]
"maya@example.net" = { password_hash = PASSWORD_HASH, pin_hash = PIN_HASH, groups = ["writers"] }
[geo]
database = PLACES
[rate_limits.browse]
per = "ip"
rate = "5/h"
[projects.docs]
members = ["group:writers"]
[circuits.wiki]
project = "docs"
hosts = ["wiki.example.net"]
upstream = "http://127.0.0.1:9"
access = "members"
login = ["password", "pin"]
shared = { pin_hash = PIN_HASH }
"#;

#[tokio::test]
async fn a_change_of_policy_holds_for_the_next_request_of_a_session() {
    let house = House::new();
    let policy = house.policy(WIKI);
    let maya = Visit::from(HOME).with(&house.cookie(&policy, "wiki", password("maya@example.net")).await);
    let shared = Visit::from(HOME).with(&house.cookie(&policy, "wiki", shared_pin(PIN)).await);
    let (other_password, other_pin) = (format!("{:?}", hash("another")), format!("{:?}", hash("314159")));
    for (from, to, expected) in [
        ("", "", ("allow", "allow")),
        (r#"groups = ["writers"]"#, "groups = []", ("403 not_project_member", "allow")),
        (r#"pin_hash = PIN_HASH, groups"#, r#"state = "blocked", groups"#, ("403 user_blocked", "allow")),
        (r#"pin_hash = PIN_HASH, groups"#, r#"state = "pending", groups"#, ("403 pending_approval", "allow")),
        (r#"["password", "pin"]"#, r#"["pin"]"#, ("login account_mismatch", "allow")),
        ("PASSWORD_HASH", &other_password, ("login account_mismatch", "allow")),
        ("{ pin_hash = PIN_HASH }", &format!("{{ pin_hash = {other_pin} }}"), ("allow", "login account_mismatch")),
        ("shared = { pin_hash = PIN_HASH }", "", ("allow", "login account_mismatch")),
        (r#""maya@example.net" ="#, r#""max@example.net" ="#, ("login account_mismatch", "allow")),
        ("hosts", "ip_block = [\"10.0.0.0/8\"]\nhosts", ("403 ip_restricted", "403 ip_restricted")),
        ("hosts", "expires = 2026-01-01T00:00:00Z\nhosts", ("404 circuit_expired", "404 circuit_expired")),
        ("hosts", "enabled = false\nhosts", ("404 circuit_not_found", "404 circuit_not_found")),
        ("", "", ("allow", "allow")),
    ] {
        let policy = house.policy(&WIKI.replacen(from, to, 1));
        let told = (maya.answer(&policy, "wiki"), shared.answer(&policy, "wiki"));
        assert_eq!((told.0.as_str(), told.1.as_str()), expected, "{from} → {to}");
    }
}

#[tokio::test]
async fn the_caller_is_who_the_configuration_of_now_says() {
    let house = House::new();
    let policy = house.policy(WIKI);
    let maya = Visit::from(HOME).with(&house.cookie(&policy, "wiki", password("maya@example.net")).await);
    let policy = house.policy(&WIKI.replace(r#"["writers"]"#, r#"["writers", "admins"]"#));
    let decided = maya.decide(&policy, "wiki");
    let Verdict::Pass(permit) = decided.verdict else { panic!("maya is a writer") };
    let Caller::Known(identity) = permit.caller() else { panic!("the circuit is not public") };
    assert_eq!(identity.email.as_deref(), Some("maya@example.net"));
    assert_eq!(&*identity.user_id, "local:maya@example.net");
    assert_eq!(identity.groups.iter().map(String::as_str).collect::<Vec<_>>(), ["admins", "writers"]);
    assert_eq!(identity.session.as_ref(), Some(&decided.session.unwrap().id));
}

#[tokio::test]
async fn counts_survive_a_reload_while_the_numbers_stay() {
    let house = House::new();
    let limited = format!("{WIKI}rate_limits = [\"browse\"]\n");
    let mut policy = house.policy(&limited);
    let visit = Visit::from(HOME);
    for _ in 0..5 {
        assert_eq!(visit.answer(&policy, "wiki"), "login no_credentials");
        policy = house.policy(&limited);
    }
    assert_eq!(visit.answer(&policy, "wiki"), "429 rate_limited_ip");
    policy = house.policy(&limited.replace("5/h", "6/h"));
    assert_eq!(visit.answer(&policy, "wiki"), "login no_credentials");
}

#[tokio::test]
async fn without_a_database_country_rules_refuse_everybody() {
    let house = House::new();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("places.mmdb");
    let text = WIKI.replace("PLACES", &format!("{path:?}"));
    let ruled = text.replace("hosts", "country_block = [\"DE\"]\nhosts");
    for bytes in [None, Some(&b"no database"[..])] {
        if let Some(bytes) = bytes {
            std::fs::write(&path, bytes).unwrap();
        }
        let policy = house.policy(&ruled);
        assert!(!policy.geo_ready());
        assert_eq!(Visit::from(HOME).answer(&policy, "wiki"), "403 geo_unavailable");
        assert_eq!(Visit::from(HOME).answer(&house.policy(&text), "wiki"), "login no_credentials");
    }
    std::fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/demo/places.mmdb"), &path).unwrap();
    let policy = house.policy(&ruled);
    assert!(policy.geo_ready());
    assert_eq!(Visit::from(HOME).answer(&policy, "wiki"), "login no_credentials");
    assert_eq!(Visit::from(GERMANY).answer(&policy, "wiki"), "403 country_restricted");
    assert_eq!(policy.locate(GERMANY.parse().unwrap()).city.as_deref(), Some("Berlin"));
}

#[tokio::test]
async fn a_closed_house_lets_nobody_in() {
    let house = House::new();
    let policy = house.policy(WIKI);
    let one = house.cookie(&policy, "wiki", password("maya@example.net")).await;
    house.clock.advance(Duration::from_secs(1));
    let gate = policy.gate("wiki").unwrap().clone();
    house.auth.close().unwrap();
    house.auth.close().unwrap();
    let fresh = Visit::from(HOME).with(&"A".repeat(43));
    assert_eq!(fresh.answer(&policy, "wiki"), "503 missing_session");
    let visit = Visit::from(HOME);
    let vestibule_auth::Outcome::Verified(verified) = gate.sign_in(password("maya@example.net"), &visit.view()).await
    else {
        panic!("the password is right");
    };
    assert!(verified.open(None).is_err());
    assert!(!one.is_empty());
}

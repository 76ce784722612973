//! Temporary access: until its instant, for one person at one circuit, and in place of the circuit's list alone.

use std::time::Duration;

use vestibule_auth::grants::{GRANTS_MAX, Grant, NotGranted};
use vestibule_auth::{Outcome, Policy};
use vestibule_config::{Email, Settings};

use crate::house::{GERMANY, HOME, House, Visit, password, pin, told};

const PLAN: &str = r#"
[geo]
database = PLACES
[login_limits]
per_ip = "10000/s"
per_user = "10000/s"
per_circuit = "10000/s"
[users]
"maya@example.net" = { password_hash = PASSWORD_HASH, pin_hash = PIN_HASH }
"ben@partner.example" = { password_hash = PASSWORD_HASH, pin_hash = PIN_HASH }
"zoe@example.net" = { password_hash = PASSWORD_HASH, state = "blocked" }
[projects.docs]
members = ["maya@example.net"]
[circuits.wiki]
project = "docs"
hosts = ["wiki.example.net"]
upstream = "http://127.0.0.1:9"
access = "members"
login = ["password"]
country_block = ["DE"]
[circuits.list]
hosts = ["list.example.net"]
upstream = "http://127.0.0.1:9"
access = "allowlist"
allow = []
login = ["password"]
"#;

const BEN: &str = "ben@partner.example";
const HOUR: Duration = Duration::from_secs(3600);

fn grant(house: &House, settings: &Settings, email: &str, circuit: &str, period: Duration) -> Grant {
    let circuit = settings.circuits.get(circuit).unwrap().name.clone();
    house.auth.grants().add(&Email::folded(email).unwrap(), &circuit, period, "ops").unwrap()
}

/// What an attempt came to, and the rule that let the person in.
async fn attempt(policy: &Policy, circuit: &str, email: &str) -> (String, Option<String>) {
    let visit = Visit::from(HOME);
    let outcome = policy.gate(circuit).unwrap().sign_in(password(email), &visit.view()).await;
    let rule = match &outcome {
        Outcome::Verified(verified) => verified.sign_in.rule.as_deref().map(str::to_owned),
        Outcome::Failed(_, refusal) | Outcome::Forbidden(_, refusal) | Outcome::Limited(_, refusal) => {
            Some(refusal.rule.clone())
        }
    };
    (told(&outcome), rule)
}

#[tokio::test]
async fn a_person_is_let_in_until_the_instant_and_then_told_so() {
    let house = House::new();
    let settings = house.settings(PLAN);
    let policy = house.auth.policy(&settings);
    let refused = r#"forbidden "local:ben@partner.example" 403"#;
    assert_eq!(attempt(&policy, "wiki", BEN).await.0, format!("{refused} not_project_member"));

    let grant = grant(&house, &settings, "Ben@Partner.example", "wiki", HOUR);
    let rule = Some(format!("grants.{}", grant.id));
    assert_eq!(
        attempt(&policy, "wiki", BEN).await,
        (r#"verified "local:ben@partner.example""#.to_owned(), rule.clone())
    );
    assert_eq!(attempt(&policy, "list", BEN).await.0, format!("{refused} not_on_allowlist"), "for this circuit only");
    assert_eq!(attempt(&policy, "wiki", "maya@example.net").await.1, None, "who is a member needs no grant");
    let ben = house.cookie(&policy, "wiki", password(BEN)).await;
    assert_eq!(house.auth.figures().grants, 1);

    let visit = Visit::from(HOME).with(&ben);
    house.clock.advance(HOUR - Duration::from_secs(1));
    assert_eq!(visit.answer(&policy, "wiki"), "allow");
    assert_eq!(visit.answer(&policy, "wiki"), "allow", "and from memory");
    house.clock.advance(Duration::from_secs(1));
    assert_eq!(visit.answer(&policy, "wiki"), "403 grant_expired", "to the instant");
    assert_eq!(attempt(&policy, "wiki", BEN).await, (format!("{refused} grant_expired"), rule));
    assert_eq!((house.auth.figures().grants, house.auth.grants().list()), (0, Vec::new()));
}

#[tokio::test]
async fn what_is_taken_away_is_closed_on_the_next_request() {
    let house = House::new();
    let settings = house.settings(PLAN);
    let policy = house.auth.policy(&settings);
    let first = grant(&house, &settings, BEN, "list", HOUR);
    let ben = house.cookie(&policy, "list", password(BEN)).await;
    let visit = Visit::from(HOME).with(&ben);
    assert_eq!(visit.answer(&policy, "list"), "allow");
    assert_eq!(house.auth.grants().remove(&first.id).unwrap(), Some(first.clone()));
    assert_eq!(visit.answer(&policy, "list"), "403 not_on_allowlist");
    assert_eq!(house.auth.grants().remove(&first.id).unwrap(), None);
    grant(&house, &settings, BEN, "list", HOUR);
    assert_eq!(visit.answer(&policy, "list"), "allow", "the session lives, and is judged anew");
    grant(&house, &settings, BEN, "list", Duration::from_secs(1));
    house.clock.advance(Duration::from_secs(2));
    assert_eq!(visit.answer(&policy, "list"), "allow", "a shorter one takes nothing from a longer one");
}

#[tokio::test]
async fn neither_states_nor_addresses_nor_ways_in_are_opened() {
    let house = House::new();
    let settings = house.settings(PLAN);
    let policy = house.auth.policy(&settings);
    for email in [BEN, "zoe@example.net", "eve@example.net"] {
        grant(&house, &settings, email, "wiki", HOUR);
    }
    assert_eq!(
        attempt(&policy, "wiki", "zoe@example.net").await.0,
        r#"failed "local:zoe@example.net" login user_blocked"#
    );
    assert_eq!(attempt(&policy, "wiki", "eve@example.net").await.0, r#"failed "nobody" login user_not_found"#);
    let by_pin = Visit::from(HOME).sign_in(&policy, "wiki", pin(BEN)).await;
    assert_eq!(by_pin, r#"failed "local:ben@partner.example" login user_not_found"#, "login takes no PIN");
    let ben = house.cookie(&policy, "wiki", password(BEN)).await;
    assert_eq!(Visit::from(GERMANY).with(&ben).answer(&policy, "wiki"), "403 country_restricted");
    assert_eq!(Visit::from(HOME).with(&ben).answer(&policy, "wiki"), "allow");
    let blocked = house.policy(&PLAN.replace(
        "\"ben@partner.example\" = { password_hash = PASSWORD_HASH,",
        "\"ben@partner.example\" = { state = \"blocked\", password_hash = PASSWORD_HASH,",
    ));
    assert_eq!(Visit::from(HOME).with(&ben).answer(&blocked, "wiki"), "403 user_blocked");
}

#[tokio::test]
async fn grants_outlive_a_kill_and_what_is_over_is_told_for_a_month() {
    let house = House::new();
    let settings = house.settings(PLAN);
    let kept = grant(&house, &settings, BEN, "wiki", HOUR);
    let house = house.after_a_kill();
    assert_eq!(house.auth.grants().list(), [kept]);
    let policy = house.policy(PLAN);
    house.clock.advance(HOUR * 24 * 30);
    assert_eq!(attempt(&policy, "wiki", BEN).await.0, r#"forbidden "local:ben@partner.example" 403 grant_expired"#);
    house.clock.advance(HOUR);
    assert_eq!(
        attempt(&policy, "wiki", BEN).await.0,
        r#"forbidden "local:ben@partner.example" 403 not_project_member"#
    );
}

#[test]
fn there_is_room_for_so_many_and_what_is_over_makes_room() {
    let house = House::new();
    let settings = house.settings(PLAN);
    let circuit = settings.circuits.get("wiki").unwrap().name.clone();
    let add = |number: usize, period| {
        house.auth.grants().add(&Email::folded(&format!("p{number}@example.net")).unwrap(), &circuit, period, "ops")
    };
    for number in 0..GRANTS_MAX {
        add(number, if number == 0 { HOUR } else { HOUR * 2 }).unwrap();
    }
    assert!(matches!(add(GRANTS_MAX, HOUR), Err(NotGranted::Full)));
    house.clock.advance(HOUR);
    assert_eq!(
        add(GRANTS_MAX, HOUR * 100).unwrap().until,
        "2026-06-02T13:00:00Z".parse().unwrap(),
        "24 hours at the most"
    );
    assert!(matches!(add(GRANTS_MAX, HOUR), Err(NotGranted::Full)));
    assert_eq!(house.auth.figures().grants, GRANTS_MAX as u64);
}

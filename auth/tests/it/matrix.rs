//! Every policy against every kind of caller, as one table to be read.

use std::time::Duration;

use vestibule_auth::Policy;

use crate::house::{GERMANY, HOME, House, Visit, password, pin, shared_pin};

/// What both configurations say; `login` limits are out of the way.
const COMMON: &str = r#"
[geo]
database = PLACES
[sessions]
max_age = "2h"
idle = "2h"
[login_limits]
per_ip = "10000/s"
per_user = "10000/s"
per_circuit = "10000/s"
"#;

/// Then: everybody is active and let in everywhere.
const THEN: &str = r#"
[users]
"maya@example.net" = { password_hash = PASSWORD_HASH, pin_hash = PIN_HASH, groups = ["writers"] }
"ben@partner.example" = { password_hash = PASSWORD_HASH, groups = ["readers"] }
"zoe@example.net" = { password_hash = PASSWORD_HASH }
"kim@example.net" = { password_hash = PASSWORD_HASH }
"gone@example.net" = { password_hash = PASSWORD_HASH }
"#;

/// Now: some are not what they were.
const NOW: &str = r#"
[users]
"maya@example.net" = { password_hash = PASSWORD_HASH, pin_hash = PIN_HASH, groups = ["writers"] }
"ben@partner.example" = { password_hash = PASSWORD_HASH, groups = ["readers"] }
"zoe@example.net" = { password_hash = PASSWORD_HASH, state = "blocked" }
"kim@example.net" = { password_hash = PASSWORD_HASH, state = "pending" }
[projects.docs]
members = ["maya@example.net", "zoe@example.net", "kim@example.net", "gone@example.net"]
[projects.empty]
members = []
"#;

/// Name of the circuit and what it says now.
const CIRCUITS: &[(&str, &str)] = &[
    ("public", r#"access = "public""#),
    ("members", r#"project = "docs", access = "members", login = ["password", "pin"]"#),
    ("no members", r#"project = "empty", access = "members", login = ["password", "pin"]"#),
    ("by email", r#"access = "allowlist", allow = ["ben@partner.example", "zoe@example.net"], login = ["password"]"#),
    ("by domain", r#"access = "allowlist", allow = ["domain:example.net"], login = ["password"]"#),
    ("by group", r#"access = "allowlist", allow = ["group:readers"], login = ["password"]"#),
    ("empty list", r#"access = "allowlist", allow = [], login = ["password"]"#),
    ("by pin only", r#"project = "docs", access = "members", login = ["pin"]"#),
    ("shared pin", r#"access = "allowlist", allow = [], shared = { pin_hash = PIN_HASH }"#),
    ("not germany", r#"project = "docs", access = "members", login = ["password"], country_block = ["DE"]"#),
    ("germany only", r#"project = "docs", access = "members", login = ["password"], country_allow = ["DE"]"#),
    ("office only", r#"access = "public", ip_allow = ["10.0.0.0/8"], ip_block = ["10.9.0.0/16"]"#),
    ("disabled", r#"access = "public", enabled = false"#),
    ("expired", r#"access = "public", expires = 2026-06-01T12:30:00Z"#),
];

fn now() -> String {
    circuits(NOW, |rules| rules.to_owned())
}

fn then() -> String {
    let open = r#"access = "allowlist", allow = ["domain:example.net", "domain:partner.example"],
        login = ["password", "pin"], shared = { pin_hash = PIN_HASH }"#
        .replace("\n        ", " ");
    circuits(THEN, |_| open.clone())
}

fn circuits(people: &str, rules: impl Fn(&str) -> String) -> String {
    let mut text = format!("{COMMON}{people}[circuits]\n");
    for (number, (name, written)) in CIRCUITS.iter().enumerate() {
        let rules = rules(written);
        let host = format!("hosts = [\"h{number}.example.net\"], upstream = \"http://127.0.0.1:9\"");
        text.push_str(&format!("{name:?} = {{ {host}, {rules} }}\n"));
    }
    text
}

/// Cookies of one circuit from the time when everybody was let in.
async fn callers(house: &House, then: &Policy, circuit: &str) -> Vec<(&'static str, Visit)> {
    let old = house.cookie(then, circuit, password("maya@example.net")).await;
    house.clock.advance(Duration::from_secs(3600));
    let other = if circuit == "members" { "by email" } else { "members" };
    let elsewhere = house.cookie(then, other, password("maya@example.net")).await;
    let out = house.cookie(then, circuit, password("maya@example.net")).await;
    sign_out(house, then, circuit, &out);
    let mut cookies = Vec::new();
    for who in ["maya@example.net", "ben@partner.example", "zoe@example.net", "kim@example.net", "gone@example.net"] {
        cookies.push(house.cookie(then, circuit, password(who)).await);
    }
    let by_pin = house.cookie(then, circuit, pin("maya@example.net")).await;
    let shared = house.cookie(then, circuit, shared_pin(crate::house::PIN)).await;
    house.clock.advance(Duration::from_secs(3600));
    let home = |cookie: &str| Visit::from(HOME).with(cookie);
    let [maya, ben, zoe, kim, gone] = cookies.try_into().unwrap();
    vec![
        ("nobody", Visit::from(HOME)),
        ("a made-up cookie", home(&"A".repeat(43))),
        ("maya, a member", home(&maya)),
        ("maya, by PIN", home(&by_pin)),
        ("ben, a partner", home(&ben)),
        ("zoe, blocked", home(&zoe)),
        ("kim, pending", home(&kim)),
        ("gone, removed", home(&gone)),
        ("a shared PIN", home(&shared)),
        ("maya, expired", home(&old)),
        ("maya, signed out", home(&out)),
        ("maya, other circuit", home(&elsewhere)),
        ("maya, blocked net", Visit::from("10.9.1.1").with(&maya)),
        ("maya, in Germany", Visit::from(GERMANY).with(&maya)),
        ("nobody, in Germany", Visit::from(GERMANY)),
    ]
}

fn sign_out(house: &House, policy: &Policy, circuit: &str, cookie: &str) {
    let visit = Visit::from(HOME).with(cookie);
    let session = visit.decide(policy, circuit).session.unwrap();
    let filter = vestibule_auth::SessionFilter { id: Some(session.id.as_str().to_owned()), ..Default::default() };
    house.auth.sessions().end(&filter, vestibule_auth::session::State::Logout).unwrap();
}

#[tokio::test]
async fn every_policy_against_every_kind_of_caller() {
    let mut table = String::new();
    for (circuit, _) in CIRCUITS {
        let house = House::new();
        let then = house.policy(&then());
        let callers = callers(&house, &then, circuit).await;
        let now = house.policy(&now());
        table.push_str(&format!("{circuit}\n"));
        for (name, visit) in &callers {
            let decided = visit.decide(&now, circuit);
            let answer = crate::house::answer(&decided.verdict);
            // Asked again, the answer is the same; our own pages hear of the same refusals of the rules.
            assert_eq!(visit.answer(&now, circuit), answer);
            let front = now.gate(circuit).unwrap().front(&visit.view());
            assert_eq!(front.identity.is_some(), answer == "allow" && decided.session.is_some(), "{circuit} {name}");
            table.push_str(&format!("    {name:<22}{answer}\n"));
        }
    }
    let expected = include_str!("matrix.txt");
    assert!(table == expected, "the table is now:\n{table}");
}
